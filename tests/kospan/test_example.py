"""The check of an example's spans."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kospan.example import Example, checked, clean_label
from kospan.modeling.spans import Span

SPANS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(1, 5)).map(lambda pair: Span(pair[0], min(10, sum(pair)), "answer")),
    max_size=5,
)


@settings(derandomize=True, deadline=None)
@given(SPANS)
def test_alternatives_are_all_kept_and_sorted(spans):
    example, changes = checked(Example("a", "가" * 10, tuple(spans), "왜?", "제목"))
    assert (example.spans, changes) == (tuple(sorted(spans)), (0, 0))
    assert (example.question, example.source) == ("왜?", "제목")


@pytest.mark.parametrize("span", [Span(0, 11, "answer"), Span(3, 3, "answer"), Span(-1, 2, "answer")])
@pytest.mark.parametrize("overlaps", ["error", "longest"])
def test_a_span_that_leaves_its_text_is_refused_always(span, overlaps):
    with pytest.raises(ValueError, match=r"example 'a': expected spans with 0 <= start < end <= 10"):
        checked(Example("a", "가" * 10, (span,)), overlaps)


def test_an_unlabelled_example_stays_so():
    assert checked(Example("a", "가", None)) == (Example("a", "가", None), (0, 0))


@pytest.mark.parametrize(
    ("label", "clean"),
    [
        ("PS", "PS"),
        (" PS\u00a0", "PS"),
        ("\u3000장소\n", "장소"),
        ("\u110c\u1161\u11bc\u1109\u1169", "장소"),
        ("\ufeffPS\u200b \u200b", "PS"),
        ("two  words", "two words"),
        ("소\u200d리", "소\u200d리"),
        (" \u200b", ""),
    ],
)
def test_a_label_has_one_spelling(label, clean):
    assert clean_label(label) == clean == clean_label(clean)
    if clean:
        example = Example("a", "가", (Span(0, 1, label, 0.5),))
        assert checked(example)[0].spans == (Span(0, 1, clean, 0.5),)


# --- white space ------------------------------------------------------------------------------------------------------

TEXT = " 서울\u00a0시\n부산\u3000 "


def test_white_space_at_the_ends_of_spans_is_taken_off_and_counted():
    spans = (Span(0, 4, "LC", 0.5), Span(4, 6, "LC"), Span(6, 10, "OG"))
    example, changes = checked(Example("a", TEXT, spans))
    assert example.spans == (Span(1, 3, "LC", 0.5), Span(4, 5, "LC"), Span(6, 8, "OG"))
    assert changes == (0, 3)
    again, changes = checked(example)
    assert (again, changes) == (example, (0, 0))
    # Inside it stays.
    assert checked(Example("a", TEXT, (Span(1, 8, "LC"),)))[1] == (0, 0)


def test_spans_of_white_space_alone_are_dropped_and_counted_with_those_that_are_trimmed():
    example, changes = checked(Example("a", TEXT, (Span(8, 10, "LC"), Span(5, 6, "OG"), Span(1, 3, "LC"))))
    assert (example.spans, changes) == ((Span(1, 3, "LC"),), (0, 2))
    assert checked(Example("a", " \n", (Span(0, 2, "LC"),)))[0].spans == ()


def test_spans_that_shared_white_space_alone_do_not_overlap():
    example, changes = checked(Example("a", TEXT, (Span(1, 6, "LC"), Span(5, 8, "LC"))))
    assert (example.spans, changes) == ((Span(1, 5, "LC"), Span(6, 8, "LC")), (0, 2))
    _, changes = checked(Example("a", TEXT, (Span(0, 5, "LC"), Span(4, 6, "LC"))), "longest")
    assert changes == (1, 2)


def test_answers_that_differ_in_white_space_alone_are_one():
    answers = (Span(0, 3, "answer"), Span(1, 3, "answer"), Span(1, 4, "answer"), Span(4, 5, "answer"))
    example, changes = checked(Example("a", TEXT, answers, "어디?"))
    assert (example.spans, changes) == ((Span(1, 3, "answer"), Span(4, 5, "answer")), (0, 2))
    with pytest.raises(ValueError, match=r"example 'a': expected an answer with a character other .*, got '\\u3000 '"):
        checked(Example("a", TEXT, (Span(8, 10, "answer"),), "어디?"))


def test_labels_of_whole_texts_keep_the_white_space_of_their_texts():
    for text in (TEXT, "  ", ""):
        label = Span(0, len(text), "정치")
        example, changes = checked(Example("a", text, (label,)), whole_texts=True)
        assert (example.spans, changes) == ((label,), (0, 0))


# --- words ------------------------------------------------------------------------------------------------------------


def test_a_model_is_given_the_words_where_there_are_some():
    assert Example("a", "서울 .", None).document == "서울 ."
    example = Example("a", "서울 .", (Span(0, 2, "LC"),), words=("서울", "."))
    assert example.document == ["서울", "."]
    assert checked(example) == (example, (0, 0))
    # Between sentences the text may hold a line end.
    assert checked(Example("a", "서울\n.", None, words=("서울", ".")))[0].words == ("서울", ".")


@pytest.mark.parametrize("words", [("서울.",), ("서울", " ."), ("서울",), ("서울", ".", "")])
def test_words_that_do_not_give_the_text_are_refused(words):
    with pytest.raises(ValueError, match="example 'a': expected words that give the text when they are joined by"):
        checked(Example("a", "서울 .", None, words=words))
