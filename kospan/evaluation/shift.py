"""Comparison of new documents with those that a guarantee was computed from.

Each document is reduced to a few numbers, because the spans of one document are not independent. Two samples of
documents are compared number by number with the Kolmogorov-Smirnov test.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from kospan.evaluation.bootstrap import holm
from kospan.evaluation.operating_point import Misses
from kospan.evaluation.risk_control import hoeffding_bentkus, risk_of

# Sample of the calibration documents, in the folder of the model; it holds no text.
NAME = "calibration_sample.json"
# Adjusted p-values below it count as a difference.
SIGNIFICANT = 0.05
# Documents that are kept; more would hardly make the test more sensitive.
MOST = 5000


def sample_of(summaries: Mapping[str, np.ndarray]) -> dict[str, list[float | None]]:
    """Summaries as JSON: numbers with five digits, None for a document without one; at most `MOST` documents."""
    shown = {}
    for name, values in summaries.items():
        kept = values[np.linspace(0, len(values) - 1, min(MOST, len(values))).round().astype(int)]
        shown[name] = [None if np.isnan(value) else float(f"{value:.5g}") for value in kept.tolist()]
    return shown


def compare_samples(old: Mapping[str, Sequence[float | None]], new: Mapping[str, np.ndarray]) -> list[dict]:
    """Compare two samples of documents number by number.

    Args:
        old: Result of `sample_of`.
        new: Summaries of the new documents `(documents,)`, NaN for a document without one.

    Returns: A row for each summary that both have: `name`; `old` and `new`, medians; `distance`, the Kolmogorov-Smirnov
        distance; `p_value`, two-sided; `detectable`, the distance that a sample of this size needs for the adjusted
        level.
    """
    from scipy.stats import ks_2samp

    rows = []
    for name in (name for name in old if name in new):
        one = np.array([value for value in old[name] if value is not None])
        # The stored sample is rounded, and ties matter to the test.
        other = np.array([float(f"{value:.5g}") for value in new[name] if not np.isnan(value)])
        if not len(one) or not len(other):
            continue
        found = ks_2samp(one, other)
        rows.append(
            {
                "name": name,
                "old": float(np.median(one)),
                "new": float(np.median(other)),
                "distance": float(found.statistic),
                "p_value": float(found.pvalue),
                "sizes": [len(one), len(other)],
            }
        )
    for row in rows:
        # Asymptotic quantile of the distance at the level of the smallest of all tests.
        one, other = row.pop("sizes")
        level = SIGNIFICANT / len(rows)
        row["detectable"] = float(min(1, np.sqrt(-np.log(level / 2) / 2 * (one + other) / (one * other))))
    return rows


def check_recall(misses: Misses, point: Mapping) -> list[dict]:
    """Test on labelled documents whether the recall of an operating point is below its level.

    Args:
        misses: Gold spans of the new documents that each threshold misses.
        point: An operating point of a config.

    Returns: A row for each guarantee: `name`, `level`, `documents`, `recall` and `p_value` of "the recall is at least
        the level" by the Hoeffding-Bentkus inequality; a guarantee without documents has none.
    """
    guarantee = point["guarantee"]
    rows, risk = [], risk_of(guarantee["level"])
    for name in guarantee["documents"]:
        labels = list(misses.labels) if name == "all" else [name]
        most = (guarantee["most_spans"] or {}).get(name)
        thresholds = point["thresholds"]
        at = misses.threshold_index(thresholds.get(labels[0], next(iter(thresholds.values()))))
        losses = misses.losses(labels, guarantee["recall_of"], risk, most)[:, at]
        if not len(losses):
            continue
        # The risk is tested from the other side: 1 - loss is a loss, too.
        p_value = hoeffding_bentkus(np.array([1 - losses.mean()]), len(losses), 1 - risk)[0]
        rows.append(
            {
                "name": name,
                "level": guarantee["level"],
                "documents": len(losses),
                "recall": misses.recall(labels, guarantee["recall_of"], at),
                "p_value": float(p_value),
            }
        )
    return rows


def adjusted(rows: Sequence[dict]) -> list[dict]:
    """The rows with `p_holm`, the p-value adjusted for the number of rows, and `differs`."""
    values = holm([row["p_value"] for row in rows])
    return [row | {"p_holm": value, "differs": value < SIGNIFICANT} for row, value in zip(rows, values)]
