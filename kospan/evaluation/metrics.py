"""Metrics as tables: a name, a function, a definition in words and the better direction."""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from kospan.setting import suggestion


class Metric(NamedTuple):
    """A metric of a task; a name with `{label}` in it stands for one metric per label.

    Args:
        function: Computes the metric from the argument that the task's `metrics.py` names, and from the label if there
            is one; None for a metric that another module computes.
        words: Definition in a few words, for model cards and reports.
        type: The Hub's name of the kind of metric.
        settings: How the metric is computed, for the metadata of a model card.
        larger_is_better: Whether a larger value is better.
        only: Unit, rules or data set that the metric belongs to; None for all.
    """

    function: Callable[..., float] | None
    words: str
    type: str = "f1"
    settings: Mapping[str, str] = {}
    larger_is_better: bool = True
    only: str | None = None


Metrics = Mapping[str, Metric]
# Metrics of every task.
SHARED = {"loss": Metric(None, "mean validation loss", "loss", larger_is_better=False)}


def metric_names(metrics: Metrics, of: str | None = None, labels: Sequence[str] = ()) -> list[str]:
    """Return the names of all metrics that `compute` gives.

    Args:
        metrics: The table of a task.
        of: Unit, rules or data set that is scored.
        labels: Labels that are scored one by one.
    """
    return [name for name, _, _ in _entries(metrics, of, labels)]


def compute(metrics: Metrics, *given, of: str | None = None, labels: Sequence[str] = ()) -> dict[str, float]:
    """Compute all metrics of a table.

    Args:
        metrics: The table of a task.
        *given: Arguments of each metric's function.
        of: As in `metric_names`.
        labels: As in `metric_names`.

    >>> table = {"f1": Metric(lambda scores: scores["all"], "F1"), "f1_{label}": Metric(dict.get, "F1 of {label}")}
    >>> compute(table, {"all": 0.5, "PS": 1.0}, labels=["PS"])
    {'f1': 0.5, 'f1_PS': 1.0}
    """
    return {
        name: float(metric.function(*given) if label is None else metric.function(*given, label))
        for name, metric, label in _entries(metrics, of, labels)
    }


def find_metric(metrics: Metrics, name: str) -> Metric | None:
    """Find the metric with a name, also one of a label, whose words then name the label.

    >>> find_metric({"f1_{label}": Metric(dict.get, "F1 of {label}")}, "f1_PS").words
    'F1 of PS'
    """
    if metric := {**SHARED, **metrics}.get(name):
        return metric
    for pattern, metric in metrics.items():
        before, found, after = pattern.partition("{label}")
        if found and name.startswith(before) and name.endswith(after):
            label = name[len(before) : len(name) - len(after)]
            return metric._replace(words=metric.words.format(label=label))
    return None


def larger_is_better(metrics: Metrics, name: str) -> bool:
    """Whether larger values of a metric are better; True for an unknown one other than `loss`."""
    metric = find_metric(metrics, name)
    return name != "loss" if metric is None else metric.larger_is_better


def is_of_label(metrics: Metrics, name: str) -> bool:
    """Whether a name is that of a metric of a single label."""
    return name not in metrics and find_metric(metrics, name) is not None


def _entries(metrics: Metrics, of: str | None, labels: Sequence[str]) -> list[tuple[str, Metric, str | None]]:
    """Names, metrics and labels in order of the table; neighbouring metrics of labels come label by label."""
    applicable = [(name, metric) for name, metric in metrics.items() if metric.function and metric.only in (None, of)]
    found = []
    for labelled, group in groupby(applicable, key=lambda entry: "{label}" in entry[0]):
        entries = list(group)
        for label in labels if labelled else [None]:
            found += [(name.replace("{label}", str(label)), metric, label) for name, metric in entries]
    return found


def check_metric(key: str, name: str, known: Sequence[str]) -> None:
    """Raise ValueError naming the nearest metric if a setting names one that evaluation does not give.

    Args:
        key: The setting, for the error message.
        name: Its value, with or without the prefix `eval_`.
        known: Names of the metrics of the run.
    """
    if name.removeprefix("eval_") not in known:
        advice = suggestion(name.removeprefix("eval_"), known, f"there are {', '.join(known)}")
        raise ValueError(f"expected {key} to be a metric that evaluation gives, got {name!r}; {advice}")
