"""Annotations under other keys than ours: read where they can mean one thing, refused by name where not."""

import json

import pytest

from kospan.data.jsonl import from_record, read_jsonl
from kospan.example import Example
from kospan.modeling.spans import Span

TEXT = "대전에서 한별이 말했다"
SPAN = Span(0, 2, "LC")


def example(**keys):
    return from_record({"id": "a", "text": TEXT} | keys, "x.jsonl:1")


@pytest.mark.parametrize(
    "keys",
    [
        {"label": [[0, 2, "LC"]]},
        {"labels": [[0, 2, "LC"]]},
        {"entities": [[0, 2, "LC"]]},
        {"entities": [{"start": 0, "end": 2, "label": "LC", "text": "대전"}]},
        {"entities": [{"id": 4, "start_offset": 0, "end_offset": 2, "label": "LC"}], "relations": []},
        {"entities": {"start": [0], "end": [2], "type": ["LC"]}},
        {"entities": [{"start": 0, "end": 2, "labels": ["LC"]}]},
        {"ents": [{"start": 0, "end": 2, "label": "LC"}], "tokens": [{"id": 0, "start": 0, "end": 4, "tag": "N"}]},
        {"ents": [{"start_char": 0, "end_char": 2, "type": "LC"}]},
        {"annotations": [{"start_offset": 0, "end_offset": 2, "label": "LC"}]},
        {"spans": [{"start": 0, "end": 2, "type": "LC", "token_start": 0}], "answer": "accept", "label": "news"},
        {"spans": [{"start": 0, "end": 2, "label": "LC", "text": "대전"}], "entities": [[0, 2, "LC"]]},
        {"spans": [[0, 2, " LC\u200b"]]},
    ],
)
def test_keys_that_can_mean_one_thing(keys):
    assert example(**keys).spans == (SPAN,)


@pytest.mark.parametrize("key", ["label", "labels", "entities", "ents", "annotations", "spans"])
def test_an_empty_list_means_no_span(key):
    assert example(**{key: []}).spans == ()


@pytest.mark.parametrize(
    "keys",
    [
        {"meta": {"source": "web", "n": [1, 2]}, "url": "x", "date": 20240101},
        {"tags": ["news", "sport"], "tokens": ["대전에서", "한별이"]},
        {"tokens": [{"id": 0, "start": 0, "end": 4, "tag": "N"}]},
        {"label": None, "entities": None, "ner": None, "comments": []},
        {"sizes": [[1, 2, 3], [4, 5, 6]], "pairs": [["a", "b"]]},
    ],
)
def test_metadata_is_none_of_it(keys):
    assert example(**keys) == Example("a", TEXT, None)


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"label": "정치"}, "the key 'label' with '정치', the class of a whole text; set dataset: labelled"),
        ({"label": 2}, "the key 'label' with 2, the class"),
        ({"labels": ["정치"]}, "the key 'labels' with names without offsets; write {\"start\": 0"),
        ({"labels": ["B-LC", "O"]}, "the key 'labels' with names"),
        ({"entities": [["대전", "LC"]]}, "the key 'entities' with items such as"),
        ({"label": {"LC": {"대전": [[0, 1]]}}}, "the key 'label' with items such as"),
        ({"annotations": [{"result": []}]}, "the key 'annotations' with items"),
        ({"ner": [{"start": 0, "end": 2, "labels": ["LC"]}]}, "annotations under 'ner'; rename the key"),
        ({"NE": [{"form": "대전", "label": "LC", "begin": 0, "end": 2}]}, "annotations under 'NE'"),
        ({"marks": [{"begin": 0, "end": 1, "type": "LC"}]}, "annotations under 'marks'"),
        ({"marks": [{"offset": 0, "length": 2, "label": "LC"}]}, "annotations under 'marks'"),
        ({"gold": [["LC", 0, 2]]}, "annotations under 'gold'"),
        ({"tags": ["B-LC", "O", "O"]}, "annotations under 'tags'"),
        ({"cats": {"정치": 1.0}}, "annotations under 'cats'"),
        ({"ner": []}, "annotations under 'ner'"),
        ({"page": {"entities": [[0, 2, "LC"]]}}, "annotations under 'page'"),
        ({"answer": "대전"}, "expected a 'question' beside the key 'answer'"),
        ({"entities": [[0, 2, "LC"]], "ents": [[0, 2, "PS"]]}, "different ones under 'entities' and 'ents'"),
        ({"spans": [], "entities": [[0, 2, "LC"]]}, "different ones under 'spans' and 'entities'"),
        ({"spans": [{"start": 0, "end": 1, "label": "LC", "text": "대전"}]}, "expected the text '대전' from 0 to 1"),
        ({"entities": {"start": [0], "end": [2, 3], "label": ["LC"]}}, "expected lists of one length for entities"),
    ],
)
def test_other_annotations_are_refused_by_their_key(keys, named):
    with pytest.raises(ValueError) as error:
        example(**keys)
    assert str(error.value).startswith("x.jsonl:1") and named in str(error.value)


