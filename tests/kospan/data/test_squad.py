"""Questions in the form of SQuAD: what is read, how articles are cut, and what is said of files that are wrong."""

import gzip
import json
from unicodedata import normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kospan.data.corpus import load_corpus, read_examples
from kospan.data.questions import Answer, answer_span
from kospan.data.squad import read_squad

CONTEXT = "수도는 서울이고, 서울 다음은 부산이다."


def question(name="q1", *answers, **more):
    listed = [{"text": text, "answer_start": start} for text, start in answers]
    return {"id": name, "question": "수도는 어디인가?", "answers": listed} | more


def document(*questions, context=CONTEXT, **article):
    return {"title": "서울", "paragraphs": [{"context": context, "qas": list(questions)}]} | article


def write(tmp_path, *articles, name="set.json"):
    path = tmp_path / name
    path.write_text(json.dumps({"version": "1", "data": articles}), encoding="utf-8")
    return str(path)


GOOD = question("q1", ("서울", 4))


def test_alternatives_titles_and_questions(tmp_path):
    path = write(tmp_path, document(question("q1", ("서울", 10), ("서울", 4), ("서울", 4), ("서울이고", 4))))
    (item,) = read_squad(path)
    example = item.example
    assert (example.id, example.question, example.source) == ("q1", "수도는 어디인가?", "서울")
    assert [span[:3] for span in example.spans] == [(4, 6, "answer"), (4, 8, "answer"), (10, 12, "answer")]
    assert (item.place, item.group) == (f"{path}, article 0, paragraph 0", f"{path}, article 0")
    (checked,) = read_examples("squad", path)
    assert checked.spans == example.spans, "answers that overlap are alternatives"


def test_questions_without_an_answer_and_unlabelled_ones(tmp_path):
    marked = question("q2", is_impossible=True, plausible_answers=[{"text": "부산", "answer_start": 17}])
    hidden = {"guid": "q3", "question": "어디?"}
    beside = question("q4", ("부산", 17), is_impossible=True)
    path = write(tmp_path, document(question("q1", ("서울", 4), is_impossible=False), marked, hidden, beside))
    examples = read_examples("klue_mrc", path)
    assert [example.spans for example in examples[1:]] == [(), None, ()]
    assert [example.id for example in examples] == ["q1", "q2", "q3", "q4"]
    with pytest.raises(ValueError, match=r"example 'q3' \(.*\): expected labelled texts"):
        load_corpus("klue_mrc", path, path)


def test_klue_s_own_keys(tmp_path):
    asked = {
        "guid": "klue-mrc-v1_train_12759",
        "question": "북쪽 도시는?",
        "question_type": 1,
        "is_impossible": False,
        "answers": [{"text": "서울", "answer_start": 4}],
    }
    article = document(asked, news_category="종합", source="hankyung")
    (example,) = read_examples("klue_mrc", write(tmp_path, article))
    assert (example.id, example.spans[0][:2]) == ("klue-mrc-v1_train_12759", (4, 6))


def test_every_eighth_article_is_validation_with_all_its_questions(tmp_path):
    articles = [
        document(*(question(f"{at}-{number}", ("서울", 4)) for number in range(1 + at % 3)), title="같은 제목")
        for at in range(18)
    ]
    path = write(tmp_path, *articles)
    splits = load_corpus("korquad", path).splits
    ids = {split: [example.id for example in examples] for split, examples in splits.items()}
    wanted = [f"{at}-{number}" for at in range(18) for number in range(1 + at % 3)]
    assert ids["validation"] == [name for name in wanted if int(name.split("-")[0]) in (0, 8, 16)]
    assert ids["train"] == [name for name in wanted if name not in ids["validation"]]
    # A file for validation wins, and may share ids with the training file.
    splits = load_corpus("korquad", path, write(tmp_path, *articles[:1], name="other.json")).splits
    assert [example.id for example in splits["validation"]] == ["0-0"] and len(splits["train"]) == len(wanted)


def test_one_article_cannot_be_cut(tmp_path):
    with pytest.raises(ValueError, match="expected two articles or more to train and validate with"):
        load_corpus("korquad", write(tmp_path, document(GOOD, question("q2", ("서울", 4)))))


def changed(**values):
    return document({key: value for key, value in (GOOD | values).items() if value != "drop"})


