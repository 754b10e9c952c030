"""The task text-classification: classes or values of texts and pairs of texts."""

from kospan.modeling import KospanSequenceClassificationConfig
from kospan.task import AblationTerms, TaskSpec
from kospan.tasks.text_classification.task import TextClassificationTask


def adjustments(task: TextClassificationTask) -> dict[str, int]:
    """Changed and dropped gold spans, counted."""
    return {"dropped": task.corpus.dropped}


METRICS = {
    "accuracy": "share of texts with the right class",
    "macro_f1": "mean F1 of the classes, each with the same weight",
    "f1": "micro F1 over classes, equal to the accuracy if every text has one",
    "pearson": "correlation with the gold values",
    "spearman": "rank correlation with the gold values",
    "mae": "mean absolute error",
    "klue_sts_f1": "F1 of the pairs with a value of at least 3, as published by the KLUE benchmark",
}

SPEC = TaskSpec(
    name="text-classification",
    model_type=KospanSequenceClassificationConfig.model_type,
    pipeline_tag="text-classification",
    task=TextClassificationTask,
    whole_texts=True,
    uses=TextClassificationTask.uses,
    unused=TextClassificationTask.unused,
    trained_settings=TextClassificationTask.models_own,
    adjustable=TextClassificationTask.continued,
    check_recipe=TextClassificationTask.check_recipe,
    check_scratch=TextClassificationTask.check_scratch,
    recipe_metric_names=TextClassificationTask.metric_names_of,
    metric_names=TextClassificationTask.metric_names,
    check_examples=TextClassificationTask.check,
    remarks=TextClassificationTask.remarks,
    adjustments=adjustments,
    identity=TextClassificationTask.identity,
    baseline=TextClassificationTask.baseline,
    baseline_name=lambda task: "mean value" if task.values else "most frequent class",
    counts=TextClassificationTask.counts,
    analyze=TextClassificationTask.examine,
    scores=TextClassificationTask.scored,
    confidence=TextClassificationTask.claims,
    ablation=AblationTerms(METRICS, documents="texts", summed="labels"),
)
