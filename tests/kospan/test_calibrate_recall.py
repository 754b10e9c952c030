"""Guaranteed recall of a folder: operating points, refusals that write nothing, the check of new texts."""

import json

import numpy as np
import pytest
from calibrate_cases import jsonl, labelled_folder
from card_cases import card_of
from transformers import AutoModel

from kospan.calibrate import calibrate, calibrate_recall, check_data
from kospan.cli import main
from kospan.data.jsonl import read_jsonl
from kospan.data.seen_texts import NAME as TRAINING_TEXTS
from kospan.data.seen_texts import write_keys
from kospan.evaluation.operating_point import Goal
from kospan.evaluation.risk_control import GRID
from kospan.example import Example
from kospan.modeling.spans import Span, first_overlap
from kospan.operating_points import cut_parts

QUIET = {"say": lambda line: None}


@pytest.fixture
def trained(make_token_classifier, texts, tmp_path):
    """A folder with keys of its training texts, and more labelled texts."""
    folder, examples = labelled_folder(make_token_classifier, texts, tmp_path)
    write_keys([Example("t", "학습에 쓴 문장", ())], folder / TRAINING_TEXTS)
    longer = [
        Example(f"{name}{each.id}", text, each.spans)
        for each in examples
        for name, text in (("a", each.text), ("b", each.text + " 하지만"), ("c", each.text + " 다시"))
    ]
    return folder, [
        Example(each.id, each.text, tuple(s for s in each.spans if s.end - s.start <= 16)) for each in longer
    ]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_an_operating_point_returns_every_span_above_its_thresholds(trained):
    folder, examples = trained
    report = calibrate_recall(folder, [Goal(0.7)], examples, **QUIET)
    model = AutoModel.from_pretrained(folder)
    point = model.config.operating_points["recall-0.7"]
    thresholds, guarantee = point["thresholds"], point["guarantee"]
    assert set(thresholds) == {"LC", "PS"} or set(thresholds) == set(report["recall"]["recall-0.7"]["thresholds"])
    assert guarantee["kind"] == "expectation" and guarantee["level"] == 0.7 and guarantee["confidence"] is None
    assert guarantee["wording"]["en"].endswith("not for each document, not under shift.")
    parts = cut_parts(examples)
    found = model.extract([each.text for each in parts.calibration], operating_point="recall-0.7")
    everything = model.extract(
        [each.text for each in parts.calibration], float(GRID[0]), decode="posterior", overlapping=True
    )
    for chosen, spans in zip(found, everything, strict=True):
        assert chosen == [span for span in spans if span.score >= thresholds[span.label]]
    missed = [
        1 - len({s[:3] for s in spans} & {s[:3] for s in each.spans}) / len(each.spans)
        for each, spans in zip(parts.calibration, found)
        if each.spans
    ]
    assert (sum(missed) + 1) / (len(missed) + 1) <= 0.3 + 1e-9
    assert guarantee["documents"] == {"all": len(missed)}


def test_files_of_the_folder(trained):
    folder, examples = trained
    (folder / "recipe.yaml").write_text("name: tiny\ndataset: jsonl\n", encoding="utf-8")
    card_of(folder)
    calibrate_recall(folder, [Goal(0.7), Goal(0.6, per_label=False)], examples, **QUIET)
    config, stored, sample = (
        json.loads((folder / name).read_text(encoding="utf-8"))
        for name in ("config.json", "calibration.json", "calibration_sample.json")
    )
    assert list(stored["recall"]) == ["recall-0.7", "recall-0.6"] and set(config["operating_points"]) == set(
        stored["recall"]
    )
    row = stored["recall"]["recall-0.7"]["report"]["all"]
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert f"| {row['document_recall']:.4f} |" in card
    assert "on average over documents exchangeable with the calibration data, for this label set" in card
    assert "not for each document, not under shift" in card and "교환 가능한" in card
    assert sample["documents"] == len(cut_parts(examples).calibration)
    assert not any("가" <= letter <= "힣" for letter in json.dumps(sample, ensure_ascii=False))


def test_a_level_that_cannot_be_certified_writes_nothing(trained):
    folder, examples = trained
    before = contents(folder)
    with pytest.raises(
        ValueError, match=r"expected data that certify a recall of 0\.99, got \d+ documents .* at most 0\."
    ):
        calibrate_recall(folder, [Goal(0.6), Goal(0.99)], examples, **QUIET)
    assert contents(folder) == before


