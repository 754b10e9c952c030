"""The task text-classification: classes or values of texts and of pairs of texts."""

from kospan.modeling import KospanSequenceClassificationConfig
from kospan.task import TaskSpec
from kospan.tasks.text_classification.task import TextClassificationTask

SPEC = TaskSpec(
    name="text-classification",
    model_type=KospanSequenceClassificationConfig.model_type,
    pipeline_tag="text-classification",
    task=TextClassificationTask,
)
