"""All that is counted about classes and values of texts: what `kospan evaluate` prints and a report shows."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from kospan.evaluation.bootstrap import f1, intervals, mean_intervals
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.tasks.text_classification.metrics import (
    SAMPLES,
    VALUE_FIGURES,
    class_counts,
    class_intervals,
    gold_label,
    score_classes,
    score_values,
    value_intervals,
)

# Upper ends of the groups by length of the text, in characters; the last group has none.
TEXT_LENGTHS = (32, 128, 512, 2048)
# So many sources are worth a table.
SOURCES = range(2, 31)
OTHER, SILENT = "other class", "no class said"
CLASS_OUTCOMES = ("correct", OTHER, SILENT)
# Upper ends of the groups by error of a value, in standard deviations of the gold values.
_NEAR = (0.25, 0.5, 1.0)


def value_outcomes() -> list[str]:
    """Names of the groups by error of a value, the smallest first.

    >>> value_outcomes()
    ['within 0.25 sd', '0.25 to 0.5 sd', '0.5 to 1 sd', 'more than 1 sd']
    """
    between = [f"{low:g} to {high:g} sd" for low, high in zip(_NEAR, _NEAR[1:])]
    return [f"within {_NEAR[0]:g} sd", *between, f"more than {_NEAR[-1]:g} sd"]


def text_length_groups() -> list[str]:
    """Names of the groups by length, shortest first.

    >>> text_length_groups()
    ['0-32', '33-128', '129-512', '513-2048', '2049 and more']
    """
    lows = [0, *(top + 1 for top in TEXT_LENGTHS)]
    return [*(f"{low}-{top}" for low, top in zip(lows, TEXT_LENGTHS)), f"{lows[-1]} and more"]


def text_length(example: Example) -> str:
    """The group of a text's length."""
    return text_length_groups()[bisect_left(TEXT_LENGTHS, len(example.text))]


def examine_classes(
    examples: Sequence[Example],
    predicted: Sequence[Sequence[Span]],
    labels: Sequence[str],
    samples: int = SAMPLES,
) -> dict:
    """Figures, groups and errors of classes, as one JSON value.

    Args:
        examples: Texts with gold classes.
        predicted: One span for each, or none.
        labels: The classes, in the order they are shown.
        samples: Resamples of the intervals.

    Returns: `documents`; `metrics` as `score_classes` gives them; `groups`, tables by "class" (F1, precision, recall),
        "text length" and, where there are 2 to 30, "source" (accuracy), each metric with its 95 % interval ("f1
        interval"); `errors` with "classes", counts by `CLASS_OUTCOMES`, and "types", the confusion (`labels` and
        counts, gold by row, the last row and column none).

    Raises: ValueError as `score_classes` does.
    """
    counts = class_counts(examples, predicted, labels)
    right = counts[:, :, 0].sum(axis=1)
    outcomes = Counter(
        "correct" if hit else OTHER if spans else SILENT for hit, spans in zip(right.tolist(), predicted)
    )
    place = {label: at for at, label in enumerate(labels)}
    confusion = np.zeros((len(labels) + 1, len(labels) + 1), dtype=np.int64)
    for example, spans in zip(examples, predicted):
        confusion[place[gold_label(example)], place[spans[0].label] if spans else len(labels)] += 1
    groups = {"class": [_class_row(label, counts[:, at], samples) for label, at in place.items()]}
    groups |= mean_groups(examples, "accuracy", right.astype(np.float64), samples)
    return {
        "documents": len(examples),
        "metrics": score_classes(examples, predicted, labels),
        "groups": groups,
        "errors": {
            "classes": {outcome: outcomes[outcome] for outcome in CLASS_OUTCOMES},
            "types": {"labels": list(labels), "counts": confusion.tolist()},
        },
    }


def _class_row(label: str, counts: np.ndarray, samples: int) -> dict:
    right, said, asked = (int(count) for count in counts.sum(axis=0))
    metrics = {
        "f1": float(f1(counts.sum(axis=0))),
        "precision": right / max(1, said),
        "recall": right / max(1, asked),
    }
    ends = {f"{name} interval": list(each) for name, each in intervals(counts, samples).items()}
    return {"group": label, "gold": asked, "predicted": said, "correct": right} | metrics | ends


def mean_groups(examples: Sequence[Example], name: str, values: np.ndarray, samples: int) -> dict[str, list[dict]]:
    """Tables of a mean by length of the text and by source.

    Args:
        name: What the mean is called.
        values: What is averaged `(documents,)`.
    """
    found = {"text length": _mean_table(values, name, map(text_length, examples), text_length_groups(), samples)}
    sources = sorted({_source(example) for example in examples})
    if len(sources) in SOURCES:
        found["source"] = _mean_table(values, name, map(_source, examples), sources, samples)
    return found


