"""The task text-classification: classes or values of texts and pairs of texts."""

from pathlib import Path

from kospan.modeling import KospanSequenceClassificationConfig
from kospan.task import TaskSpec
from kospan.tasks.text_classification.task import TextClassificationTask


def adjustments(task: TextClassificationTask) -> dict[str, int]:
    """Changed and dropped gold spans, counted."""
    return {"dropped": task.corpus.dropped}


SPEC = TaskSpec(
    name="text-classification",
    model_type=KospanSequenceClassificationConfig.model_type,
    pipeline_tag="text-classification",
    task=TextClassificationTask,
    published=Path(__file__).with_name("published.py"),
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
)
