"""`kospan compare`."""

import json

import pytest
from cli_cases import GOLD, TEXTS, refused

from kospan.cli import main
from kospan.compare import compare
from kospan.data.jsonl import read_jsonl, write_jsonl
from kospan.example import Example
from kospan.modeling.spans import Span

PREDICTED = [
    Example("first", TEXTS[0], (Span(0, 3, "PS", 0.9), Span(8, 12, "LC", 0.6))),
    Example("second", TEXTS[1], (Span(5, 14, "LC", 0.9),)),
    Example("third", TEXTS[2], ()),
]


@pytest.fixture
def predictions(tmp_path):
    write_jsonl(tmp_path / "predicted.jsonl", PREDICTED)
    return str(tmp_path / "predicted.jsonl")


def test_two_files_are_compared(predictions, gold_file, tmp_path, capsys):
    output = tmp_path / "comparison"
    assert main(["compare", predictions, gold_file, "--data", gold_file, "--output", str(output)]) == 0
    printed = capsys.readouterr().out
    assert "boundary" in printed and "+0.4286" in printed and "'서울에서' LC" in printed
    found = json.loads((output / "comparison.json").read_text(encoding="utf-8"))
    assert found["task"] == "token-classification" and found["documents"] == 3
    assert found["counts"] == {
        "boundary": {"fixed": 1, "introduced": 0, "both wrong": 0},
        "missed": {"fixed": 1, "introduced": 0, "both wrong": 0},
    }
    assert found["changes"][0]["first"]["surface"] == "서울에서" and found["changes"][0]["second"]["surface"] == "서울"
    # 2 of 3 predicted and of 4 gold spans are right: F1 is 4 / 7.
    assert found["differences"][0]["first"] == pytest.approx(4 / 7) and found["differences"][0]["second"] == 1.0


def test_documents_are_found_by_id_in_any_order(predictions, gold_file, tmp_path):
    write_jsonl(tmp_path / "reversed.jsonl", PREDICTED[::-1])
    one, other = (
        compare(path, gold_file, gold_file, samples=50) for path in (predictions, str(tmp_path / "reversed.jsonl"))
    )
    assert one.differences == other.differences and one.changes == other.changes


def test_a_model_and_its_predictions_do_not_differ(model_folder, gold_file, tmp_path, capsys):
    written = str(tmp_path / "written.jsonl")
    assert main(["predict", model_folder, gold_file, "--output", written]) == 0
    assert any(example.spans for example in read_jsonl(written))
    found = compare(model_folder, written, gold_file, samples=50)
    assert found.metrics[0] == found.metrics[1] and "klue_entity_f1" in found.metrics[0]
    assert {row["difference"] for row in found.differences} == {0.0}
    assert {change.change for change in found.changes} <= {"both wrong"}


def test_labels_that_only_one_side_has_count_as_errors(predictions, gold_file, tmp_path):
    other = [Example(one.id, one.text, tuple(span._replace(label="ZZ") for span in one.spans)) for one in PREDICTED]
    write_jsonl(tmp_path / "other.jsonl", other)
    found = compare(predictions, str(tmp_path / "other.jsonl"), gold_file, samples=50)
    rows = {row["group"]: row for row in found.differences}
    assert rows["all"]["second"] == 0.0 and rows["ZZ"]["gold"] == 0 and rows["PS"]["gold"] == 2
    assert found.counts["type"] == {"fixed": 0, "introduced": 2, "both wrong": 0}


def test_models_with_other_labels_are_compared(make_token_classifier, model_folder, tmp_path):
    make_token_classifier(encoder_input="units", labels=["PS", "ZZ"]).save_pretrained(tmp_path / "other")
    data = [Example(str(at), text, (Span(0, 1, "PS"),)) for at, text in enumerate(TEXTS)]
    found = compare(model_folder, str(tmp_path / "other"), data, samples=50)
    labels = [{span.label for spans in side for span in spans} for side in found.predicted]
    assert {row["group"] for row in found.differences} == {"all", "PS", *labels[0], *labels[1]}
    assert labels[0] - {"PS", "ZZ"} and not labels[1] - {"PS", "ZZ"}


