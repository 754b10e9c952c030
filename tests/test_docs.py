"""Documentation: snippets run, files and links exist, commands and keys are valid, numbers equal their artefacts."""

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
from generative_cases import make_generative_model
from installed_cases import install, site  # noqa: F401
from time_limits import SECONDS

import kospan
from docs import generate
from kospan.ablation.plan import load_study
from kospan.cli import main
from kospan.data.jsonl import from_record
from kospan.data.registry import DATASETS
from kospan.flags import parse_flags
from kospan.model_names import is_installed
from kospan.modeling.handler import EndpointHandler
from kospan.modeling.spans import Span
from kospan.recipe import FIELDS, check_names, load_recipe
from packages.kospan_ko import fill_examples

ROOT = Path(__file__).parent.parent
# Pages under these folders are written by scripts.
WRITTEN = ("docs/benchmarks/", "docs/studies/")
PAGES = sorted(
    name
    for name in (path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
    if not name.startswith(WRITTEN)
)
DOCUMENTS = ["README.md", "README.ko.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", *PAGES]
BLOCK = re.compile(r"^(?:<!-- (run(?:: \w+)?) -->\n)?```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FOLDERS = "\\.ci|benchmarks|docs|kospan|modeling|notebooks|packages|recipes|space|studies|tests"
PATH = re.compile(rf"`((?:{FOLDERS})/[\w./-]*)`")
SENTENCE = "정하윤 교수는 다음 주 금요일 오후 3시에 대구에서 강연한다."
LABELS = ["DT", "LC", "OG", "PS", "QT", "TI"]


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(document: str) -> list[tuple[str, str, str]]:
    """Marker ("run", "run: model", ... or ""), language and contents of each code block."""
    return BLOCK.findall(text_of(document))


def snippets(marker: str, language: str = "python") -> list[tuple[str, str, str]]:
    """Document, code and the output shown under it (empty for bash) of the code blocks with a marker."""
    found = []
    for document in DOCUMENTS:
        all_blocks = blocks(document)
        for at, (kind, word, code) in enumerate(all_blocks):
            if kind == marker and word == language:
                shown = ""
                if language == "python":
                    assert all_blocks[at + 1][1] == "text", f"{document}: no output under:\n{code}"
                    shown = all_blocks[at + 1][2]
                found.append((document, code, shown))
    return found


def different(found: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Each snippet once, although several documents show it."""
    return list({snippet[1]: snippet for snippet in found}.values())


def commands(program: str) -> list[tuple[str, list[str]]]:
    """Document and words after the name of a program, in the bash blocks of all documents."""
    found = []
    for document in DOCUMENTS:
        for _, language, code in blocks(document):
            for line in code.replace("\\\n", " ").splitlines() if language == "bash" else ():
                for command in re.split(r"&&|\|", line):
                    words = shlex.split(command, comments=True)
                    if program in words:
                        found.append((document, words[words.index(program) + 1 :]))
    return found


# --- outline ----------------------------------------------------------------------------------------------------------


def test_readmes_contain_the_same_code_and_are_short():
    assert len(blocks("README.md")) >= 8
    assert blocks("README.md") == blocks("README.ko.md")
    for document, limit in (("README.md", 250), ("README.ko.md", 250), ("CONTRIBUTING.md", 120)):
        assert len(text_of(document).splitlines()) <= limit


def test_readmes_have_the_same_outline():
    def outline(document: str) -> list[str]:
        prose = BLOCK.sub("", text_of(document))
        return re.findall(r"^(#+) |(?<![\w.])(\d\.\d{4})", prose, re.MULTILINE)

    assert outline("README.md") == outline("README.ko.md")


def test_first_lines_are_word_for_word():
    for document in ("README.md", "README.ko.md"):
        first = next(code for _, language, code in blocks(document) if language == "bash")
        assert first == (
            "pip install -c constraints.txt -e . -e packages/kospan_ko && "
            "accelerate launch train.py recipes/quickstart.yaml\n"
            'pip install -c constraints.txt -e ".[dev]" && pytest\n'
        )


def test_every_page_is_in_the_navigation():
    # PyYAML knows no tags of mkdocs; there are none here.
    configuration = yaml.safe_load(text_of("mkdocs.yml"))

    def pages(part) -> list[str]:
        if isinstance(part, str):
            return [part]
        return [page for each in (part.values() if isinstance(part, dict) else part) for page in pages(each)]

    named = pages(configuration["nav"])
    assert len(named) == len(set(named))
    assert set(named) == {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}


# --- snippets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document, code, printed", different(snippets("run")), ids=lambda value: value.splitlines()[0][:30]
)
def test_snippet_prints_the_output_under_it(document, code, printed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(code, document, "exec"), {"__name__": "documentation"})
    assert output.getvalue() == printed


def test_there_are_snippets_to_run():
    assert len(different(snippets("run"))) >= 4
    assert len(different(snippets("run: model"))) >= 2
    assert len(different(snippets("run: reader"))) == 2
    for marker in ("run: classifier", "run: generative"):
        assert len(snippets(marker)) == 1
    assert len(different(snippets("run: model", "bash"))) >= 2


@pytest.fixture
def quickstart_folder(make_token_classifier, tmp_path):
    """A folder with `outputs/quickstart`, here a tiny model of the same kind."""
    model = make_token_classifier(labels=LABELS, encoder_input="units", lstm_hidden_size=8)
    model.save_pretrained(tmp_path / "outputs" / "quickstart")
    return tmp_path


LABEL = f"(?:{'|'.join(LABELS)})"
# Output of the snippets that need a model: of `extract`, of the pipeline.
FORMS = {
    "model.extract": rf"(?P<surface>.+) {LABEL} [01]\.\d\d",
    "pipe(": rf"{LABEL} (?P<surface>.+) (?P<start>\d+) (?P<end>\d+)",
}


def printed_beside(folder: Path, code: str) -> str:
    """Output of code in a fresh process whose working directory is a folder with `outputs`."""
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


def test_snippets_with_a_token_classifier_run(quickstart_folder):
    found = different(snippets("run: model"))
    # A tiny untrained model is not sure of anything.
    code = "\nprint('----')\n".join(code.replace(", threshold=0.5", "") for _, code, _ in found)
    output = printed_beside(quickstart_folder, code)
    for (_, code, shown), part in zip(found, output.split("----\n"), strict=True):
        assert SENTENCE in code
        [form] = [form for call, form in FORMS.items() if call in code]
        for lines in (part.splitlines(), shown.splitlines()):
            assert lines, "no span was printed"
            for line in lines:
                match = re.fullmatch(form, line)
                assert match and match["surface"] in SENTENCE, f"expected a line like {form}, got {line!r}"
                if "start" in match.groupdict():
                    assert SENTENCE[int(match["start"]) : int(match["end"])] == match["surface"]


def test_snippets_with_a_question_answering_model_print_parts_of_their_text(make_qa_model, tmp_path):
    model = make_qa_model(
        encoder_input="units",
        exact_match_feature=True,
        lstm_hidden_size=8,
        max_answer_length=30,
        stride=30,
        max_length=96,
        encoder={"max_position_embeddings": 96},
    )
    model.save_pretrained(tmp_path / "outputs" / "korquad_scratch")
    for _, code, shown in different(snippets("run: reader")):
        (text,) = set(re.findall(r'(?:text = |context=)"([^"]+)"', code))
        lines = [printed_beside(tmp_path, code).splitlines(), shown.splitlines()]
        assert len(lines[0]) == len(lines[1]) > 0
        for line in (*lines[0], *lines[1]):
            match = re.fullmatch(r"(?P<surface>.+) (?P<start>\d+) (?P<end>\d+)(?: [01]\.\d\d)?", line)
            assert match and text[int(match["start"]) : int(match["end"])] == match["surface"], line


def test_snippet_with_a_text_classifier_runs(make_text_classifier, tmp_path):
    [(_, code, shown)] = snippets("run: classifier")
    (name,) = re.findall(r'"outputs/(\w+)"', code)
    make_text_classifier(encoder_input="units").save_pretrained(tmp_path / "outputs" / name)
    assert printed_beside(tmp_path, code) == shown


def test_snippet_with_a_generative_model_runs(tmp_path):
    [(_, code, shown)] = snippets("run: generative")
    (name,) = re.findall(r'"outputs/(\w+)"', code)
    make_generative_model().save_pretrained(tmp_path / "outputs" / name)
    assert printed_beside(tmp_path, code) == shown


def test_commands_with_a_model_run(quickstart_folder, monkeypatch, capsys):
    monkeypatch.chdir(quickstart_folder)
    Path("texts.txt").write_text(f"{SENTENCE}\n", encoding="utf-8")
    lines = {line for _, code, _ in snippets("run: model", "bash") for line in code.splitlines()}
    for line in sorted(lines):
        program, *words = shlex.split(line)
        assert program == "kospan", line
        assert main(words) == 0, capsys.readouterr().err
    assert json.loads(Path("spans.jsonl").read_text(encoding="utf-8"))["text"] == SENTENCE


def test_commands_with_the_korean_model_run(site, make_token_classifier, tmp_path, monkeypatch, capsys):  # noqa: F811
    make_token_classifier(labels=LABELS, encoder_input="units").save_pretrained(install(site, "kospan-ko", "ko-ner"))
    monkeypatch.chdir(tmp_path)
    Path("texts.txt").write_text(f"{SENTENCE}\n", encoding="utf-8")
    lines = {line for _, code, _ in snippets("run: korean", "bash") for line in code.splitlines()}
    assert lines
    for line in sorted(lines):
        assert main(shlex.split(line)[1:]) == 0, capsys.readouterr().err
    assert json.loads(Path("spans.jsonl").read_text(encoding="utf-8"))["text"] == SENTENCE


def bracketed(line: str) -> tuple[str, set[tuple[int, int, str]]]:
    """A text without the brackets of its spans, and the spans."""
    text, spans = "", set()
    for part in re.split(r"(\[[^\]]+ [A-Z]{2}\])", line):
        surface, label = part[1:-1].rsplit(" ", 1) if part.startswith("[") else (part, "")
        if label:
            spans.add((len(text), len(text) + len(surface), label))
        text += surface
    return text, spans


def test_sentences_in_the_readmes_have_all_mistakes_of_the_korean_model():
    [shown] = fill_examples.BLOCK.findall(text_of("README.md"))
    found = [bracketed(line) for line in shown.splitlines() if not line.startswith(" ")]
    assert [text for text, _ in found] == [example.text for example in fill_examples.examples()]
    assert len(found) == 10
    assert fill_examples.block([sorted(Span(*span) for span in spans) for _, spans in found]) == shown


def test_sentences_in_the_readmes_are_what_the_korean_model_finds():
    if not is_installed("ko-ner"):
        pytest.skip("kospan-ko is not installed")
    [shown] = fill_examples.BLOCK.findall(text_of("README.md"))
    found = kospan.load("ko-ner").extract([example.text for example in fill_examples.examples()])
    assert fill_examples.block(found) == shown, "python packages/kospan_ko/fill_examples.py fills in the READMEs"


# --- the endpoint -----------------------------------------------------------------------------------------------------


def requests() -> list[tuple[dict, list | dict]]:
    """Requests to an endpoint, for a text and for a question, and the responses under them."""
    found = blocks("docs/guides/space.md")
    pairs = []
    for at, (_, language, code) in enumerate(found):
        if language == "bash" and code.startswith("curl "):
            words = shlex.split(code)
            pairs.append((json.loads(words[words.index("-d") + 1]), json.loads(found[at + 1][2])))
    assert len(pairs) == 2
    return pairs


def test_request_with_texts_is_served(quickstart_folder):
    body, response = requests()[0]
    found = EndpointHandler(quickstart_folder / "outputs" / "quickstart")(body)
    for text, spans, shown in zip(body["inputs"], found, response, strict=True):
        for span in [*spans, *shown]:
            assert list(span) == ["entity_group", "score", "word", "start", "end"]
            assert text[span["start"] : span["end"]] == span["word"] and 0 <= span["score"] <= 1
    assert any(response)


def test_request_with_a_question_is_served(make_qa_model, tmp_path):
    make_qa_model(encoder_input="units").save_pretrained(tmp_path)
    body, response = requests()[1]
    for found in (EndpointHandler(tmp_path)(body), response):
        assert list(found) == ["score", "start", "end", "answer"]
        assert body["inputs"]["context"][found["start"] : found["end"]] == found["answer"] != ""


# --- names ------------------------------------------------------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    """Anchors of a page, as mkdocs and GitHub make them from headings, those of generated parts among them."""
    page = generate.on_page_markdown(path.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\s-]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_and_files_exist(document):
    prose = BLOCK.sub("", text_of(document))
    for target in re.findall(r"\]\(([^)]+)\)", prose):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        path = (ROOT / document).parent / name if name else ROOT / document
        assert path.exists(), f"{document} links to {target}, which does not exist"
        if anchor:
            assert anchor in anchors(path), f"{document}: no section {target}"
    for path in PATH.findall(prose):
        assert (ROOT / path).exists(), f"{document} names {path}, which does not exist"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_recipes_exist(document):
    for name in re.findall(r"recipes/[\w/.-]+\.yaml", text_of(document)):
        assert (ROOT / name).is_file(), f"{document} names {name}, which does not exist"


def test_recipe_blocks_load(tmp_path):
    found = [code for document in DOCUMENTS for _, language, code in blocks(document) if language == "yaml"]
    studies = [code for code in found if "recipe" in yaml.safe_load(code)]
    assert studies and len(studies) < len(found)
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    path = tmp_path / "recipes" / "studies" / "my.yaml"
    for code in found:
        path.write_text(code, encoding="utf-8")
        load_study(path) if code in studies else load_recipe(path)


def test_settings_in_the_table_of_techniques_exist():
    rows = [line for line in text_of("docs/guides/training_techniques.md").splitlines() if line.startswith("| ")]
    names = {name for line in rows for name in re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+)*)(?=`|: )", line.split("|")[2])}
    values = {"parameter", "marginal", "sequence", "both", "head", "16x", "mean_loss", "true", "false", "gazetteer"}
    options = {"linear", "crf", "gate", "soft", "hard", "share", "decoder"}
    names -= values | options
    assert len(names) > 15
    check_names({name: None for name in names if name not in FIELDS})


def test_json_blocks_are_valid_records():
    lines = [
        line
        for document in DOCUMENTS
        for _, language, code in blocks(document)
        if language == "json"
        for line in code.splitlines()
    ]
    examples = [from_record(json.loads(line)) for line in lines]
    assert any(example.spans for example in examples)
    for example in examples:
        for span in example.spans:
            assert example.text[span.start : span.end].strip(), example


def test_kospan_commands_parse():
    found = commands("kospan")
    assert {words[0] for _, words in found} >= {"predict", "evaluate", "analyze", "convert", "calibrate", "ablate"}
    parsers = generate.commands()
    for document, words in found:
        name = next(name for name in (" ".join(words[:2]), words[0]) if name in parsers)
        with contextlib.redirect_stderr(io.StringIO()) as errors:
            try:
                parsers[name].parse_known_args(words[len(name.split()) :])
            except SystemExit:
                pytest.fail(f"{document}: kospan {' '.join(words)}: {errors.getvalue()}")
        if name not in ("ablate", "train"):
            assert parsers[name].parse_args(words[len(name.split()) :])


@pytest.mark.parametrize("document", DOCUMENTS)
def test_kospan_commands_in_prose_exist(document):
    known = {name.split()[0] for name in generate.commands()}
    for name in re.findall(r"`kospan ([a-z-]+)", text_of(document)):
        assert name in known, f"{document} names `kospan {name}`, which does not exist"


def test_training_flags_exist():
    found = commands("train.py")
    assert found
    for _, words in found:
        path, flags = parse_flags(words)
        flags = {key: value for key, value in flags.items() if key not in ("help", "help_trainer")}
        check_names({key: value for key, value in flags.items() if key not in FIELDS})
        assert path is None or path == "my.yaml" or (ROOT / path).is_file()


# --- generated parts --------------------------------------------------------------------------------------------------


def test_generated_parts_are_complete():
    keys = generate.GENERATED["recipe-keys"]()
    assert re.findall(r"^\| `(\w+)` \|", keys, re.MULTILINE) == list(FIELDS)
    page = generate.on_page_markdown(text_of("docs/datasets.md"))
    assert set(DATASETS) <= set(re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE))
    sections = re.findall(r"^## kospan (.+)$", generate.GENERATED["cli"](), re.MULTILINE)
    assert sections == list(generate.commands()) and {"train", "push", "convert data"} <= set(sections)
    recipes = re.findall(r'^```yaml title="(.+)"$', generate.GENERATED["recipes"](), re.MULTILINE)
    assert sorted(recipes) == sorted(f"recipes/{path.name}" for path in (ROOT / "recipes").glob("*.yaml"))


def test_generated_parts_are_used_and_known():
    used = {name for page in PAGES for name in generate.MARKER.findall(text_of(page))}
    assert used == set(generate.GENERATED)


def test_flags_are_documented():
    flags = set(re.findall(r"--(\w+)", generate.GENERATED["cli"]()))
    assert {"repo_id", "dry_run", "space", "threshold", "tokenizer", "max_length"} <= flags


# --- numbers ----------------------------------------------------------------------------------------------------------


def section(document: str, title: str) -> str:
    return text_of(document).partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_crf_speeds_are_those_of_the_committed_table():
    table = text_of("docs/benchmarks/crf_speed.md")
    parts = re.findall(r"^\| 13 \| (.+) \|$", table, re.MULTILINE)
    committed = [[cell.split(" ")[0] for cell in row.split(" | ")] for row in parts[:2]]
    part = section("docs/results/index.md", "CRF against pytorch-crf")
    rows = re.findall(r"^\| [^|]+ \| (\d+\.\d\d \| .+) \|$", part, re.MULTILINE)
    assert [row.split(" | ") for row in rows] == committed


def test_quickstart_scores_are_those_of_the_committed_evaluations():
    folder = ROOT / "docs" / "benchmarks" / "quickstart"
    sample, klue, unseen = (
        json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("sample", "klue_ner", "unseen_names")
    )
    names = sum(value for key, value in unseen.items() if key.startswith("eval_support_"))
    types = [f"{label} {klue[f'eval_f1_{label}']:.2f}" for label in LABELS]
    part = section("docs/results/index.md", "Quickstart")
    for metric in (f"{sample['eval_f1']:.4f}", f"{klue['eval_f1']:.4f}", *types):
        assert metric in " ".join(part.split()), metric
    assert f"{names:.0f}" in part and f"{names * unseen['eval_recall']:.0f}" in part


def test_scores_in_the_readmes_are_those_of_the_results():
    results = text_of("docs/results/index.md")
    for document in ("README.md", "README.ko.md"):
        scores = re.findall(r"(?<![\w.])0\.\d{4}", text_of(document))
        assert len(scores) == 13
        for score in scores:
            assert score in results, f"{document}: {score} is not among the results"


def test_scores_of_studies_are_those_of_their_reports():
    for name, title in (("wnut17_minilm", "WNUT-17"), ("positional", "GMB")):
        report = text_of(f"docs/studies/{name}/report.md")
        rows = re.findall(r"^\| [^|]+ \| (0\.\d{4}) \|", section("docs/results/index.md", title), re.MULTILINE)
        assert len(rows) >= 5
        for score in rows:
            assert score in report, f"{title}: {score} is not in the study's report"