@pytest.mark.parametrize(
    "article, kind, message",
    [
        (changed(question=" \n"), ValueError, r"question 'q1': expected a question, got ' \\n'; write it, or drop"),
        (changed(question=None), TypeError, "question 'q1': expected a question to be a string, got None"),
        (changed(question="drop"), ValueError, "question 'q1': expected the key 'question', got 'id', 'answers'"),
        (changed(id="drop"), ValueError, "paragraph 0: expected the key 'id', got 'question', 'answers'"),
        (changed(id=1.5), TypeError, "paragraph 0: expected 'id' to be a string or a whole number, got 1.5"),
        (changed(id=True), TypeError, "a whole number, got True"),
        (changed(answers=[]), ValueError, "question 'q1': expected an answer or more, got none; mark the question"),
        (changed(answers=[], is_impossible=False), ValueError, "question 'q1': expected an answer or more, got none"),
        (changed(answers="서울"), TypeError, "question 'q1': expected 'answers' to be a list, got '서울'"),
        (changed(answers=["서울"]), TypeError, "question 'q1': expected an answer to be an object, got '서울'"),
        (changed(answers=[{"text": "서울"}]), ValueError, "question 'q1': expected the key 'answer_start', got 'text'"),
        (changed(answers=[{"answer_start": 4}]), ValueError, "question 'q1': expected the key 'text'"),
        (
            changed(answers=[{"text": "서울", "answer_start": "4"}]),
            TypeError,
            "question 'q1': expected 'answer_start' to be an integer, got '4' .*; write it without quotation marks",
        ),
        (changed(answers=[{"text": " ", "answer_start": 3}]), ValueError, "'q1': expected the text of an answer, got"),
        (changed(is_impossible="false"), TypeError, "'q1': expected 'is_impossible' to be true or false, got 'false'"),
        (
            document(question("q1", ("서울", 5))),
            ValueError,
            r"question 'q1': expected the answer '서울' at character 5 of its context, got '울이'; "
            r"it is at 4, the nearest of 2 places \(offsets count characters, not bytes\)",
        ),
        (document(question("q1", ("부산", 30))), ValueError, "'부산' at character 30 .* got ''; it is at 17 "),
        (document(question("q1", ("부산", -3))), ValueError, "'부산' at character -3 .* it is at 17 "),
        (
            document(question("q1", ("부산", CONTEXT.index("부산") - len(CONTEXT)))),
            ValueError,
            "'부산' at character -5 .* it is at 17 ",
        ),
        (document(question("q1", ("대구", 4))), ValueError, "got '서울'; it is not in the text"),
        (document(GOOD, context=""), ValueError, "question 'q1': expected a text to find the answer in, got ''"),
        (document(GOOD, context=3), TypeError, "paragraph 0: expected 'context' to be a string, got 3"),
        (document(GOOD, title=7), TypeError, "article 0: expected 'title' to be a string"),
        (document(GOOD, paragraphs={}), TypeError, "article 0: expected 'paragraphs' to be a list"),
        ({"title": "x"}, ValueError, "article 0: expected the key 'paragraphs', got 'title'"),
        ("x", TypeError, "article 0: expected the article to be an object, got 'x'"),
        (document(GOOD, GOOD), ValueError, "expected unique ids in a split, got 'q1', which is also used at"),
        (changed(question="\ud83d?"), ValueError, "question 'q1': expected whole characters, got the half surrogate"),
    ],
)
def test_a_wrong_question_is_named(tmp_path, article, kind, message):
    path = write(tmp_path, article)
    with pytest.raises(kind, match=message) as caught:
        read_examples("korquad", path)
    assert str(caught.value).startswith(f"{path}, article 0")


@pytest.mark.parametrize(
    "text, message",
    [
        ("", r"expected JSON in the form of SQuAD, got invalid JSON \(Expecting value"),
        ('{"data": [', "got invalid JSON"),
        ('{"data": ' + "[" * 100_000, r"got invalid JSON \(brackets too deep"),
        ('{"data": ' + "9" * 5_000 + "}", r"got invalid JSON \(Exceeds the limit"),
        ("[]", r"expected the file to be an object, got \[\]"),
        ('{"version": "1"}', "expected the key 'data', got 'version'"),
        ('{"data": {}}', "expected 'data' to be a list"),
        ('{"data": []}', "expected at least one article in 'data', got none; name another file"),
        ('[{"title": "x", "paragraphs": []}]', r"to be an object, got .* \(list\); write {\"data\": ARTICLES}"),
        ('[{"question": "?", "context": "가"}]', "write one object per line, and set dataset: jsonl"),
        ('{"id": "1", "question": "?", "context": "가"}\n{"id": "2"}\n', "got JSON Lines, an object per line; set d"),
        ('{"id": "1", "question": "?", "context": "가"}', "got JSON Lines; set dataset: jsonl"),
        ("id,question\n1,?\n", "begins with 'id,question'; set dataset to the file's form"),
        ('{"data": [{"paragraphs": []}]}', "expected at least one example, got an empty split"),
    ],
)
def test_a_wrong_file_is_named(tmp_path, text, message):
    path = tmp_path / "set.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        read_examples("squad", str(path))
    assert str(caught.value).startswith(str(path))