def test_training_texts_are_refused_or_left_out(trained):
    folder, examples = trained
    before = contents(folder)
    seen = cut_parts(examples).calibration[:2]
    with pytest.raises(
        ValueError, match=r"expected calibration data without texts of the training data, got 2 of .*--skip_seen"
    ):
        calibrate_recall(folder, [Goal(0.6)], examples, training=seen, **QUIET)
    write_keys(seen, folder / TRAINING_TEXTS)
    with pytest.raises(ValueError, match="calibration data without texts of the training data"):
        calibrate_recall(folder, [Goal(0.6)], examples, **QUIET)
    write_keys([Example("t", "학습에 쓴 문장", ())], folder / TRAINING_TEXTS)
    assert contents(folder) == before
    said = []
    calibrate_recall(folder, [Goal(0.6)], examples, training=seen, skip_seen=True, say=said.append)
    assert said[0] == "left out            2 texts that were trained on"


def test_texts_with_reported_scores_are_left_out_of_the_cut(trained):
    folder, examples = trained
    stored, said = read_jsonl(folder / "predictions.jsonl"), []
    report = calibrate_recall(folder, [Goal(0.6)], [*examples, *stored], say=said.append)
    assert said == [f"left out            {len(stored)} texts on which scores are reported"]
    assert report["recall"] == calibrate_recall(folder, [Goal(0.6)], examples, **QUIET)["recall"]


def test_unknown_training_texts_are_an_error(trained):
    folder, examples = trained
    (folder / TRAINING_TEXTS).unlink()
    with pytest.raises(
        ValueError, match=r"expected the keys of the training texts .*; pass the training data with --train"
    ):
        calibrate_recall(folder, [Goal(0.6)], examples, **QUIET)


def test_overlapping_parts_and_unknown_labels_are_refused(trained):
    folder, examples = trained
    with pytest.raises(ValueError, match="expected calibration data without texts of the report data"):
        calibrate_recall(folder, [Goal(0.6)], examples[5:], examples[:5], examples[4:9], **QUIET)
    wrong = [Example("x", "모르는 이름", (Span(0, 3, "UNKNOWN"),))]
    with pytest.raises(ValueError, match=r"expected labels that the model knows .*, got 'UNKNOWN'"):
        calibrate_recall(folder, [Goal(0.6)], [*examples[9:], *wrong], examples[:5], examples[5:9], **QUIET)


def test_another_temperature_removes_operating_points(trained):
    folder, examples = trained
    calibrate_recall(folder, [Goal(0.6)], examples, **QUIET)
    parts, said = cut_parts(examples), []
    calibrate(folder, parts.selection, parts.report, said.append)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert not said and "recall-0.6" in config["operating_points"]
    assert "recall-0.6" in json.loads((folder / "calibration.json").read_text(encoding="utf-8"))["recall"]
    calibrate(folder, parts.calibration, parts.report, said.append)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert said[0].startswith("removed             recall-0.6: the thresholds are of the former temperature")
    assert not config["operating_points"]
    assert "recall" not in json.loads((folder / "calibration.json").read_text(encoding="utf-8"))


def test_other_calibration_documents_remove_operating_points(trained):
    folder, examples = trained
    parts, said = cut_parts(examples), []
    calibrate_recall(folder, [Goal(0.6)], parts.calibration, parts.selection, parts.report, **QUIET)
    calibrate_recall(folder, [Goal(0.5)], parts.calibration, parts.selection, parts.report, say=said.append)
    assert not said and set(AutoModel.from_pretrained(folder).config.operating_points) == {"recall-0.6", "recall-0.5"}
    calibrate_recall(folder, [Goal(0.4)], parts.calibration[1:], parts.selection, parts.report, say=said.append)
    assert said == ["removed             recall-0.5, recall-0.6: certified on other documents than the new ones"]
    assert set(AutoModel.from_pretrained(folder).config.operating_points) == {"recall-0.4"}


def test_flags_may_precede_the_folder(trained, tmp_path, capsys):
    folder, examples = trained
    data = jsonl(tmp_path / "data.jsonl", examples)
    assert main(["calibrate", "--recall", "0.6", str(folder), "--data", data]) == 0
    assert "recall-0.6: thresholds" in capsys.readouterr().out


def test_levels_are_numbers(capsys):
    with pytest.raises(SystemExit):
        main(["calibrate", "folder", "--data", "x", "--recall", "high"])
    assert "expected levels such as 0.9 or 0.9,0.95, got 'high'" in capsys.readouterr().err


