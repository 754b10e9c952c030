import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kospan.data.jsonl import from_record, read_jsonl, record, write_jsonl
from kospan.data.texts import read_texts
from kospan.example import Example
from kospan.modeling.spans import Span


def write(tmp_path, *lines):
    path = tmp_path / "data.jsonl"
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def test_reads_what_it_writes(tmp_path):
    examples = [
        Example("a", "이재용이 서울에 😀", (Span(0, 3, "PS"), Span(5, 7, "LC", 0.25))),
        Example("b", "비가 온다", ()),
        Example("c", "읽지 않은 글", None, source="nsmc"),
        Example("d", "한국의 수도는 서울이다", (Span(8, 10, "answer"),), question="수도는?"),
        Example("e", "It 's 5 %", (), words=("It", "'s", "5", "%")),
    ]
    path = tmp_path / "out.jsonl"
    write_jsonl(path, examples)
    assert read_jsonl(path) == examples
    text = path.read_text(encoding="utf-8")
    assert "서울" in text and "\\u" not in text
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.jsonl"]


def test_words_alone_are_a_text(tmp_path):
    path = write(tmp_path, '{"words": ["Oslo", ".", "Bergen"]}', '{"text": "Oslo\\n.", "words": ["Oslo", "."]}')
    one, other = read_jsonl(path)
    assert one == Example("data-1", "Oslo . Bergen", None, words=("Oslo", ".", "Bergen"))
    assert (other.text, other.document) == ("Oslo\n.", ["Oslo", "."])
    assert record(one) == {"id": "data-1", "text": "Oslo . Bergen", "words": ["Oslo", ".", "Bergen"]}


def test_predictions_carry_their_scores():
    example = Example("a", "서울", (Span(0, 2, "LC"),))
    assert record(example)["spans"] == [{"start": 0, "end": 2, "label": "LC"}]
    assert record(example, [Span(0, 2, "LC", 1.0)])["spans"] == [{"start": 0, "end": 2, "label": "LC", "score": 1.0}]
    assert record(example, [])["spans"] == []
    assert "spans" not in record(Example("a", "서울", None))


def test_missing_spans_are_unlabelled_and_extra_keys_ignored(tmp_path):
    path = write(tmp_path, '{"text": "서울", "mood": 3}', "", '{"id": "x", "text": "", "spans": []}')
    assert read_jsonl(path) == [Example("data-1", "서울", None), Example("x", "", ())]


@pytest.mark.parametrize(
    ("line", "kind", "message"),
    [
        ('{"id": "a"', ValueError, "expected one JSON object per line, got .* at column 11"),
        ("[", ValueError, "looks like one JSON value"),
        ("3", TypeError, r"expected the line to be an object, got 3 \(int\)"),
        ('{"id": "a"}', ValueError, "expected the key 'text', got 'id'"),
        ('{"id": 3.5, "text": ""}', TypeError, "expected 'id' to be a string, got 3.5"),
        ('{"text": null}', TypeError, "expected 'text' to be a string, got None"),
        ('{"text": "a", "words": "a"}', TypeError, "expected 'words' to be a list, got 'a'"),
        ('{"text": "a", "words": ["a", 3]}', TypeError, "expected a word to be a string, got 3"),
        ('{"text": "a.", "words": ["a", "."]}', ValueError, "expected words that give the text when they are joined"),
        ('{"text": "a", "spans": null}', TypeError, "omit the key for an unlabelled text"),
        ('{"text": "a", "spans": {}}', TypeError, "expected 'spans' to be a list"),
        ('{"text": "a", "spans": ["X"]}', TypeError, "span 0: expected a span to be an object"),
        ('{"text": "a", "spans": [[0, 1]]}', ValueError, r"span 0: expected \[start, end, label\], got \[0, 1\]"),
        ('{"text": "a", "spans": [{"start": 0, "label": "X"}]}', ValueError, "got start, label; add end"),
        (
            '{"text": "a", "spans": [{"start": "0", "end": 1, "label": "X"}]}',
            TypeError,
            r"expected 'start' to be an integer, got '0' \(str\); write it without quotation marks",
        ),
        (
            '{"text": "a", "spans": [{"start": 0, "end": true, "label": "X"}]}',
            TypeError,
            r"expected 'end' to be an integer, got True \(bool\)",
        ),
        ('{"text": "a", "spans": [{"start": 0, "end": 1.0, "label": "X"}]}', TypeError, "got 1.0"),
        (
            '{"text": "a", "spans": [{"start": 0, "end": 2, "label": "X"}]}',
            ValueError,
            r"end <= 1 \(the text's length\)",
        ),
        ('{"text": "a", "spans": [{"start": 1, "end": 1, "label": "X"}]}', ValueError, "got start 1, end 1"),
        ('{"text": "a", "spans": [{"start": 0, "end": 1, "label": ""}]}', ValueError, "expected a label"),
        ('{"text": "a", "spans": [{"start": 0, "end": 1, "label": 7}]}', TypeError, "expected 'label' to be a string"),
        ('{"text": "a", "spans": [{"start": 0, "end": 1, "label": "X", "score": "1"}]}', TypeError, "to be a number"),
        ('{"text": "a", "spans": [{"start": 0, "end": 1, "label": "X", "score": NaN}]}', ValueError, "to be finite"),
        ('{"text": "\\ud83d"}', ValueError, "half surrogate pair"),
        ('{"text": "a", "spans": [{"start": 0, "end": 1, "label": "\\ud83d"}]}', ValueError, "half surrogate pair"),
        ('{"text": ' + "[" * 100_000, ValueError, r"got one that Python does not read \(brackets too deep"),
        ('{"size": ' + "9" * 5_000 + "}", ValueError, r"got one that Python does not read \(Exceeds the limit"),
    ],
)
def test_bad_lines_name_file_and_line(tmp_path, line, kind, message):
    path = write(tmp_path, '{"id": "fine", "text": "a"}', line)
    with pytest.raises(kind, match=message) as caught:
        read_jsonl(path)
    assert str(caught.value).startswith(f"{path}:2")


