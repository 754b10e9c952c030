"""Model cards of text-classification models, of classes and of values."""

from pathlib import Path

from kospan.card.values import class_names, groups_by_strength
from kospan.evaluation.breakdown import SAMPLES
from kospan.task import TaskCard
from kospan.tasks.text_classification.published import predict

# text and text_pair.
PAIRS = {
    "ko": (
        ("박서준 연구원은 지난 화요일 오후 2시에 대전에서 강연했다.", "한 연구원이 대전에서 강연을 했다."),
        ("한빛전자는 3월 5일 부산 공장에 직원 120명을 새로 뽑았다.", "한빛전자는 부산 공장의 문을 닫았다."),
    ),
    "en": (
        ("Mary Turner of Northwind Bank flew from Oslo to Madrid on Tuesday.", "A banker travelled to Spain."),
        ("The museum in Lisbon opened at nine on Sunday.", "The museum stayed closed all weekend."),
    ),
}


def examples(dataset: str, language: str) -> list[dict[str, str]]:
    """Two texts, each with a second one for models of pairs."""
    return [{"text": text, "text_pair": pair} for text, pair in PAIRS[language]]


def values(record: dict) -> dict:
    """Classes, the metrics of the main table, and the weaknesses that the scores show."""
    config, evaluation = record["config"], record["evaluation"]
    regression = config["problem_type"] == "regression"
    labels = class_names(config)
    scores = evaluation["overall"] if evaluation else record["results"]
    main = ("pearson", "spearman", "mae", "klue_sts_f1") if regression else ("accuracy", "macro_f1")
    found = {
        "metric_args": {"unit": "pair of texts" if config["pairs"] else "text"},
        "labels": labels,
        "regression": regression,
        "main_metrics": [name for name in main if name in scores],
        "samples": SAMPLES,
    }
    if evaluation is None:
        return found
    overall, baseline = evaluation["overall"], evaluation["baseline"]
    if regression:
        return found | {"no_better": overall["mae"] >= baseline["mae"], "groups": None}
    rows = evaluation["groups"]["class"]
    return found | {
        "no_better": overall["accuracy interval"][0] <= baseline["accuracy"],
        "groups": groups_by_strength(rows, overall["f1"], "f1", "gold"),
        "untested": [row["group"] for row in rows if not row["gold"]],
        "confused": confused(labels, evaluation["confusion"]),
    }


def confused(labels: list[str], confusion: list[list[int]]) -> list[dict]:
    """The five most frequent confusions.

    >>> [tuple(row.values()) for row in confused(["a", "b"], [[5, 1], [2, 7]])]
    [('b', 'a', 2), ('a', 'b', 1)]
    """
    found = [
        {"gold": gold, "predicted": predicted, "count": count}
        for gold, row in zip(labels, confusion)
        for predicted, count in zip(labels, row)
        if gold != predicted and count
    ]
    return sorted(found, key=lambda row: -row["count"])[:5]


CARD = TaskCard(
    templates=Path(__file__).parent,
    task_name="text classification",
    tag="text-classification",
    items="texts",
    claim="class",
    claims="classes",
    backbone="an encoder",
    unsplit="text",
    headline=("accuracy", "pearson"),
    in_tables=("accuracy", "macro_f1", "f1", "pearson", "spearman", "mae", "klue_sts_f1", "f1_*", "support_*"),
    examples=examples,
    predict=predict,
    values=values,
)
