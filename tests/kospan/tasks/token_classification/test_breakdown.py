"""Scores of groups: each group's metrics are those of scoring it alone, and groups add up to the whole."""

import numpy as np
import pytest

from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.tasks.token_classification.breakdown import (
    SEEN_GROUPS,
    by_length,
    by_source,
    by_surface,
    by_type,
    group_scores,
    length_groups,
)
from kospan.tasks.token_classification.metrics import counts_per_document, counts_per_type, metrics

LABELS = ["LC", "PS"]
TEXT = "이재용 회장이 서울에서 부산으로 갔다"


@pytest.fixture(scope="module")
def scored():
    generator = np.random.default_rng(0)

    def drawn():
        cuts = sorted(set(generator.integers(0, len(TEXT) + 1, 7).tolist()))
        return [Span(*pair, LABELS[generator.integers(2)]) for pair in zip(cuts[::2], cuts[1::2])]

    examples = [Example(str(at), TEXT, tuple(drawn()), source=["news", "", "wiki"][at % 3]) for at in range(60)]
    predicted = [list(example.spans)[: at % 4] + [] if at % 2 else drawn() for at, example in enumerate(examples)]
    return examples, predicted


def test_types_equal_the_scores_by_type(scored):
    rows = group_scores(*scored, by_type, LABELS, samples=50)
    totals = counts_per_type(*scored, LABELS).sum(axis=0)
    assert [(row.correct, row.predicted, row.gold) for row in rows] == [tuple(row) for row in totals.tolist()]
    assert [row.metrics for row in rows] == [metrics(row) for row in totals]


@pytest.mark.parametrize(
    "group_of", [by_type, by_source, by_length, by_surface([Example("t", "서울", (Span(0, 2, "LC"),))])]
)
def test_groups_add_up_and_lie_in_their_intervals(scored, group_of):
    rows = group_scores(*scored, group_of, samples=300)
    totals = counts_per_document(*scored).sum(axis=0).tolist()
    assert [sum(getattr(row, name) for row in rows) for name in ("correct", "predicted", "gold")] == totals
    assert len(rows) > 1
    for row in rows:
        for name, (low, high) in row.intervals.items():
            assert 0 <= low <= row.metrics[name] <= high <= 1, (row, name)


def test_sources_are_those_of_the_documents(scored):
    rows = group_scores(*scored, by_source, samples=10)
    assert [row.group for row in rows] == ["news", "unnamed", "wiki"]
    examples, predicted = scored
    totals = counts_per_document(examples[::3], predicted[::3]).sum(axis=0)
    assert rows[0].metrics == metrics(totals)


def test_a_group_in_which_nothing_falls_is_shown_with_zeros(scored):
    (row,) = group_scores(*scored, by_type, ["OG"], samples=10)
    assert row[:4] == ("OG", 0, 0, 0) and row.metrics == {"f1": 0.0, "precision": 0.0, "recall": 0.0}


@pytest.mark.parametrize(
    "length, group", [(1, "1"), (2, "2"), (4, "4"), (5, "5-6"), (14, "10-14"), (15, "15 and more")]
)
def test_lengths(length, group):
    assert by_length(Example("a", "가" * 20, ()), Span(0, length, "PS")) == group
    assert group in length_groups()


def test_surfaces_are_seen_with_their_type():
    training = [Example("t", "서울 국회", (Span(0, 2, "LC"), Span(3, 5, "OG"))), Example("u", "모름", None)]
    example, group_of = Example("a", "서울 국회 부산", ()), by_surface(training)
    assert [group_of(example, span) for span in (Span(0, 2, "LC"), Span(3, 5, "LC"), Span(6, 8, "LC"))] == [
        *SEEN_GROUPS
    ]
