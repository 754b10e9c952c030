"""The task question-answering: answers to questions, as spans of a text."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kospan.example import Example
from kospan.modeling import KospanQuestionAnsweringConfig
from kospan.modeling.spans import Span
from kospan.recipe import Recipe
from kospan.task import AblationTerms
from kospan.tasks.base import encoder_spec
from kospan.tasks.question_answering.baseline import nearest_answers
from kospan.tasks.question_answering.breakdown import examine_answers, metrics_per_question, scored_answers
from kospan.tasks.question_answering.card import CARD
from kospan.tasks.question_answering.confidence import AnswerClaims
from kospan.tasks.question_answering.metrics import metric_names, rules_of
from kospan.tasks.question_answering.task import QuestionAnsweringTask


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


def counts(
    task: QuestionAnsweringTask, examples: Sequence[Example], predictions: Sequence[Sequence[Span]]
) -> np.ndarray:
    """Return `(documents, 1, 3)`: F1 of each question, and twice its share of all questions, left-out ones included,
    so that the F1 of the sums is the mean over questions."""
    names, values = metrics_per_question(examples, predictions, task.rules)
    scores = values[:, names.index("f1")]
    share = np.full_like(scores, (len(scores) + task.left_out) / max(1, len(scores)))
    return np.stack([scores, share, share], axis=1)[:, None]


METRICS = {
    "exact_match": "share of exactly right answers by the data set's rules",
    "f1": "overlap with the gold answer by the data set's rules, mean over questions",
    "rouge_w": "ROUGE-W as published by KLUE-MRC",
}

SPEC = encoder_spec(
    KospanQuestionAnsweringConfig,
    name="question-answering",
    former_name="reading",
    pipeline_tag="question-answering",
    task=QuestionAnsweringTask,
    card=CARD,
    published=Path(__file__).with_name("published.py"),
    check_recipe=lambda recipe: KospanQuestionAnsweringConfig.from_recipe(recipe),
    recipe_metric_names=recipe_metric_names,
    metric_names=task_metric_names,
    check_examples=check_examples,
    remarks=remarks,
    adjustments=adjustments,
    baseline=lambda task, documents: nearest_answers(documents, task.labels[0]),
    baseline_name=lambda task: "word nearest to the question's",
    counts=counts,
    analyze=lambda task, examples, predictions, training: examine_answers(
        examples, predictions, task.rules, training, left_out=task.left_out
    ),
    scores=lambda task, training, examples, predictions, baseline: scored_answers(
        examples, predictions, baseline, task.rules, training, task.left_out
    ),
    confidence=lambda task, examples: AnswerClaims(task.model, examples, task.rules),
    ablation=AblationTerms(METRICS, documents="questions", summed="F1"),
)
