import json

import pytest
from format_cases import write_lines

from kospan.data.corpus import read_examples
from kospan.data.labelled import labelled_items
from kospan.data.prodigy import answer_of, span_record


def test_json_lines_of_prodigy_are_read_without_conversion(tmp_path):
    span = {"start": 0, "end": 2, "label": "LC", "score": 0.2}
    path = write_lines(
        tmp_path / "a.jsonl",
        {"text": "부산", "spans": [span], "answer": "accept"},
        {"text": "대구", "spans": [span], "answer": "reject"},
        {"text": "비", "answer": "accept", "_input_hash": 1},
    )
    with pytest.warns(UserWarning, match='skipped 1 with the answer "reject"'):
        found = read_examples("jsonl", str(path))
    assert [(example.id, example.spans) for example in found] == [("a-1", ((0, 2, "LC", 1.0),)), ("a-3", ())]


def test_rejected_classes_are_not_gold_either(tmp_path):
    path = write_lines(
        tmp_path / "a.jsonl",
        {"text": "좋다", "label": "good", "answer": "accept"},
        {"text": "나쁘다", "label": "good", "answer": "reject"},
    )
    with pytest.warns(UserWarning, match="skipped 1"):
        assert [item.example.text for item in labelled_items(path)] == ["좋다"]


@pytest.mark.parametrize(
    "line",
    [
        {"text": "비가 왔다", "question": "받아들였는가?", "answer": "reject"},
        {"text": "비", "answer": "rejected"},
        {"text": "비", "answer": ["reject"]},
        {"text": "비", "spans": [{"start": 0, "end": 1, "label": "A", "answer": "reject"}]},
        ["reject"],
    ],
)
def test_lines_that_are_not_prodigys_pass_unchanged(line):
    assert answer_of(line) == ""
    assert span_record(line, "a:1") is line


def test_the_record_given_is_left_alone():
    line = {"text": "비", "id": 3, "spans": [{"start": 0, "end": 1, "label": "A", "score": 1}], "answer": "accept"}
    before = json.dumps(line)
    assert span_record(line, "a:1")["id"] == "3"
    assert json.dumps(line) == before
