"""Model cards of question-answering models."""

from pathlib import Path

from kospan.card.values import FEW, groups_by_strength
from kospan.evaluation.breakdown import SAMPLES
from kospan.task import TaskCard
from kospan.tasks.question_answering.breakdown import NO_ANSWER
from kospan.tasks.question_answering.metrics import METRICS, rules_of

# Answers to a question that a card shows.
TOP_K = 3
# Official rules by name.
RULES = {
    "korquad": "KorQuAD 1.0",
    "korquad2": "KorQuAD 2.x",
    "squad": "SQuAD 1.1",
    "squad_v2": "SQuAD 2.0",
    "klue_mrc": "KLUE-MRC",
}
# Question and text.
QUESTIONS = {
    "ko": (
        (
            "한빛전자는 언제 직원을 새로 뽑았나?",
            "한빛전자는 3월 5일 부산 공장에 직원 120명을 새로 뽑았다. 대표는 내년에도 사람을 더 뽑겠다고 밝혔다.",
        ),
        (
            "오후 강연은 누가 맡았나?",
            "지난 화요일 대전에서 강연회가 열렸다. 오전에는 김도윤 교수가, 오후에는 박서준 연구원이 강연을 맡았다.",
        ),
    ),
    "en": (
        (
            "Who opened the museum in Lisbon?",
            "The museum in Lisbon was opened by Peter Hale in 1998. Two years later Mary Turner became its director.",
        ),
        (
            "Where did Mary Turner fly on Tuesday?",
            "Mary Turner of Northwind Bank flew from Oslo to Madrid on Tuesday. She came back by train.",
        ),
    ),
}


def examples(dataset: str, language: str) -> list[dict[str, str]]:
    """Two questions with their texts; not those of a data set, whose licences differ."""
    return [{"question": question, "text": text} for question, text in QUESTIONS[language]]


def values(record: dict) -> dict:
    """The rules of the scores, and the groups of questions that they show to be weak."""
    rules, evaluation = rules_of(record["settings"]["dataset"]), record["evaluation"]
    found = {
        "metric_args": {"unit": record["config"]["unit"], "rules": RULES[rules]},
        "rules": rules,
        "rules_title": RULES[rules],
        "scores": {name: metric.words for name, metric in METRICS.items()},
        "top_k": TOP_K,
        "samples": SAMPLES,
    }
    if evaluation is None:
        return found
    overall = evaluation["overall"]["exact_match"]
    groups = {
        title: groups_by_strength(
            [row for row in evaluation["groups"].get(title, []) if row["group"] != NO_ANSWER],
            overall,
            "exact_match",
            "questions",
        )
        for title in ("question word", "answer length")
    }
    answers = {row["group"]: row for row in evaluation["groups"].get("answer", []) if row["questions"] >= FEW}
    return found | {
        "groups": groups,
        "seen": answers.get("seen in training"),
        "unseen": answers.get("not seen in training"),
        "wrong": sum(count for outcome, count in evaluation["errors"].items() if outcome != "exact"),
    }


CARD = TaskCard(
    templates=Path(__file__).parent,
    task_name="extractive question answering",
    tag="extractive-question-answering",
    items="questions",
    claim="answer",
    claims="answers",
    backbone="an encoder",
    unsplit="article",
    headline=("f1", "exact_match"),
    in_tables=(*METRICS, "support_*"),
    examples=examples,
    predict=lambda model, items: model.answer(
        [item["question"] for item in items], [item["text"] for item in items], top_k=TOP_K
    ),
    values=values,
)
