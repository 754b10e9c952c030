"""A calibrated folder: the same spans, other scores, everywhere the same ones."""

import json
import os

import pytest
from transformers import AutoModel

from kospan.cli import main
from kospan.data.jsonl import read_jsonl, record
from kospan.example import Example
from kospan.publishing.calibrate import calibrate
from kospan.publishing.card.card import write_card
from kospan.publishing.hub.verify import verify
from modeling.pipelines import SpanTaggerPipeline
from modeling.spans import Span


@pytest.fixture
def labelled(make_tagger, texts, tmp_path):
    """A folder as a run leaves it, and labelled texts of which the model gets a part right."""
    model = make_tagger(encoder_input="units")
    model.save_pretrained(tmp_path / "model")
    own = [text[at:] for text in texts for at in (0, 3, 5)]
    found = model.extract(own)
    examples = [Example(str(at), text, tuple(spans[::2])) for at, (text, spans) in enumerate(zip(own, found))]
    stored = [f"{text} 그리고" for text in texts]
    lines = [
        record(Example(f"v{at}", text, None), spans)
        for at, (text, spans) in enumerate(zip(stored, model.extract(stored)))
    ]
    (tmp_path / "model" / "predictions.jsonl").write_text(
        "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8"
    )
    (tmp_path / "model" / "eval_results.json").write_text('{"eval_f1": 0.5}\n', encoding="utf-8")
    return tmp_path / "model", examples


def jsonl(path, examples):
    path.write_text(
        "".join(json.dumps(record(example), ensure_ascii=False) + "\n" for example in examples), encoding="utf-8"
    )
    return str(path)


def test_everything_in_the_folder_speaks_of_the_new_scores(labelled):
    folder, examples = labelled
    before = read_jsonl(folder / "predictions.jsonl")
    report = calibrate(folder, examples)
    assert report["temperature"] != 1.0 and report["fitted"]["documents"] == 8 and report["reported"]["documents"] == 7
    model = AutoModel.from_pretrained(folder)
    assert model.config.calibration_temperature == model.head.crf.temperature == report["temperature"]
    after = read_jsonl(folder / "predictions.jsonl")
    assert [example.spans for example in after] != [example.spans for example in before]
    for old, new in zip(before, after, strict=True):
        assert [span[:3] for span in old.spans] == [span[:3] for span in new.spans]
    # A stranger's process, the pipeline and the handler among what it tries, finds what stands there.
    assert verify(folder, folder / "predictions.jsonl") == len(after)
    pipe = SpanTaggerPipeline(model=model)
    assert pipe(after[0].text)[0]["score"] == pytest.approx(after[0].spans[0].score, abs=1e-6)
    results = json.loads((folder / "eval_results.json").read_text(encoding="utf-8"))
    figures = report["spans"]["posterior"]["after"]["figures"]
    assert results["eval_f1"] == 0.5 and results["eval_calibration_temperature"] == report["temperature"]
    assert results["eval_calibration_ece"] == figures["ece"] and results["eval_calibration_n"] == figures["n"]
    assert json.loads((folder / "calibration.json").read_text(encoding="utf-8")) == report
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_the_card_is_written_again(labelled):
    folder, examples = labelled
    (folder / "recipe.yaml").write_text("name: tiny\ndataset: jsonl\n", encoding="utf-8")
    write_card(folder)
    assert "temperature" not in (folder / "README.md").read_text(encoding="utf-8").split("## Citation")[0].lower()
    report = calibrate(folder, examples)
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert f"{report['temperature']:g}" in card and "## Calibration" in card
    before = report["spans"]["posterior"]["before"]["figures"]["ece"]
    assert f"{before:.4f}" in card


def test_a_second_time_gives_the_same(labelled):
    folder, examples = labelled
    first = calibrate(folder, examples)
    files = {path.name: path.read_bytes() for path in folder.glob("*.json*")}
    assert calibrate(folder, examples) == first
    assert {path.name: path.read_bytes() for path in folder.glob("*.json*")} == files


def test_texts_with_reported_scores_are_not_fitted_to(labelled):
    folder, examples = labelled
    stored = read_jsonl(folder / "predictions.jsonl")
    said: list[str] = []
    report = calibrate(folder, [*examples, stored[0]], examples[:5], said.append)
    assert said == ["left out            6 texts on which scores are reported"]
    assert report["fitted"]["documents"] == len(examples) - 5 and report["reported"]["documents"] == 5
    with pytest.raises(ValueError, match="got 5 that all stand in predictions"):
        calibrate(folder, stored)


def test_an_interruption_leaves_the_folder_as_it_was(labelled, monkeypatch):
    folder, examples = labelled
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    model_type = type(AutoModel.from_pretrained(folder))
    count = iter(range(100))

    def fail(self, *args, **kwargs):
        raise KeyboardInterrupt(next(count))

    monkeypatch.setattr(model_type, "extract", fail)
    with pytest.raises(KeyboardInterrupt):
        calibrate(folder, examples)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == files


def test_the_config_is_written_last(labelled, monkeypatch):
    folder, examples = labelled
    moved, replace = [], os.replace
    monkeypatch.setattr(os, "replace", lambda one, other: (moved.append(os.path.basename(other)), replace(one, other)))
    calibrate(folder, examples)
    assert moved[-1] == "config.json" and set(moved) >= {"calibration.json", "predictions.jsonl", "eval_results.json"}


def test_from_the_shell(labelled, tmp_path, capsys):
    folder, examples = labelled
    data = jsonl(tmp_path / "data.jsonl", examples)
    assert main(["calibrate", str(folder), "--data", data]) == 0
    printed = capsys.readouterr().out
    assert "fitted on 8 documents" in printed and "spans: posterior" in printed and "by type" in printed
    assert main(["calibrate", str(tmp_path / "nowhere"), "--data", data]) == 2
    assert "hf download NAME --local-dir FOLDER" in capsys.readouterr().err


def test_a_label_that_the_model_does_not_know_is_refused(labelled):
    folder, examples = labelled
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    strange = Example("x", "이재용 회장이", (Span(0, 3, "PERSON"),))
    for fitted, reported in (([*examples, strange], None), (examples, [strange])):
        with pytest.raises(ValueError, match=r"example 'x' .*: expected labels that the model knows .*'PERSON'"):
            calibrate(folder, fitted, reported)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files


def test_one_text_alone_leaves_none_to_report_on(labelled):
    folder, examples = labelled
    with pytest.raises(ValueError, match=r"expected two texts or more, .* got 1; .* --report"):
        calibrate(folder, examples[:1])


@pytest.mark.parametrize("name", ["config.json", "eval_results.json"])
@pytest.mark.parametrize("text", ['{"eval_f1": 0.', "[]"])
def test_a_file_that_is_cut_short_is_named(name, text, labelled):
    folder, examples = labelled
    (folder / name).write_text(text, encoding="utf-8")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ValueError, match=f"{name}: expected (a )?JSON.*; take the file from the run again"):
        calibrate(folder, examples)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files


def test_other_models_and_unlabelled_texts_are_refused(labelled, tmp_path):
    folder, examples = labelled
    with pytest.raises(ValueError, match="example 'x': expected gold spans"):
        calibrate(folder, [*examples, Example("x", "비가 온다", None)])
    (folder / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    with pytest.raises(ValueError, match="got a model of type 'bert'"):
        calibrate(folder, examples)