def test_text_of_the_data_is_escaped_on_the_page(tmp_path, capsys):
    text = "<script>alert(1)</script> 서울"
    write_jsonl(tmp_path / "gold.jsonl", [Example("<b>", text, (Span(26, 28, "LC"),))])
    write_jsonl(tmp_path / "none.jsonl", [Example("<b>", text, ())])
    gold, none = (str(tmp_path / name) for name in ("gold.jsonl", "none.jsonl"))
    assert main(["compare", none, gold, "--data", gold, "--output", str(tmp_path / "page")]) == 0
    page = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert "<script" not in page and "&lt;script&gt;" in page and '<span class="label"' in page


def test_answers_are_compared_as_wholes_by_the_rules_of_the_data(tmp_path):
    text = "세종대왕은 1443년에 훈민정음을 만들었다."
    gold = [
        Example("q1", text, (Span(0, 4, "answer"),), "누가 만들었나?"),
        Example("q2", text, (Span(6, 11, "answer"),), "언제 만들었나?"),
    ]
    answers = [[Span(0, 5, "answer", 0.9), Span(6, 11, "answer", 0.1)], [Span(6, 11, "answer", 0.8)]]
    files = []
    for at, rows in enumerate((answers, [gold[0].spans, ()])):
        files.append(str(tmp_path / f"{at}.jsonl"))
        write_jsonl(files[-1], [Example(one.id, text, tuple(spans), one.question) for one, spans in zip(gold, rows)])
    found = compare(*files, gold, samples=50)
    assert found.task == "question-answering"
    assert [(each.document, each.change) for each in found.changes] == [(0, "fixed"), (1, "introduced")]
    # "세종대왕은" shares four of five characters with the gold answer.
    assert found.differences[0]["first"] == pytest.approx((8 / 9 + 1) / 2)
    assert [len(spans) for spans in found.predicted[0]] == [1, 1]


def test_classes_are_compared_with_the_task_named(tmp_path):
    gold = [Example(f"t{at}", "좋다", (Span(0, 2, label),)) for at, label in enumerate(("good", "bad"))]
    path = str(tmp_path / "classes.jsonl")
    write_jsonl(path, [Example(one.id, one.text, (Span(0, 2, "good", 0.7),)) for one in gold])
    found = compare(path, path, gold, task="text-classification", samples=50)
    assert found.task == "text-classification" and found.differences[0]["first"] == 0.5
    assert [(each.document, each.change) for each in found.changes] == [(1, "both wrong")]


def test_mistakes_are_one_line(predictions, model_folder, gold_file, tmp_path, capsys):
    write_jsonl(tmp_path / "short.jsonl", PREDICTED[:1])
    message = refused(["compare", str(tmp_path / "short.jsonl"), predictions, "--data", gold_file], capsys)
    assert "got none for example 'second' (neither its id nor its text is there) and 1 more" in message
    write_jsonl(tmp_path / "renamed.jsonl", [Example(f"x{at}", text, ()) for at, text in enumerate(TEXTS)])
    message = refused(["compare", str(tmp_path / "renamed.jsonl"), predictions, "--data", gold_file], capsys)
    assert "its text is there under another id" in message
    write_jsonl(tmp_path / "bare.jsonl", [Example(one.id, one.text, None) for one in GOLD])
    message = refused(["compare", str(tmp_path / "bare.jsonl"), predictions, "--data", gold_file], capsys)
    assert "expected predicted spans, got none for example 'first'" in message
    message = refused(
        ["compare", model_folder, predictions, "--data", gold_file, "--task", "question-answering"], capsys
    )
    assert "expected two systems of one task, got token-classification and question-answering" in message
    message = refused(["compare", predictions, str(tmp_path / "nothing"), "--data", gold_file], capsys)
    assert "nothing" in message