def test_bytes_that_are_not_utf_8(tmp_path):
    text = json.dumps({"data": [document(GOOD)]}, ensure_ascii=False)
    path = tmp_path / "set.json"
    path.write_bytes(text.encode("cp949"))
    with pytest.raises(ValueError, match=r"set\.json:1: expected utf-8, .* looks like CP949 .*iconv -f cp949"):
        read_examples("korquad", str(path))
    # A byte order mark is dropped, so is gzip; half of a gzip file is not taken for a whole one.
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read_examples("korquad", str(path))[0].spans[0][:2] == (4, 6)
    packed = tmp_path / "set.json.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    assert len(read_examples("korquad", str(packed))) == 1
    packed.write_bytes(gzip.compress(text.encode())[:-20])
    with pytest.raises(ValueError, match=r"set\.json\.gz: expected a whole gzip file"):
        read_examples("korquad", str(packed))
    with pytest.raises(FileNotFoundError, match=r"did you mean .*set\.json"):
        read_examples("korquad", str(tmp_path / "sett.json"))


def test_nfd_text_keeps_exact_offsets(tmp_path):
    context = normalize("NFD", CONTEXT)
    start = context.index(normalize("NFD", "부산"))
    path = write(tmp_path, document(question("q1", (normalize("NFD", "부산"), start)), context=context))
    (example,) = read_examples("korquad", path)
    (span,) = example.spans
    assert example.text == context and example.text[span.start : span.end] == normalize("NFD", "부산")
    # The answer in the other form is found in the raw text too.
    path = write(tmp_path, document(question("q1", ("부산", start)), context=context))
    assert read_examples("korquad", path)[0].spans == example.spans
    with pytest.raises(ValueError, match="it is elsewhere in the text, in another Unicode form"):
        answer_span(Answer("부산", 17), context, "x")


@pytest.mark.parametrize("context, text", [("각하", "가"), ("가하", "각"), ("가", "가나")])
def test_a_part_of_a_syllable_is_no_answer(context, text):
    with pytest.raises(ValueError, match="expected the answer"):
        answer_span(Answer(text, 0), normalize("NFD", context), "x")


WRITTEN = st.text(st.sampled_from("가각나é 한글ab.\u0301"), min_size=1, max_size=12)


@settings(derandomize=True, deadline=None)
@given(WRITTEN, WRITTEN, WRITTEN, st.sampled_from(["NFC", "NFD"]), st.sampled_from(["NFC", "NFD"]))
def test_any_answer_is_found_in_either_form(before, text, after, form, other):
    context = normalize(form, before) + normalize(form, text) + normalize(form, after)
    start = len(normalize(form, before))
    try:
        span = answer_span(Answer(normalize(other, text), start), context, "x")
    except ValueError:
        # An answer of spaces, or one whose last letter takes what follows as its mark.
        assert not text.strip() or (form != other and after.startswith("\u0301"))
    else:
        assert normalize("NFC", context[span.start : span.end]) == normalize("NFC", text) and span.start == start


def test_a_text_of_200_000_characters(tmp_path):
    context = "가나다라 " * 40_000 + "서울이다"
    path = write(tmp_path, document(question("q1", ("서울", 200_000)), context=context))
    assert read_examples("korquad", path)[0].spans[0][:2] == (200_000, 200_002)
    path = write(tmp_path, document(question("q1", ("가나다라 " * 100, 1)), context=context))
    with pytest.raises(ValueError, match="it is at 0, the nearest of 39,901 places") as caught:
        read_examples("korquad", path)
    assert len(str(caught.value)) < 500


def test_null_is_as_good_as_a_missing_key(tmp_path):
    article = document(GOOD | {"is_impossible": None}, {"id": "q2", "question": "?", "answers": None}, title=None)
    first, second = read_examples("korquad", write(tmp_path, article))
    assert (first.source, first.spans[0][:2], second.spans) == ("", (4, 6), None)
    for mark in (1, True):
        assert read_examples("korquad", write(tmp_path, changed(is_impossible=mark)))[0].spans == ()
