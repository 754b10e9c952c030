"""The documents tell the truth: code runs, files exist, commands parse, and the two languages agree."""

import ast
import contextlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from time_limits import SECONDS

from kospan.ablation.plan import load_study
from kospan.cli import build_parser
from kospan.data.jsonl import from_record
from kospan.data.registry import DATASETS
from kospan.flags import parse_flags
from kospan.modeling.handler import EndpointHandler
from kospan.recipe import FIELDS, check_names, load_recipe

ROOT = Path(__file__).parent.parent
DOCUMENTS = ["README.md", "README.ko.md", "CONTRIBUTING.md", "CHANGELOG.md"]
BLOCK = re.compile(r"^(?:<!-- (run(?:: \w+)?) -->\n)?```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A number with two decimals, in prose of both languages: "4.54", "4.54." and "4.54입니다", but no version ("4.51.3").
NUMBER = re.compile(r"(?<![\w.])\d+\.\d\d(?!\.?[A-Za-z0-9_])")
# A quoted path of the repository: a folder of its root, then a file with a name.
PATH = re.compile(r"`((?:\.ci|benchmarks|docs|kospan|modeling|notebooks|recipes|space|studies|tests)/[\w./-]*)`")


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(document: str) -> list[tuple[str, str, str]]:
    """How a block is run ("run", "run: model", "run: reader" or ""), its language, and what stands in it."""
    return BLOCK.findall(text_of(document))


def snippets(how: str) -> list[tuple[str, str]]:
    """Runnable code of the README and the output that is printed under it."""
    found = blocks("README.md")
    pairs = []
    for at, (kind, language, code) in enumerate(found):
        if kind == how:
            assert language == "python" and found[at + 1][1] == "text", f"no output under:\n{code}"
            pairs.append((code, found[at + 1][2]))
    return pairs


def commands(program: str) -> list[list[str]]:
    """Words behind a program's name in the shell blocks of all documents."""
    found = []
    for document in DOCUMENTS:
        for _, language, code in blocks(document):
            for line in code.replace("\\\n", " ").splitlines() if language == "bash" else ():
                for command in re.split(r"&&|\|", line):
                    words = shlex.split(command, comments=True)
                    if program in words:
                        found.append(words[words.index(program) + 1 :])
    return found


def test_both_languages_hold_the_same_code():
    assert len(blocks("README.md")) > 10
    assert blocks("README.md") == blocks("README.ko.md")


def test_both_languages_have_the_same_parts_and_metrics():
    def skeleton(document: str) -> list[str]:
        prose = BLOCK.sub("", text_of(document))
        return re.findall(rf"^(#+) |<!-- (metrics:\w+) -->|({NUMBER.pattern})", prose, re.MULTILINE)

    assert skeleton("README.md") == skeleton("README.ko.md")


@pytest.mark.parametrize(
    "text, numbers",
    [
        ("기본 법칙은 4.54입니다. 변환은 3.25로 낮습니다.", ["4.54", "3.25"]),
        ("창으로 2.26, 변환하면 0.27이고(0.07이지만) 끝은 1.10.", ["2.26", "0.27", "0.07", "1.10"]),
        ("It is 4.54. Or [0.36, 2.85], 84.54%.", ["4.54", "0.36", "2.85", "84.54"]),
        ("torch 2.13.0, transformers 4.51.3, v4.51, 0.8638, 1.5, 3.14x, 2.13a", []),
    ],
)
def test_numbers_are_read_in_prose_of_both_languages(text, numbers):
    assert NUMBER.findall(text) == numbers


@pytest.mark.parametrize("code, printed", snippets("run"), ids=lambda value: value.splitlines()[0][:30])
def test_snippet_prints_what_stands_under_it(code, printed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    assert output.getvalue() == printed


def test_there_are_snippets_to_run():
    assert len(snippets("run")) >= 4
    assert len(snippets("run: model")) == 2
    assert len(snippets("run: reader")) == 2


@pytest.fixture
def quickstart_folder(make_token_classifier, tmp_path):
    """Where the quickstart leaves its model: here a tiny one of the same kind."""
    model = make_token_classifier(
        labels=["DT", "LC", "OG", "PS", "QT", "TI"], encoder_input="units", lstm_hidden_size=8
    )
    model.save_pretrained(tmp_path / "outputs" / "quickstart")
    return tmp_path


LABEL = "(?:DT|LC|OG|PS|QT|TI)"
# What the snippets that need a model print: `extract`, then the pipeline.
FORMS = [rf"(?P<surface>.+) {LABEL} [01]\.\d\d", rf"{LABEL} (?P<surface>.+) (?P<start>\d+) (?P<end>\d+)"]


def printed_beside(folder: Path, code: str) -> str:
    """What code prints in a fresh process that stands beside the folder `outputs`."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "HF_MODULES_CACHE")}
    environment |= {"HF_HOME": str(folder / "cache"), "HF_HUB_OFFLINE": "1", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_snippets_that_need_a_model_run_beside_a_saved_one(quickstart_folder):
    code = "\nprint('----')\n".join(code for code, _ in snippets("run: model"))
    output = printed_beside(quickstart_folder, code)
    sentence = "정하윤 교수는 다음 주 금요일 오후 3시에 대구에서 강연한다."
    assert code.count(sentence) == len(FORMS)
    for form, part, (_, printed) in zip(FORMS, output.split("----\n"), snippets("run: model"), strict=True):
        for lines in (part.splitlines(), printed.splitlines()):
            assert lines, "no span was printed"
            for line in lines:
                match = re.fullmatch(form, line)
                assert match and match["surface"] in sentence, f"expected a line like {form}, got {line!r}"
                if "start" in match.groupdict():
                    assert sentence[int(match["start"]) : int(match["end"])] == match["surface"]


def test_snippets_that_need_a_reader_print_subwords_of_their_text(make_qa_model, tmp_path):
    reader = make_qa_model(
        encoder_input="units",
        exact_match_feature=True,
        lstm_hidden_size=8,
        max_answer_length=30,
        stride=30,
        max_length=96,
        encoder={"max_position_embeddings": 96},
    )
    reader.save_pretrained(tmp_path / "outputs" / "korquad_scratch")
    for code, printed in snippets("run: reader"):
        (text,) = set(re.findall(r'(?:text = |context=)"([^"]+)"', code))
        lines = [printed_beside(tmp_path, code).splitlines(), printed.splitlines()]
        assert len(lines[0]) == len(lines[1]) > 0
        for line in (*lines[0], *lines[1]):
            match = re.fullmatch(r"(?P<surface>.+) (?P<start>\d+) (?P<end>\d+)(?: [01]\.\d\d)?", line)
            assert match and text[int(match["start"]) : int(match["end"])] == match["surface"], line


def requests() -> list[tuple[dict, list | dict]]:
    """The endpoint's requests in the README, a text's and a question's, and the answers under them."""
    found = blocks("README.md")
    pairs = []
    for at, (_, language, code) in enumerate(found):
        if language == "bash" and code.startswith("curl "):
            words = shlex.split(code)
            pairs.append((json.loads(words[words.index("-d") + 1]), json.loads(found[at + 1][2])))
    assert len(pairs) == 2
    return pairs


def test_the_request_of_the_readme_is_served(quickstart_folder):
    body, answer = requests()[0]
    found = EndpointHandler(quickstart_folder / "outputs" / "quickstart")(body)
    for text, spans, shown in zip(body["inputs"], found, answer, strict=True):
        for span in [*spans, *shown]:
            assert list(span) == ["entity_group", "score", "word", "start", "end"]
            assert text[span["start"] : span["end"]] == span["word"] and 0 <= span["score"] <= 1
    assert any(answer)


def test_the_question_of_the_readme_is_served(make_qa_model, tmp_path):
    make_qa_model(encoder_input="units").save_pretrained(tmp_path)
    body, answer = requests()[1]
    for found in (EndpointHandler(tmp_path)(body), answer):
        assert list(found) == ["score", "start", "end", "answer"]
        assert body["inputs"]["context"][found["start"] : found["end"]] == found["answer"] != ""


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_and_files_exist(document):
    prose = BLOCK.sub("", text_of(document))
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", prose) if "://" not in target]
    for target in targets:
        path, _, anchor = target.partition("#")
        assert not path or (ROOT / path).exists(), f"{document} links to {target}, which does not exist"
        if anchor and not path:
            titles = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
            assert anchor in [title.lower().replace(" ", "-") for title in titles], f"{document}: no part #{anchor}"
    for path in PATH.findall(prose):
        assert (ROOT / path).exists(), f"{document} names {path}, which does not exist"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_recipes_exist(document):
    for name in re.findall(r"recipes/[\w/.-]+\.yaml", text_of(document)):
        assert (ROOT / name).is_file(), f"{document} names {name}, which does not exist"


def test_recipe_blocks_load(tmp_path):
    found = [code for _, language, code in blocks("README.md") if language == "yaml"]
    studies = [code for code in found if "recipe" in yaml.safe_load(code)]
    assert studies and len(studies) < len(found)
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    path = tmp_path / "recipes" / "studies" / "my.yaml"
    for code in found:
        path.write_text(code, encoding="utf-8")
        load_study(path) if code in studies else load_recipe(path)


def test_settings_named_beside_techniques_exist():
    part = text_of("README.md").partition("## Training techniques")[2].partition("\n## ")[0]
    rows = [line for line in BLOCK.sub("", part).splitlines() if line.startswith("| ")]
    names = {name for line in rows for name in re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+)*)(?=`|: )", line.split("|")[2])}
    assert len(names) > 15
    values = {"parameter", "marginal", "sequence", "both", "head", "16x", "mean_loss", "true", "false"}
    check_names({name: None for name in names if name not in FIELDS and name not in values})


def test_json_blocks_are_our_form():
    lines = [line for _, language, code in blocks("README.md") if language == "json" for line in code.splitlines()]
    examples = [from_record(json.loads(line)) for line in lines]
    assert any(example.spans for example in examples)
    for example in examples:
        for span in example.spans:
            assert example.text[span.start : span.end].strip(), example


def test_kospan_commands_parse():
    found = commands("kospan")
    assert {words[0] for words in found} >= {"predict", "evaluate", "convert"}
    for words in found:
        assert build_parser().parse_args(words)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_kospan_commands_in_prose_exist(document):
    (action,) = [action for action in build_parser()._actions if action.choices]
    for name in re.findall(r"`kospan ([a-z]+)", text_of(document)):
        assert name in action.choices, f"{document} names `kospan {name}`, which does not exist"


def test_training_flags_exist():
    found = commands("train.py")
    assert found
    for words in found:
        path, flags = parse_flags(words)
        flags = {key: value for key, value in flags.items() if key not in ("help", "help_trainer")}
        check_names({key: value for key, value in flags.items() if key not in FIELDS})
        assert path is None or path == "my.yaml" or (ROOT / path).is_file()


def test_both_first_lines_stand_word_for_word():
    first = next(code for _, language, code in blocks("README.md") if language == "bash")
    assert first == (
        "pip install -c constraints.txt -e .        && accelerate launch train.py recipes/quickstart.yaml\n"
        'pip install -c constraints.txt -e ".[dev]" && pytest\n'
    )


def test_every_data_set_is_in_the_table():
    for document in ("README.md", "README.ko.md"):
        rows = re.findall(r"^\| `([^`]+)` \|", text_of(document), re.MULTILINE)
        assert set(DATASETS) <= set(rows), set(DATASETS) - set(rows)


def test_crf_metrics_are_those_of_the_committed_table():
    table = text_of("docs/benchmarks/crf_speed.md")
    parts = re.findall(r"^\| 13 \| (.+) \|$", table, re.MULTILINE)
    metrics = [[cell.split(" ")[0] for cell in row.split(" | ")] for row in parts[:2]]
    for document in ("README.md", "README.ko.md"):
        part = text_of(document).partition("<!-- metrics:crf -->")[2].partition("\n## ")[0]
        rows = re.findall(r"^\| [^|]+ \| (\d+\.\d\d \| .+) \|$", part, re.MULTILINE)
        assert [row.split(" | ") for row in rows] == metrics


def test_quickstart_metrics_are_those_of_the_committed_evaluations():
    folder = ROOT / "docs" / "benchmarks" / "quickstart"
    sample, klue, unseen = (
        json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("sample", "klue_ner", "unseen_names")
    )
    names = sum(value for key, value in unseen.items() if key.startswith("eval_support_"))
    types = [f"{label} {klue[f'eval_f1_{label}']:.2f}" for label in ("DT", "LC", "OG", "PS", "QT", "TI")]
    for document in ("README.md", "README.ko.md"):
        part = text_of(document).partition("<!-- metrics:quickstart -->")[2].partition("\n###")[0]
        for metric in (f"{sample['eval_f1']:.4f}", f"{klue['eval_f1']:.4f}", *types):
            assert metric in part, metric
        assert f"{names:.0f}" in part and f"{names * unseen['eval_recall']:.0f}" in part


def test_floor_plan_names_what_exists_in_order():
    plan = next(
        code for _, language, code in blocks("README.md") if language == "text" and "kospan.modeling.heads" in code
    )
    lines = [line.split(" · ") for line in plan.splitlines()]
    for name in (name for line in lines for name in line):
        path = ROOT / Path(*name.split("."))
        assert path.is_dir() or path.with_suffix(".py").is_file(), f"the floor plan names {name}, which does not exist"
    floors = _floors()
    level = {name: at for at, names in enumerate(floors) for name in names}
    assert all(len({level[name] for name in line}) == 1 for line in lines), "names on one line stand on one floor"
    order = [level[line[0]] for line in lines]
    assert order == sorted(set(order)), "floors stand from the ground up, each on one line"


def _floors() -> list[list[str]]:
    """FLOORS of the floor plan's test, read from its source."""
    tree = ast.parse((ROOT / "tests" / "test_floor_plan.py").read_text(encoding="utf-8"))
    return next(ast.literal_eval(node.value) for node in tree.body if _is_floors(node))


def _is_floors(node) -> bool:
    return isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "FLOORS"
