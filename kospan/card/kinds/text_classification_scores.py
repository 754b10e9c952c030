"""The scores of a classifier's card: overall, by class and length, errors, and the weaknesses that they show."""

from typing import Any

from kospan.card import phrases
from kospan.card.markdown import decimal, plain, table
from kospan.card.phrases import Pair, by_strength, check_same_run, error_rows, interval, plain_rows
from kospan.card.run_record import RunRecord
from kospan.tasks.text_classification.metrics import SAMPLES

CLASSES, VALUES = ("accuracy", "macro_f1"), ("pearson", "spearman", "mae", "klue_sts_f1")
HEADLINE = ("accuracy", "pearson")
METRICS = {
    "accuracy": ("accuracy", "accuracy", {}),
    "macro_f1": ("f1", "macro F1", {"averaging": "macro over classes"}),
    "f1": ("f1", "micro F1", {"averaging": "micro"}),
    "pearson": ("pearsonr", "Pearson correlation", {}),
    "spearman": ("spearmanr", "Spearman correlation", {}),
    "mae": ("mae", "mean absolute error", {}),
    "klue_sts_f1": ("f1", "F1 at threshold 3", {"threshold": "3"}),
}
OUTCOMES = {
    "correct": "the class is right",
    "other class": "another class was said",
    "no class said": "none was probable enough",
}
HERE = "sd: standard deviation of the values in the validation part"


def gives_values(left: RunRecord) -> bool:
    """Whether the model gives real values in place of classes."""
    return left.config["problem_type"] == "regression"


def classes_of(left: RunRecord) -> list[str]:
    """The classes in the model's order; of a value its one name."""
    names = left.config["id2label"]
    return [names[key] for key in sorted(names, key=int)]


def measured(left: RunRecord) -> dict[str, str]:
    """Every metric counts texts."""
    return {"unit": "pair of texts" if left.config["pairs"] else "text"}


def held_out(left: RunRecord) -> Pair:
    """Texts of one group are held out together."""
    return phrases.held_out(left, "text")


def metric(name: str) -> tuple[str, str, dict[str, str]] | None:
    """Figures of a class.

    >>> metric("f1_경제")[:2], metric("support_경제")[:2]
    (('f1', 'F1 of 경제'), ('count', 'texts of 경제'))
    """
    if name.startswith("f1_"):
        return "f1", f"F1 of {name.removeprefix('f1_')}", {}
    if name.startswith("support_"):
        return "count", f"texts of {name.removeprefix('support_')}", {}
    return None


def stands_above(name: str) -> bool:
    """Figures of all texts and of each class."""
    return name in METRICS or name.startswith(("f1_", "support_"))


def counted(part: dict, other: str = "") -> str:
    """Texts, of which each has one class.

    >>> counted({"documents": 90, "spans": 90}, "other ")
    'the classes of 90 other texts'
    """
    return f"the classes of {part['documents']:,} {other}texts"


def score_parts(left: RunRecord) -> dict[str, Any]:
    """Everything under "Scores" but other metrics and calibration."""
    split, title = held_out(left)[0], plain(left.about.title)
    names = VALUES if gives_values(left) else CLASSES
    names = [name for name in names if name != "klue_sts_f1" or name in left.results]
    definition = (
        "Pearson's and Spearman's correlation of the values that were said with the gold ones, and their mean "
        "absolute distance."
        if gives_values(left)
        else "Accuracy is the share of texts whose class is right; macro F1 is the mean of the classes' F1, so that "
        "rare classes weigh as much as frequent ones."
    )
    if "klue_sts_f1" in names:
        definition += " F1 at threshold 3 is the KLUE benchmark's: the F1 of the pairs with a value of at least 3."
    if left.record is None:
        found = [(METRICS[name][1], value) for name, value in left.results.items() if name in names]
        return {
            "scores_intro": f"Measured on {title}: {split}. {definition}",
            "scores": table(["metric", "value"], plain_rows(found)),
        }
    record = left.record["evaluation"]
    overall, plainly = record["overall"], record["baseline"]
    for name in names:
        check_same_run(left, name, overall[name])
    rows = [
        [f"**{METRICS[name][1]}**", decimal(overall[name]), interval(overall, name), decimal(plainly[name])]
        for name in names
    ]
    baseline = "mean value" if gives_values(left) else "most frequent class"
    return {
        "scores_intro": f"Measured on {title}: {split}, {record['documents']:,} texts. {definition}",
        "scores": table(["metric", "value", "95 % interval", baseline], rows),
        "intervals": (
            f"Intervals: percentile bootstrap over texts, {SAMPLES:,} resamples. The last column is what the "
            f"training data's {baseline} gives for every text."
        ),
        "groups": _groups(left, record),
        **_errors(left, record),
    }


