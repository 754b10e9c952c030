"""Model cards of text-classification models, of classes and of values."""

from pathlib import Path

from kospan.card.values import class_names, groups_by_strength, stored_examples
from kospan.evaluation.breakdown import SAMPLES
from kospan.task import TaskCard
from kospan.tasks.text_classification.published import predict

FOLDER = Path(__file__).parent


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
    templates=FOLDER,
    task_name="text classification",
    tag="text-classification",
    items="texts",
    claim="class",
    claims="classes",
    backbone="an encoder",
    unsplit="text",
    headline=("accuracy", "pearson"),
    in_tables=("accuracy", "macro_f1", "f1", "pearson", "spearman", "mae", "klue_sts_f1", "f1_*", "support_*"),
    examples=stored_examples(FOLDER),
    predict=predict,
    values=values,
)
