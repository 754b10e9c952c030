"""All that is counted about one prediction, as one JSON value: what `kospan evaluate` prints and a report shows."""

from collections import Counter
from collections.abc import Sequence

from kospan.evaluation.bootstrap import intervals
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
from kospan.tasks.token_classification.breakdown import (
    SEEN_GROUPS,
    GroupScore,
    by_length,
    by_source,
    by_surface,
    by_type,
    group_scores,
    length_groups,
)
from kospan.tasks.token_classification.metrics import counts_per_document, metrics, score_spans

SAMPLES = 2_000


def examine(
    examples: Sequence[Example],
    predicted: Sequence[Sequence[Span]],
    labels: list[str],
    unit: str,
    training: Sequence[Example] | None = None,
    samples: int = SAMPLES,
) -> dict:
    """Scores, groups and errors.

    Args:
        examples: Documents with gold spans.
        predicted: One list of spans a document, in the same order.
        labels: The types, in the order they are shown.
        unit: "character" or "word".
        training: What the model was trained on, for seen and unseen surfaces; None leaves them out.
        samples: Resamples of the intervals.

    Returns: `documents`; `metrics` as `score_spans` gives them; `groups`, tables by "type", "length", with training
        data "surface", and where there is more than one "source"; `errors` with "classes", "boundaries" (by "shape" and
        by "material"), "types" (`labels` and counts, gold by row, the last row and column none), "tags" (`tags` and
        counts, gold by row), and the classes again as analyses see them that lose spaces: "classes
        without spaces", taken out of text and spans, and "classes broken at spaces", where a predicted span falls apart
        at each.

    Raises: ValueError as `score_spans` does.
    """
    scores = score_spans(list(examples), [list(spans) for spans in predicted], unit, labels)
    groups = {
        "type": group_scores(examples, predicted, by_type, labels, samples),
        "length": group_scores(examples, predicted, by_length, length_groups(), samples),
    }
    if training is not None:
        groups["surface"] = group_scores(examples, predicted, by_surface(training), SEEN_GROUPS, samples)
    if len({example.source for example in examples}) > 1:
        groups["source"] = group_scores(examples, predicted, by_source, None, samples)
    matches = match_spans(examples, predicted)
    tags, tag_counts = tag_confusion(examples, predicted, labels, unit)
    return {
        "documents": len(examples),
        "metrics": scores,
        "groups": {name: [_row(row) for row in rows] for name, rows in groups.items()},
        "errors": {
            "classes": class_counts(matches),
            "boundaries": boundary_counts(examples, matches),
            "types": {"labels": list(labels), "counts": type_confusion(matches, labels).tolist()},
            "tags": {"tags": tags, "counts": tag_counts.tolist()},
            "classes without spaces": class_counts(match_spans(*without_spaces(examples, predicted))),
            "classes broken at spaces": class_counts(match_spans(examples, broken_at_spaces(examples, predicted))),
        },
    }


def _row(row: GroupScore) -> dict:
    counts = {"group": row.group, "gold": row.gold, "predicted": row.predicted, "correct": row.correct}
    return counts | row.metrics | {f"{name} interval": list(ends) for name, ends in row.intervals.items()}


def scored_spans(
    training: Sequence[Example],
    examples: Sequence[Example],
    predicted: Sequence[Sequence[Span]],
    found: Sequence[Sequence[Span]],
    labels: list[str],
    unit: str,
) -> dict:
    """What a run keeps of its scores.

    Args:
        training: Training documents.
        examples: Validation documents.
        predicted: The model's spans of each.
        found: The dictionary baseline's spans of each.
        labels: The types, in the order they are shown.
        unit: "character" or "word".

    Returns: `labels` (gold spans of each type in `training` and `validation`), `overall` (a row with counts, metrics
        and their 95 % intervals), `types`, `lengths` and `surfaces` (such rows), `errors` (classes), `baseline`
        (`overall` and `types`).
    """
    scored = examine(examples, predicted, labels, unit, training)
    plain = examine(examples, found, labels, unit)
    counted = Counter(span.label for example in training for span in example.spans or ())
    gold = Counter(span.label for example in examples for span in example.spans)
    return {
        "labels": {label: {"training": counted[label], "validation": gold[label]} for label in labels},
        "overall": overall_row(examples, predicted),
        "types": scored["groups"]["type"],
        "lengths": scored["groups"]["length"],
        "surfaces": scored["groups"]["surface"],
        "errors": scored["errors"]["classes"],
        "baseline": {"overall": overall_row(examples, found), "types": plain["groups"]["type"]},
    }


def overall_row(examples: Sequence[Example], predicted: Sequence[Sequence[Span]]) -> dict:
    """Counts, micro metrics and their intervals over all types, in the form of a group's row.

    >>> row = overall_row([Example("a", "서울", (Span(0, 2, "LC"),))], [[Span(0, 2, "LC")]])
    >>> row["gold"], row["f1"], row["f1 interval"]
    (1, 1.0, [1.0, 1.0])
    """
    counts = counts_per_document(list(examples), [list(spans) for spans in predicted])
    correct, guessed, gold = (int(count) for count in counts.sum(axis=0))
    ends = {f"{name} interval": list(each) for name, each in intervals(counts, SAMPLES).items()}
    row = {"group": "overall", "gold": gold, "predicted": guessed, "correct": correct}
    return row | metrics(counts.sum(axis=0)) | ends
