"""The task question-answering: answers to questions, as spans of a text."""

from pathlib import Path

from kospan.modeling import KospanQuestionAnsweringConfig
from kospan.task import TaskSpec
from kospan.tasks.question_answering.task import QuestionAnsweringTask


def adjustments(task: QuestionAnsweringTask) -> dict[str, int]:
    """Changed and dropped gold spans, counted."""
    return {
        "widened": task.misaligned,
        "trimmed": task.corpus.trimmed,
        "dropped": task.corpus.dropped,
        "unheld": task.unheld,
    }


SPEC = TaskSpec(
    name="question-answering",
    model_type=KospanQuestionAnsweringConfig.model_type,
    pipeline_tag="question-answering",
    task=QuestionAnsweringTask,
    published=Path(__file__).with_name("published.py"),
    uses=QuestionAnsweringTask.uses,
    unused=QuestionAnsweringTask.unused,
    trained_settings=QuestionAnsweringTask.models_own,
    adjustable=QuestionAnsweringTask.continued,
    check_recipe=QuestionAnsweringTask.check_recipe,
    check_scratch=QuestionAnsweringTask.check_scratch,
    recipe_metric_names=QuestionAnsweringTask.metric_names_of,
    metric_names=QuestionAnsweringTask.metric_names,
    check_examples=QuestionAnsweringTask.check,
    remarks=QuestionAnsweringTask.remarks,
    adjustments=adjustments,
    identity=QuestionAnsweringTask.identity,
    baseline=QuestionAnsweringTask.baseline,
    baseline_name=lambda task: "word nearest to the question's",
    counts=QuestionAnsweringTask.counts,
    analyze=QuestionAnsweringTask.examine,
    scores=QuestionAnsweringTask.scored,
    confidence=QuestionAnsweringTask.claims,
)
