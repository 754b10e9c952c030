"""The layers: a file imports only from layers below its own, inside functions too."""

import ast
import configparser
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# From the bottom up. Names on one line do not import each other; a folder stands for all of its files, which may.
LAYERS = [
    [
        *("kospan.modeling.words", "kospan.modeling.once_differentiable", "kospan.modeling.wide_linear"),
        "kospan.modeling.handler",
    ],
    [
        "kospan.modeling.spans",
        "kospan.modeling.word_shapes",
        "kospan.modeling.character_ngrams",
        "kospan.modeling.input_checks",
        "kospan.modeling.colors",
        "kospan.modeling.exact_match",
        "kospan.modeling.particles",
        "kospan.modeling.subword_bytes",
        "kospan.modeling.similarity",
        "kospan.modeling.prompt_dates",
        "kospan.modeling.best_paths",
        "kospan.modeling.padded_batches",
        "kospan.modeling.block_attention",
        "kospan.modeling.feed_forward",
        "kospan.modeling.block_pattern",
        "kospan.modeling.forward_backward",
    ],
    [
        "kospan.modeling.tags",
        "kospan.modeling.span_selection",
        "kospan.modeling.particle_agreement",
        "kospan.modeling.alignment",
        "kospan.modeling.answers",
        "kospan.modeling.prompts",
        "kospan.modeling.sparse_layers",
        "kospan.modeling.subword_embedding",
        "kospan.modeling.pipeline_base",
    ],
    [
        "kospan.modeling.reply_states",
        "kospan.modeling.span_posteriors",
        "kospan.modeling.settings",
        "kospan.modeling.pipeline_token_classification",
        "kospan.modeling.pipeline_question_answering",
        "kospan.modeling.pipeline_text_classification",
    ],
    [
        "kospan.modeling.span_decoding",
        "kospan.modeling.constraints",
        "kospan.modeling.question_answering_methods",
        "kospan.modeling.sequence_classification_methods",
        "kospan.modeling.ngram_embedding",
        "kospan.modeling.bilstm",
        "kospan.modeling.head_layer",
        "kospan.modeling.positional_attention",
        "kospan.modeling.sparse_attention",
        "kospan.modeling.crf_inputs",
        "kospan.modeling.code_files",
        "kospan.modeling.window_batches",
        "kospan.modeling.pipelines",
        "kospan.modeling.rdrop",
    ],
    ["kospan.modeling.token_classification_methods"],
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
    ["kospan.files", "kospan.redaction", "kospan.setting", "kospan.recipe_defaults"],
    ["kospan.model_names"],
    ["kospan.example", "kospan.recipe", "kospan.drawing", "space"],
    ["kospan.task", "kospan.flags"],
    ["kospan.data", "kospan.evaluation", "kospan.conversion", "kospan.runtime"],
    ["kospan.ngram_learning"],
    ["kospan.training"],
    ["kospan.card"],
    ["kospan.report", "kospan.hub"],
    ["kospan.tasks"],
    ["kospan.operating_points"],
    ["kospan.calibrate"],
    ["kospan.run"],
    ["kospan.pseudo_labels", "kospan.suggestions"],
    ["kospan.api"],
    ["kospan.ablation", "kospan.bundle", "kospan.compare", "kospan.corpus", "kospan.export", "kospan.masking"],
    ["kospan.integrations"],
    ["kospan.serving"],
    ["kospan.cli.errors", "kospan.cli.reading"],
    [
        *(
            "kospan.cli.ablate",
            "kospan.cli.analyze",
            "kospan.cli.benchmark",
            "kospan.cli.bundle",
            "kospan.cli.calibrate",
        ),
        *("kospan.cli.compare", "kospan.cli.convert", "kospan.cli.evaluate", "kospan.cli.export"),
        *("kospan.cli.mask", "kospan.cli.predict", "kospan.cli.pseudo_label", "kospan.cli.push", "kospan.cli.train"),
        *("kospan.cli.serve", "kospan.cli.suggest", "kospan.cli.unmask", "kospan.cli.vectors"),
    ],
    ["kospan.cli"],
    ["kospan.cli.__main__", "kospan.__main__", "train", "push_to_hub"],
]
# A file that the inference endpoint loads by itself; it imports nothing of ours.
ALONE = ["kospan.modeling.handler"]
# Packages that model code may import, beside the standard library.
MODELING_NEEDS = {"torch", "transformers", "numpy"}

LAYER = {name: level for level, names in enumerate(LAYERS) for name in names}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = ("kospan", *parts) if parts[0] == "modeling" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def path_of(name: str) -> Path:
    """The file or folder of a name in LAYERS, without ending."""
    parts = name.split(".")
    return ROOT.joinpath(*(parts[1:] if parts[:2] == ["kospan", "modeling"] else parts))


def entry_of(module: str) -> str | None:
    """The name in LAYERS that a module belongs to; the files of modeling/ have one each."""
    parts = module.split(".")
    for end in range(len(parts), 0, -1):
        name = ".".join(parts[:end])
        if name in LAYER and (name != "kospan.modeling" or module == name):
            return name
    return None


def imports_of(path: Path, module: str) -> list[tuple[int, str]]:
    """Line and absolute name of every import, also inside functions."""
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
            # `from kospan.data import corpus` imports a module too.
            names = [f"{base}.{alias.name}" for alias in node.names]
            found += [(node.lineno, name) for name in names if path_of(name).with_suffix(".py").exists()]
    return found


