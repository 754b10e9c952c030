"""Bootstrap intervals of micro F1, precision and recall from counts per document; nothing is scored again.

A resample draws as many documents as there are, with replacement. Documents with the same counts are interchangeable,
so the weights are drawn for each distinct row of counts: the same distribution, at a cost that hardly grows with the
data.
"""

from typing import NamedTuple

import numpy as np


class Difference(NamedTuple):
    """How far one system lies above another.

    Args:
        difference: Micro F1 of the first minus micro F1 of the second, on all documents.
        low: Lower end of the interval.
        high: Upper end of the interval.
        p_value: Two-sided, for "no difference"; never below 1 / (samples + 1).
    """

    difference: float
    low: float
    high: float
    p_value: float


def interval(counts: np.ndarray, samples: int = 10_000, seed: int = 0, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of micro F1.

    Args:
        counts: Correct, predicted and gold spans `(documents, 3)`, as `counts_per_document` gives them.
        samples: Number of resamples.
        seed: Of numpy's generator.
        level: Share of the resamples that lie inside.

    Returns: Lower and upper end.

    Raises: ValueError where `counts` has another shape or no documents.

    >>> low, high = interval(np.array([[2, 2, 2], [1, 2, 2], [0, 1, 2], [2, 3, 2]] * 50))
    >>> 0.55 < low < 10 / 16 < high < 0.70
    True
    """
    return intervals(counts, samples, seed, level)["f1"]


def intervals(
    counts: np.ndarray, samples: int = 10_000, seed: int = 0, level: float = 0.95
) -> dict[str, tuple[float, float]]:
    """Percentile intervals of `f1`, `precision` and `recall`, from the same resamples; arguments as in `interval`.

    >>> sorted(intervals(np.array([[2, 2, 2], [1, 2, 2]])))
    ['f1', 'precision', 'recall']
    """
    totals = resampled_totals(check(counts), samples, seed)
    metrics = {
        "f1": f1(totals),
        "precision": totals[:, 0] / np.maximum(1, totals[:, 1]),
        "recall": totals[:, 0] / np.maximum(1, totals[:, 2]),
    }
    return {name: tuple(np.quantile(values, tails(level)).tolist()) for name, values in metrics.items()}


def paired(
    counts_a: np.ndarray, counts_b: np.ndarray, samples: int = 10_000, seed: int = 0, level: float = 0.95
) -> Difference:
    """The difference of two systems on the same documents, resampled together.

    The p-value is the share of resamples whose difference lies at least as far from the observed one as the observed
    one from 0 (the shifted bootstrap), one more in both counts.

    Args:
        counts_a: Counts of the first system `(documents, 3)`.
        counts_b: Counts of the second system `(documents, 3)`, same documents in the same order.
        samples: Number of resamples.
        seed: Of numpy's generator.
        level: Share of the resamples that lie inside the interval.

    Raises: ValueError where the two do not stand for the same documents.

    >>> better, worse = np.array([[2, 2, 2], [1, 1, 1]] * 50), np.array([[1, 2, 2], [1, 1, 1]] * 50)
    >>> result = paired(better, worse)
    >>> round(result.difference, 3), result.low > 0, result.p_value < 0.01
    (0.333, True, True)
    """
    counts_a, counts_b = check(counts_a), check(counts_b)
    if counts_a.shape != counts_b.shape or (counts_a[:, 2] != counts_b[:, 2]).any():
        raise ValueError(
            f"expected counts of two systems on the same documents, got {len(counts_a)} and {len(counts_b)} documents "
            f"with {counts_a[:, 2].sum()} and {counts_b[:, 2].sum()} gold spans; score both on one list of examples"
        )
    observed = float(f1(counts_a.sum(axis=0)) - f1(counts_b.sum(axis=0)))
    first, second = f1(resampled_totals(np.hstack([counts_a, counts_b]), samples, seed).reshape(samples, 2, 3)).T
    resampled = first - second  # shape: (samples,)
    low, high = np.quantile(resampled, tails(level)).tolist()
    extreme = int((np.abs(resampled - observed) >= abs(observed) - 1e-12).sum())
    return Difference(observed, low, high, (1 + extreme) / (1 + samples))


def mean_intervals(
    values: np.ndarray, samples: int = 2_000, seed: int = 0, level: float = 0.95
) -> list[tuple[float, float]]:
    """Percentile intervals of the means of some metrics, questions resampled with replacement.

    Args:
        values: Figures `(questions, metrics)`; those of a question are drawn together.
        samples: Number of resamples.
        seed: Of numpy's generator.
        level: Share of the resamples that lie inside.

    Returns: The ends for each metric.

    >>> (low, high), _ = mean_intervals(np.array([[1.0, 1.0], [0.0, 0.5]] * 100))
    >>> 0.4 < low < 0.5 < high < 0.6
    True
    """
    means = resampled_totals(values, samples, seed) / len(values)  # shape: (samples, metrics)
    ends = np.quantile(means, tails(level), axis=0).T  # shape: (metrics, 2)
    return [(low, high) for low, high in ends.tolist()]


def resampled_totals(counts: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """Sums over the documents of each resample.

    Args:
        counts: What is counted of each document `(documents, columns)`; the columns of a document are drawn together.

    Returns: `(samples, columns)`, int64, or float64 where the counts are parts.
    """
    rows, repeats = np.unique(counts, axis=0, return_counts=True)
    generator, block = np.random.default_rng(seed), max(1, 2**22 // len(rows))
    totals = [
        generator.multinomial(len(counts), repeats / len(counts), size=min(block, samples - start)) @ rows
        for start in range(0, samples, block)
    ]
    return np.concatenate(totals)


def f1(totals: np.ndarray) -> np.ndarray:
    """Micro F1 of summed counts `(..., 3)`; 0.0 where nothing is predicted and nothing is gold."""
    return 2 * totals[..., 0] / np.maximum(1, totals[..., 1] + totals[..., 2])


def tails(level: float) -> list[float]:
    return [(1 - level) / 2, (1 + level) / 2]


def check(counts: np.ndarray) -> np.ndarray:
    counts = np.asarray(counts)
    # Scores of questions, from 0 to 1, are counted as parts of one.
    counts = counts.astype(np.float64 if counts.dtype.kind == "f" else np.int64)
    if counts.ndim != 2 or counts.shape[1] != 3 or not len(counts):
        raise ValueError(
            f"expected counts (documents, 3) of at least one document, got shape {counts.shape}; make them with "
            "kospan.tasks.token_classification.metrics.counts_per_document"
        )
    return counts
