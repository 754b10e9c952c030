"""The task token-classification: named entities and other spans, found by tagging characters or words."""

from kospan.modeling import KospanTokenClassificationConfig
from kospan.task import AblationTerms, TaskSpec
from kospan.tasks.token_classification.task import TokenClassificationTask


def adjustments(task: TokenClassificationTask) -> dict[str, int]:
    """Changed and dropped gold spans, counted."""
    return {"widened": task.misaligned, "trimmed": task.corpus.trimmed, "dropped": task.corpus.dropped}


METRICS = {
    "f1": "strict micro F1 over exact spans, spaces kept",
    "precision": "of `f1`",
    "recall": "of `f1`",
    "flat_f1": "F1 of the units' BIO tags, weighted by support, `O` left out",
    "flat_f1_with_o": "the same with `O`",
    "klue_entity_f1": "as published by the KLUE benchmark: characters without spaces, strict, macro over types",
    "klue_char_f1": "macro F1 over all character tags, `O` included",
}

SPEC = TaskSpec(
    name="token-classification",
    model_type=KospanTokenClassificationConfig.model_type,
    pipeline_tag="token-classification",
    task=TokenClassificationTask,
    uses=TokenClassificationTask.uses,
    unused=TokenClassificationTask.unused,
    trained_settings=TokenClassificationTask.models_own,
    adjustable=TokenClassificationTask.continued,
    check_recipe=TokenClassificationTask.check_recipe,
    check_scratch=TokenClassificationTask.check_scratch,
    recipe_metric_names=TokenClassificationTask.metric_names_of,
    metric_names=TokenClassificationTask.metric_names,
    check_examples=TokenClassificationTask.check,
    remarks=TokenClassificationTask.remarks,
    adjustments=adjustments,
    identity=TokenClassificationTask.identity,
    baseline=TokenClassificationTask.baseline,
    baseline_name=lambda task: "dictionary and patterns",
    counts=TokenClassificationTask.counts,
    analyze=TokenClassificationTask.examine,
    scores=TokenClassificationTask.scored,
    confidence=TokenClassificationTask.claims,
    ablation=AblationTerms(METRICS, documents="documents", summed="spans"),
)
