"""Results of questions to the Space, without a browser."""

import json

import pytest
import question_answering as tabs
from documents import (
    DOCUMENT_CHARACTERS,
    MOST_ANSWERS,
    QUESTION_CHARACTERS,
    checked_count,
    checked_document,
    checked_question,
    read_documents,
)
from gradio.exceptions import Error
from served import ServedQuestionAnswering
from space_cases import HOSTILE, KOREAN
from texts import LANGUAGES, InputError

from kospan.modeling.colors import colours_of

QUESTION = "누가 부산을 찾았나?"
KEYS = ("question", "text")


@pytest.fixture
def served(qa_model):
    return ServedQuestionAnswering(qa_model, "tiny")


def refusal(call, *arguments) -> InputError:
    with pytest.raises(InputError) as caught:
        call(*arguments)
    for language in LANGUAGES:
        assert caught.value.message(language)
    return caught.value


# --- what is let in ---------------------------------------------------------------------------------------------------


def test_questions_and_documents_are_checked():
    assert checked_question("누구?\ud800") == "누구?\ufffd" and checked_document("가\ud800") == "가\ufffd"
    for empty in (None, "", " \n\t\u3000"):
        assert refusal(checked_question, empty).key == "question_empty"
        assert refusal(checked_document, empty).key == "document_empty"
    assert len(checked_question("가" * QUESTION_CHARACTERS)) == QUESTION_CHARACTERS
    refused = refusal(checked_question, "가" * (QUESTION_CHARACTERS + 1))
    assert refused.key == "question_long" and refused.values == {"got": 501, "most": 500}
    assert refusal(checked_document, "가" * (DOCUMENT_CHARACTERS + 1)).key == "too_long"


def test_the_number_of_answers_is_checked():
    assert [checked_count(count) for count in (1, 3.0, MOST_ANSWERS)] == [1, 3, MOST_ANSWERS]
    assert type(checked_count(3.0)) is int
    for wrong in (0, 11, 1.5, True, None, "3", [3], float("nan"), float("inf")):
        assert refusal(checked_count, wrong).key == "count_wrong"


@pytest.mark.parametrize(
    "line, key, name",
    [
        ('{"question": "누구?"}', "line_text", "text"),
        ('{"text": "가"}', "line_text", "question"),
        ('{"question": 3, "text": "가"}', "line_text", "question"),
        ('["누구?", "가"]', "line_text", "question"),
        ('{"question": "누구?"', "line_json", None),
        ('{"question": " ", "text": "가"}', "line_question", None),
        (json.dumps({"question": "가" * 501, "text": "가"}), "line_question_long", None),
        (json.dumps({"question": "누구?", "text": "가" * 10_001}), "line_long", None),
    ],
)
def test_a_wrong_file_of_questions_is_refused_with_its_line(tmp_path, line, key, name):
    path = tmp_path / "a.jsonl"
    path.write_text('{"question": "누구?", "text": ""}\n\n' + line, encoding="utf-8")
    refused = refusal(read_documents, str(path), KEYS)
    assert refused.key == key and refused.values["line"] == 3 and refused.values.get("name") == name
    if name:
        assert '{"question": "...", "text": "..."}' in refused.message("en")


def test_a_file_of_questions_is_json_lines(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"question": "누구?", "text": "가", "id": 7}\n{"text": "나", "question": "언제?"}', encoding="utf-8"
    )
    assert read_documents(str(path), KEYS) == [
        {"id": "7", "question": "누구?", "text": "가"},
        {"id": "2", "question": "언제?", "text": "나"},
    ]
    plain = tmp_path / "a.txt"
    plain.write_text("누구?", encoding="utf-8")
    refused = refusal(read_documents, str(plain), KEYS)
    assert refused.key == "file_kind" and ".txt" not in refused.message("ko") and ".jsonl" in refused.message("ko")


@pytest.mark.parametrize(
    "wrong", ["가", {"question": "누구?"}, {"question": "", "text": "가"}, {"question": "?", "text": 3 * " "}]
)
def test_an_example_that_is_no_pair_is_named(wrong):
    right = {"question": "누구?", "text": "가"}
    assert tabs.checked_examples([right]) == [right] and tabs.checked_examples(None) == []
    with pytest.raises(ValueError, match=r'^expected examples such as \{"question".*correct space\.json$'):
        tabs.checked_examples([right, wrong])


