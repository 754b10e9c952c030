"""Calibration metrics against scikit-learn and computations by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from kospan.evaluation.calibration import (
    calibration_errors,
    calibration_metrics,
    ece_by_chance,
    kept_above,
    log_loss,
    reliability,
    risk_coverage,
    threshold_for,
)

SCORED = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


def arrays(scored):
    confidence, right = zip(*scored)
    return np.array(confidence), np.array(right)


@given(SCORED, st.sampled_from(["width", "mass"]))
def test_bins_hold_everything_once(scored, equal):
    confidence, right = arrays(scored)
    bins = reliability(confidence, right, equal)
    assert sum(bin.count for bin in bins) == len(confidence)
    assert sum(bin.count * bin.confidence for bin in bins) == pytest.approx(confidence.sum(), abs=1e-9)
    assert sum(bin.count * bin.accuracy for bin in bins) == pytest.approx(right.sum(), abs=1e-9)
    for bin in bins:
        assert not bin.count or bin.low - 1e-12 <= bin.confidence <= bin.high + 1e-12
    if equal == "mass":
        assert all(one.high < other.low for one, other in zip(bins, bins[1:]))
        if len(set(confidence)) == len(confidence):
            assert max(bin.count for bin in bins) - min(bin.count for bin in bins) <= 1
    else:
        assert [bin.low for bin in bins] == pytest.approx(np.arange(15) / 15)


@given(SCORED)
def test_errors_by_a_second_way(scored):
    confidence, right = arrays(scored)
    ece, mce = calibration_errors(reliability(confidence, right))
    gaps = []
    for at in range(15):
        inside = (confidence > at / 15) & (confidence <= (at + 1) / 15) | ((at == 0) & (confidence == 0))
        if inside.any():
            gaps.append((inside.sum(), abs(confidence[inside].mean() - right[inside].mean())))
    assert ece == pytest.approx(sum(count * gap for count, gap in gaps) / len(confidence), abs=1e-6)
    assert mce == pytest.approx(max(gap for _, gap in gaps), abs=1e-6)


@given(SCORED)
def test_brier_and_log_loss_equal_scikit_learn(scored):
    confidence, right = arrays(scored)
    found = calibration_metrics(confidence, right)
    assert found["brier"] == pytest.approx(brier_score_loss(right, confidence))
    kept = np.clip(confidence, 1e-12, 1 - 1e-12)
    assert log_loss(confidence, right) == pytest.approx(sklearn_log_loss(right, kept, labels=[0, 1]), rel=1e-6)


@given(st.lists(st.floats(0, 1), max_size=40))
def test_the_ece_by_chance_is_the_mean_over_drawn_outcomes(confidence):
    confidence = np.array(confidence)
    generator = np.random.default_rng(3)
    drawn = [
        calibration_errors(reliability(confidence, generator.random(len(confidence)) < confidence))[0] for _ in range(5)
    ]
    assert ece_by_chance(confidence, draws=5, seed=3) == pytest.approx(np.mean(drawn), abs=1e-9)


def test_perfect_confidence_has_no_error():
    confidence = np.repeat([0.25, 0.75], 400)
    right = np.tile([1, 0, 0, 0], 100).tolist() + np.tile([1, 1, 1, 0], 100).tolist()
    found = calibration_metrics(confidence, np.array(right))
    assert found["ece"] == found["mce"] == pytest.approx(0) and found["n"] == 800
    assert found["auroc"] == pytest.approx(0.75) and found["accuracy"] == 0.5


def test_overconfidence_is_its_gap():
    found = calibration_metrics(np.full(100, 0.9), np.arange(100) < 60)
    assert found["ece"] == pytest.approx(0.3) and found["ece_mass"] == pytest.approx(0.3)
    assert found["brier"] == pytest.approx(0.6 * 0.01 + 0.4 * 0.81) and found["auroc"] == 0.5


def test_risk_and_coverage():
    coverage, risk = risk_coverage(np.array([0.9, 0.8, 0.8, 0.1]), np.array([1, 0, 1, 0]))
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert risk == pytest.approx([0, 1 / 3, 1 / 3, 1 / 2])


# Confidences that often are equal, and some that differ by hardly anything.
TIED = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.25 + 1e-12, 0.5, 2 / 3, 0.9, 1.0]), st.booleans()),
    min_size=1,
    max_size=30,
)


@given(st.one_of(SCORED, TIED), st.one_of(st.floats(0.01, 1), st.sampled_from([0.5, 0.75, 0.9, 1.0])))
def test_the_threshold_keeps_as_much_as_can_be_by_trying_all(scored, precision):
    confidence, right = arrays(scored)
    # Every set that a threshold can keep, and those that are right often enough.
    sets = [confidence >= each for each in sorted(set(confidence))]
    enough = [kept for kept in sets if right[kept].sum() >= precision * kept.sum() - 1e-9]
    threshold = threshold_for(confidence, right, precision)
    if not enough:
        assert threshold is None
        return
    most = max(enough, key=np.sum)
    assert ((confidence >= threshold) == most).all()
    kept = kept_above(confidence, right, threshold)
    assert (kept["all"], kept["kept"]) == (len(right), most.sum())
    assert kept["coverage"] == pytest.approx(most.mean()) and kept["precision"] == pytest.approx(right[most].mean())


def test_a_threshold_has_few_decimals_and_no_more_than_it_needs():
    confidence, right = np.array([0.91234567, 0.71234567, 0.41234567]), np.array([1, 1, 0])
    assert threshold_for(confidence, right, 1.0) == 0.6
    assert threshold_for(confidence, right, 2 / 3) == 0.0
    assert threshold_for(confidence, ~right.astype(bool), 0.5) is None
    close = np.array([0.5, 0.5 - 1e-9])
    assert 0.5 - 1e-9 < threshold_for(close, np.array([1, 0]), 0.9) <= 0.5
    # Nine of ten are 0.9, whatever 1 - 1 / 10 is in binary.
    assert threshold_for(np.linspace(0.1, 1, 10), np.arange(10) != 4, 0.9) == 0.0
    assert threshold_for(np.zeros(0), np.zeros(0), 0.5) is None
    assert kept_above(close, np.array([1, 0]), 0.9) == {"all": 2, "kept": 0, "coverage": 0.0, "precision": None}


@pytest.mark.parametrize("precision", [0.0, -1.0, 1.5, float("nan")])
def test_a_precision_that_is_no_share_is_refused(precision):
    with pytest.raises(ValueError, match=r"expected a precision above 0 and at most 1, .* got .*; 0\.9 asks for"):
        threshold_for(np.array([0.5]), np.array([1]), precision)


@given(SCORED, st.randoms())
def test_the_order_of_equals_does_not_matter(scored, random):
    confidence, right = arrays(scored)
    order = random.sample(range(len(scored)), len(scored))
    shuffled = risk_coverage(confidence[order], right[order])
    assert np.allclose(shuffled, risk_coverage(confidence, right))


def test_nothing_and_one_sided_have_their_metrics():
    assert calibration_metrics(np.zeros(0), np.zeros(0))["n"] == 0
    assert calibration_metrics(np.zeros(0), np.zeros(0))["ece"] is None
    assert calibration_metrics(np.array([0.5]), np.array([1]))["auroc"] is None


@pytest.mark.parametrize(
    "confidence, right, message",
    [
        ([0.5], [1, 0], "one length"),
        ([1.5], [1], "from 0 to 1, got 1.5"),
        ([[0.5]], [[1]], "one length"),
        ([np.nan], [1], "from 0"),
    ],
)
def test_bad_confidences_are_refused(confidence, right, message):
    with pytest.raises(ValueError, match=message):
        calibration_metrics(np.array(confidence), np.array(right))
    with pytest.raises(ValueError, match="'width' or 'mass', got 'depth'"):
        reliability(np.array([0.5]), np.array([1]), "depth")
