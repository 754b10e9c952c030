"""The task text-classification: classes or values of texts and pairs of texts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kospan.data.values import REGRESSION
from kospan.example import Example
from kospan.modeling import KospanSequenceClassificationConfig
from kospan.modeling.spans import Span
from kospan.recipe import Recipe
from kospan.task import AblationTerms
from kospan.tasks.base import encoder_spec, needs_labels
from kospan.tasks.building import corpus_of
from kospan.tasks.text_classification.breakdown import examine_classes, examine_values, scored_classes, scored_values
from kospan.tasks.text_classification.card import CARD
from kospan.tasks.text_classification.checks import check_examples
from kospan.tasks.text_classification.confidence import ClassClaims, ValueClaims
from kospan.tasks.text_classification.metrics import class_counts, class_metric_names, majority, value_metric_names
from kospan.tasks.text_classification.task import TextClassificationTask


def recipe_metric_names(recipe: Recipe, name: str) -> list[str]:
    """Return the metrics of a run; the data are read only for a metric of a single class."""
    values = value_metric_names(recipe.dataset)
    if name.removeprefix("eval_") in values or recipe.problem_type == REGRESSION:
        return values
    labels = corpus_of(recipe, recipe.problem_type, whole_texts=True).labels if needs_labels(name) else ()
    return class_metric_names(labels)


def remarks(task: TextClassificationTask) -> list[str]:
    """Return a line about the labels."""
    if not task.values:
        return [f"labels              {len(task.labels):,} classes: {', '.join(task.labels[:20])}"]
    config = task.model.config
    return [
        f"labels              numbers, {config.value_mean:.4g} on average, spread {config.value_spread:.4g}; "
        "problem_type: single_label_classification reads them as names"
    ]


def baseline(task: TextClassificationTask, documents: Sequence[Example]) -> list[list[Span]]:
    """Predict the most frequent class of the training texts, or their mean value."""
    training = task.examples("train")
    if task.values:
        label, score = task.labels[0], float(np.mean(task.gold_values(training)))
    else:
        label, score = majority(training), 1.0
    return [[Span(0, len(document.text), label, score)] for document in documents]


def counts(
    task: TextClassificationTask, examples: Sequence[Example], predictions: Sequence[Sequence[Span]]
) -> np.ndarray:
    """Count correct, predicted and gold labels `(documents, labels, 3)`.

    A value is correct by 1 minus its error in standard deviations of the training values, at least 0, so that the F1 of
    the sums is the mean closeness.
    """
    if not task.values:
        return class_counts(examples, predictions, task.labels)
    gold, predicted = map(np.array, task.value_pairs(examples, predictions))
    close = np.clip(1 - np.abs(gold - predicted) / task.model.config.value_spread, 0, 1)
    return np.stack([close, np.ones_like(close), np.ones_like(close)], axis=1)[:, None]


def analyze(
    task: TextClassificationTask,
    examples: Sequence[Example],
    predictions: Sequence[Sequence[Span]],
    training: Sequence[Example] | None,
) -> dict:
    """Return scores, groups and errors."""
    if task.values:
        return examine_values(examples, *task.value_pairs(examples, predictions), task.value_metrics)
    return examine_classes(examples, predictions, task.labels)


def scores(
    task: TextClassificationTask,
    training: Sequence[Example],
    examples: Sequence[Example],
    predictions: Sequence[Sequence[Span]],
    simple: Sequence[Sequence[Span]],
) -> dict:
    """Return scores by class and length with intervals, and those of the baseline's predictions `simple`."""
    if not task.values:
        return scored_classes(training, examples, predictions, simple, task.labels)
    gold, predicted = task.value_pairs(examples, predictions)
    return scored_values(
        task.gold_values(training),
        examples,
        gold,
        predicted,
        task.value_pairs(examples, simple)[1],
        task.value_metrics,
    )


METRICS = {
    "accuracy": "share of texts with the right class",
    "macro_f1": "mean F1 of the classes, each with the same weight",
    "f1": "micro F1 over classes, equal to the accuracy if every text has one",
    "pearson": "correlation with the gold values",
    "spearman": "rank correlation with the gold values",
    "mae": "mean absolute error",
    "klue_sts_f1": "F1 of the pairs with a value of at least 3, as published by the KLUE benchmark",
}

SPEC = encoder_spec(
    KospanSequenceClassificationConfig,
    name="text-classification",
    former_name="classifying",
    pipeline_tag="text-classification",
    task=TextClassificationTask,
    card=CARD,
    published=Path(__file__).with_name("published.py"),
    whole_texts=True,
    settings=("overlaps", "quoting", "tag_column"),
    # Values have no probability to calibrate.
    unused=lambda recipe: {"calibration_split": ("problem_type",)} if recipe.problem_type == REGRESSION else {},
    check_recipe=lambda recipe: KospanSequenceClassificationConfig.from_recipe(recipe),
    recipe_metric_names=recipe_metric_names,
    metric_names=lambda task: list(task.value_metrics) if task.values else class_metric_names(task.labels),
    check_examples=check_examples,
    remarks=remarks,
    adjustments=lambda task: {"dropped": task.corpus.dropped},
    baseline=baseline,
    baseline_name=lambda task: "mean value" if task.values else "most frequent class",
    counts=counts,
    analyze=analyze,
    scores=scores,
    confidence=lambda task, examples: (ValueClaims if task.values else ClassClaims)(task.model, examples),
    ablation=AblationTerms(METRICS, documents="texts", summed="labels"),
)
