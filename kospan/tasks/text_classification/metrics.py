"""Figures of classes and of values that texts were given: accuracy, macro F1, correlations, and what resamples say."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from kospan.evaluation.bootstrap import f1, resampled_totals, tails
from kospan.evaluation.dataset_names import set_of
from kospan.example import Example
from kospan.modeling.spans import Span

CLASS_FIGURES = ("accuracy", "macro_f1", "f1")
VALUE_FIGURES = ("pearson", "spearman", "mae")
# F1 of KLUE-STS: of the pairs whose value is at least 3, which its benchmark calls alike.
STS_F1, STS_THRESHOLD = "klue_sts_f1", 3.0
SAMPLES = 2_000
# Resamples of values that are held at a time, so that memory does not grow with the data.
_BLOCK = 2**20


def value_metric_names(dataset: str) -> list[str]:
    """The names of what `score_values` gives for a data set.

    >>> value_metric_names("hub:klue/klue:sts")
    ['pearson', 'spearman', 'mae', 'klue_sts_f1']
    """
    return [*VALUE_FIGURES, *([STS_F1] if set_of(dataset) == "klue_sts" else [])]


def class_metric_names(labels: Sequence[str]) -> list[str]:
    """The names of what `score_classes` gives.

    >>> class_metric_names(["a"])
    ['accuracy', 'macro_f1', 'f1', 'f1_a', 'support_a']
    """
    return [*CLASS_FIGURES, *(f"{name}_{label}" for label in labels for name in ("f1", "support"))]


def score_classes(
    examples: Sequence[Example], predicted: Sequence[Sequence[Span]], labels: Sequence[str]
) -> dict[str, float]:
    """Figures of classes, flat names without a prefix.

    Args:
        examples: Texts with one gold span each.
        predicted: One span for each, or none where nothing was said, which is a mistake.
        labels: The classes.

    Returns: `accuracy`; `macro_f1`, the mean F1 of the classes that are gold or said somewhere (scikit-learn); `f1`,
        the micro F1, which is the accuracy where every text got a class; `f1_X` and `support_X` (texts of that class).

    Raises: ValueError where texts and predictions are not as many, a text has no gold class, or a label is unknown.

    >>> one = Example("1", "금리", (Span(0, 2, "경제"),))
    >>> score_classes([one], [[Span(0, 2, "경제")]], ["경제", "정치"])["macro_f1"]
    1.0
    """
    from sklearn.metrics import f1_score

    counts = class_counts(examples, predicted, labels)
    totals = counts.sum(axis=0)  # shape: (labels, 3)
    gold = [gold_label(example) for example in examples]
    said = [spans[0].label if spans else "" for spans in predicted]
    occurring = [label for label, (_, guessed, asked) in zip(labels, totals) if guessed or asked]
    macro = f1_score(gold, said, labels=occurring, average="macro", zero_division=0) if occurring else 0.0
    found = {
        "accuracy": float(totals[:, 0].sum() / max(1, len(examples))),
        "macro_f1": float(macro),
        "f1": float(f1(totals.sum(axis=0))),
    }
    for label, row in zip(labels, totals):
        found |= {f"f1_{label}": float(f1(row)), f"support_{label}": float(row[2])}
    return found


def class_counts(examples: Sequence[Example], predicted: Sequence[Sequence[Span]], labels: Sequence[str]) -> np.ndarray:
    """What is right, said and asked for `(documents, labels, 3)`, int64. Raises: as `score_classes`."""
    check_labelled(examples, predicted)
    place = {label: at for at, label in enumerate(labels)}
    counts = np.zeros((len(examples), len(labels), 3), dtype=np.int64)
    for row, example, spans in zip(counts, examples, predicted):
        gold = place_of(gold_label(example), place, example)
        row[gold, 2] = 1
        if spans:
            said = place_of(spans[0].label, place, example)
            row[said, 1] = 1
            row[gold, 0] = said == gold
    return counts


def place_of(label: str, place: dict[str, int], example: Example) -> int:
    """The place of a label. Raises: ValueError naming the example where it is unknown."""
    if label not in place:
        raise ValueError(
            f"example {example.id!r}: expected labels that the model knows ({', '.join(place)}), got {label!r}; "
            "rename the label in the data, or train a model on data that holds it"
        )
    return place[label]


def gold_label(example: Example) -> str:
    """The class that a text is of."""
    return example.spans[0].label


def check_labelled(examples: Sequence[Example], predicted: Sequence[Sequence[Span]]) -> None:
    """Raises: ValueError where there are not as many of both, or a text has no label or several."""
    if len(examples) != len(predicted):
        raise ValueError(
            f"expected a prediction for each text, got {len(predicted):,} for {len(examples):,}; pass both in one order"
        )
    for example in examples:
        if example.spans is None or len(example.spans) != 1:
            got = "none" if not example.spans else f"{len(example.spans)}"
            raise ValueError(
                f"example {example.id!r}: expected one label over the whole text, got {got}; label it, or leave it out"
            )


def score_values(
    gold: Sequence[float], said: Sequence[float], names: Sequence[str] = VALUE_FIGURES
) -> dict[str, float]:
    """Correlations of values and how far they lie apart.

    Args:
        gold: What they are.
        said: What was said.
        names: The scores that are wanted, as `value_metric_names` gives them.

    Returns: `pearson` and `spearman` (scipy), 0.0 where one side does not vary; `mae`, the mean absolute error;
        `klue_sts_f1`, F1 of the values of at least 3 (scikit-learn), 0.0 where neither side has one.

    >>> score_values([0.0, 1.0, 2.0], [0.5, 1.5, 2.5])
    {'pearson': 1.0, 'spearman': 1.0, 'mae': 0.5}
    """
    from scipy.stats import pearsonr, spearmanr

    one, other = np.asarray(gold, dtype=np.float64), np.asarray(said, dtype=np.float64)
    if len(one) < 2 or not np.ptp(one) or not np.ptp(other):
        pearson = spearman = 0.0
    else:
        pearson, spearman = float(pearsonr(one, other).statistic), float(spearmanr(one, other).statistic)
    error = float(np.abs(one - other).mean()) if len(one) else 0.0
    found = {"pearson": pearson, "spearman": spearman, "mae": error}
    if STS_F1 in names:
        alike, called = one >= STS_THRESHOLD, other >= STS_THRESHOLD
        found[STS_F1] = float(f1(np.array([(alike & called).sum(), called.sum(), alike.sum()])))
    return {name: found[name] for name in names}


def class_intervals(counts: np.ndarray, samples: int = SAMPLES, seed: int = 0) -> dict[str, list[float]]:
    """95 % bootstrap intervals of the metrics of classes, texts resampled.

    Args:
        counts: What `class_counts` gives `(documents, labels, 3)`.
        samples: Number of resamples.
        seed: Of numpy's generator.

    Returns: "accuracy interval", "macro_f1 interval" (over the classes that occur in all texts), "f1 interval".
    """
    labels = counts.shape[1]
    totals = resampled_totals(counts.reshape(len(counts), -1), samples, seed).reshape(samples, labels, 3)
    occurring = counts.sum(axis=0)[:, 1:].any(axis=1)
    summed = totals.sum(axis=1)
    metrics = {
        "accuracy": summed[:, 0] / len(counts),
        "macro_f1": f1(totals[:, occurring]).mean(axis=1),
        "f1": f1(summed),
    }
    return {f"{name} interval": np.quantile(values, tails(0.95)).tolist() for name, values in metrics.items()}


def value_intervals(
    gold: Sequence[float],
    said: Sequence[float],
    names: Sequence[str] = VALUE_FIGURES,
    samples: int = SAMPLES,
    seed: int = 0,
) -> dict:
    """95 % bootstrap intervals of the scores of values, as `class_intervals`."""
    from scipy.stats import rankdata

    one, other = np.asarray(gold, dtype=np.float64), np.asarray(said, dtype=np.float64)
    generator, found = np.random.default_rng(seed), {name: [] for name in names}
    block = max(1, _BLOCK // max(1, len(one)))
    for start in range(0, samples, block):
        chosen = generator.integers(len(one), size=(min(block, samples - start), len(one)))
        first, second = one[chosen], other[chosen]
        found["pearson"].append(_correlations(first, second))
        found["spearman"].append(_correlations(rankdata(first, axis=1), rankdata(second, axis=1)))
        found["mae"].append(np.abs(first - second).mean(axis=1))
        if STS_F1 in names:
            alike, called = first >= STS_THRESHOLD, second >= STS_THRESHOLD
            found[STS_F1].append(f1(np.stack([each.sum(axis=1) for each in (alike & called, called, alike)], axis=1)))
    return {
        f"{name} interval": np.quantile(np.concatenate(values), tails(0.95)).tolist() for name, values in found.items()
    }


def _correlations(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Pearson's correlation of each row; 0.0 where one side does not vary."""
    one, other = one - one.mean(axis=1, keepdims=True), other - other.mean(axis=1, keepdims=True)
    below = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    # What rounding leaves of a row that does not vary is no variance.
    return np.divide((one * other).sum(axis=1), below, out=np.zeros(len(one)), where=below > 1e-12)


def majority(training: Sequence[Example]) -> str:
    """The class of most training texts; of equals the first in the alphabet."""
    counts = Counter(gold_label(example) for example in training)
    return min(counts, key=lambda label: (-counts[label], label))
