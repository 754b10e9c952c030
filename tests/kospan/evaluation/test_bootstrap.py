import doctest

import numpy as np
import pytest

import kospan.evaluation.bootstrap
from kospan.evaluation.bootstrap import holm, interval, intervals, paired


def made(documents: int, seed: int, rate: float = 0.7) -> np.ndarray:
    """Counts `(documents, 3)` of a system that is right with probability `rate`; gold depends on `documents` alone."""
    gold = np.random.default_rng(0).integers(0, 6, size=documents)
    generator = np.random.default_rng(seed)
    correct = generator.binomial(gold, rate)
    return np.stack([correct, correct + generator.integers(0, 2, size=documents), gold], axis=1)


def slow_f1(rows: list[list[int]]) -> float:
    correct, guessed, gold = (sum(row[at] for row in rows) for at in range(3))
    return 2 * correct / max(1, guessed + gold)


def slow_resamples(first: np.ndarray, second: np.ndarray, samples: int) -> list[tuple[float, float]]:
    """The explicit loop: draw documents one by one, sum, score."""
    generator = np.random.default_rng(123)
    first, second, results = first.tolist(), second.tolist(), []
    for _ in range(samples):
        drawn = generator.integers(0, len(first), size=len(first)).tolist()
        results.append((slow_f1([first[at] for at in drawn]), slow_f1([second[at] for at in drawn])))
    return results


def test_documented_examples_hold():
    assert doctest.testmod(kospan.evaluation.bootstrap).failed == 0


def test_interval_agrees_with_an_explicit_loop():
    counts = made(120, seed=1)
    slow = np.quantile([one for one, _ in slow_resamples(counts, counts, 4000)], [0.025, 0.975])
    low, high = interval(counts)
    width = high - low
    assert low == pytest.approx(slow[0], abs=0.06 * width)
    assert high == pytest.approx(slow[1], abs=0.06 * width)
    assert low < slow_f1(counts.tolist()) < high


def test_paired_agrees_with_an_explicit_loop():
    first, second = made(120, seed=1, rate=0.72), made(120, seed=2, rate=0.66)
    drawn = np.array([one - other for one, other in slow_resamples(first, second, 4000)])
    observed = slow_f1(first.tolist()) - slow_f1(second.tolist())
    result = paired(first, second)
    width = result.high - result.low
    assert result.difference == pytest.approx(observed)
    assert [result.low, result.high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]).tolist(), abs=0.06 * width)
    assert result.p_value == pytest.approx((np.abs(drawn - observed) >= abs(observed)).mean(), abs=0.03)


def test_paired_is_antisymmetric_and_a_system_equals_itself():
    first, second = made(80, seed=1), made(80, seed=2)
    there, back = paired(first, second, samples=2000), paired(second, first, samples=2000)
    assert there.difference == -back.difference
    assert there.low == pytest.approx(-back.high, abs=0.01)
    same = paired(first, first, samples=100)
    assert same == (0.0, 0.0, 0.0, 1.0)


def test_seed_and_samples_decide_the_result():
    counts = made(60, seed=3)
    assert interval(counts, samples=500, seed=4) == interval(counts, samples=500, seed=4)
    assert interval(counts, samples=500, seed=4) != interval(counts, samples=500, seed=5)
    assert interval(counts, level=0.5)[0] > interval(counts, level=0.95)[0]


def test_small_integer_counts_do_not_overflow_and_one_document_has_no_spread():
    counts = np.full((3000, 3), 30_000, dtype=np.int16)
    assert interval(counts, samples=50) == (1.0, 1.0)
    assert interval(np.array([[1, 2, 2]])) == (0.5, 0.5)
    assert interval(np.zeros((5, 3)), samples=50) == (0.0, 0.0)


def test_many_documents_cost_no_more_than_their_distinct_counts():
    counts = made(100_000, seed=5)
    low, high = interval(counts)
    assert 0 < high - low < 0.01


def test_intervals_of_all_metrics_hold_what_is_observed():
    counts = made(200, seed=6)
    correct, predicted, gold = counts.sum(axis=0)
    found = intervals(counts, samples=2000)
    assert tuple(found["f1"]) == interval(counts, samples=2000)
    assert found["precision"][0] < correct / predicted < found["precision"][1]
    assert found["recall"][0] < correct / gold < found["recall"][1]
    # Nothing predicted: nothing varies.
    assert intervals(counts * [0, 0, 1], samples=50) == {name: [0.0, 0.0] for name in ("f1", "precision", "recall")}


def test_intervals_need_documents():
    with pytest.raises(ValueError, match=r"at least one document, got shape \(0, 3\)"):
        intervals(np.zeros((0, 3)))


@pytest.mark.parametrize("counts", [np.zeros((0, 3)), np.zeros(3), np.zeros((4, 2))])
def test_other_shapes_are_refused(counts):
    with pytest.raises(ValueError, match=r"\(documents, 3\).*got shape.*counts_per_document"):
        interval(counts)


def test_counts_of_other_documents_are_refused():
    with pytest.raises(ValueError, match="same documents, got 3 and 4 documents"):
        paired(made(3, 1), made(4, 1))
    other = made(3, 1) + [[0, 0, 1]]
    with pytest.raises(ValueError, match="score both on one list of examples"):
        paired(made(3, 1), other)


def means(totals: np.ndarray) -> dict[str, np.ndarray]:
    """Means of two columns over 150 documents."""
    return {name: totals[..., at] / 150 for at, name in enumerate(("one", "two"))}


def test_intervals_of_means_agree_with_an_explicit_loop():
    generator = np.random.default_rng(1)
    values = np.stack([generator.integers(0, 2, 150), generator.random(150).round(1)], axis=1)
    drawn = np.array([values[generator.integers(0, 150, 150)].mean(axis=0) for _ in range(4000)])
    for found, column in zip(intervals(values, means, samples=4000).values(), drawn.T, strict=True):
        low, high = np.quantile(column, [0.025, 0.975])
        assert found == [pytest.approx(low, abs=0.008), pytest.approx(high, abs=0.008)]
    assert intervals(values, means, 50, seed=3) == intervals(values, means, 50, seed=3) != intervals(values, means, 50)
    constant = intervals(np.ones((5, 2)), lambda totals: {"mean": totals[..., 0] / 5}, 10)
    assert constant == {"mean": [1.0, 1.0]}


def test_holm_is_the_step_down_procedure():
    values = [0.03, 0.001, 0.2, 0.04]
    assert holm(values) == pytest.approx([0.09, 0.004, 0.2, 0.09])
    assert holm([]) == [] and holm([0.7, 0.6]) == [1.0, 1.0]
