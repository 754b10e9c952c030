import pytest
from format_cases import surfaces, write_lines

from kospan.data.formats.prodigy import read_prodigy
from kospan.example import Example
from kospan.modeling.spans import Span


def line(text, *spans, answer="accept", **more):
    found = [{"start": start, "end": end, "label": label, "token_start": 0} for start, end, label in spans]
    return {"text": text, "spans": found, "_input_hash": -12, "_task_hash": 7, "answer": answer} | more


def test_only_accepted_lines_are_read_and_the_others_counted(tmp_path):
    path = write_lines(
        tmp_path / "out.jsonl",
        line("부산에 비", (0, 2, "LC")),
        line("오늘 비", (0, 2, "LC"), answer="reject"),
        line("어제 비", answer="ignore"),
        line("내일 비", (0, 2, "DT"), answer="reject"),
        line("밤", id=31, _view_id="ner_manual"),
    )
    with pytest.warns(UserWarning, match='skipped 1 with the answer "ignore", 2 with the answer "reject"'):
        found = read_prodigy(path)
    assert found == [Example("out-1", "부산에 비", (Span(0, 2, "LC"),)), Example("31", "밤", ())]


@pytest.mark.filterwarnings("error")
def test_lines_without_answers_and_spans(tmp_path):
    accepted, tokens = line("밤"), [{"text": "밤", "start": 0, "end": 1, "id": 0}]
    del accepted["spans"]
    undecided = line("부산", (0, 2, "LC"))
    del undecided["answer"]
    path = write_lines(
        tmp_path / "a.jsonl", accepted | {"tokens": tokens}, {"text": "밤", "tokens": tokens, "meta": {}}, undecided
    )
    assert [example.spans for example in read_prodigy(path)] == [(), None, (Span(0, 2, "LC"),)]


def test_single_decisions_and_scores_of_spans(tmp_path):
    mixed = line("부산과 대구", (0, 2, "LC"), (4, 6, "LC"), answer="accept")
    mixed["spans"][0] |= {"answer": "reject"}
    mixed["spans"][1] |= {"score": 0.4, "text": "대구", "source": "model"}
    binary = line("부산", (0, 2, "LC"), _is_binary=True)
    path = write_lines(tmp_path / "a.jsonl", mixed, binary)
    with pytest.warns(UserWarning, match="1 lines are binary decisions about single spans"):
        found = read_prodigy(path)
    assert [example.spans for example in found] == [(Span(4, 6, "LC"),), (Span(0, 2, "LC"),)]


def test_other_counts_are_read_when_asked_for(tmp_path):
    path = write_lines(tmp_path / "a.jsonl", line("😀 대구시", (3, 5, "LC")))
    assert surfaces(read_prodigy(path)) == [["구시"]]
    assert surfaces(read_prodigy(path, ["utf16"])) == [["대구"]]


@pytest.mark.parametrize(
    ("bad", "kind", "message"),
    [
        ({"text": "a", "label": "GOOD", "answer": "accept"}, ValueError, "whole text under 'label'"),
        ({"text": "a", "options": [], "accept": ["x"], "answer": "accept"}, ValueError, "whole text under 'accept'"),
        ({"text": "a", "entities": [{"start": 0, "end": 1}]}, ValueError, "annotations under 'entities'"),
        (line("a", (0, 2, "X")), ValueError, "span 0: expected 0 <= start < end <= 1"),
        (line("a", ("0", 1, "X")), TypeError, "span 0: expected 'start' to be an integer, got '0'"),
        (line("ab", (0, 1, "X")) | {"spans": [{"start": 0, "end": 1}]}, ValueError, "add label"),
        (line("ab") | {"spans": {}}, TypeError, "expected 'spans' to be a list"),
        ({"image": "a.png", "spans": [], "answer": "accept"}, ValueError, "expected the key 'text'"),
        (["a"], TypeError, "expected the line to be an object"),
    ],
)
def test_bad_lines(tmp_path, bad, kind, message):
    path = write_lines(tmp_path / "a.jsonl", line("fine"), bad)
    with pytest.raises(kind, match=message) as caught:
        read_prodigy(path)
    assert str(caught.value).startswith(f"{path}:2")
