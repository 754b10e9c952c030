"""Model cards of question-answering models."""

from pathlib import Path

from kospan.card.values import FEW, groups_by_strength, stored_examples
from kospan.data.registry import dataset_spec
from kospan.evaluation.breakdown import SAMPLES
from kospan.task import TaskCard
from kospan.tasks.question_answering.breakdown import NO_ANSWER
from kospan.tasks.question_answering.metrics import METRICS, rules_of

# Answers to a question that a card shows.
TOP_K = 3
FOLDER = Path(__file__).parent


def values(record: dict) -> dict:
    """The rules of the scores, and the groups of questions that they show to be weak."""
    rules, evaluation = rules_of(record["settings"]["dataset"]), record["evaluation"]
    title = dataset_spec(rules).title
    found = {
        "metric_args": {"unit": record["config"]["unit"], "rules": title},
        "rules": rules,
        "rules_title": title,
        "scores": {name: metric.words for name, metric in METRICS.items()},
        "top_k": TOP_K,
        "samples": SAMPLES,
    }
    if evaluation is None:
        return found
    overall = evaluation["overall"]["exact_match"]
    groups = {
        grouping: groups_by_strength(
            [row for row in evaluation["groups"].get(grouping, []) if row["group"] != NO_ANSWER],
            overall,
            "exact_match",
            "questions",
        )
        for grouping in ("question word", "answer length")
    }
    answers = {row["group"]: row for row in evaluation["groups"].get("answer", []) if row["questions"] >= FEW}
    return found | {
        "groups": groups,
        "seen": answers.get("seen in training"),
        "unseen": answers.get("not seen in training"),
        "wrong": sum(count for outcome, count in evaluation["errors"].items() if outcome != "exact"),
    }


CARD = TaskCard(
    templates=FOLDER,
    task_name="extractive question answering",
    tag="extractive-question-answering",
    items="questions",
    claim="answer",
    claims="answers",
    backbone="an encoder",
    unsplit="article",
    headline=("f1", "exact_match"),
    in_tables=(*METRICS, "support_*"),
    examples=stored_examples(FOLDER),
    predict=lambda model, items: model.answer(
        [item["question"] for item in items], [item["text"] for item in items], top_k=TOP_K
    ),
    values=values,
)