def _groups(left: RunRecord, record: dict) -> list[tuple[str, str]]:
    found = []
    if not gives_values(left):
        header = ["class", "precision", "recall", "F1", "95 % interval of F1", "texts"]
        rows = [
            [plain(row["group"]), *(decimal(row[name]) for name in ("precision", "recall", "f1"))]
            + [interval(row), f"{row['gold']:,}"]
            for row in record["groups"]["class"]
            if row["gold"] or row["predicted"]
        ]
        found.append(("By class:", table(header, rows)))
    name = "mae" if gives_values(left) else "accuracy"
    rows = [
        [plain(row["group"]), decimal(row[name]), interval(row, name), f"{row['documents']:,}"]
        for row in record["groups"]["text length"]
    ]
    header = ["characters", METRICS[name][1], "95 % interval", "texts"]
    return [*found, ("By length of the text in characters:", table(header, rows))]


def _errors(left: RunRecord, record: dict) -> dict[str, str]:
    if gives_values(left):
        rows = [[name, f"{count:,}"] for name, count in record["errors"].items()]
        return {
            "errors_intro": f"How far the values lie from the gold ones ({HERE}):",
            "errors": table(["distance", "texts"], rows),
        }
    outcomes = {name: count for name, count in record["errors"].items() if count or name != "no class said"}
    return {
        "errors_intro": "What became of each text:",
        "errors": table(["outcome", "", "texts", "of the errors"], error_rows(outcomes, OUTCOMES, "correct"), 2),
        "errors_end": _confused(left, record),
    }


def _confused(left: RunRecord, record: dict) -> str | None:
    """The classes that are taken for another most often."""
    labels = classes_of(left)
    found = [
        (count, labels[gold], labels[said])
        for gold, row in enumerate(record["confusion"][: len(labels)])
        for said, count in enumerate(row[: len(labels)])
        if gold != said and count
    ]
    if not found:
        return None
    most = sorted(found, key=lambda each: -each[0])[:5]
    return f"Most often confused: {', '.join(f'{plain(a)} taken for {plain(b)} ({count:,})' for count, a, b in most)}."


def weaknesses(left: RunRecord) -> list[Pair]:
    """Weak classes, classes that cannot be judged, and a baseline that is as good."""
    record, found = left.record["evaluation"], []
    if gives_values(left):
        return _no_better(record["overall"]["mae"] >= record["baseline"]["mae"], "mean value", "평균값")
    rows = record["groups"]["class"]
    weak, few, _ = by_strength(rows, record["overall"]["f1"], "f1", "gold")
    if weak:
        names = ", ".join(f"{plain(row['group'])} (F1 {row['f1']:.4f})" for row in weak)
        found.append(
            (
                f"Weak classes, whose whole interval lies below the accuracy of {record['overall']['f1']:.4f}: "
                f"{names}.",
                f"특히 약한 분류(F1 신뢰구간의 위쪽 끝이 전체 정확도 {record['overall']['f1']:.4f}보다 낮음): {names}.",
            )
        )
    if few:
        names = ", ".join(f"{plain(row['group'])} ({row['gold']})" for row in few)
        found.append(
            (
                f"Too few texts in the validation part to judge: {names}.",
                f"검증 데이터에 글이 적어 판단하기 어려운 분류: {names}.",
            )
        )
    names = ", ".join(plain(row["group"]) for row in rows if not row["gold"])
    if names:
        found.append((f"Never tested, for want of texts: {names}.", f"글이 없어 시험하지 못한 분류: {names}."))
    low = record["overall"]["accuracy interval"][0]
    behind = low <= record["baseline"]["accuracy"]
    return [*found, *_no_better(behind, "most frequent class", "가장 흔한 분류")]


def _no_better(behind: bool, baseline: str, korean: str) -> list[Pair]:
    if not behind:
        return []
    return [
        (
            f"It is not shown to be better than saying the training data's {baseline} every time: do not use it for "
            "work.",
            f"학습 데이터의 {korean}만 답하는 것보다 낫다고 볼 수 없으니 실무에 쓰지 마세요.",
        )
    ]
