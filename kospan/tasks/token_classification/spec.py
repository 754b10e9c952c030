"""The task token-classification: named entities and other spans, found by tagging characters or words."""

from kospan.modeling import KospanTokenClassificationConfig
from kospan.task import TaskSpec
from kospan.tasks.token_classification.task import TokenClassificationTask

SPEC = TaskSpec(
    name="token-classification",
    model_type=KospanTokenClassificationConfig.model_type,
    pipeline_tag="token-classification",
    task=TokenClassificationTask,
)
