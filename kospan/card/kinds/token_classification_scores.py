"""The scores of a tagger's card: overall and by type, by length, errors, and the weaknesses that they show."""

from typing import Any

from kospan.card.markdown import decimal, plain, table
from kospan.card.phrases import (
    FEW,
    Pair,
    by_strength,
    check_same_run,
    error_rows,
    held_out,
    interval,
    plain_rows,
)
from kospan.card.run_record import RunRecord
from kospan.tasks.token_classification.analysis import SAMPLES

SCORED = ("f1", "precision", "recall")
HEADLINE = ("f1",)
_STRICT = {"averaging": "micro", "mode": "strict"}
METRICS = {
    "f1": ("f1", "strict micro F1 over exact spans", _STRICT),
    "precision": ("precision", "strict micro precision over exact spans", _STRICT),
    "recall": ("recall", "strict micro recall over exact spans", _STRICT),
    "flat_f1": ("f1", "F1 of unit tags without O", {"averaging": "weighted over BIO tags, O left out"}),
    "flat_f1_with_o": ("f1", "F1 of unit tags", {"averaging": "weighted over BIO tags, O included"}),
    "klue_entity_f1": ("f1", "KLUE entity F1", {"averaging": "macro over types", "mode": "strict, spaces dropped"}),
    "klue_char_f1": ("f1", "KLUE character F1", {"averaging": "macro over tags, O included"}),
    "klue_char_f1_no_o": ("f1", "KLUE character F1 without O", {"averaging": "macro over tags, O left out"}),
}
OUTCOMES = {
    "correct": "position and type right",
    "boundary": "type right, position wrong",
    "type": "position right, type wrong",
    "boundary and type": "overlaps a gold entity, both wrong",
    "spurious": "found where nothing is",
    "missed": "not found",
}


def metric(name: str) -> tuple[str, str, dict[str, str]] | None:
    """Figures of a type.

    >>> metric("f1_PS")[:2], metric("support_PS")[:2]
    (('f1', 'strict F1 of PS'), ('count', 'gold spans of PS'))
    """
    if name.startswith("f1_"):
        return "f1", f"strict F1 of {name.removeprefix('f1_')}", {"mode": "strict"}
    if name.startswith("support_"):
        return "count", f"gold spans of {name.removeprefix('support_')}", {}
    return None


def stands_above(name: str) -> bool:
    """Figures of all types and of each."""
    return name in SCORED or name.startswith(("f1_", "support_"))


def counted(part: dict, other: str = "") -> str:
    """Predicted spans of a set of texts.

    >>> counted({"documents": 90, "spans": 200}, "other ")
    '200 predicted spans in 90 other texts'
    """
    return f"{part['spans']:,} predicted spans in {part['documents']:,} {other}texts"


def score_parts(left: RunRecord) -> dict[str, Any]:
    """Everything under "Scores" but other metrics and calibration."""
    split, title = held_out(left)[0], plain(left.about.title)
    definition = (
        "An entity counts as right where start, end and type are all exactly right, spaces kept (strict); offsets "
        f"count characters, tags stand on {left.config['unit']}s. The overall row is the micro average over all types."
    )
    if left.record is not None:
        return _recorded(left, split, title, definition)
    found = [(METRICS[name][1], value) for name, value in left.results.items() if name in SCORED]
    found += [(plain(metric(name)[1]), value) for name, value in left.results.items() if name.startswith("f1_")]
    return {
        "scores_intro": f"Measured on {title}: {split}. {definition}",
        "scores": table(["metric", "value"], plain_rows(found)),
    }


def _recorded(left: RunRecord, split: str, title: str, definition: str) -> dict[str, Any]:
    record = left.record["evaluation"]
    overall = record["overall"]
    check_same_run(left, "f1", overall["f1"])
    rows = [("**overall**", overall, record["baseline"]["overall"])]
    plainly = {row["group"]: row for row in record["baseline"]["types"]}
    rows += [(plain(row["group"]), row, plainly[row["group"]]) for row in record["types"]]
    header = ["precision", "recall", "F1", "95 % interval of F1", "gold entities"]
    cells = [[name, *_cells(row), decimal(base["f1"])] for name, row, base in rows if row["gold"] or row["predicted"]]
    lengths = [[plain(row["group"]), *_cells(row)] for row in record["lengths"] if row["gold"]]
    return {
        "scores_intro": (
            f"Measured on {title}: {split}, {record['documents']:,} texts with {overall['gold']:,} entities. "
            f"{definition}"
        ),
        "scores": table(["type", *header, "F1 of a dictionary"], cells),
        "intervals": (
            f"Intervals: percentile bootstrap over texts, {SAMPLES:,} resamples. The dictionary knows the entities of "
            "the training data by heart, with patterns for Korean dates, times and quantities where the data mark them."
        ),
        "groups": [("By length of the entity in characters:", table(["characters", *header], lengths))],
        "errors_intro": (
            "Every predicted entity is matched with at most one gold entity: an exact one, else one at the same "
            "place, else the one it overlaps most."
        ),
        "errors": table(
            ["outcome", "", "entities", "of the errors"], error_rows(record["errors"], OUTCOMES, "correct"), 2
        ),
    }


