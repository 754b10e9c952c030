"""Tables of scores by group: counts, metrics and bootstrap intervals from one data frame of rows."""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from kospan.evaluation.bootstrap import intervals, span_metrics
from kospan.example import Example

SAMPLES = 2_000
# Numbers of sources that make a useful table.
SOURCES = range(2, 31)


class Scores(NamedTuple):
    """Metrics that follow from sums of columns.

    Args:
        columns: Columns of the rows that are summed.
        counts: Gives the counts of a group by name, from totals `(columns,)` and the number of documents.
        metrics: Gives metrics by name `(...)`, from totals `(..., columns)` and the number of documents.
    """

    columns: Sequence[str]
    counts: Callable[[np.ndarray, int], dict[str, int]]
    metrics: Callable[[np.ndarray, int], dict[str, np.ndarray]]


SPANS = Scores(
    ("correct", "predicted", "gold"),
    lambda totals, documents: dict(zip(("gold", "predicted", "correct"), totals[::-1].tolist())),
    lambda totals, documents: span_metrics(totals),
)


def means(names: Sequence[str], counted: str) -> Scores:
    """Scores that are means of columns over documents.

    Args:
        names: The columns.
        counted: Name of the number of documents.
    """
    return Scores(
        tuple(names),
        lambda totals, documents: {counted: documents},
        lambda totals, documents: {name: totals[..., at] / documents for at, name in enumerate(names)},
    )


def score_row(group: str, counts: np.ndarray, scores: Scores, samples: int = SAMPLES) -> dict:
    """Counts, metrics and 95 % intervals of one group, documents resampled.

    Args:
        group: Name of the group.
        counts: The columns of each document `(documents, columns)`.
        scores: What follows from their sums.
        samples: Resamples of the intervals.

    Returns: `group`, the counts, each metric, and its interval as "f1 interval".

    >>> row = score_row("all", np.array([[1, 1, 1], [0, 1, 1]]), SPANS, 100)
    >>> row["gold"], row["f1"], row["f1 interval"]
    (2, 0.5, [0.0, 1.0])
    """
    totals, documents = counts.sum(axis=0), len(counts)

    def metrics(sums: np.ndarray) -> dict[str, np.ndarray]:
        return scores.metrics(sums, documents)

    row = {"group": group} | scores.counts(totals, documents)
    row |= {name: float(value) for name, value in metrics(totals).items()}
    return row | {f"{name} interval": ends for name, ends in intervals(counts, metrics, samples).items()}


def breakdown(
    rows: pd.DataFrame,
    groups: Mapping[str, Sequence[str] | None],
    scores: Scores,
    documents: int | None = None,
    samples: int = SAMPLES,
) -> dict[str, list[dict]]:
    """Score each group of each grouping.

    Args:
        rows: A row per scored item: the columns that `groups` and `scores` name, and `document` if several rows belong
            to one document.
        groups: Column that groups rows -> its groups in the order of the table; None takes those that occur, sorted.
        scores: What is counted.
        documents: Number of documents if rows are parts of documents: every group is then scored on all documents, most
            of which may hold nothing of it. None: each row is a document, and groups without rows are left out.
        samples: Resamples of the intervals.

    Returns: a list of rows (see `score_row`) for each grouping.
    """
    found = {}
    for name, order in groups.items():
        parts = dict(iter(rows.groupby(name)))
        if documents is None:
            columns = list(scores.columns)
            parts = {group: np.ascontiguousarray(part[columns].to_numpy()) for group, part in parts.items()}
        else:
            empty = rows.iloc[:0]
            names = sorted(parts) if order is None else order
            parts = {group: _per_document(parts.get(group, empty), scores, documents) for group in names}
        found[name] = [
            score_row(str(group), parts[group], scores, samples)
            for group in (sorted(parts) if order is None else order)
            if group in parts
        ]
    return found


def _per_document(rows: pd.DataFrame, scores: Scores, documents: int) -> np.ndarray:
    """Sums of the columns of each document `(documents, columns)`."""
    totals = rows.groupby("document")[list(scores.columns)].sum()
    return totals.reindex(range(documents), fill_value=0).to_numpy(dtype=np.int64)


def source_groups(examples: Sequence[Example], most: int | None = SOURCES[-1]) -> dict[str, None]:
    """The grouping by source if a table of it says something: with several sources, at most `most`."""
    count = len({example.source for example in examples})
    return {"source": None} if count > 1 and (most is None or count <= most) else {}


def source_of(example: Example) -> str:
    """Source of a document; "unnamed" if the data name none."""
    return example.source or "unnamed"


def length_groups(tops: Sequence[int], low: int = 1) -> list[str]:
    """Names of groups by length, shortest first.

    Args:
        tops: Largest length of each group but the last, which has none.
        low: Smallest length.

    >>> length_groups((1, 4))
    ['1', '2-4', '5 and more']
    """
    lows = [low, *(top + 1 for top in tops)]
    names = [str(top) if first == top else f"{first}-{top}" for first, top in zip(lows, tops)]
    return [*names, f"{lows[-1]} and more"]


def length_group(length: int, tops: Sequence[int], low: int = 1) -> str:
    """The group of a length, one of `length_groups`."""
    return length_groups(tops, low)[bisect_left(tops, length)]
