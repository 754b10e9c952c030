"""The task generative-ner: named entities written by a causal language model."""

from kospan.modeling import KospanGenerativeNERConfig
from kospan.task import TaskSpec
from kospan.tasks.generative_ner.task import GenerativeNERTask

SPEC = TaskSpec(
    name="generative-ner",
    model_type=KospanGenerativeNERConfig.model_type,
    pipeline_tag="token-classification",
    task=GenerativeNERTask,
)
