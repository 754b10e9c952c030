"""The task question-answering: answers to questions, as spans of a text."""

from kospan.modeling import KospanQuestionAnsweringConfig
from kospan.task import TaskSpec
from kospan.tasks.question_answering.task import QuestionAnsweringTask

SPEC = TaskSpec(
    name="question-answering",
    model_type=KospanQuestionAnsweringConfig.model_type,
    pipeline_tag="question-answering",
    task=QuestionAnsweringTask,
)