def test_the_command(trained, tmp_path, capsys):
    folder, examples = trained
    data = jsonl(tmp_path / "data.jsonl", examples)
    assert main(["calibrate", str(folder), "--data", data, "--recall", "0.6,0.7"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "recall-0.6: thresholds from" in printed and 'model.extract(texts, operating_point="recall-0.7")' in printed
    assert "for this label set; not for each document, not under shift." in printed
    assert main(["calibrate", str(folder), "--check", data]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "recall of the operating points on the new documents" in printed
    plain = tmp_path / "new.txt"
    plain.write_text("".join(f"{each.text}\n" for each in examples), encoding="utf-8")
    assert main(["calibrate", str(folder), "--check", str(plain)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "unknown subwords" in printed and "recall of the operating points" not in printed


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "expected --data FILE to calibrate with, or --check FILE, got neither"),
        (["--data", "x.jsonl", "--per_label"], "expected --recall LEVEL beside --per_label"),
        (["--data", "x.jsonl", "--recall_of", "corpus"], "expected --recall LEVEL beside --recall_of"),
        (["--check", "x.jsonl", "--recall", "0.9"], "expected --check alone, got it beside --recall"),
        (["--data", "DATA", "--recall", "95"], "expected a recall above 0 and below 1, got 95"),
        (["--data", "DATA", "--recall", "0.9", "--joint"], "expected per_label and a confidence with joint"),
        (
            ["--data", "DATA", "--recall", "0.9", "--confidence", "0"],
            "expected a confidence above 0 and below 1, got 0",
        ),
        (["--data", "DATA", "--confidence", "0"], "expected --recall LEVEL beside --confidence"),
        (["--data", "DATA", "--recall", "0.9,0"], "expected a recall above 0 and below 1, got 0"),
        (["--check", "DATA", "--precision", "0"], "expected --check alone, got it beside --precision"),
        (["--check", "DATA"], "expected calibration_sample.json in"),
    ],
)
def test_wrong_flags(trained, tmp_path, capsys, flags, message):
    folder, examples = trained
    data = jsonl(tmp_path / "data.jsonl", examples)
    assert main(["calibrate", str(folder), *(data if flag == "DATA" else flag for flag in flags)]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_only_token_classification_has_guarantees(tmp_path):
    folder = tmp_path / "qa"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "kospan-question-answering"}', encoding="utf-8")
    with pytest.raises(
        ValueError, match=r"expected a model of token classification in .* got one of question-answering"
    ):
        calibrate_recall(folder, [Goal(0.6)], [Example("a", "b", ())], **QUIET)


def test_the_same_documents_are_no_shift_and_other_ones_are(trained):
    folder, examples = trained
    calibrate_recall(folder, [Goal(0.6)], examples, **QUIET)
    parts = cut_parts(examples)
    same = check_data(folder, parts.calibration)
    assert [row["distance"] for row in same["samples"]] == pytest.approx([0] * len(same["samples"]), abs=0.2)
    assert not any(row["differs"] for row in same["samples"]) and not same["recall"]["recall-0.6"][0]["differs"]
    other = check_data(folder, [Example(str(at), "☃" * (80 + at), None) for at in range(40)])
    assert any(row["differs"] for row in other["samples"]) and other["recall"] == {"recall-0.6": []}


def test_thresholds_are_of_the_grid(trained):
    folder, examples = trained
    calibrate_recall(folder, [Goal(0.6, per_label=False, recall_of="corpus")], examples, **QUIET)
    point = AutoModel.from_pretrained(folder).config.operating_points["recall-0.6"]
    assert all(np.isclose(GRID, value).any() for value in point["thresholds"].values())
    assert point["guarantee"]["most_spans"]["all"] >= 1


def test_disjoint_spans(trained, tmp_path, capsys):
    folder, examples = trained
    data = jsonl(tmp_path / "data.jsonl", examples)
    (folder / "recipe.yaml").write_text("name: tiny\ndataset: jsonl\n", encoding="utf-8")
    card_of(folder)
    assert main(["calibrate", str(folder), "--data", data, "--recall", "0.2", "--non_overlapping"]) == 0
    model, parts = AutoModel.from_pretrained(folder), cut_parts(examples)
    point = model.config.operating_points["recall-0.2"]
    assert point["overlapping"] is False and len(set(point["thresholds"].values())) == 1
    found = model.extract([each.text for each in parts.report], operating_point="recall-0.2")
    assert all(first_overlap(spans) is None for spans in found) and any(found)
    stored = json.loads((folder / "calibration.json").read_text(encoding="utf-8"))["recall"]["recall-0.2"]["report"][
        "all"
    ]
    assert stored["predicted"] == sum(map(len, found))
    gold = [{span[:3] for span in each.spans} for each in parts.report]
    right = sum(span[:3] in own for own, spans in zip(gold, found) for span in spans)
    assert stored["recall"] == pytest.approx(right / sum(map(len, gold)))
    assert "(`recall-0.2`: disjoint ones only)" in (folder / "README.md").read_text(encoding="utf-8")
    assert main(["calibrate", str(folder), "--check", data]) == 0
    assert "recall-0.2" in capsys.readouterr().out
    assert main(["calibrate", str(folder), "--data", data, "--recall", "0.2", "--non_overlapping", "--per_label"]) == 2
    assert "expected overlapping spans with per_label" in capsys.readouterr().err
