"""The check of an example's spans."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kospan.example import Example, checked, clean_label
from modeling.spans import Span

SPANS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(1, 5)).map(lambda pair: Span(pair[0], min(10, sum(pair)), "answer")),
    max_size=5,
)


@settings(derandomize=True, deadline=None)
@given(SPANS)
def test_alternatives_are_all_kept_and_sorted(spans):
    example, dropped = checked(Example("a", "가" * 10, tuple(spans), "왜?", "제목"))
    assert (example.spans, dropped) == (tuple(sorted(spans)), 0)
    assert (example.question, example.source) == ("왜?", "제목")


@pytest.mark.parametrize("span", [Span(0, 11, "answer"), Span(3, 3, "answer"), Span(-1, 2, "answer")])
@pytest.mark.parametrize("overlaps", ["error", "longest"])
def test_a_span_that_leaves_its_text_is_refused_always(span, overlaps):
    with pytest.raises(ValueError, match=r"example 'a': expected spans with 0 <= start < end <= 10"):
        checked(Example("a", "가" * 10, (span,)), overlaps)


def test_an_unlabelled_example_stays_so():
    assert checked(Example("a", "가", None)) == (Example("a", "가", None), 0)


@pytest.mark.parametrize(
    ("label", "clean"),
    [
        ("PS", "PS"),
        (" PS\u00a0", "PS"),
        ("\u3000장소\n", "장소"),
        ("\u110c\u1161\u11bc\u1109\u1169", "장소"),
        ("\ufeffPS\u200b \u200b", "PS"),
        ("two  words", "two  words"),
        ("소\u200d리", "소\u200d리"),
        (" \u200b", ""),
    ],
)
def test_a_label_has_one_spelling(label, clean):
    assert clean_label(label) == clean == clean_label(clean)
    if clean:
        example = Example("a", "가", (Span(0, 1, label, 0.5),))
        assert checked(example)[0].spans == (Span(0, 1, clean, 0.5),)