@pytest.mark.parametrize(("before", "offset"), [("😀", 3), ("e\u0301", 2), ("\u1100\u1161", 2), ("\r\n", 2), ("", 1)])
def test_offsets_of_doccano_count_what_fits_the_stored_text(before, offset):
    text = f"{before} 대전이다"
    span = {"start_offset": offset, "end_offset": offset + 2, "label": "LC", "text": "대전"}
    (found,) = example(text=text, entities=[span]).spans
    assert text[found.start : found.end] == "대전"
    # Behind the last span nothing changes what offsets mean.
    assert example(text="대전 " + before, label=[[0, 2, "LC"]]).spans == (SPAN,)


def test_offsets_of_doccano_that_may_mean_several_things():
    text = "😀 대전이다"
    for keys in ({"label": [[3, 5, "LC"]]}, {"entities": [{"start_offset": 3, "end_offset": 5, "label": "LC"}]}):
        with pytest.raises(ValueError, match=r"got 3 and 5, which doccano may count in several ways: '전이' or '대전'"):
            example(text=text, **keys)
    # One span of the text tells what the others count.
    assert example(text=text, label=[[3, 5, "LC"], [5, 7, "X"]]).spans == (Span(2, 4, "LC"), Span(4, 6, "X"))
    # Our own offsets, and spaCy's, are characters.
    assert example(text=text, entities=[[2, 4, "LC"]]).spans == example(text=text, spans=[[2, 4, "LC"]]).spans


QUESTION = {"question": "어디에서?"}
ANSWER = (Span(0, 2, "answer"),)
SPAN_RECORD = {"start": 0, "end": 2, "label": "LC"}


@pytest.mark.parametrize(
    ("keys", "spans"),
    [
        ({"answer": {"text": "대전", "answer_start": 0}}, ANSWER),
        ({"answer": "대전", "answer_start": 0}, ANSWER),
        ({"answers": {"text": ["대전"], "answer_start": [0]}}, ANSWER),
        ({"answers": [{"text": "대전", "answer_start": 0}] * 2}, ANSWER),
        ({"answers": {"text": [], "answer_start": []}}, ()),
        ({"is_impossible": True, "answers": []}, ()),
        ({"answers": None, "answer": None}, None),
        ({}, None),
        ({"spans": []}, ()),
        ({"answers": None, "answer": {"text": "대전", "answer_start": 0}}, ANSWER),
        ({"is_impossible": False, "answers": {"text": ["대전"], "answer_start": [0]}}, ANSWER),
        ({"is_impossible": 1, "answers": {"text": ["대전"], "answer_start": [0]}}, ()),
        ({"is_impossible": None, "answers": {"text": [], "answer_start": []}, "answer_start": None}, ()),
        ({"spans": [SPAN_RECORD], "answer": "대전", "is_impossible": False}, (SPAN,)),
        ({"spans": [SPAN_RECORD], "answers": ["대전시", "대전"]}, (SPAN,)),
        ({"spans": [SPAN_RECORD], "answers": [{"text": "대전", "answer_start": 0}], "answer": "accept"}, (SPAN,)),
        ({"spans": [], "is_impossible": True, "answers": [{"text": "대전", "answer_start": 0}]}, ()),
        ({"spans": [], "answers": {"text": [], "answer_start": []}}, ()),
    ],
)
def test_answers_under_other_keys(keys, spans):
    assert example(**QUESTION, **keys).spans == spans


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"answer": "대전"}, "got the key 'answer' with '대전'; add 'answer_start'"),
        ({"answers": []}, r"got the key 'answers' with \[\]; write .* \[\] where the text holds none"),
        ({"label": [[0, 2, "answer"]]}, "got the key 'label'"),
        ({"answer": {"text": "대전", "answer_start": 1}}, "expected the answer '대전' at character 1"),
        ({"answer_text": "대전"}, "got the key 'answer_text' with '대전'"),
        ({"answers": None, "answer_start": 0}, "got the key 'answer_start' with 0"),
        (
            {"is_impossible": False, "answers": {"text": [], "answer_start": []}},
            "an answer or more beside is_impossible: false, got none",
        ),
    ],
)
def test_answers_without_a_place_are_refused(keys, message):
    with pytest.raises(ValueError, match=message):
        example(**QUESTION, **keys)


