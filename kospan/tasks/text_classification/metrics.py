"""Metrics of classes and of values of texts.

A metric of classes is a function of `ScoredClasses` and a line in `CLASS_METRICS`. A metric of values is a function of
the gold and the predicted values, both `(..., texts)`, and a line in `VALUE_METRICS`; the leading dimension, if there
is one, holds resamples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kospan.data.values import value_of
from kospan.evaluation import metrics as tables
from kospan.evaluation.bootstrap import f1, intervals, tails
from kospan.evaluation.breakdown import SAMPLES
from kospan.evaluation.dataset_names import set_of
from kospan.evaluation.metrics import Metric
from kospan.example import Example
from kospan.modeling.spans import Span

# KLUE-STS counts pairs with a value of at least 3 as equivalent.
STS_THRESHOLD = 3.0
# Resampled values that are held at a time, so that memory does not grow with the data.
_BLOCK = 2**20


@dataclass(frozen=True)
class ScoredClasses:
    """Gold and predicted classes, with counts that several metrics need.

    Args:
        examples: Texts with one gold span each.
        predicted: One span for each, or none, which is a mistake.
        labels: The classes.
    """

    examples: Sequence[Example]
    predicted: Sequence[Sequence[Span]]
    labels: Sequence[str]

    @cached_property
    def totals(self) -> np.ndarray:
        """Correct, predicted and gold texts of each class `(labels, 3)`."""
        return class_counts(self.examples, self.predicted, self.labels).sum(axis=0)

    def of_label(self, label: str) -> np.ndarray:
        """Correct, predicted and gold texts of one class."""
        return self.totals[self.labels.index(label)]


def macro_f1(scored: ScoredClasses) -> float:
    """Mean F1 of the classes that are gold or predicted somewhere (scikit-learn)."""
    from sklearn.metrics import f1_score

    occurring = [label for label, (_, guessed, gold) in zip(scored.labels, scored.totals) if guessed or gold]
    if not occurring:
        return 0.0
    gold = [gold_label(example) for example in scored.examples]
    predicted = [spans[0].label if spans else "" for spans in scored.predicted]
    return f1_score(gold, predicted, labels=occurring, average="macro", zero_division=0)


CLASS_METRICS = {
    "accuracy": Metric(lambda scored: scored.totals[:, 0].sum() / max(1, len(scored.examples)), "accuracy", "accuracy"),
    "macro_f1": Metric(macro_f1, "macro F1", "f1", {"averaging": "macro over classes"}),
    "f1": Metric(lambda scored: f1(scored.totals.sum(axis=0)), "micro F1", "f1", {"averaging": "micro"}),
    "f1_{label}": Metric(lambda scored, label: f1(scored.of_label(label)), "F1 of {label}"),
    "support_{label}": Metric(lambda scored, label: scored.of_label(label)[2], "texts of {label}", "count"),
}


def pearson(gold: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Pearson correlation; 0.0 where one side does not vary."""
    if gold.ndim == 1:
        from scipy.stats import pearsonr

        return pearsonr(gold, predicted).statistic if _vary(gold, predicted) else 0.0
    gold, predicted = gold - gold.mean(axis=1, keepdims=True), predicted - predicted.mean(axis=1, keepdims=True)
    below = np.sqrt((gold**2).sum(axis=1) * (predicted**2).sum(axis=1))
    # A row that does not vary has a variance of rounding errors.
    return np.divide((gold * predicted).sum(axis=1), below, out=np.zeros(len(gold)), where=below > 1e-12)


