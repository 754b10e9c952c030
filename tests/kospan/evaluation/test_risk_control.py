"""Bounds on a risk, against exact cases, enumeration and simulation."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from kospan.evaluation.risk_control import (
    GRID,
    best_level,
    betting_p_value,
    choose_bound,
    hoeffding_bentkus,
    is_certified,
    largest_threshold,
    risk_of,
)

BOUNDS = ("hoeffding-bentkus", "betting")


def stepped(posteriors):
    """Losses of documents with one gold span each `(documents, thresholds)`."""
    return (np.asarray(posteriors)[:, None] < GRID).astype(float)


def test_the_grid_is_fixed_and_increasing():
    assert (np.diff(GRID) > 0).all() and len(GRID) == 691
    assert GRID[0] == pytest.approx(1e-6, rel=0.02) and GRID[-1] == pytest.approx(0.999, rel=1e-4)


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99, 0.8, 0.7])
def test_without_a_miss_the_mean_risk_needs_one_over_alpha_less_one(level):
    needed = math.ceil(1 / (1 - Fraction(str(level)))) - 1
    for documents, expected in ((needed, True), (needed - 1, False)):
        assert is_certified(np.zeros((documents, 1)), risk_of(level), "conformal").tolist() == [expected]


def test_without_a_miss_99_percent_at_90_percent_confidence_needs_230():
    for documents, expected in ((230, True), (229, False)):
        assert is_certified(np.zeros((documents, 1)), 0.01, "hoeffding-bentkus", 0.1).tolist() == [expected]
    assert 0.99**230 <= 0.1 < 0.99**229


@pytest.mark.parametrize("documents", [5, 40, 300])
@pytest.mark.parametrize("risk", [0.01, 0.1, 0.5])
def test_hoeffding_bentkus_against_its_definition(documents, risk):
    for wrong in np.linspace(0, documents, 9):
        mean = wrong / documents
        low = min(mean, risk)
        entropy = sum(a * math.log(a / b) for a, b in ((low, risk), (1 - low, 1 - risk)) if a)
        tail = sum(
            math.comb(documents, k) * risk**k * (1 - risk) ** (documents - k) for k in range(math.ceil(wrong) + 1)
        )
        expected = min(math.exp(-documents * entropy), math.e * tail, 1)
        assert hoeffding_bentkus(np.array([mean]), documents, risk)[0] == pytest.approx(expected, rel=1e-8)


def test_betting_against_a_loop():
    generator = np.random.default_rng(0)
    losses = generator.beta(0.2, 3, size=(60, 4))
    for column, value in zip(losses.T, betting_p_value(losses, 0.1, 0.05)):
        capital, best, total, squares = 1.0, 1.0, 0.5, 0.25
        for at, loss in enumerate(column, 1):
            variance = squares / at
            capital *= 1 - min(1, math.sqrt(2 * math.log(1 / 0.05) / (60 * variance))) * (loss - 0.1)
            best = max(best, capital)
            total += loss
            squares += (loss - total / (1 + at)) ** 2
        assert value == pytest.approx(1 / best, rel=1e-10)


@pytest.mark.parametrize("method", BOUNDS)
def test_certified_risks_are_seldom_too_large(method):
    """The exact error probability for documents with one span, summed over all outcomes."""
    documents, risk, delta = 200, 0.05, 0.1
    # At a risk just above the allowed one, certifying is an error.
    true, generator, errors = risk + 1e-6, np.random.default_rng(1), 0.0
    for wrong in range(25):
        column = np.zeros((documents, 50))
        for at in range(50):
            column[generator.choice(documents, wrong, replace=False), at] = 1
        errors += binom.pmf(wrong, documents, true) * is_certified(column, risk, method, delta).mean()
    assert 0.005 < errors <= delta


def test_the_conformal_bound_holds_on_average_and_is_nearly_reached():
    """Documents with one span: the expected risk of the chosen threshold by leave-one-out over all documents."""
    generator = np.random.default_rng(2)
    posteriors = generator.beta(5, 1, size=(2000, 51))
    missed = []
    for row in posteriors:
        at = largest_threshold(stepped(row[:-1]), 0.1, "conformal")
        missed.append(row[-1] < GRID[at])
    error = np.std(missed) / math.sqrt(len(missed))
    assert np.mean(missed) <= 0.1 + 2 * error and np.mean(missed) >= 0.07


def test_the_threshold_is_the_last_before_the_first_failure():
    losses = np.zeros((99, 4))
    losses[0, 1] = 1
    assert is_certified(losses, 0.01, "conformal").tolist() == [True, False, True, True]
    assert largest_threshold(losses, 0.01, "conformal") == 0
    assert largest_threshold(losses[:, :1], 0.01, "conformal") == 0
    assert largest_threshold(np.ones((99, 2)), 0.01, "conformal") is None
    assert largest_threshold(np.zeros((0, 2)), 0.5, "conformal") is None


def test_brute_force_over_thresholds():
    generator = np.random.default_rng(3)
    posteriors = generator.beta(2, 1, size=300)
    at = largest_threshold(stepped(posteriors), 0.2, "conformal")
    allowed = [value for value in GRID if (sum(posteriors < value) + 1) / 301 <= 0.2 + 1e-9]
    assert GRID[at] == max(allowed)


posteriors = st.lists(st.floats(0, 1), min_size=1, max_size=60)
fractions = st.floats(0.01, 0.5)


@settings(max_examples=60, deadline=None)
@given(posteriors, fractions, fractions, fractions, fractions)
def test_larger_risks_and_errors_allow_larger_thresholds(values, risk, other_risk, delta, other_delta):
    def found(risk, method, delta=None):
        at = largest_threshold(stepped(values), risk, method, delta)
        return -1 if at is None else at

    low, high = sorted((risk, other_risk))
    assert found(low, "conformal") <= found(high, "conformal")
    assert found(low, "hoeffding-bentkus", delta) <= found(high, "hoeffding-bentkus", delta)
    low, high = sorted((delta, other_delta))
    assert found(risk, "hoeffding-bentkus", low) <= found(risk, "hoeffding-bentkus", high)


@settings(max_examples=60, deadline=None)
@given(posteriors, fractions, st.floats(0, 0.3))
def test_larger_losses_are_never_easier_to_certify(values, risk, more):
    losses = stepped(values)
    worse = np.minimum(1, losses + more)
    for method in ("conformal", "hoeffding-bentkus"):
        assert not (is_certified(worse, risk, method, 0.1) & ~is_certified(losses, risk, method, 0.1)).any()


@pytest.mark.parametrize(("method", "delta"), [("conformal", None), ("hoeffding-bentkus", 0.1), ("betting", 0.1)])
def test_the_best_level_can_be_certified_and_the_next_one_not(method, delta):
    losses = np.zeros((150, 1))
    losses[:3] = 0.5
    level = best_level(lambda risk: losses, method, delta)
    for steps, expected in ((0, True), (1, False)):
        risk = risk_of(round(level + steps / 10_000, 4))
        assert is_certified(losses, risk, method, delta)[0] == expected
    assert best_level(lambda risk: np.ones((150, 1)), method, delta) is None


def test_the_bound_is_chosen_by_its_threshold_on_other_documents():
    generator = np.random.default_rng(4)
    binary = stepped(generator.beta(20, 1, size=400))
    # Shares of many spans vary little, which the bets use.
    even = np.stack([(generator.beta(20, 1, size=30)[:, None] < GRID).mean(axis=0) for _ in range(400)])
    assert choose_bound(binary, 400, 0.05, 0.1) == "hoeffding-bentkus"
    assert choose_bound(even, 400, 0.05, 0.1) == "betting"
    assert choose_bound(np.zeros((0, len(GRID))), 400, 0.05, 0.1) == "hoeffding-bentkus"


def test_the_order_of_documents_in_a_file_does_not_decide():
    """Sorted documents, the easy ones first, would let the bets win early."""
    losses = np.concatenate([np.zeros(100), np.ones(100)])[:, None]
    assert betting_p_value(losses, 0.3, 0.1)[0] < 0.1
    assert not is_certified(losses, 0.5, "betting", 0.1)[0]


def test_an_unknown_method_is_an_error():
    with pytest.raises(ValueError, match="expected a method among conformal, hoeffding-bentkus, betting, got 'exact'"):
        is_certified(np.zeros((3, 1)), 0.1, "exact")
