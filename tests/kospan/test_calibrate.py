"""A calibrated folder: the same spans, other scores, everywhere the same ones."""

import json
import os
from dataclasses import replace

import pytest
from calibrate_cases import jsonl, labelled_folder
from card_cases import card_of
from release_cases import save_qa_run
from transformers import AutoModel

from kospan.calibrate import calibrate
from kospan.cli import main
from kospan.data.jsonl import read_jsonl
from kospan.example import Example
from kospan.hub.verify import verify
from kospan.modeling.pipelines import KospanTokenClassificationPipeline
from kospan.modeling.spans import Span
from kospan.tasks.token_classification.spec import SPEC


@pytest.fixture
def labelled(make_token_classifier, texts, tmp_path):
    """A folder as a run writes it, and labelled texts of which the model gets a part right."""
    return labelled_folder(make_token_classifier, texts, tmp_path)


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
    assert verify(folder, folder / "predictions.jsonl", SPEC) == len(after)
    pipe = KospanTokenClassificationPipeline(model=model)
    assert pipe(after[0].text)[0]["score"] == pytest.approx(after[0].spans[0].score, abs=1e-6)
    results = json.loads((folder / "eval_results.json").read_text(encoding="utf-8"))
    metrics = report["spans"]["posterior"]["after"]["metrics"]
    assert results["eval_f1"] == 0.5 and results["eval_calibration_temperature"] == report["temperature"]
    assert results["eval_calibration_ece"] == metrics["ece"] and results["eval_calibration_n"] == metrics["n"]
    assert json.loads((folder / "calibration.json").read_text(encoding="utf-8")) == report
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_the_card_is_written_again(labelled):
    folder, examples = labelled
    (folder / "recipe.yaml").write_text("name: tiny\ndataset: jsonl\n", encoding="utf-8")
    card_of(folder)
    assert "temperature" not in (folder / "README.md").read_text(encoding="utf-8").split("## Citation")[0].lower()
    report = calibrate(folder, examples)
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert f"{report['temperature']:g}" in card and "## Calibration" in card
    before = report["spans"]["posterior"]["before"]["metrics"]["ece"]
    assert f"{before:.4f}" in card


def test_a_card_that_cannot_be_written_again_is_reported_before_the_work(labelled):
    folder, examples = labelled
    (folder / "recipe.yaml").write_text("name: tiny\ndataset: jsonl\n", encoding="utf-8")
    card_of(folder)
    (folder / "eval_results.json").unlink()
    config = (folder / "config.json").read_bytes()
    with pytest.raises(FileNotFoundError, match=r"expected eval_results\.json in .*, from which the model card"):
        calibrate(folder, examples)
    assert (folder / "config.json").read_bytes() == config and not (folder / "calibration.json").exists()


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
    with pytest.raises(ValueError, match="got 5 that are all in predictions"):
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
    printed = " ".join(capsys.readouterr().out.split())  # (lines wrap by the length of the folder)
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
    with pytest.raises(ValueError, match=f"{name}: expected (a )?JSON.*; copy the file from the run again"):
        calibrate(folder, examples)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files


def test_other_models_and_unlabelled_texts_are_refused(labelled, tmp_path):
    folder, examples = labelled
    with pytest.raises(ValueError, match="example 'x': expected gold spans"):
        calibrate(folder, [*examples, Example("x", "비가 온다", None)])
    (folder / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    with pytest.raises(ValueError, match="got one of type 'bert'"):
        calibrate(folder, examples)


# --- a threshold for a wished precision -------------------------------------------------------------------------------


SHORT = ["이재", "회장", "서울", "김연", "부산", "사직", "오후", "국립", "한국", "은행"]


@pytest.fixture
def asked(make_qa_model, texts, tmp_path):
    """A reader's folder, and questions of which it gets those right that have few possible answers, so it is sure."""
    model = make_qa_model(encoder_input="units")
    pairs = [(short, f"{texts[at % 5]} {at}") for at, short in enumerate(SHORT)]
    # Two short ones, two long ones: each half of the texts has both.
    rows = [text for at in range(0, 10, 2) for text in (pairs[at][0], pairs[at + 1][0], pairs[at][1], pairs[at + 1][1])]
    examples = []
    for at, text in enumerate(rows):
        [span] = model.answer("누가 왔나?", text)
        gold = Span(*span[:3]) if text in SHORT else wrong(span)
        examples.append(Example(str(at), text, (gold,), "누가 왔나?"))
    stored = [("언제 왔나?", f"{text} 그리고") for text in texts]
    return save_qa_run(model, tmp_path / "reader", stored), examples


def wrong(span):
    """An answer that is not this one."""
    return Span(span[0] + 1, span[1] + 1, "answer") if span[0] == 0 else Span(0, 1, "answer")


def unsure(folder, example):
    """Predictions of the model."""
    return Span(*AutoModel.from_pretrained(folder).answer(example.question, example.text)[0][:3])


def config_of(folder):
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))


