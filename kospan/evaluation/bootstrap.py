"""Bootstrap intervals of metrics that follow from sums over documents; nothing is scored again.

A resample draws as many documents as there are, with replacement. Documents with the same counts are interchangeable,
so the weights are drawn for each distinct row of counts: the same distribution, at a cost that hardly grows with the
data.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np


class Difference(NamedTuple):
    """Difference of two systems in micro F1.

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


def span_metrics(totals: np.ndarray) -> dict[str, np.ndarray]:
    """Micro F1, precision and recall of summed counts; 0.0 where a denominator is 0 (as seqeval does).

    Args:
        totals: Correct, predicted and gold spans `(..., 3)`.

    >>> {name: float(value) for name, value in span_metrics(np.array([1, 2, 2])).items()}
    {'f1': 0.5, 'precision': 0.5, 'recall': 0.5}
    """
    return {
        "f1": f1(totals),
        "precision": totals[..., 0] / np.maximum(1, totals[..., 1]),
        "recall": totals[..., 0] / np.maximum(1, totals[..., 2]),
    }


def intervals(
    counts: np.ndarray,
    metrics: Callable[[np.ndarray], dict[str, np.ndarray]] = span_metrics,
    samples: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, list[float]]:
    """Percentile intervals of several metrics, from the same resamples.

    Args:
        counts: Counts or values of each document `(documents, columns)`; those of a document are drawn together.
        metrics: Gives metrics by name `(...)`, from sums over documents `(..., columns)`.
        samples: Number of resamples.
        seed: Seed of numpy's generator.
        level: Share of the resamples inside the interval.

    Returns: Lower and upper end by name.

    Raises: ValueError if there are no documents.

    >>> intervals(np.array([[1.0], [0.0]] * 100), lambda totals: {"mean": totals[..., 0] / 200})["mean"]
    [0.43, 0.57]
    """
    if np.ndim(counts) != 2 or not len(counts):
        raise ValueError(f"expected counts of at least one document, got shape {np.shape(counts)}; score some")
    resampled = metrics(resampled_totals(counts, samples, seed))
    return {name: np.quantile(values, tails(level)).tolist() for name, values in resampled.items()}


def interval(counts: np.ndarray, samples: int = 10_000, seed: int = 0, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of micro F1.

    Args:
        counts: Correct, predicted and gold spans `(documents, 3)`, as `counts_per_document` gives them.
        samples: Number of resamples.
        seed: Seed of numpy's generator.
        level: Share of the resamples inside the interval.

    Returns: Lower and upper end.

    Raises: ValueError if `counts` has another shape or no documents.

    >>> low, high = interval(np.array([[2, 2, 2], [1, 2, 2], [0, 1, 2], [2, 3, 2]] * 50))
    >>> 0.55 < low < 10 / 16 < high < 0.70
    True
    """
    low, high = intervals(check(counts), span_metrics, samples, seed, level)["f1"]
    return low, high


def paired(counts_a: np.ndarray, counts_b: np.ndarray, samples: int = 10_000) -> Difference:
    """Difference in micro F1 of two systems on the same documents, resampled together; see `mean_difference`.

    >>> better, worse = np.array([[2, 2, 2], [1, 1, 1]] * 50), np.array([[1, 2, 2], [1, 1, 1]] * 50)
    >>> result = paired(better, worse)
    >>> round(result.difference, 3), result.low > 0, result.p_value < 0.01
    (0.333, True, True)
    """
    return mean_difference([(counts_a, counts_b)], samples)


def mean_difference(pairs: Sequence[tuple[np.ndarray, np.ndarray]], samples: int = 10_000) -> Difference:
    """Mean difference in micro F1 of several pairs of systems on the same documents, resampled together.

    The p-value is the share of resamples whose difference is at least as far from the observed one as the observed
    one from 0 (the shifted bootstrap), with one added to both counts.

    Args:
        pairs: Counts `(documents, 3)` of the two systems of each pair.
        samples: Number of resamples.

    Raises: ValueError if the counts of a pair are not of the same documents.
    """
    systems = [check(counts) for pair in pairs for counts in pair]
    # Pairs may sum over different numbers of seeds, the two of a pair never.
    for one, other in zip(systems[::2], systems[1::2]):
        if one.shape != other.shape or (one[:, 2] != other[:, 2]).any():
            raise ValueError(
                f"expected counts of two systems on the same documents, got {len(one)} and {len(other)} documents with "
                f"{one[:, 2].sum()} and {other[:, 2].sum()} gold spans; score both on one list of examples"
            )

    def differences_of(totals: np.ndarray) -> np.ndarray:  # totals: (..., systems, 3)
        scores = f1(totals)
        return (scores[..., 0::2] - scores[..., 1::2]).mean(axis=-1)

    observed = float(differences_of(np.stack([counts.sum(axis=0) for counts in systems])))
    resampled = differences_of(resampled_totals(np.hstack(systems), samples, 0).reshape(samples, -1, 3))
    low, high = np.quantile(resampled, tails(0.95)).tolist()
    extreme = int((np.abs(resampled - observed) >= abs(observed) - 1e-12).sum())
    return Difference(observed, low, high, (1 + extreme) / (1 + samples))


def holm(values: Sequence[float]) -> list[float]:
    """p-values adjusted by Holm's step-down procedure (Holm 1979), in the given order.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(values)), key=lambda at: values[at])
    found, smallest = [0.0] * len(values), 0.0
    for rank, at in enumerate(order):
        smallest = max(smallest, min(1.0, (len(values) - rank) * values[at]))
        found[at] = smallest
    return found


def resampled_totals(counts: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """Sums over the documents of each resample.

    Args:
        counts: Counts or values of each document `(documents, columns)`; those of a document are drawn together.
        samples: Number of resamples.
        seed: Seed of numpy's generator.

    Returns: `(samples, columns)`, int64, or float64 for values.
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
    """Quantiles of the two ends of an interval."""
    return [(1 - level) / 2, (1 + level) / 2]


def check(counts: np.ndarray) -> np.ndarray:
    """Counts as int64, values of questions as float64. Raises: ValueError if the shape is not `(documents, 3)`."""
    counts = np.asarray(counts)
    counts = counts.astype(np.float64 if counts.dtype.kind == "f" else np.int64)
    if counts.ndim != 2 or counts.shape[1] != 3 or not len(counts):
        raise ValueError(
            f"expected counts (documents, 3) of at least one document, got shape {counts.shape}; make them with "
            "kospan.evaluation.span_counts.counts_per_document"
        )
    return counts
