"""Disjoint sets at every threshold, against enumeration."""

from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kospan.evaluation.disjoint_sets import COARSE, disjoint_misses, disjoint_set
from kospan.evaluation.risk_control import GRID
from kospan.example import Example
from kospan.modeling.spans import Span, first_overlap

spans = st.lists(
    st.builds(
        lambda start, length, label, score: Span(start, start + length, label, score),
        st.integers(0, 8),
        st.integers(1, 5),
        st.sampled_from(["LC", "PS"]),
        st.floats(0.001, 0.9),
    ),
    max_size=7,
    unique_by=lambda span: span[:3],
).map(sorted)


@settings(max_examples=60, deadline=None)
@given(spans, st.floats(1e-6, 0.9))
def test_a_set_has_the_largest_sum(found, threshold):
    chosen = disjoint_set(found, threshold)
    kept = [span for span in found if span.score >= threshold]
    sums = [
        sum(span.score - threshold for span in some)
        for size in range(len(kept) + 1)
        for some in combinations(kept, size)
        if first_overlap(list(some)) is None
    ]
    assert first_overlap(chosen) is None and set(chosen) <= set(kept)
    assert np.isclose(sum(span.score - threshold for span in chosen), max(sums))


@settings(max_examples=10, deadline=None)
@given(spans, spans)
def test_misses_are_the_worst_of_all_lower_thresholds(found, other):
    gold = tuple(Span(*span[:3]) for span in (found + other)[::2])
    misses = disjoint_misses([Example("a", "x" * 20, gold)], [found])
    assert misses.gold.tolist() == [[len(set(gold))]] and (np.diff(misses.missed, axis=2) >= 0).all()
    for at in (0, 3, 10, 255, 690):
        upper = COARSE[np.searchsorted(COARSE, at)]
        lost = [
            len({span[:3] for span in gold} - {span[:3] for span in disjoint_set(found, GRID[lower])})
            for lower in range(0, upper + 1, 10)
        ]
        assert misses.missed[0, 0, at] == max(lost)