# --- what comes out ---------------------------------------------------------------------------------------------------


def test_a_result_holds_all_the_answers_and_their_probabilities(served, qa_model):
    found = tabs.find(served, QUESTION, KOREAN)
    wanted = qa_model.answer(QUESTION, KOREAN, top_k=MOST_ANSWERS, return_probabilities=True)
    assert found["refused"] is None and (found["question"], found["text"]) == (QUESTION, KOREAN)
    assert found["answers"] == [tuple(span) for span in wanted.answers]
    assert (found["starts"] == wanted.starts).all() and (found["ends"] == wanted.ends).all()
    assert found["null"] == wanted.null > 0 and type(found["null"]) is float
    assert {type(value) for answer in found["answers"] for value in answer} == {int, float, str}


STRANGE = {
    "control characters": "".join(map(chr, range(32))) + "\x7f\x80\x9f?",
    "right to left": "서울 \u202eabc\u202c \u2067مرحبا\u2069 \u200f",
    "zero width": "\u200b\ufeff",
    "half surrogate": "가\ud83d나\ude00",
    "decomposed Hangul": "\u1109\u1165\u110b\u116e\u11af" * 60,
    "markup": HOSTILE,
    "last planes": "\U0010ffff\U000e0001\ue000\uffff",
}


@pytest.mark.parametrize("name", STRANGE)
def test_any_question_and_text_give_an_answer(served, name):
    for question, text in ((STRANGE[name], KOREAN), (QUESTION, STRANGE[name]), (STRANGE[name], STRANGE[name])):
        found = tabs.find(served, question, text)
        assert found["refused"] is None and len(found["text"]) == len(text) == len(found["starts"])
        assert found["answers"] and all(0 <= start <= end <= len(text) for start, end, _, _ in found["answers"])


def test_what_is_refused_holds_nothing(served):
    for question, text, key in (("", KOREAN, "question_empty"), (QUESTION, " ", "document_empty")):
        found = tabs.find(served, question, text)
        assert found["refused"][0] == key and found["answers"] == [] and found["text"] == ""


def test_the_endpoint_gives_what_the_model_gives(served, qa_model):
    answer = tabs._endpoint(served)
    for count, least in ((1, 0.0), (4, 0.0), (4, 0.01)):
        wanted = qa_model.answer(QUESTION, KOREAN, top_k=count, threshold=least)
        assert answer(QUESTION, KOREAN, count, least, "en") == [span._asdict() for span in wanted]
    for wrong, message in (
        (("", KOREAN), "question is empty"),
        ((QUESTION, ""), "document is empty"),
        ((QUESTION, KOREAN, 11), "from 1 to 10"),
        ((QUESTION, KOREAN, 1, 2.0), "from 0 to 1"),
    ):
        with pytest.raises(Error, match=message):
            answer(**dict(zip(("question", "context", "top_k", "threshold"), wrong)), language="en")


def test_a_file_s_lines_hold_the_best_answer_or_none(served, qa_model):
    job = tabs._file_job(served, colours_of(["answer"])["answer"])
    documents = [{"id": str(at), "question": QUESTION, "text": text} for at, text in enumerate([KOREAN, "", "서울"])]
    lines = [job.line(document, spans, 0.0) for document, spans in zip(documents, job.find(documents))]
    for document, line in zip(documents, lines):
        best = [
            # Read beside others a score differs by rounding.
            span._asdict() | {"score": pytest.approx(span.score, abs=1e-6)}
            for span in qa_model.answer(QUESTION, document["text"])
            if span.end
        ]
        assert line == {**document, "spans": best}
    assert lines[0]["spans"] and lines[1]["spans"] == []
    # The house's own qa_model of JSON Lines takes them.
    from kospan.data.jsonl import from_record

    assert [from_record(json.loads(json.dumps(line))).question for line in lines] == [QUESTION] * 3