def _source(example: Example) -> str:
    return example.source or "unnamed"


def _mean_table(values: np.ndarray, name: str, groups: Iterable[str], order: Sequence[str], samples: int) -> list[dict]:
    found, rows = np.array(list(groups)), []
    for group in order:
        own = values[found == group]
        if len(own):
            [ends] = mean_intervals(own[:, None], samples)
            rows.append({"group": group, "documents": len(own), name: float(own.mean()), f"{name} interval": ends})
    return [row | {f"{name} interval": list(row[f"{name} interval"])} for row in rows]


def examine_values(
    examples: Sequence[Example],
    gold: Sequence[float],
    said: Sequence[float],
    names: Sequence[str] = VALUE_FIGURES,
    samples: int = SAMPLES,
) -> dict:
    """Scores, groups and errors of values, as `examine_classes`.

    Args:
        examples: Texts with gold values.
        gold: These values.
        said: What was said of each.
        names: The scores, as `kospan.tasks.text_classification.metrics.value_metric_names` gives them.
        samples: Resamples of the intervals.

    Returns: `documents`; `metrics` as `score_values` gives them; `groups` by "text length" and perhaps "source" (mean
        absolute error); `errors` with "classes", counts by `value_outcomes`.
    """
    errors = np.abs(np.asarray(gold, dtype=np.float64) - np.asarray(said, dtype=np.float64))
    outcomes = Counter(value_outcome(error, spread_of(gold)) for error in errors.tolist())
    return {
        "documents": len(examples),
        "metrics": score_values(gold, said, names),
        "groups": mean_groups(examples, "mae", errors, samples),
        "errors": {"classes": {outcome: outcomes[outcome] for outcome in value_outcomes()}},
    }


def spread_of(values: Sequence[float]) -> float:
    """The standard deviation of values; 1.0 where they do not vary.

    >>> spread_of([1.0, 3.0]), spread_of([2.0])
    (1.0, 1.0)
    """
    spread = float(np.std(np.asarray(values, dtype=np.float64))) if len(values) else 0.0
    return spread or 1.0


def value_outcome(error: float, spread: float) -> str:
    """The group of an error, one of `value_outcomes`."""
    return value_outcomes()[bisect_left(_NEAR, error / spread)]


def scored_classes(
    training: Sequence[Example],
    examples: Sequence[Example],
    predicted: Sequence[Sequence[Span]],
    found: Sequence[Sequence[Span]],
    labels: Sequence[str],
) -> dict:
    """What a run keeps of its scores of classes.

    Args:
        training: Training texts.
        examples: Validation texts.
        predicted: The model's classes.
        found: The baseline's.
        labels: The classes.

    Returns: `labels` (texts of each class in `training` and `validation`), `overall`, a row of metrics with intervals,
        `baseline`, the same of the baseline, `groups` and `errors` (classes) as `examine_classes` gives them.
    """
    scored = examine_classes(examples, predicted, labels)
    counted, gold = (Counter(gold_label(example) for example in part) for part in (training, examples))
    return {
        "labels": {label: {"training": counted[label], "validation": gold[label]} for label in labels},
        "overall": class_row(examples, predicted, labels),
        "baseline": class_row(examples, found, labels),
        "groups": scored["groups"],
        "errors": scored["errors"]["classes"],
        "confusion": scored["errors"]["types"]["counts"],
    }


def class_row(examples: Sequence[Example], predicted: Sequence[Sequence[Span]], labels: Sequence[str]) -> dict:
    """Figures of all texts with their intervals."""
    metrics = score_classes(examples, predicted, labels)
    row = {"group": "overall", "documents": len(examples)}
    row |= {name: metrics[name] for name in ("accuracy", "macro_f1", "f1")}
    return row | class_intervals(class_counts(examples, predicted, labels))


def scored_values(
    training: Sequence[float],
    examples: Sequence[Example],
    gold: Sequence[float],
    said: Sequence[float],
    found: Sequence[float],
    names: Sequence[str] = VALUE_FIGURES,
) -> dict:
    """What a run keeps of its scores of values, as `scored_classes`; `values` are mean, spread, least and most of the
    training values, `names` the scores."""
    scored = examine_values(examples, gold, said)
    return {
        "values": {
            "training": len(training),
            "mean": float(np.mean(training)),
            "spread": float(np.std(training)),
            "least": float(min(training)),
            "most": float(max(training)),
        },
        "overall": value_row(gold, said, names),
        "baseline": value_row(gold, found, names),
        "groups": scored["groups"],
        "errors": scored["errors"]["classes"],
    }


def value_row(gold: Sequence[float], said: Sequence[float], names: Sequence[str] = VALUE_FIGURES) -> dict:
    """Scores of all texts with their intervals."""
    row = {"group": "overall", "documents": len(gold)}
    return row | score_values(gold, said, names) | value_intervals(gold, said, names)