def test_a_reader_is_calibrated_and_keeps_its_threshold(asked):
    folder, examples = asked
    report = calibrate(folder, examples, precision=0.8)
    chosen = report["threshold"]
    assert chosen["wished"] == 0.8 and 0 < chosen["value"] < 1 and chosen["fitted"]["precision"] >= 0.8
    assert chosen["reported"]["all"] == report["reported"]["documents"] == 10
    assert json.loads((folder / "calibration.json").read_text(encoding="utf-8")) == report
    config = config_of(folder)
    assert (config["calibration_temperature"], config["threshold"]) == (report["temperature"], chosen["value"])
    model = AutoModel.from_pretrained(folder)
    after = read_jsonl(folder / "predictions.jsonl")
    for example in after:
        said = model.answer(example.question, example.text)
        assert [span[:3] for span in example.spans] == [span[:3] for span in said]
        assert [span.score for span in example.spans] == pytest.approx([span.score for span in said], abs=1e-6)
    sure = [model.answer(example.question, example.text, threshold=0.0)[0].score for example in after]
    assert [bool(example.spans) for example in after] == [score >= chosen["value"] for score in sure]
    # What was fitted is what the model itself says of those questions.
    texts = list(dict.fromkeys(example.text for example in examples))
    fitted = [example for example in examples if texts.index(example.text) % 2 == 0]
    found = [model.answer(example.question, example.text) for example in fitted]
    right = [
        example.text[slice(*spans[0][:2])] == example.text[slice(*example.spans[0][:2])]
        for example, spans in zip(fitted, found)
        if spans
    ]
    assert len(right) == chosen["fitted"]["kept"]
    assert sum(right) == pytest.approx(chosen["fitted"]["precision"] * len(right))


def test_a_threshold_goes_with_the_temperature_that_it_was_chosen_at(asked):
    folder, examples = asked
    calibrate(folder, examples, precision=0.8)
    assert config_of(folder)["threshold"] > 0
    assert "threshold" not in calibrate(folder, examples) and config_of(folder)["threshold"] == 0.0
    config = config_of(folder) | {"threshold": 0.125}  # set by hand
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    calibrate(folder, examples)
    assert config_of(folder)["threshold"] == 0.125


def test_a_precision_out_of_reach_is_reported_and_the_rest_is_done(asked, capsys):
    folder, examples = asked
    examples = [  # Now it is right of what it is unsure of alone.
        replace(example, spans=(wrong(example.spans[0]) if example.text in SHORT else unsure(folder, example),))
        for example in examples
    ]
    said: list[str] = []
    report = calibrate(folder, examples, say=said.append, precision=1.0)
    chosen = report["threshold"]
    assert chosen["value"] is None and chosen["reported"] is None and 0 < chosen["best"] < 1
    assert len(said) == 1 and said[0].startswith("no threshold        expected one that gives a precision of 1 ")
    assert f"the best one gives {chosen['best']:.4f}; request less" in said[0]
    config = config_of(folder)
    assert config["calibration_temperature"] == report["temperature"] and config["threshold"] == 0.0
    with pytest.raises(ValueError, match="expected a precision above 0 and at most 1"):
        calibrate(folder, examples, precision=90)


def test_questions_about_a_text_stay_together(asked):
    folder, examples = asked
    twice = [*examples, *(Example(f"{each.id}b", each.text, each.spans, "그래서?") for each in examples[:4])]
    report = calibrate(folder, twice)
    assert (report["fitted"]["documents"], report["reported"]["documents"]) == (12, 12)


def test_a_token_classifier_has_its_threshold_reported_but_not_stored(labelled, tmp_path, capsys):
    folder, examples = labelled
    data = jsonl(tmp_path / "data.jsonl", examples)
    assert main(["calibrate", str(folder), "--data", data, "--precision", "0.5"]) == 0
    printed = capsys.readouterr().out
    assert "threshold for a precision of 0.5" in printed and "coverage" in printed
    assert "threshold" not in config_of(folder)
    report = json.loads((folder / "calibration.json").read_text(encoding="utf-8"))
    assert report["threshold"]["fitted"]["precision"] >= 0.5
