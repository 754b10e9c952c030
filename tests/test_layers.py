"""The floor plan of the house: a file imports only from floors below its own, also inside functions."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# From the ground up; names on one line are neighbours that do not know each other. A folder stands for all files in it.
FLOORS = [
    ["kospan.modeling.words", "kospan.modeling.once_differentiable", "kospan.modeling.wide_linear"],
    [
        "kospan.modeling.spans",
        "kospan.modeling.word_shapes",
        "kospan.modeling.input_checks",
        "kospan.modeling.colors",
        "kospan.modeling.exact_match",
        "kospan.modeling.particles",
        "kospan.modeling.subword_bytes",
        "kospan.modeling.similarity",
        "kospan.modeling.prompt_dates",
        "kospan.modeling.best_paths",
        "kospan.modeling.block_attention",
        "kospan.modeling.feed_forward",
        "kospan.modeling.block_pattern",
        "kospan.modeling.forward_backward",
    ],
    [
        "kospan.modeling.tags",
        "kospan.modeling.alignment",
        "kospan.modeling.answers",
        "kospan.modeling.prompts",
        "kospan.modeling.sparse_layers",
        "kospan.modeling.pipeline_base",
    ],
    [
        "kospan.modeling.reply_states",
        "kospan.modeling.pipeline_token_classification",
        "kospan.modeling.pipeline_question_answering",
        "kospan.modeling.pipeline_text_classification",
    ],
    [
        "kospan.modeling.constraints",
        "kospan.modeling.bilstm",
        "kospan.modeling.head_layer",
        "kospan.modeling.positional_attention",
        "kospan.modeling.sparse_attention",
        "kospan.modeling.crf_inputs",
        "modeling.crf_triton",
        "kospan.modeling.code_files",
        "kospan.modeling.window_batches",
        "kospan.modeling.pipelines",
    ],
    ["kospan.modeling.crf", "kospan.modeling.encoders"],
    ["kospan.modeling.heads"],
    ["kospan.modeling.configuration_kospan", "kospan.modeling.configuration_generative_ner"],
    ["kospan.modeling.modeling_kospan", "kospan.modeling.base_models", "kospan.modeling.prompt_windows"],
    [
        "kospan.modeling.modeling_token_classification",
        "kospan.modeling.modeling_question_answering",
        "kospan.modeling.modeling_sequence_classification",
        "kospan.modeling.modeling_generative_ner",
    ],
    ["kospan.modeling"],
    ["kospan.yaml_file"],
    ["kospan.example", "kospan.recipe", "kospan.drawing", "space"],
    ["kospan.task"],
    ["kospan.flags"],
    ["kospan.data", "kospan.evaluation", "kospan.conversion"],
    ["kospan.training"],
    ["kospan.card"],
    ["kospan.tasks"],
    ["kospan.report", "kospan.hub"],
    ["kospan.run"],
    ["kospan.ablation"],
    ["kospan.cli"],
    ["train", "push_to_hub"],
]
# What an Inference Endpoint loads as a loose file knows nothing of ours.
ALONE = ["kospan.modeling.handler"]
# Modules of a folder may import each other; files of modeling/ are floors of their own.
FOLDERS = [
    "kospan.data",
    "kospan.evaluation",
    "kospan.conversion",
    "kospan.training",
    "kospan.tasks",
    "kospan.card",
    "kospan.report",
    "kospan.hub",
]
FOLDERS += ["kospan.ablation", "space"]
LAYER = {name: level for level, names in enumerate(FLOORS) for name in names}
# Files that are about to move.
PENDING = {
    "kospan/evaluation/span_matching.py",
    "kospan/evaluation/explain.py",
    "kospan/report/calibrate.py",
}
# What travels may lean on these alone.
TRAVELLERS_NEED = {"torch", "transformers", "numpy"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = ("kospan", *parts) if parts[0] == "modeling" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def floor_of(module: str) -> str | None:
    """The entry of the plan that a module belongs to."""
    parts = module.split(".")
    for end in range(len(parts), 0, -1):
        name = ".".join(parts[:end])
        if name in LAYER and (name != "kospan.modeling" or module == name):
            return name
    return None


def imports_of(path: Path, module: str) -> list[tuple[int, str]]:
    """Line and absolute name of every import, wherever it stands."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                parents = parents[: len(parents) - node.level + 1]
                base = ".".join([*parents, *([node.module] if node.module else [])])
            found.append((node.lineno, base))
            # `from kospan.data import corpus` names a module too.
            found += [
                (node.lineno, f"{base}.{alias.name}")
                for alias in node.names
                if (ROOT / Path(*base.split(".")) / f"{alias.name}.py").exists()
            ]
    return found


