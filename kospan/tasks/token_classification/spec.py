"""The task token-classification: named entities and other spans, found by tagging characters or words."""

from pathlib import Path

from kospan.modeling import KospanTokenClassificationConfig
from kospan.task import TaskSpec
from kospan.tasks.token_classification.task import TokenClassificationTask


def adjustments(task: TokenClassificationTask) -> dict[str, int]:
    """Changed and dropped gold spans, counted."""
    return {"widened": task.misaligned, "trimmed": task.corpus.trimmed, "dropped": task.corpus.dropped}


SPEC = TaskSpec(
    name="token-classification",
    model_type=KospanTokenClassificationConfig.model_type,
    pipeline_tag="token-classification",
    task=TokenClassificationTask,
    published=Path(__file__).with_name("published.py"),
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
)
