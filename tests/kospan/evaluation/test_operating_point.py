"""Misses at every threshold, guarantees, their refusal, and quality at thresholds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kospan.evaluation.operating_point import Goal, Misses, Predictions, certify, quality
from kospan.evaluation.risk_control import GRID

LABELS = ("LC", "PS")
spans = st.lists(st.tuples(st.sampled_from(LABELS), st.one_of(st.just(-1.0), st.floats(0, 1))), max_size=4)


def documents(count, seed=0, low=0.2, labels=LABELS):
    """Documents with one to three gold spans, whose posteriors are between `low` and 1."""
    generator = np.random.default_rng(seed)
    return [
        [(labels[generator.integers(len(labels))], generator.uniform(low, 1)) for _ in range(generator.integers(1, 4))]
        for _ in range(count)
    ]


@settings(max_examples=50, deadline=None)
@given(st.lists(spans, min_size=1, max_size=5))
def test_misses_against_a_loop(gold):
    misses = Misses.of(gold, LABELS)
    for at in (0, 1, 300, 690):
        for document, row in enumerate(gold):
            for place, label in enumerate(LABELS):
                scores = [score for name, score in row if name == label]
                assert misses.gold[document, place] == len(scores)
                assert misses.missed[document, place, at] == sum(score < GRID[at] for score in scores)
    assert (np.diff(misses.missed, axis=2) >= 0).all()


def test_a_posterior_equal_to_a_threshold_reaches_it():
    missed = Misses.of([[("LC", float(GRID[5]))]], LABELS).missed[0, 0]
    assert missed[5] == 0 and missed[6] == 1


def test_losses_are_shares_of_documents_with_the_label():
    misses = Misses.of([[("LC", 0.5), ("LC", -1), ("PS", 1.0)], [("PS", 1.0)], []], LABELS)
    assert misses.losses(["LC"], "document", 0.1)[:, [0, -1]].tolist() == [[0.5, 1.0]]
    assert misses.losses(LABELS, "document", 0.1)[:, 0].tolist() == [pytest.approx(1 / 3), 0.0]


@settings(max_examples=50, deadline=None)
@given(st.lists(spans, min_size=1, max_size=8), st.floats(0.01, 0.5))
def test_corpus_losses_are_bounded_and_have_the_risk_as_mean_where_the_share_has(gold, risk):
    misses = Misses.of(gold, LABELS)
    most = misses.most(LABELS)
    losses = misses.losses(LABELS, "corpus", risk, most)
    if not len(losses):
        return
    assert (losses >= 0).all() and (losses <= 1).all() and (np.diff(losses, axis=1) >= 0).all()
    total = misses.gold.sum()
    excess = misses.missed.sum(axis=(0, 1)) - risk * total
    assert losses.mean(axis=0) * len(losses) * most - risk * most * len(losses) == pytest.approx(excess, abs=1e-9)


def test_larger_documents_than_those_of_the_selection_are_left_out():
    misses = Misses.of([[("LC", 0.5)] * 5, [("LC", 0.5)]], LABELS)
    assert len(misses.losses(["LC"], "corpus", 0.1, 4)) == 1


def test_thresholds_keep_the_level_on_the_calibration_data():
    calibration, selection = (Misses.of(documents(200, seed), LABELS) for seed in (0, 1))
    found = certify(Goal(0.9), calibration, selection)
    assert found["documents"] == {"all": 200} and found["methods"] == {"all": "conformal"} and not found["most"]
    [threshold] = set(found["thresholds"].values())
    at = Misses.threshold_index(threshold)
    assert calibration.recall(LABELS, "document", at) > 0.9 >= calibration.recall(LABELS, "document", at + 5)
    stricter = certify(Goal(0.9, confidence=0.9), calibration, selection)["thresholds"]["LC"]
    assert GRID[0] < stricter < threshold


def test_labels_have_thresholds_of_their_own():
    gold = [[("LC", 0.9), ("PS", 0.3)] for _ in range(150)]
    misses = Misses.of(gold, LABELS)
    found = certify(Goal(0.9, per_label=True), misses, misses)
    assert found["thresholds"] == pytest.approx({"LC": 0.9, "PS": 0.3}, rel=0.03)
    assert found["thresholds"]["LC"] <= 0.9 and found["thresholds"]["PS"] <= 0.3
    assert found["documents"] == {"LC": 150, "PS": 150}


def test_joint_guarantees_divide_the_error_probability():
    goal = Goal(0.9, confidence=0.9, per_label=True)
    assert goal.delta(2) == pytest.approx(0.1) and Goal(0.9, 0.9, per_label=True, joint=True).delta(2) == 0.05
    misses = Misses.of([[("LC", 0.9), ("PS", 0.9)] for _ in range(25)], LABELS)
    assert certify(goal, misses, misses)
    with pytest.raises(ValueError, match=r"certify at most 0\.88"):
        certify(Goal(0.9, 0.9, per_label=True, joint=True), misses, misses)


def test_the_corpus_guarantee_names_the_size_of_documents():
    calibration, selection = (Misses.of(documents(300, seed), LABELS) for seed in (0, 1))
    found = certify(Goal(0.9, recall_of="corpus"), calibration, selection)
    assert found["most"] == {"all": 3}
    at = Misses.threshold_index(found["thresholds"]["PS"])
    assert calibration.recall(LABELS, "corpus", at) >= 0.9


def test_too_few_documents_are_refused_with_the_best_level():
    misses = Misses.of(documents(50), LABELS)
    with pytest.raises(ValueError, match=r"got 50 documents with a gold span, which certify at most 0\.9803; request"):
        certify(Goal(0.99), misses, misses)
    assert certify(Goal(0.98), misses, misses)["documents"] == {"all": 50}
    assert certify(Goal(0.9803), misses, misses)["documents"] == {"all": 50}


def test_unreachable_levels_are_refused_for_each_label():
    gold = [[("LC", -1.0 if at % 10 == 0 else 0.5)] for at in range(100)]
    misses = Misses.of(gold, LABELS)
    with pytest.raises(
        ValueError,
        match=r"100 documents with a gold span of LC, 10\.00% of whose spans no threshold finds, which certify at most "
        r"0\.891; 0 documents with a gold span of PS, which certify none",
    ):
        certify(Goal(0.95, per_label=True), misses, misses)


def test_names_have_all_digits_of_the_level():
    assert [Goal(level).name for level in (0.9, 0.995, 0.9999999)] == ["recall-0.9", "recall-0.995", "recall-0.9999999"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"level": 1}, "expected a recall above 0 and below 1, got 1;"),
        ({"level": 95}, "expected a recall above 0 and below 1, got 95"),
        ({"level": 0.9, "confidence": 1.5}, "expected a confidence above 0 and below 1, got 1.5"),
        ({"level": float("nan")}, "expected a recall above 0 and below 1, got nan"),
        ({"level": 0.9, "joint": True}, "expected per_label and a confidence with joint"),
        ({"level": 0.9, "recall_of": "text"}, "expected recall_of to be one of document, corpus, got 'text'"),
    ],
)
def test_impossible_goals(settings, message):
    with pytest.raises(ValueError, match=message):
        Goal(**settings)


def test_quality_at_thresholds_against_counting():
    predicted = Predictions(
        np.array(["LC", "PS", "PS", "LC"], dtype=object),
        np.array([0, 0, 1, 1]),
        np.array([0.9, 0.2, 0.8, 0.6]),
        np.array([True, True, False, True]),
    )
    found = quality(predicted, np.array([[1, 1], [2, 0], [0, 0]]), LABELS, {"LC": 0.6, "PS": 0.5})
    assert found["all"]["recall"] == pytest.approx(2 / 4) and found["all"]["precision"] == pytest.approx(2 / 3)
    assert found["all"]["document_recall"] == pytest.approx((1 / 2 + 1 / 2) / 2) and found["all"]["documents"] == 2
    assert found["all"]["spans_per_document"] == 1.0
    assert found["LC"]["recall"] == pytest.approx(2 / 3) and found["LC"]["document_recall"] == pytest.approx(0.75)
    assert found["PS"]["precision"] == 0.0 and found["PS"]["recall"] == 0.0
    low, high = found["LC"]["recall interval"]
    assert low <= found["LC"]["recall"] <= high


def test_quality_without_spans():
    none = Predictions(np.array([], dtype=object), np.array([], int), np.array([]), np.array([], bool))
    found = quality(none, np.zeros((2, 2), int), LABELS, dict.fromkeys(LABELS, 0.5))
    assert found["all"]["recall"] is None and found["all"]["precision"] is None
    assert found["all"]["spans_per_document"] == 0.0