def house_files() -> list[Path]:
    files = [*ROOT.glob("modeling/*.py"), *ROOT.glob("kospan/**/*.py"), *ROOT.glob("space/*.py")]
    return files + [path for name in ("train.py", "push_to_hub.py") if (path := ROOT / name).exists()]


def breaches(path: Path) -> list[str]:
    """What a file imports and should not, a line each."""
    module = module_name(path)
    own = floor_of(module)
    found = []
    for line, name in imports_of(path, module):
        if name.split(".")[0] not in ("kospan", "space", "train", "push_to_hub"):
            continue
        other = floor_of(name)
        if other is None and name == "kospan":
            continue
        # Importing any file of modeling/ from outside is importing what stands on its floor.
        same_folder = own == other and own in FOLDERS
        if module in ALONE or other is None or not (LAYER[other] < LAYER[own] or same_folder):
            found.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    return found


@pytest.mark.parametrize("path", house_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_file_imports_only_from_floors_below(path):
    module = module_name(path)
    if module in ("kospan", "kospan.modeling"):
        return  # Imported lazily: names, not modules.
    if module in FOLDERS:
        assert not imports_of(path, module), f"{path} marks a folder and must be empty of imports"
        return
    assert module in ALONE or floor_of(module), f"{path} stands on no floor: add it to FLOORS"
    assert not [line for line in breaches(path) if line.split(":")[0] not in PENDING]


@pytest.mark.parametrize("path", sorted(ROOT.glob("modeling/*.py")), ids=lambda path: path.name)
def test_traveller_leans_on_torch_and_transformers_alone(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guarded = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.Try) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            # The Hub's copier follows only this form.
            assert node.level == 1 and node.module and "." not in node.module, f"{path.name}:{node.lineno}"
        elif isinstance(node, (ast.Import, ast.ImportFrom)) and id(node) not in guarded:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
            for name in names:
                top = name.split(".")[0]
                assert top in TRAVELLERS_NEED or top in STANDARD, f"{path.name}:{node.lineno} imports {name}"


def test_a_class_file_names_all_it_travels_with():
    """transformers 4.51 copies from a local folder what the class's own file imports, and no further."""
    needs = {path.stem: set() for path in ROOT.glob("modeling/*.py")}
    for path in ROOT.glob("modeling/*.py"):
        needs[path.stem] = {
            name.split(".")[2] for _, name in imports_of(path, module_name(path)) if name.startswith("kospan.modeling.")
        }
    for name in needs:
        if name in (
            "modeling_token_classification",
            "modeling_question_answering",
            "modeling_sequence_classification",
            "modeling_generative_ner",
            "configuration_kospan",
            "pipelines",
        ):
            reached, front = set(), set(needs[name])
            while front:
                reached |= front
                front = {further for each in front for further in needs[each]} - reached
            assert reached == needs[name], f"{name}.py must import from {sorted(reached - needs[name])} itself"


STANDARD = set(__import__("sys").stdlib_module_names)


def test_folder_has_no_cycle():
    """Inside a folder of kospan/ files may import each other, but never in a circle."""
    graph = {}
    for path in ROOT.glob("kospan/**/*.py"):
        module = module_name(path)
        graph[module] = {name for _, name in imports_of(path, module) if name.startswith("kospan.")}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join([*trail, module])
        if module in done or module not in graph:
            return
        for name in graph[module]:
            visit(name, (*trail, module))
        done.add(module)

    for module in graph:
        visit(module, ())


def test_plan_sees_an_import_inside_a_function(tmp_path, monkeypatch):
    """The plan itself can fail: a floor that leans on one above is named with its line."""
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    bad = tmp_path / "kospan" / "data" / "bad.py"
    bad.parent.mkdir(parents=True)
    bad.write_text("def late():\n    from kospan.run import run\n    return run\n", encoding="utf-8")
    assert breaches(bad) == ["kospan/data/bad.py:2 imports kospan.run"]
