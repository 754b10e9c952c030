"""The task text-classification: classes or values of texts and pairs of texts."""

from kospan.data.values import REGRESSION
from kospan.modeling import KospanSequenceClassificationConfig
from kospan.recipe import Recipe
from kospan.task import AblationTerms
from kospan.tasks.base import encoder_spec, needs_labels
from kospan.tasks.building import corpus_of
from kospan.tasks.text_classification import breakdown
from kospan.tasks.text_classification.baseline import constant_predictions
from kospan.tasks.text_classification.card import CARD
from kospan.tasks.text_classification.checks import check_examples
from kospan.tasks.text_classification.confidence import confidence
from kospan.tasks.text_classification.explain import ClassExplainer
from kospan.tasks.text_classification.metrics import METRICS, class_metric_names, value_metric_names
from kospan.tasks.text_classification.report import REPORT
from kospan.tasks.text_classification.task import TextClassificationTask
from kospan.tasks.text_classification.uncertainty import uncertainty


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


SPEC = encoder_spec(
    KospanSequenceClassificationConfig,
    name="text-classification",
    former_name="classifying",
    pipeline_tag="text-classification",
    task=TextClassificationTask,
    card=CARD,
    whole_texts=True,
    one_prediction=True,
    settings=("overlaps", "quoting", "tag_column"),
    # Values have no probability to calibrate.
    unused=lambda recipe: {"calibration_split": ("problem_type",)} if recipe.problem_type == REGRESSION else {},
    check_recipe=lambda recipe: KospanSequenceClassificationConfig.from_recipe(recipe),
    recipe_metric_names=recipe_metric_names,
    metric_names=lambda task: value_metric_names(task.dataset) if task.values else class_metric_names(task.labels),
    check_examples=check_examples,
    remarks=remarks,
    adjustments=lambda task: {"dropped": task.corpus.dropped},
    metrics=METRICS,
    curves=("f1", "accuracy", "macro_f1", "pearson", "spearman", "klue_sts_f1"),
    baseline=constant_predictions,
    baseline_name=lambda task: "mean value" if task.values else "most frequent class",
    counts=breakdown.counts,
    analyze=breakdown.analyze,
    scores=breakdown.scores,
    confidence=confidence,
    explainer=ClassExplainer,
    uncertainty=uncertainty,
    report=REPORT,
    ablation=AblationTerms(documents="texts", summed="labels"),
)