def project_files() -> list[Path]:
    files = [*ROOT.glob("modeling/*.py"), *ROOT.glob("kospan/**/*.py"), *ROOT.glob("space/*.py")]
    return files + [path for name in ("train.py", "push_to_hub.py") if (path := ROOT / name).exists()]


def breaches(path: Path) -> list[str]:
    """The imports of a file that its layer does not allow, a line each."""
    module = module_name(path)
    own = entry_of(module)
    found = []
    for line, name in imports_of(path, module):
        if name.split(".")[0] not in ("kospan", "space", "train", "push_to_hub") or name == "kospan":
            continue
        other = entry_of(name)
        same_folder = own == other and path_of(own).is_dir()
        if module in ALONE or other is None or not (LAYER[other] < LAYER[own] or same_folder):
            found.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    return found


@pytest.mark.parametrize("path", project_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_only_from_layers_below(path):
    module = module_name(path)
    if module in ("kospan", "kospan.modeling"):
        return  # Imported lazily: names, not modules.
    if path.name == "__init__.py":
        ours = [name for _, name in imports_of(path, module) if name.startswith("kospan.")]
        assert all(name.startswith(f"{module}.") for name in ours), f"{path} may import from its own folder alone"
        return
    assert module in ALONE or entry_of(module), f"{path} is in no layer: add it to LAYERS"
    assert not breaches(path)


@pytest.mark.parametrize("name", [*LAYER, *ALONE])
def test_a_name_in_the_layers_exists(name):
    assert path_of(name).is_dir() or path_of(name).with_suffix(".py").is_file()


@pytest.mark.parametrize("path", sorted(ROOT.glob("modeling/*.py")), ids=lambda path: path.name)
def test_model_code_imports_torch_and_transformers_alone(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guarded = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.Try) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            # The copier of the Hub follows only this form.
            assert node.level == 1 and node.module and "." not in node.module, f"{path.name}:{node.lineno}"
        elif isinstance(node, (ast.Import, ast.ImportFrom)) and id(node) not in guarded:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
            for name in names:
                top = name.split(".")[0]
                assert top in MODELING_NEEDS or top in sys.stdlib_module_names, f"{path.name}:{node.lineno}: {name}"


def modeling_imports() -> dict[str, set[str]]:
    """The files of modeling/ that each of them imports."""
    return {
        path.stem: {
            name.split(".")[2] for _, name in imports_of(path, module_name(path)) if name.startswith("kospan.modeling.")
        }
        for path in ROOT.glob("modeling/*.py")
    }


def reached(name: str, imports: dict[str, set[str]]) -> set[str]:
    """The files that a file imports, directly or not."""
    found, new = set(), set(imports[name])
    while new:
        found |= new
        new = {further for each in new for further in imports[each]} - found
    return found


@pytest.mark.parametrize(
    "name",
    [
        *("modeling_token_classification", "modeling_question_answering", "modeling_sequence_classification"),
        *("modeling_generative_ner", "configuration_kospan", "pipelines"),
    ],
)
def test_a_class_file_imports_every_file_that_it_needs(name):
    """transformers 4.51 copies from a local folder what the class's own file imports, and no further."""
    imports = modeling_imports()
    assert reached(name, imports) == imports[name], f"{name}.py must import all of them itself"


def test_transformers_is_imported_first_by_every_file_that_needs_it():
    """kospan.modeling registers its classes when transformers is imported, which must not be while one is imported."""
    from kospan.modeling import _IMPORT_TRANSFORMERS

    imports = modeling_imports()
    direct = {
        path.stem
        for path in ROOT.glob("modeling/*.py")
        if any(name.split(".")[0] == "transformers" for _, name in imports_of(path, module_name(path)))
    }
    needing = {name for name in imports if direct & {name, *reached(name, imports)}} - {"__init__", "handler"}
    assert {name for name in imports if f"kospan.modeling.{name}".startswith(_IMPORT_TRANSFORMERS)} == needing


def test_a_folder_has_no_import_cycle():
    graph = {}
    for path in ROOT.glob("kospan/**/*.py"):
        module = module_name(path)
        names = {name for _, name in imports_of(path, module) if name.startswith("kospan.")}
        # `from kospan.cli import main` inside the folder names the module, which is in the graph too.
        graph[module] = {name for name in names if not path_of(name).is_dir()}
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


def test_setup_lists_every_package():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = setup["options"]["packages"].split()
    folders = {path.parent for path in [*ROOT.glob("kospan/**/*.py"), *ROOT.glob("modeling/*.py")]}
    assert listed == sorted(module_name(folder / "__init__.py") for folder in folders)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("def late():\n    from kospan.run import run\n    return run\n", [":2 imports kospan.run"]),
        ("import kospan.tasks.registry\n", [":1 imports kospan.tasks.registry"]),
        ("from kospan.gone import name\n", [":1 imports kospan.gone"]),
        ("from kospan.example import Example\nfrom .other import name\n", []),
    ],
)
def test_a_breach_is_found_with_its_line(text, found, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    path = tmp_path / "kospan" / "data" / "bad.py"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    assert breaches(path) == [f"kospan/data/bad.py{line}" for line in found]
