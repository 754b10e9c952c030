"""Scores of spans by type, length, surface and source, and classes of errors."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd

from kospan.evaluation.breakdown import (
    SAMPLES,
    SPANS,
    breakdown,
    length_group,
    length_groups,
    source_groups,
    source_of,
)
from kospan.evaluation.span_counts import check_spans, counts_per_type
from kospan.evaluation.span_matching import (
    boundary_counts,
    broken_at_spaces,
    class_counts,
    match_spans,
    tag_confusion,
    type_confusion,
    without_spaces,
)
from kospan.example import Example
from kospan.modeling.spans import Span

Spans = Sequence[Sequence[Span]]
# Largest lengths of the groups, in characters; the last group has none.
LENGTHS = (1, 2, 3, 4, 6, 9, 14)
LENGTH_GROUPS = length_groups(LENGTHS)
SEEN_GROUPS = ("seen with this type", "seen with another type", "unseen")


def span_rows(examples: Sequence[Example], predicted: Spans, training: Iterable[Example] | None = None) -> pd.DataFrame:
    """A row per gold span and per predicted span.

    Args:
        examples: Documents with gold spans.
        predicted: One list of spans per document, in the same order.
        training: Training documents, for the column `surface`; None leaves it out.

    Returns: Columns `document` (from 0); the groups `overall`, `type`, `length`, `source` and `surface`; and 0 or 1 in
        `correct`, `predicted` and `gold`. An exact hit has a row on both sides, both in the same groups.

    Raises: ValueError as `kospan.evaluation.span_counts.check_spans`.
    """
    check_spans(examples, predicted)
    surface_group = surface_groups(training) if training is not None else None
    rows = []
    for at, (example, spans) in enumerate(zip(examples, predicted)):
        gold = {span[:3] for span in example.spans}
        sides = [(span, span[:3] in gold, True, False) for span in spans]
        sides += [(span, False, False, True) for span in example.spans]
        for span, *counts in sides:
            length = length_group(span.end - span.start, LENGTHS)
            surface = surface_group(example, span) if surface_group else ""
            rows.append((at, "overall", span.label, length, source_of(example), surface, *map(int, counts)))
    columns = ["document", "overall", "type", "length", "source", "surface", *SPANS.columns]
    return pd.DataFrame(rows, columns=columns)


def surface_groups(training: Iterable[Example]) -> Callable[[Example, Span], str]:
    """Return a function that gives the group of a span, one of `SEEN_GROUPS`, by its surface in the training data.

    >>> group_of = surface_groups([Example("t", "서울에서", (Span(0, 2, "LC"),))])
    >>> group_of(Example("a", "서울은 부산은", ()), Span(4, 6, "LC"))
    'unseen'
    """
    known: dict[str, set[str]] = {}
    for example in training:
        for start, end, label, *_ in example.spans or ():
            known.setdefault(example.text[start:end], set()).add(label)

    def group_of(example: Example, span: Span) -> str:
        labels = known.get(example.text[span.start : span.end], ())
        return SEEN_GROUPS[0 if span.label in labels else 1 if labels else 2]

    return group_of


def counts(task, examples: Sequence[Example], predicted: Spans) -> np.ndarray:
    """Correct, predicted and gold spans of each type in each document `(documents, labels, 3)`."""
    return counts_per_type(examples, predicted, task.labels)


def analyze(
    task,
    examples: Sequence[Example],
    predicted: Spans,
    training: Sequence[Example] | None = None,
    samples: int = SAMPLES,
) -> dict:
    """Scores, groups and errors of predicted spans.

    Args:
        task: The task, with `metrics`, `labels` and `unit`.
        examples: Documents with gold spans.
        predicted: One list of spans per document, in the same order.
        training: Training documents, to tell seen from unseen surfaces; None leaves these groups out.
        samples: Resamples of the intervals.

    Returns: `documents`; `metrics`; `groups`, tables by "type", "length", "surface" if there is training data, and
        "source" if there are several; `errors` with "classes", "boundaries" (by "shape" and by "material"), "types"
        (`labels` and counts, gold by row, the last row and column none), "tags" (`tags` and counts, gold by row), and
        the classes again as analyses count them that lose spaces: "classes without spaces", removed from text and
        spans, and "classes broken at spaces", with predicted spans split at each space.

    Raises: ValueError as `kospan.tasks.token_classification.metrics.score_spans`.
    """
    metrics = task.metrics(examples, predicted)
    groups: dict[str, Sequence[str] | None] = {"type": task.labels, "length": LENGTH_GROUPS}
    groups |= {} if training is None else {"surface": SEEN_GROUPS}
    groups |= source_groups(examples, None)
    matches = match_spans(examples, predicted)
    tags, tag_counts = tag_confusion(examples, predicted, task.labels, task.unit)
    return {
        "documents": len(examples),
        "metrics": metrics,
        "groups": breakdown(span_rows(examples, predicted, training), groups, SPANS, len(examples), samples),
        "errors": {
            "classes": class_counts(matches),
            "boundaries": boundary_counts(examples, matches),
            "types": {"labels": list(task.labels), "counts": type_confusion(matches, task.labels).tolist()},
            "tags": {"tags": tags, "counts": tag_counts.tolist()},
            "classes without spaces": class_counts(match_spans(*without_spaces(examples, predicted))),
            "classes broken at spaces": class_counts(match_spans(examples, broken_at_spaces(examples, predicted))),
        },
    }


def scores(task, training: Sequence[Example], examples: Sequence[Example], predicted: Spans, baseline: Spans) -> dict:
    """Scores of a run, for its record and model card.

    Args:
        task: The task, with `labels`.
        training: Training documents.
        examples: Validation documents.
        predicted: Spans that the model predicts for each.
        baseline: Spans that the baseline predicts for each.

    Returns: `labels` (gold spans of each type in `training` and `validation`), `overall` (a row with counts, metrics
        and their 95 % intervals), `types`, `lengths` and `surfaces` (such rows), `errors` (classes), `baseline`
        (`overall` and `types`).
    """
    overall = {"overall": ["overall"], "type": task.labels}
    tables = breakdown(
        span_rows(examples, predicted, training),
        {**overall, "length": LENGTH_GROUPS, "surface": SEEN_GROUPS},
        SPANS,
        len(examples),
    )
    plain = breakdown(span_rows(examples, baseline), overall, SPANS, len(examples))
    counted, gold = (
        Counter(span.label for example in part for span in example.spans or ()) for part in (training, examples)
    )
    return {
        "labels": {label: {"training": counted[label], "validation": gold[label]} for label in task.labels},
        "overall": tables["overall"][0],
        "types": tables["type"],
        "lengths": tables["length"],
        "surfaces": tables["surface"],
        "errors": class_counts(match_spans(examples, predicted)),
        "baseline": {"overall": plain["overall"][0], "types": plain["type"]},
    }