def spearman(gold: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Spearman correlation; 0.0 where one side does not vary."""
    from scipy.stats import rankdata, spearmanr

    if gold.ndim == 1:
        return spearmanr(gold, predicted).statistic if _vary(gold, predicted) else 0.0
    return pearson(rankdata(gold, axis=1), rankdata(predicted, axis=1))


def _vary(gold: np.ndarray, predicted: np.ndarray) -> bool:
    return len(gold) > 1 and np.ptp(gold) > 0 and np.ptp(predicted) > 0


def mae(gold: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Mean absolute error; 0.0 without texts."""
    return np.abs(gold - predicted).mean(axis=-1) if gold.size else 0.0


def klue_sts_f1(gold: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """F1 of the values of at least 3 (scikit-learn); 0.0 where neither side has one."""
    alike, called = gold >= STS_THRESHOLD, predicted >= STS_THRESHOLD
    return f1(np.stack([each.sum(axis=-1) for each in (alike & called, called, alike)], axis=-1))


VALUE_METRICS = {
    "pearson": Metric(pearson, "Pearson correlation", "pearsonr"),
    "spearman": Metric(spearman, "Spearman correlation", "spearmanr"),
    "mae": Metric(mae, "mean absolute error", "mae", larger_is_better=False),
    "klue_sts_f1": Metric(klue_sts_f1, "F1 at threshold 3", "f1", {"threshold": "3"}, only="klue_sts"),
}
METRICS = CLASS_METRICS | VALUE_METRICS


def value_metric_names(dataset: str) -> list[str]:
    """Return the names of the metrics that `score_values` gives for a data set.

    >>> value_metric_names("hub:klue/klue:sts")
    ['pearson', 'spearman', 'mae', 'klue_sts_f1']
    """
    return tables.metric_names(VALUE_METRICS, set_of(dataset))


def class_metric_names(labels: Sequence[str]) -> list[str]:
    """Return the names of the metrics that `score_classes` gives.

    >>> class_metric_names(["a"])
    ['accuracy', 'macro_f1', 'f1', 'f1_a', 'support_a']
    """
    return tables.metric_names(CLASS_METRICS, labels=labels)


def score_classes(
    examples: Sequence[Example], predicted: Sequence[Sequence[Span]], labels: Sequence[str]
) -> dict[str, float]:
    """Compute the metrics of classes; arguments as in `ScoredClasses`.

    Returns: `accuracy`; `macro_f1`, the mean F1 of the classes that are gold or predicted somewhere; `f1`, the micro
        F1, which is the accuracy if every text has a predicted class; `f1_X` and `support_X` (texts of that class).

    Raises: ValueError if there are not as many predictions as texts, a text has no gold class, or a label is unknown.

    >>> one = Example("1", "금리", (Span(0, 2, "경제"),))
    >>> score_classes([one], [[Span(0, 2, "경제")]], ["경제", "정치"])["macro_f1"]
    1.0
    """
    return tables.compute(CLASS_METRICS, ScoredClasses(examples, predicted, list(labels)), labels=labels)


def class_counts(examples: Sequence[Example], predicted: Sequence[Sequence[Span]], labels: Sequence[str]) -> np.ndarray:
    """Correct, predicted and gold `(documents, labels, 3)`, int64. Raises: ValueError as `score_classes`."""
    check_labelled(examples, predicted)
    place = {label: at for at, label in enumerate(labels)}
    counts = np.zeros((len(examples), len(labels), 3), dtype=np.int64)
    for row, example, spans in zip(counts, examples, predicted):
        gold = place_of(gold_label(example), place, example)
        row[gold, 2] = 1
        if spans:
            guess = place_of(spans[0].label, place, example)
            row[guess, 1] = 1
            row[gold, 0] = guess == gold
    return counts


def place_of(label: str, place: dict[str, int], example: Example) -> int:
    """The place of a label. Raises: ValueError naming the example if it is unknown."""
    if label not in place:
        raise ValueError(
            f"example {example.id!r}: expected labels that the model knows ({', '.join(place)}), got {label!r}; "
            "rename the label in the data, or train a model on data that holds it"
        )
    return place[label]


def gold_label(example: Example) -> str:
    """The class of a text."""
    return example.spans[0].label


def check_labelled(examples: Sequence[Example], predicted: Sequence[Sequence[Span]]) -> None:
    """Raise ValueError if the two differ in length, or a text has no label or several."""
    if len(examples) != len(predicted):
        raise ValueError(
            f"expected a prediction for each text, got {len(predicted):,} for {len(examples):,}; pass both in one order"
        )
    for example in examples:
        if example.spans is None or len(example.spans) != 1:
            got = "none" if not example.spans else f"{len(example.spans)}"
            raise ValueError(
                f"example {example.id!r}: expected one label over the whole text, got {got}; label it, or remove it"
            )


def gold_values(examples: Sequence[Example]) -> list[float]:
    """The values of texts. Raises: ValueError if one has no finite value."""
    return [value_of(example.spans[0], f"example {example.id!r}") for example in examples]


def values_of(examples: Sequence[Example], predicted: Sequence[Sequence[Span]]) -> tuple[list[float], list[float]]:
    """Gold and predicted values. Raises: ValueError as `check_labelled`."""
    check_labelled(examples, predicted)
    return gold_values(examples), [spans[0].score for spans in predicted]


def score_values(gold: Sequence[float], predicted: Sequence[float], dataset: str = "") -> dict[str, float]:
    """Compute the metrics of values.

    Args:
        gold: Gold values.
        predicted: Predicted values.
        dataset: The data set, which may have metrics of its own.

    Returns: `pearson` and `spearman` (scipy), 0.0 where one side does not vary; `mae`, the mean absolute error;
        `klue_sts_f1` for KLUE-STS.

    >>> score_values([0.0, 1.0, 2.0], [0.5, 1.5, 2.5])
    {'pearson': 1.0, 'spearman': 1.0, 'mae': 0.5}
    """
    sides = (np.asarray(side, dtype=np.float64) for side in (gold, predicted))
    return tables.compute(VALUE_METRICS, *sides, of=set_of(dataset))


def class_intervals(counts: np.ndarray, samples: int = SAMPLES) -> dict[str, list[float]]:
    """95 % bootstrap intervals of the metrics of classes, texts resampled.

    Args:
        counts: Counts of `class_counts` `(documents, labels, 3)`.
        samples: Number of resamples.

    Returns: Ends of `accuracy`, `macro_f1` (over the classes that occur in all texts) and `f1`.
    """
    occurring = counts.sum(axis=0)[:, 1:].any(axis=1)

    def metrics(totals: np.ndarray) -> dict[str, np.ndarray]:
        totals = totals.reshape(len(totals), -1, 3)
        summed = totals.sum(axis=1)
        return {
            "accuracy": summed[:, 0] / len(counts),
            "macro_f1": f1(totals[:, occurring]).mean(axis=1),
            "f1": f1(summed),
        }

    return intervals(counts.reshape(len(counts), -1), metrics, samples)


def value_intervals(
    gold: Sequence[float], predicted: Sequence[float], dataset: str = "", samples: int = SAMPLES, seed: int = 0
) -> dict[str, list[float]]:
    """95 % bootstrap intervals of the metrics of values, texts resampled."""
    gold, predicted = (np.asarray(side, dtype=np.float64) for side in (gold, predicted))
    names = value_metric_names(dataset)
    generator, found = np.random.default_rng(seed), {name: [] for name in names}
    block = max(1, _BLOCK // max(1, len(gold)))
    for start in range(0, samples, block):
        chosen = generator.integers(len(gold), size=(min(block, samples - start), len(gold)))
        for name in names:
            found[name].append(VALUE_METRICS[name].function(gold[chosen], predicted[chosen]))
    return {name: np.quantile(np.concatenate(values), tails(0.95)).tolist() for name, values in found.items()}
