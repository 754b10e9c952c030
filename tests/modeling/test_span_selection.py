"""Selection of spans, against all subsets of a few spans; settings of the decoding."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kospan.modeling.span_selection import (
    Candidates,
    best_disjoint,
    best_expected_f1,
    corpus_threshold,
    decoding_of,
    lowest_posteriors,
    select,
)

quick = settings(derandomize=True, deadline=None, max_examples=150)


@st.composite
def candidates(draw):
    """Up to 8 spans over 8 units with two labels."""
    spans = draw(st.sets(st.tuples(st.integers(0, 6), st.integers(1, 3), st.integers(0, 1)), min_size=0, max_size=8))
    rows = sorted((start, start + length, label) for start, length, label in spans)
    values = draw(st.lists(st.floats(0.01, 1.0), min_size=len(rows), max_size=len(rows)))
    columns = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return Candidates(*columns, np.array(values, dtype=np.float64))


def disjoint_sets(spans):
    for count in range(len(spans.starts) + 1):
        for chosen in itertools.combinations(range(len(spans.starts)), count):
            ordered = sorted((spans.starts[at], spans.ends[at]) for at in chosen)
            if all(one[1] <= two[0] for one, two in zip(ordered, ordered[1:])):
                yield list(chosen)


@quick
@given(candidates(), st.floats(0.0, 1.0))
def test_the_disjoint_set_has_the_largest_sum_of_all(spans, threshold):
    gains = spans.posteriors - threshold
    found = best_disjoint(spans, gains).tolist()
    assert found in list(disjoint_sets(spans)) and all(gains[at] > 0 for at in found)
    assert sum(gains[found]) == pytest.approx(max(sum(gains[each]) for each in disjoint_sets(spans)), abs=1e-12)


@quick
@given(candidates(), st.floats(0.01, 5.0), st.floats(0.0, 1.0))
def test_the_expected_f1_is_the_best_of_all_sets(spans, gold, no_span):
    def estimate(chosen):
        return 2 * spans.posteriors[chosen].sum() / (len(chosen) + gold) if len(chosen) else no_span

    found = best_expected_f1(spans, gold, no_span).tolist()
    assert found in list(disjoint_sets(spans))
    assert estimate(found) == pytest.approx(max(estimate(chosen) for chosen in disjoint_sets(spans)), abs=1e-12)


@quick
@given(st.lists(candidates(), min_size=1, max_size=2), st.floats(0.5, 5.0))
def test_the_corpus_threshold_gives_the_best_sets_of_the_corpus(documents, gold):
    best = max(
        2 * sum(spans.posteriors[chosen].sum() for spans, chosen in zip(documents, sets)) / (count + gold)
        for sets in itertools.product(*(list(disjoint_sets(spans)) for spans in documents))
        for count in [sum(map(len, sets))]
    )
    assert 2 * corpus_threshold(documents, gold) == pytest.approx(best, abs=1e-12)


@quick
@given(candidates(), st.floats(0.01, 1.0), st.floats(0.01, 1.0))
def test_lower_thresholds_only_add_spans(spans, one, other):
    low, high = sorted((one, other))
    chosen = []
    for threshold in (low, high):
        found = select(spans, decoding_of(["A", "B"], threshold, "posterior", overlapping=True))
        chosen.append(set(zip(*(column.tolist() for column in found))))
    assert chosen[1] <= chosen[0]


def test_likely_spans_are_returned_by_default():
    spans = Candidates(np.array([0, 1, 4]), np.array([2, 3, 5]), np.array([0, 1, 0]), np.array([0.6, 0.4, 0.5]))
    found = select(spans, decoding_of(["A", "B"], decode="posterior"))
    assert found.starts.tolist() == [0]
    each = decoding_of(["A", "B"], {"A": 0.7, "B": 0.3}, "posterior", overlapping=True)
    assert select(spans, each).starts.tolist() == [1]
    assert lowest_posteriors(each).tolist() == [0.7, 0.3]


POINTS = {"recall-0.95": {"decode": "posterior", "overlapping": True, "thresholds": {"A": 0.1}, "max_span_length": 8}}


def test_an_operating_point_has_all_settings():
    found = decoding_of(["A"], operating_point="recall-0.95", operating_points=POINTS)
    assert (found.decode, found.overlapping, found.max_span_length) == ("posterior", True, 8)
    assert found.thresholds.tolist() == [0.1]
    assert decoding_of(["A"]) == ("viterbi", False, np.zeros(1), 16)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"decode": "greedy"}, ValueError, "expected decode to be one of viterbi, posterior, mbr, got 'greedy'"),
        ({"overlapping": True}, ValueError, "got decode='viterbi', whose spans are disjoint"),
        ({"decode": "mbr", "overlapping": True}, ValueError, "got decode='mbr'"),
        ({"decode": "posterior", "overlapping": 1}, TypeError, "expected overlapping to be true or false, got 1"),
        ({"decode": "posterior", "overlapping": True, "threshold": 0}, ValueError, "expected thresholds above 0"),
        ({"threshold": 1.5}, ValueError, "a number from 0 to 1, got 1.5"),
        ({"threshold": float("nan")}, ValueError, "a number from 0 to 1, got nan"),
        ({"threshold": "0.5"}, TypeError, "a number from 0 to 1, got '0.5'"),
        ({"threshold": True}, TypeError, "got True"),
        ({"threshold": {"A": 0.1}}, ValueError, "got none for B"),
        ({"threshold": {"A": 0.1, "B": 0.1, "C": 0.2}}, ValueError, "got some for unknown labels: C"),
        ({"threshold": {"A": 0.1, "B": "x"}}, TypeError, "got 'x'"),
        ({"operating_point": "recall-0.9"}, ValueError, "got 'recall-0.9', but the model has none"),
        ({"operating_point": "x", "operating_points": POINTS}, ValueError, "got 'x', but the model has recall-0.95"),
        (
            {"operating_point": "x", "operating_points": {"x": {"decode": "posterior"}}},
            ValueError,
            "got no thresholds, overlapping; make it again",
        ),
        (
            {"operating_point": "recall-0.95", "threshold": 0.1, "operating_points": POINTS},
            ValueError,
            "leave them out",
        ),
    ],
)
def test_settings_without_effect_are_refused(arguments, kind, message):
    with pytest.raises(kind, match=message):
        decoding_of(["A", "B"], **arguments)
