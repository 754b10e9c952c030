"""The task question-answering: answers to questions, as spans of a text."""

from collections.abc import Sequence

from kospan.example import Example
from kospan.modeling import KospanQuestionAnsweringConfig
from kospan.recipe import Recipe
from kospan.task import AblationTerms
from kospan.tasks.base import encoder_spec
from kospan.tasks.question_answering import breakdown
from kospan.tasks.question_answering.baseline import nearest_answers
from kospan.tasks.question_answering.card import CARD
from kospan.tasks.question_answering.confidence import confidence
from kospan.tasks.question_answering.explain import AnswerExplainer
from kospan.tasks.question_answering.metrics import METRICS, PART_METRICS, metric_names, rules_of
from kospan.tasks.question_answering.report import REPORT
from kospan.tasks.question_answering.task import QuestionAnsweringTask
from kospan.tasks.question_answering.uncertainty import uncertainty


def recipe_metric_names(recipe: Recipe, name: str) -> list[str]:
    """Return the metrics of a run; only the data tell whether questions have no answer or are left out."""
    return metric_names(rules_of(recipe.dataset), "answerable" in name, "left_out" in name)


def task_metric_names(task: QuestionAnsweringTask) -> list[str]:
    """Return the metrics of a built task."""
    unanswerable = not all(example.spans for example in task.examples("validation"))
    return metric_names(task.rules, unanswerable, bool(task.left_out))


def check_examples(task: QuestionAnsweringTask, examples: Sequence[Example], place: str) -> None:
    """Check that examples have a question.

    Raises:
        ValueError: One has none; the message names the example and the place.
    """
    for example in examples:
        if not example.question.strip():
            raise ValueError(
                f"example {example.id!r} ({place}): expected a question beside its text, got {example.question!r}; a "
                "model for question answering takes JSON Lines with the key 'question', or a set of questions"
            )


def remarks(task: QuestionAnsweringTask) -> list[str]:
    """Return lines about widened answers, and answers that no window holds."""
    lines = []
    if task.misaligned:
        lines.append(f"widened answers     {task.misaligned:,} begin or end inside a unit; widened to it")
    if task.unheld:
        lines.append(
            f"answers not held    {task.unheld:,} are whole in no window and not trained on; a larger max_length or "
            "stride holds more"
        )
    return lines


def adjustments(task: QuestionAnsweringTask) -> dict[str, int]:
    """Count changed and dropped answers, and those that no window holds."""
    return {
        "widened": task.misaligned,
        "trimmed": task.corpus.trimmed,
        "dropped": task.corpus.dropped,
        "unheld": task.unheld,
    }


SPEC = encoder_spec(
    KospanQuestionAnsweringConfig,
    name="question-answering",
    former_name="reading",
    pipeline_tag="question-answering",
    task=QuestionAnsweringTask,
    card=CARD,
    one_prediction=True,
    check_recipe=lambda recipe: KospanQuestionAnsweringConfig.from_recipe(recipe),
    recipe_metric_names=recipe_metric_names,
    metric_names=task_metric_names,
    check_examples=check_examples,
    remarks=remarks,
    adjustments=adjustments,
    metrics=METRICS | PART_METRICS,
    curves=("f1", "exact_match", "rouge_w"),
    baseline=lambda task, documents: nearest_answers(documents, task.labels[0]),
    baseline_name=lambda task: "word nearest to the question's",
    counts=breakdown.counts,
    analyze=breakdown.analyze,
    scores=breakdown.scores,
    confidence=confidence,
    explainer=AnswerExplainer,
    uncertainty=uncertainty,
    report=REPORT,
    ablation=AblationTerms(documents="questions", summed="F1"),
)
