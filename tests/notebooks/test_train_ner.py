"""The notebook runs in a fresh process, and its outputs have the form of the stored ones."""

import ast
import os
import re
from pathlib import Path

import pytest

from notebooks.run import code_cells, execute, printed, read

ROOT = Path(__file__).parents[2]
PATH = ROOT / "notebooks" / "train_ner.ipynb"
# Part of a cell's code -> form of its output; numbers of a training differ from machine to machine.
TABLE = r"[┏┃┡│└][^\n]*\n"
FORMS = {
    'quickstart.yaml").read_text': r"(#[^\n]*\n)*(\w+: [^\n]*\n)+\n",
    'load_corpus("sample")': (
        r"labels \('DT', 'LC', 'OG', 'PS', 'QT', 'TI'\)\ntrain \d+ sentences, \d+ spans\n"
        r"validation \d+ sentences, \d+ spans\n[^\n]+\n(    \d+ \d+ (DT|LC|OG|PS|QT|TI) [^\n]+\n)+"
    ),
    'own.jsonl").write_text': (
        r"own-1 [^\n]*\('박민수', 'PS'\), \('부산', 'LC'\)\]\n"
        r"own-2 [^\n]*\('한빛은행', 'OG'\), \('3월 5일', 'DT'\)\]\nown-3 비가 온다. \[\]\n"
    ),
    "wrong.jsonl": r"\.\.\.[/\\]wrong\.jsonl:1, [^\n]*expected[^\n]*end 40[^\n]*\n",
    "write_jsonl(work": r"\d+ sentences to train on\n",
    "kospan.train(": (
        r"device [^\n]*\n.*step (?P<last>\d+)/(?P=last)  epoch 4\.00  f1 0\.[^\n]*\n.*"
        rf"({TABLE})+.*calibrated +temperature [\d.]+; ECE of spans [\d.]+ -> [\d.]+\n"
    ),
    '"model").iterdir()': r"README\.md\n.*calibration\.json\nconfig\.json\n.*model\.safetensors\n.*recipe\.yaml\n.*",
    "model.extract(text)": r"(\d+ \d+ (DT|LC|OG|PS|QT|TI) [^\n]+ [01]\.\d\d\n)+",
    'main(["evaluate"': (
        rf"\S+[/\\]model on \S+[/\\]validation\.jsonl, \d+ documents\n({TABLE})+by type\n({TABLE})+"
        rf"by length in characters\n({TABLE})+by surface in the training data\n({TABLE})+"
        rf"classes of errors\n({TABLE})+.*types: gold down, predicted across\n({TABLE})+"
    ),
    "match_spans(": (
        r"((boundary|type|boundary and type|spurious|missed): [^\n]+\n"
        r"    gold [^\n]+, predicted [^\n]+\n)+"
    ),
    'main(["analyze"': (
        r"report +\S+[/\\]index\.html\n.*confidence\.png\n.*index\.html\nlearning_curves\.png\nmetrics\.json\n"
        r".*types\.png\n"
    ),
    'calibration.json").read_text': (
        r"temperature [\d.]+\nECE before: 0\.\d{4}\nECE after: 0\.\d{4}\n"
        r"(threshold 0\.\d: precision [01]\.\d\d, recall [01]\.\d\d\n){3}"
    ),
    'push = ["push"': (
        r"checking +[^\n]*\nchecked +\d+ texts: [^\n]*\n"
        r"model +user/train-ner: \d+ files, [\d,]+ bytes, in outputs[^\n]*\n"
        r"( +[\d,]+  [\w.]+\n)+not published +[^\n]*\ndry run +nothing was sent\n"
    ),
    'card.index("# train-ner")': r"# train-ner\n\n[^\n]+\n\n## 한국어 요약\n.*",
}


@pytest.fixture(scope="module")
def notebook() -> dict:
    return read(PATH)


def form_of(source: str) -> str:
    """Form of a cell's output."""
    [form] = [form for part, form in FORMS.items() if part in source]
    return form


def test_the_stored_outputs_are_those_of_a_run(notebook):
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids) and all(cell["source"] for cell in notebook["cells"])
    cells = code_cells(notebook)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(FORMS) + 1))
    for cell in cells:
        source, text = "".join(cell["source"]), printed(cell)
        ast.parse(source)
        assert re.fullmatch(form_of(source), text, re.DOTALL), source
        assert not re.search(r"(?<![\w./])/(?:tmp|home|root|Users)/", text), "a path of the machine that it ran on"
        assert [output["output_type"] for output in cell["outputs"]] == ["stream"]


def test_every_cell_runs_and_prints_what_is_stored(notebook, tmp_path):
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "HF_TOKEN")}
    environment |= {"PYTHONPATH": str(ROOT), "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    texts = execute(notebook, tmp_path, environment | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"})
    for cell, text in zip(code_cells(notebook), texts, strict=True):
        source = "".join(cell["source"])
        assert re.fullmatch(form_of(source), text, re.DOTALL), f"{source}\n\nprinted\n\n{text}"
    [f1] = re.findall(r"│ f1 +│ (0\.\d+) │", texts[5])
    assert float(f1) > 0.5, "it learns"
    assert (tmp_path / "outputs" / "train_ner" / "report" / "index.html").is_file()
    assert not list((tmp_path / "outputs" / "train_ner").glob("**/*.tmp"))


def test_a_cell_that_fails_is_reported_with_its_trace(notebook, tmp_path):
    cells = [{"cell_type": "code", "source": ["print(1)"]}, {"cell_type": "code", "source": ["print(1 / 0)"]}]
    with pytest.raises(RuntimeError, match=r'(?s)a cell failed:.*"cell 2".*ZeroDivisionError'):
        execute({"cells": cells}, tmp_path)
    assert execute({"cells": cells[:1]}, tmp_path) == ["1\n"]
