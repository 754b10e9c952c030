"""Disjoint spans at every threshold, and the gold spans that they miss.

The set with the largest sum of posterior minus threshold is not nested: a lower threshold may replace spans. A
document's loss is therefore the largest one at the threshold or any lower one, which does not decrease with the
threshold.
"""

from collections.abc import Sequence

import numpy as np

from kospan.evaluation.operating_point import Misses
from kospan.evaluation.risk_control import GRID
from kospan.example import Example
from kospan.modeling.span_selection import Candidates, best_disjoint
from kospan.modeling.spans import Span

# Indices of the thresholds in `GRID` at which sets are computed; a set takes longer than a comparison.
COARSE = np.arange(0, len(GRID), 10)


def disjoint_set(spans: Sequence[Span], threshold: float) -> list[Span]:
    """Return the disjoint spans with the largest sum of posterior minus threshold, as `extract` chooses them.

    Args:
        spans: All spans of a document whose posterior reaches the threshold, sorted by start, end and label.
        threshold: The threshold of all labels.

    >>> spans = [Span(0, 4, "PS", 0.5), Span(0, 9, "PS", 0.8), Span(4, 9, "LC", 0.4)]
    >>> [[span.score for span in disjoint_set(spans, threshold)] for threshold in (0.01, 0.3)]
    [[0.5, 0.4], [0.8]]
    """
    kept = [span for span in spans if span.score >= threshold]
    if not kept:
        return []
    starts, ends, labels, posteriors = zip(*kept)
    place = {label: at for at, label in enumerate(sorted(set(labels)))}
    candidates = Candidates(
        np.array(starts), np.array(ends), np.array([place[label] for label in labels]), np.array(posteriors)
    )
    return [kept[at] for at in best_disjoint(candidates, candidates.posteriors - threshold)]


def disjoint_misses(examples: Sequence[Example], found: Sequence[Sequence[Span]]) -> Misses:
    """Count the gold spans that disjoint sets miss, the most at the threshold or any lower one of `COARSE`.

    Args:
        examples: Documents with gold spans.
        found: All spans of each document whose posterior reaches the lowest threshold.

    Returns: Counts of all labels together, as of one label "all". Between two thresholds of `COARSE` they are those of
        the higher one, so that the largest certified threshold is one of `COARSE`.
    """
    missed = np.zeros((len(examples), len(COARSE)), dtype=np.int32)
    for row, (example, spans) in enumerate(zip(examples, found)):
        gold = {tuple(span[:3]) for span in example.spans}
        for column, at in enumerate(COARSE if gold else ()):
            chosen = {tuple(span[:3]) for span in disjoint_set(spans, float(GRID[at]))}
            missed[row, column] = len(gold - chosen)
    worst = np.maximum.accumulate(missed, axis=1)[:, np.searchsorted(COARSE, np.arange(len(GRID)))]
    return Misses(("all",), np.array([[len(set(example.spans))] for example in examples]), worst[:, None])
