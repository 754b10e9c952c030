"""Uncertainty of distributions, against scipy and by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from kospan.evaluation.uncertainty import STRATEGIES, negative_log, uncertainties

WEIGHTS = st.lists(st.floats(0, 1, allow_nan=False), min_size=1, max_size=6).filter(lambda row: sum(row) > 0.1)


@given(WEIGHTS)
def test_against_scipy(weights):
    row = np.array(weights) / sum(weights)
    assert uncertainties(row, "entropy") == pytest.approx(entropy(row), abs=1e-12)
    ordered = sorted(row.tolist(), reverse=True)
    assert uncertainties(row, "least_confidence") == pytest.approx(max(0, -math.log(ordered[0])))
    assert uncertainties(row, "margin") == pytest.approx(1 - ordered[0] + (ordered[1] if len(row) > 1 else 0))


@given(WEIGHTS, st.permutations(range(6)), st.sampled_from(STRATEGIES))
def test_the_order_of_outcomes_does_not_count(weights, order, strategy):
    row = np.array(weights + [0.0] * (6 - len(weights))) / sum(weights)
    assert uncertainties(row[list(order)], strategy) == pytest.approx(uncertainties(row, strategy))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_certain_and_uniform(strategy):
    rows = np.array([[1.0, 0, 0], [0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3]])
    certain, two, three = uncertainties(rows[None], strategy)[0]
    assert certain == 0 and 0 < two <= three
    assert uncertainties(np.array([[1.0]]), strategy).tolist() == [0.0]


def test_rounding():
    assert negative_log(np.array([0.0, 1.0, 1.0 + 1e-12])).tolist() == [pytest.approx(708.4, abs=0.1), 0, 0]


def test_unknown_strategy():
    with pytest.raises(
        ValueError, match="expected strategy to be one of least_confidence, margin, entropy, got 'random'"
    ):
        uncertainties(np.ones((1, 1)), "random")