def _cells(row: dict) -> list[str]:
    return [*(decimal(row[each]) for each in ("precision", "recall", "f1")), interval(row), f"{row['gold']:,}"]


def _named(rows: list[dict]) -> str:
    return ", ".join(f"{plain(row['group'])} (F1 {row['f1']:.4f})" for row in rows)


def weaknesses(left: RunRecord) -> list[Pair]:
    """Weak types, types that cannot be judged, and what was never seen."""
    record, found = left.record["evaluation"], []
    rows, overall = record["types"], record["overall"]["f1"]
    weak, few, judged = by_strength(rows, overall, "f1", "gold")
    if weak:
        found.append(
            (
                f"Weak types, whose whole interval lies below the overall F1 of {overall:.4f}: {_named(weak)}.",
                f"특히 약한 종류(F1 신뢰구간의 위쪽 끝이 전체 F1 {overall:.4f}보다 낮음): {_named(weak)}.",
            )
        )
    elif len(judged) > 1:
        lowest = min(judged, key=lambda row: row["f1"])
        found.append(
            (
                f"The weakest type is {_named([lowest])}; its interval reaches the overall F1.",
                f"가장 약한 종류는 {_named([lowest])}이며, 신뢰구간은 전체 F1에 걸칩니다.",
            )
        )
    if few:
        names = ", ".join(f"{plain(row['group'])} ({row['gold']})" for row in few)
        found.append(
            (
                f"Too few gold spans in the validation part to judge: {names}.",
                f"검증 데이터에 정답이 적어 판단하기 어려운 종류: {names}.",
            )
        )
    names = ", ".join(plain(row["group"]) for row in rows if not row["gold"])
    if names:
        found.append((f"Never tested, for want of gold spans: {names}.", f"정답이 없어 시험하지 못한 종류: {names}."))
    return [*found, *_behind(record), *_unseen(record)]


def _behind(record: dict) -> list[Pair]:
    """Types that a dictionary finds better."""
    plainly = {row["group"]: row for row in record["baseline"]["types"]}
    behind = [row for row in record["types"] if row["gold"] and row["f1"] < plainly[row["group"]]["f1"]]
    if not behind:
        return []
    names = ", ".join(
        f"{plain(row['group'])} ({row['f1']:.4f} against {plainly[row['group']]['f1']:.4f})" for row in behind
    )
    korean = ", ".join(f"{plain(row['group'])}({row['f1']:.4f} < {plainly[row['group']]['f1']:.4f})" for row in behind)
    return [
        (
            f"A dictionary with patterns has a higher F1 for {names}.",
            f"단순한 사전과 규칙의 F1이 더 높은 종류: {korean}.",
        )
    ]


def _unseen(record: dict) -> list[Pair]:
    """How often entities are found that never stood in the training data."""
    surfaces = {row["group"]: row for row in record["surfaces"]}
    seen, unseen = surfaces["seen with this type"], surfaces["unseen"]
    if unseen["gold"] < FEW:
        return []
    known = f"; of {seen['gold']:,} known ones {seen['recall']:.1%}" if seen["gold"] >= FEW else ""
    also_seen = f", 학습 데이터에 있던 표현 {seen['gold']:,}건에서는 {seen['recall']:.1%}" if known else ""
    return [
        (
            f"Of {unseen['gold']:,} entities whose surface never stood in the training data it finds "
            f"{unseen['recall']:.1%}{known}.",
            f"재현율은 학습 데이터에 없던 표현 {unseen['gold']:,}건에서 {unseen['recall']:.1%}{also_seen}입니다.",
        )
    ]
