"""Comparison of two systems: changes are checked against sets of errors, differences against the paired bootstrap."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kospan.evaluation.comparison
from kospan.evaluation.bootstrap import holm, paired
from kospan.evaluation.comparison import count_changes, differences, document_changes, span_changes
from kospan.evaluation.span_counts import counts_per_document
from kospan.example import Example
from kospan.modeling.spans import Span

TEXT = "abcdefghij"
LABELS = ("PS", "LC")


@st.composite
def span_lists(draw):
    """Spans of TEXT without overlaps."""
    ends = sorted(draw(st.sets(st.integers(0, len(TEXT)), max_size=6)))
    pairs = zip(ends[::2], ends[1::2])
    return [Span(start, end, draw(st.sampled_from(LABELS)), 0.5) for start, end in pairs]


def errors(gold, spans):
    """Missed gold spans and predicted spans that are not gold, as sets."""
    gold, spans = {span[:3] for span in gold}, {span[:3] for span in spans}
    return gold - spans, spans - gold


@given(span_lists(), span_lists(), span_lists())
def test_changes_of_gold_spans_are_the_differences_of_the_sets_of_missed_spans(gold, first, second):
    example = Example("a", TEXT, tuple(span._replace(score=1.0) for span in gold))
    changes = span_changes([example], [first], [second])
    missed = [errors(gold, spans)[0] for spans in (first, second)]
    expected = {
        "fixed": missed[0] - missed[1],
        "introduced": missed[1] - missed[0],
        "both wrong": missed[0] & missed[1],
    }
    for change, spans in expected.items():
        found = [each.gold[:3] for each in changes if each.gold and each.change == change]
        assert sorted(found) == sorted(spans)
    for each in changes:
        assert each.kind != "correct" and each.document == 0
        if each.gold is None:
            assert each.kind == "spurious"
            wrong = [errors(gold, spans)[1] for spans in (first, second)]
            for side, span in enumerate((each.first, each.second)):
                assert span is None or span[:3] in wrong[side]


@given(span_lists(), span_lists())
def test_a_system_compared_with_itself_has_no_change_and_a_swap_swaps(gold, spans):
    example = Example("a", TEXT, tuple(span._replace(score=1.0) for span in gold))
    assert {each.change for each in span_changes([example], [spans], [spans])} <= {"both wrong"}
    forth = count_changes(span_changes([example], [gold], [spans]))
    back = count_changes(span_changes([example], [spans], [gold]))
    assert {kind: counts["introduced"] for kind, counts in forth.items()} == {
        kind: counts["fixed"] for kind, counts in back.items()
    }


def test_differences_are_those_of_the_paired_bootstrap_with_adjusted_p_values():
    generator = np.random.default_rng(3)
    gold = generator.integers(0, 3, (80, 3))
    sides = [np.stack([generator.integers(0, gold + 1), gold, gold], axis=2) for _ in "ab"]
    for side in sides:
        side[:, 2] = 0
    rows = differences(*sides, ["PS", "LC", "OG"], samples=500)
    assert [row["group"] for row in rows] == ["all", "PS", "LC"]
    whole = paired(sides[1].sum(axis=1), sides[0].sum(axis=1), 500)
    assert (rows[0]["difference"], rows[0]["interval"]) == (whole.difference, [whole.low, whole.high])
    assert rows[0]["difference"] == pytest.approx(rows[0]["second"] - rows[0]["first"])
    assert "p_holm" not in rows[0]
    assert [row["p_holm"] for row in rows[1:]] == holm([row["p_value"] for row in rows[1:]])
    swapped = differences(*sides[::-1], ["PS", "LC", "OG"], samples=500)
    assert [row["difference"] for row in swapped] == pytest.approx([-row["difference"] for row in rows])


def test_a_single_label_has_one_row():
    counts = np.ones((5, 1, 3), dtype=np.int64)
    assert [row["group"] for row in differences(counts, counts, ["PS"], samples=50)] == ["all"]


def test_the_sum_of_changes_explains_the_counts():
    gold = (Span(0, 2, "PS"), Span(4, 6, "LC"), Span(8, 10, "LC"))
    first, second = [Span(0, 2, "PS"), Span(4, 7, "LC")], [Span(0, 2, "LC"), Span(4, 6, "LC"), Span(8, 10, "LC")]
    example = Example("a", TEXT, gold)
    changes = span_changes([example], [first], [second])
    assert [(each.change, each.kind) for each in changes] == [
        ("introduced", "type"),
        ("fixed", "boundary"),
        ("fixed", "missed"),
    ]
    correct = [counts_per_document([example], [spans])[0, 0] for spans in (first, second)]
    signs = {"fixed": 1, "introduced": -1, "both wrong": 0}
    assert correct[1] - correct[0] == sum(signs[each.change] for each in changes if each.gold)


def test_scores_of_documents_between_0_and_1_count():
    scores = np.array([[0.5, 1.0, 1.0], [0.5, 1.0, 1.0]])[:, None]
    better = np.array([[0.5, 1.0, 1.0], [0.75, 1.0, 1.0]])[:, None]
    assert document_changes(scores, better) == [(0, "both wrong"), (1, "fixed")]
    assert document_changes(better, scores) == [(0, "both wrong"), (1, "introduced")]


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(kospan.evaluation.comparison).failed == 0
