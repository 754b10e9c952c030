"""Scores of classes and values by class, text length and source, and classes of errors."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from kospan.evaluation.breakdown import (
    SAMPLES,
    SPANS,
    breakdown,
    length_group,
    length_groups,
    means,
    source_groups,
    source_of,
)
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.tasks.text_classification.metrics import (
    class_counts,
    class_intervals,
    gold_label,
    gold_values,
    score_classes,
    score_values,
    value_intervals,
    values_of,
)

Predictions = Sequence[Sequence[Span]]
# Largest lengths of the groups by length of the text, in characters; the last group has none.
TEXT_LENGTHS = (32, 128, 512, 2048)
LENGTH_GROUPS = length_groups(TEXT_LENGTHS, 0)
OTHER, NO_CLASS = "other class", "no class said"
CLASS_OUTCOMES = ("correct", OTHER, NO_CLASS)
# Largest errors of the groups by error of a value, in standard deviations of the gold values.
_NEAR = (0.25, 0.5, 1.0)
VALUE_OUTCOMES = ("within 0.25 sd", "0.25 to 0.5 sd", "0.5 to 1 sd", "more than 1 sd")


def text_rows(task, examples: Sequence[Example], predicted: Predictions) -> pd.DataFrame:
    """A row per text.

    Args:
        task: The task, with `labels`, and `values` for values in place of classes.
        examples: Texts with gold classes or values.
        predicted: One span for each, or none.

    Returns: The groups `text length` and `source`; `gold`, the gold class or value; `accuracy` (0 or 1) or `mae` (the
        absolute error); `outcome`, one of `CLASS_OUTCOMES` or `VALUE_OUTCOMES`.

    Raises: ValueError if there are not as many predictions as texts, or a text has no gold class or an unknown one.
    """
    rows = pd.DataFrame(
        {
            "text length": [length_group(len(example.text), TEXT_LENGTHS, 0) for example in examples],
            "source": [source_of(example) for example in examples],
        }
    )
    if task.values:
        gold, values = values_of(examples, predicted)
        rows["gold"], rows["mae"] = gold, np.abs(np.array(gold) - np.array(values))
        spread = spread_of(gold)
        rows["outcome"] = [VALUE_OUTCOMES[bisect_left(_NEAR, error / spread)] for error in rows["mae"]]
        return rows
    correct = class_counts(examples, predicted, task.labels)[:, :, 0].sum(axis=1)
    rows["gold"], rows["accuracy"] = [gold_label(example) for example in examples], correct.astype(float)
    rows["outcome"] = ["correct" if hit else OTHER if spans else NO_CLASS for hit, spans in zip(correct, predicted)]
    return rows


def counts(task, examples: Sequence[Example], predicted: Predictions) -> np.ndarray:
    """Correct, predicted and gold texts of each class `(documents, labels, 3)`.

    A value counts as correct by 1 minus its error in spreads of the training values, at least 0, so that the F1 of the
    sums is the mean of that.
    """
    if not task.values:
        return class_counts(examples, predicted, task.labels)
    gold, values = map(np.array, values_of(examples, predicted))
    near = np.clip(1 - np.abs(gold - values) / task.model.config.value_spread, 0, 1)
    return np.stack([near, np.ones_like(near), np.ones_like(near)], axis=1)[:, None]


def spread_of(values: Sequence[float]) -> float:
    """The standard deviation of values; 1.0 if they do not vary.

    >>> spread_of([1.0, 3.0]), spread_of([2.0])
    (1.0, 1.0)
    """
    spread = float(np.std(np.asarray(values, dtype=np.float64))) if len(values) else 0.0
    return spread or 1.0


def analyze(
    task,
    examples: Sequence[Example],
    predicted: Predictions,
    training: Sequence[Example] | None = None,
    samples: int = SAMPLES,
) -> dict:
    """Scores, groups and errors of classes or values.

    Args:
        task: The task, with `metrics`, `labels`, and `values` for values in place of classes.
        examples: Texts with gold classes or values.
        predicted: One span for each, or none.
        training: Not used.
        samples: Resamples of the intervals.

    Returns: `documents`; `metrics`; `groups`, tables by "class" (F1, precision, recall), "text length" and, if there
        are 2 to 30, "source" (accuracy, or mean absolute error), each metric with its 95 % interval ("f1 interval");
        `errors` with "classes", counts by outcome, and of classes "types", the confusion (`labels` and counts, gold by
        row, the last row and column none).

    Raises: ValueError as `text_rows`.
    """
    rows = text_rows(task, examples, predicted)
    groups: dict[str, list[dict]] = {}
    errors = {"classes": _outcomes(task, rows)}
    if not task.values:
        by_class = counts(task, examples, predicted)
        documents, classes = np.indices(by_class.shape[:2]).reshape(2, -1)
        table = pd.DataFrame(by_class.reshape(-1, 3), columns=list(SPANS.columns))
        table["document"], table["class"] = documents, np.array(task.labels, dtype=object)[classes]
        groups = breakdown(table, {"class": task.labels}, SPANS, len(examples), samples)
        errors["types"] = {"labels": list(task.labels), "counts": confusion(examples, predicted, task.labels).tolist()}
    return {
        "documents": len(examples),
        "metrics": task.metrics(examples, predicted),
        "groups": groups | _mean_groups(task, rows, examples, samples),
        "errors": errors,
    }


def _outcomes(task, rows: pd.DataFrame) -> dict[str, int]:
    outcomes = VALUE_OUTCOMES if task.values else CLASS_OUTCOMES
    return rows["outcome"].value_counts().reindex(outcomes, fill_value=0).to_dict()


def _mean_groups(task, rows: pd.DataFrame, examples: Sequence[Example], samples: int) -> dict[str, list[dict]]:
    scores = means(["mae" if task.values else "accuracy"], "documents")
    return breakdown(rows, {"text length": LENGTH_GROUPS, **source_groups(examples)}, scores, samples=samples)


def confusion(examples: Sequence[Example], predicted: Predictions, labels: Sequence[str]) -> np.ndarray:
    """Texts by gold and predicted class `(labels + 1, labels + 1)`; the last row and column are "none"."""
    place = {label: at for at, label in enumerate(labels)}
    table = np.zeros((len(labels) + 1, len(labels) + 1), dtype=np.int64)
    for example, spans in zip(examples, predicted):
        table[place[gold_label(example)], place[spans[0].label] if spans else len(labels)] += 1
    return table


def scores(
    task, training: Sequence[Example], examples: Sequence[Example], predicted: Predictions, baseline: Predictions
) -> dict:
    """Scores of a run, for its record and model card.

    Args:
        task: The task, with `labels`, `dataset`, and `values` for values in place of classes.
        training: Training texts.
        examples: Validation texts.
        predicted: Classes or values that the model predicts.
        baseline: Those of the baseline.

    Returns: `overall`, a row of metrics with intervals; `baseline`, the same of the baseline; `groups` and `errors`
        (classes) as `analyze` gives them. Of classes also `labels` (texts of each class in `training` and `validation`)
        and `confusion`; of values `values`, the number, mean, spread, least and most of the training values.
    """
    analysis = analyze(task, examples, predicted)
    found = {
        "overall": overall_row(task, examples, predicted),
        "baseline": overall_row(task, examples, baseline),
        "groups": analysis["groups"],
        "errors": analysis["errors"]["classes"],
    }
    if task.values:
        values = gold_values(training)
        return {
            "values": {
                "training": len(values),
                "mean": float(np.mean(values)),
                "spread": float(np.std(values)),
                "least": float(min(values)),
                "most": float(max(values)),
            }
        } | found
    counted, gold = (Counter(map(gold_label, part)) for part in (training, examples))
    labels = {label: {"training": counted[label], "validation": gold[label]} for label in task.labels}
    return {"labels": labels} | found | {"confusion": analysis["errors"]["types"]["counts"]}


def overall_row(task, examples: Sequence[Example], predicted: Predictions) -> dict:
    """Metrics of all texts with their intervals."""
    if task.values:
        values = values_of(examples, predicted)
        metrics, ends = score_values(*values, task.dataset), value_intervals(*values, task.dataset)
    else:
        metrics = score_classes(examples, predicted, task.labels)
        ends = class_intervals(class_counts(examples, predicted, task.labels))
    row = {"group": "overall", "documents": len(examples)} | {name: metrics[name] for name in ends}
    return row | {f"{name} interval": pair for name, pair in ends.items()}
