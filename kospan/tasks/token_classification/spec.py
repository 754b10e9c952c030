"""The task token-classification: named entities and other spans, found by tagging characters or words."""

from contextlib import suppress

from kospan.data.registry import dataset_spec
from kospan.modeling import KospanTokenClassificationConfig
from kospan.modeling.heads import HEADS, check_head
from kospan.modeling.tags import labels_of
from kospan.recipe import Recipe
from kospan.task import AblationTerms
from kospan.tasks.base import check_labels, encoder_spec, needs_labels
from kospan.tasks.building import corpus_of
from kospan.tasks.encoders import is_on_disk, load_config
from kospan.tasks.token_classification import breakdown
from kospan.tasks.token_classification.baseline import dictionary_predictions
from kospan.tasks.token_classification.card import CARD
from kospan.tasks.token_classification.confidence import confidence
from kospan.tasks.token_classification.explain import SpanExplainer
from kospan.tasks.token_classification.guarantees import document_summaries, every_span
from kospan.tasks.token_classification.metrics import CURVES, METRICS, metric_names
from kospan.tasks.token_classification.report import REPORT
from kospan.tasks.token_classification.task import TokenClassificationTask
from kospan.tasks.token_classification.uncertainty import uncertainty


def unused(recipe: Recipe) -> dict[str, tuple[str, ...]]:
    """Return the settings that the head does not use, and the options that only other heads have."""
    head = HEADS.get(recipe.head)
    if head is None:
        return {}
    others = (name for other in HEADS.values() for name in other.options if name not in head.options)
    found = head.unused(recipe.head_options) | {f"head_options.{name}": ("head",) for name in others}
    with suppress(ValueError):  # An unknown data set is refused where it is read.
        if (recipe.unit or dataset_spec(recipe.dataset).unit) == "word":
            found["ngram_vectors"] = ("unit",) if recipe.unit else ("dataset",)
    return found


def check_recipe(recipe: Recipe) -> None:
    """Check the settings of the model, and the head with its options."""
    check_head(KospanTokenClassificationConfig.from_recipe(recipe, id2label={0: "O", 1: "B-X", 2: "I-X"}))


def recipe_metric_names(recipe: Recipe, name: str) -> list[str]:
    """Return the metrics of a run; the data are read only for a metric of a single label."""
    unit, labels = recipe.unit or dataset_spec(recipe.dataset).unit, None
    # A relative name may be one on the Hub, which only the run itself asks.
    if is_on_disk(recipe.encoder):
        config = load_config(recipe.encoder, {})
        if config.model_type == SPEC.model_type:
            unit, labels = config.unit, labels_of(config.tags)
    if labels is None and needs_labels(name):
        labels = corpus_of(recipe).labels
    return metric_names(unit, labels or ())


def remarks(task: TokenClassificationTask) -> list[str]:
    """Return lines about widened and dropped spans."""
    lines = []
    if task.misaligned:
        lines.append(f"widened spans       {task.misaligned:,} gold spans begin or end inside a unit; widened to it")
    if task.corpus.dropped:
        lines.append(f"dropped spans       {task.corpus.dropped:,} gold spans overlapped a longer one")
    return lines


def adjustments(task: TokenClassificationTask) -> dict[str, int]:
    """Count changed and dropped gold spans."""
    return {"widened": task.misaligned, "trimmed": task.corpus.trimmed, "dropped": task.corpus.dropped}


SPEC = encoder_spec(
    KospanTokenClassificationConfig,
    name="token-classification",
    former_name="tagging",
    pipeline_tag="token-classification",
    task=TokenClassificationTask,
    card=CARD,
    settings=(
        *("overlaps", "crf_backend", "rdrop_level", "token_column", "tag_column"),
        *("mention_replacement", "mention_source"),
    ),
    unused=unused,
    check_recipe=check_recipe,
    recipe_metric_names=recipe_metric_names,
    metric_names=lambda task: metric_names(task.unit, task.labels),
    check_examples=check_labels,
    remarks=remarks,
    adjustments=adjustments,
    metrics=METRICS,
    curves=CURVES,
    baseline=dictionary_predictions,
    baseline_name=lambda task: "dictionary and patterns",
    counts=breakdown.counts,
    analyze=breakdown.analyze,
    scores=breakdown.scores,
    confidence=confidence,
    every_span=every_span,
    document_summaries=document_summaries,
    explainer=SpanExplainer,
    uncertainty=uncertainty,
    length_normalized=True,
    report=REPORT,
    ablation=AblationTerms(documents="documents", summed="spans"),
)