def test_record_without_a_file_needs_an_id():
    with pytest.raises(ValueError, match="record: expected the key 'id'"):
        from_record({"text": "a"})


def test_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.jsonl"
    write_jsonl(path, [Example("a", "old", ())])

    def broken():
        yield Example("b", "new", ())
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_jsonl(path, broken())
    assert read_jsonl(path)[0].text == "old"
    assert os.listdir(tmp_path) == ["a.jsonl"]


texts = st.text(
    st.one_of(st.sampled_from('가나각😀👨‍👩‍👧\n\r\t ᄀ\u200b\u2028\ufeff<"\\'), st.characters(codec="utf-8")),
    max_size=20,
)


@st.composite
def examples(draw):
    text = draw(texts)
    spans = None
    if draw(st.booleans()):
        cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=6)))
        spans = tuple(
            Span(start, end, draw(st.sampled_from(["PS", "장소"]))) for start, end in zip(cuts[::2], cuts[1::2])
        )
    return Example(draw(st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)), text, spans)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(examples())
def test_any_example_survives_a_line_of_json(example):
    line = json.dumps(record(example), ensure_ascii=False)
    assert from_record(json.loads(line)) == example


def test_texts_from_plain_lines_and_json_lines(tmp_path):
    plain = tmp_path / "mails.txt"
    plain.write_text("서울에 간다  \n\n 둘째 글\n", encoding="utf-8")
    assert read_texts(str(plain)) == [Example("mails-1", "서울에 간다  ", None), Example("mails-3", " 둘째 글", None)]
    assert read_texts(str(write(tmp_path, '{"id": "a", "text": "b"}'))) == [Example("a", "b", None)]
    plain.write_text("\n", encoding="utf-8")
    with pytest.raises(ValueError, match="expected at least one text"):
        read_texts(str(plain))


@st.composite
def answered(draw):
    """A question with alternatives that may overlap, as a reader is trained on them."""
    text = draw(st.text(st.characters(codec="utf-8"), min_size=2, max_size=20))
    places = st.tuples(st.integers(0, len(text) - 1), st.integers(1, len(text))).map(sorted)
    pairs = draw(st.lists(places.filter(lambda pair: pair[0] < pair[1]), max_size=4))
    score = draw(st.one_of(st.just(1.0), st.floats(0, 1)))
    spans = tuple(sorted(Span(start, end, "answer", score) for start, end in pairs))
    asked = draw(st.text(st.characters(codec="utf-8"), min_size=1, max_size=9))
    return Example(draw(st.sampled_from(["q", "12", "é"])), text, spans, asked, draw(st.sampled_from(["", "제목"])))


@settings(derandomize=True, deadline=None, max_examples=100)
@given(answered())
def test_any_question_survives_a_line_of_json(example):
    line = json.dumps(record(example), ensure_ascii=False)
    again = from_record(json.loads(line))
    assert again == example
    # Said answers take the place of the gold ones, and can be trained on.
    said = from_record(json.loads(json.dumps(record(example, list(example.spans)))))
    assert said == example


def test_answers_that_were_said_can_be_trained_on(tmp_path):
    from kospan.data.corpus import load_corpus

    questions = [
        Example(f"q{at}-{number}", f"수도는 서울이다 {at}", None, "수도는?") for at in range(9) for number in range(2)
    ]
    said = [Span(4, 6, "answer", 0.7), Span(4, 7, "answer", 0.2)]
    path = tmp_path / "said.jsonl"
    path.write_text("".join(json.dumps(record(each, said)) + "\n" for each in questions), encoding="utf-8")
    splits = load_corpus("jsonl", str(path)).splits
    # Questions about one text stay together.
    assert [example.id for example in splits["validation"]] == ["q0-0", "q0-1", "q8-0", "q8-1"]
    assert splits["train"][0] == Example("q1-0", "수도는 서울이다 1", tuple(said), "수도는?")
    assert len(splits["train"]) == 14