@pytest.mark.parametrize(
    ("spans", "keys", "named"),
    [
        ([SPAN_RECORD], {"is_impossible": True}, "'is_impossible' with True"),
        ([], {"is_impossible": False}, "'is_impossible' with False"),
        ([SPAN_RECORD], {"answers": {"text": ["한별"], "answer_start": [5]}}, "'answers' with"),
        ([SPAN_RECORD], {"answers": {"text": [], "answer_start": []}}, "'answers' with"),
        ([SPAN_RECORD], {"answers": None, "answer": {"text": "한별", "answer_start": 5}}, "'answer' with"),
        ([SPAN_RECORD], {"answer": "한별"}, "'answer' with '한별'"),
        ([], {"answer": "대전"}, "'answer' with '대전'"),
    ],
)
def test_spans_that_contradict_the_answers_are_refused(spans, keys, named):
    with pytest.raises(ValueError, match=f"expected one set of answers, got {len(spans)} under 'spans' and {named}"):
        example(**QUESTION, spans=spans, **keys)


def test_two_keys_of_answers_that_differ_are_refused():
    answers = {"text": ["대전"], "answer_start": [0]}
    assert example(**QUESTION, answers=answers, answer="대전").spans == ANSWER
    with pytest.raises(ValueError, match=r"got 1 under 'answers' and 'answer' with {'text': '한별'"):
        example(**QUESTION, answers=answers, answer={"text": "한별", "answer_start": 5})


@pytest.mark.parametrize("more", [{}, {"spans": []}, {"answers": []}])
def test_is_impossible_is_true_or_false(more):
    with pytest.raises(TypeError, match="expected 'is_impossible' to be true or false, got 'false'"):
        example(**QUESTION, is_impossible="false", **more)


@pytest.mark.parametrize(
    "span",
    [
        {"start": 0, "end": 2, "label": "LC", "score": None, "text": None, "word": None},
        {"start": None, "start_char": 0, "end": None, "end_char": 2, "label": None, "entity_group": "LC"},
        {"start": 0, "end": 2, "start_offset": None, "end_offset": None, "type": "LC", "label": None},
    ],
)
@pytest.mark.parametrize("key", ["spans", "entities", "annotations", "labels"])
def test_null_under_a_key_of_a_span_means_that_the_key_is_missing(span, key):
    assert example(**{key: [span]}).spans == (SPAN,)


@pytest.mark.parametrize(
    "keys",
    [
        {"word": "한별"},
        {"value": "한별"},
        {"surface_form": "한별"},
        {"entity": "한별"},
        {"text": None, "word": "한별"},
        {"word": "대"},
    ],
)
def test_offsets_are_checked_against_the_text_under_any_usual_key(keys):
    with pytest.raises(ValueError, match=r"span 0: expected the text '.+' from 0 to 2, got '대전'"):
        example(spans=[SPAN_RECORD | keys])
    same = {key: value and "대전" for key, value in keys.items()}
    assert example(spans=[SPAN_RECORD | same]).spans == (SPAN,)


@pytest.mark.parametrize(
    "keys",
    [
        {"word": "new york's"},
        {"word": "new york ' s"},
        {"word": "[UNK] york's"},
        {"entity": "B-LC"},
        {"entity": "LC"},
        {"value": 3},
        {"text": "New  York's", "value": "NYC"},
    ],
)
def test_words_as_a_tokenizer_decodes_them(keys):
    record = {"id": "a", "text": "New Yórk's end", "spans": [SPAN_RECORD | {"end": 10} | keys]}
    if "text" in keys:
        record["text"] = record["text"].replace("ó", "o")
    assert from_record(record).spans == (Span(0, 10, "LC"),)


def test_a_row_of_squad_as_json_lines(tmp_path):
    row = {"id": 3, "context": TEXT, **QUESTION, "answers": {"text": ["대전"], "answer_start": [0]}, "title": None}
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert read_jsonl(path) == [Example("3", TEXT, ANSWER, "어디에서?")]


def test_what_was_rejected_is_skipped_and_counted(tmp_path):
    path = tmp_path / "prodigy.jsonl"
    lines = [{"text": str(at), "spans": [], "answer": said} for at, said in enumerate(["accept", "reject", "ignore"])]
    lines.append({"text": "reject", "question": "?", "answer": {"text": "reject", "answer_start": 0}})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    with pytest.warns(UserWarning, match=r'skipped 1 with the answer "ignore", 1 with the answer "reject"'):
        assert [each.text for each in read_jsonl(path)] == ["0", "reject"]
