"""Model cards of token-classification models."""

from pathlib import Path

from kospan.card.values import FEW, class_names, groups_by_strength
from kospan.data.corpus import read_examples
from kospan.modeling.tags import labels_of
from kospan.task import Metric, TaskCard
from kospan.tasks.token_classification.analysis import SAMPLES
from kospan.tasks.token_classification.published import predict

STRICT = {"averaging": "micro", "mode": "strict"}
METRICS = {
    "f1": Metric("f1", "strict micro F1 over exact spans", STRICT),
    "precision": Metric("precision", "strict micro precision over exact spans", STRICT),
    "recall": Metric("recall", "strict micro recall over exact spans", STRICT),
    "flat_f1": Metric("f1", "F1 of unit tags without O", {"averaging": "weighted over BIO tags, O left out"}),
    "flat_f1_with_o": Metric("f1", "F1 of unit tags", {"averaging": "weighted over BIO tags, O included"}),
    "klue_entity_f1": Metric(
        "f1", "KLUE entity F1", {"averaging": "macro over types", "mode": "strict, spaces dropped"}
    ),
    "klue_char_f1": Metric("f1", "KLUE character F1", {"averaging": "macro over tags, O included"}),
    "klue_char_f1_no_o": Metric("f1", "KLUE character F1 without O", {"averaging": "macro over tags, O left out"}),
    "f1_*": Metric("f1", "strict F1 of *", {"mode": "strict"}),
    "support_*": Metric("count", "gold spans of *"),
}
SENTENCES = {
    "ko": (
        "박서준 연구원은 지난 화요일 오후 2시에 대전에서 강연했다.",
        "한빛전자는 3월 5일 부산 공장에 직원 120명을 새로 뽑았다.",
    ),
    "en": (
        "Mary Turner of Northwind Bank flew from Oslo to Madrid on Tuesday.",
        "The museum in Lisbon opened at nine, and Peter Hale saw the first film.",
    ),
}


def examples(dataset: str, language: str) -> list[dict[str, str]]:
    """Two short sentences: of the sample its own, otherwise neutral ones, never those of a licensed data set.

    >>> [len(item["text"]) <= 40 for item in examples("sample", "ko")]
    [True, True]
    """
    if dataset != "sample":
        return [{"text": text} for text in SENTENCES[language]]
    short = [each for each in read_examples("sample", "validation") if len(each.text) <= 40]
    return [{"text": each.text} for each in short if len({span.label for span in each.spans}) >= 3][:2]


def values(record: dict) -> dict:
    """Labels, and the types of entities that the scores show to be weak."""
    config, evaluation = record["config"], record["evaluation"]
    found = {
        "metric_args": {"unit": config["unit"]},
        "labels": labels_of(class_names(config)),
        "decoder": decoder_of(config),
        "samples": SAMPLES,
    }
    return found | weaknesses(evaluation) if evaluation else found


def weaknesses(evaluation: dict) -> dict:
    """Types by strength, types that a dictionary finds better, and the recall of new surfaces."""
    types, overall = evaluation["types"], evaluation["overall"]["f1"]
    groups = groups_by_strength(types, overall, "f1", "gold")
    baseline = {row["group"]: row for row in evaluation["baseline"]["types"]}
    surfaces = {row["group"]: row for row in evaluation["surfaces"]}
    seen, unseen = surfaces["seen with this type"], surfaces["unseen"]
    return {
        "groups": groups,
        "weakest": min(groups.judged, key=lambda row: row["f1"]) if len(groups.judged) > 1 else None,
        "untested": [row["group"] for row in types if not row["gold"]],
        "baseline": baseline,
        "behind": [row for row in types if row["gold"] and row["f1"] < baseline[row["group"]]["f1"]],
        "seen": seen if seen["gold"] >= FEW else None,
        "unseen": unseen if unseen["gold"] >= FEW else None,
    }


def decoder_of(config: dict) -> str:
    """The decoder, "crf" or "linear", of a head; the positional head has it as an option."""
    own = (config.get("head_options") or {}).get("decoder", "linear")
    return own if config["head"] == "positional" else config["head"]


CARD = TaskCard(
    templates=Path(__file__).parent,
    task_name="span extraction",
    tag="named-entity-recognition",
    items="texts",
    claim="span",
    claims="spans",
    backbone="an encoder",
    unsplit="document",
    metrics=METRICS,
    headline=("f1",),
    in_tables=("f1", "precision", "recall", "f1_*", "support_*"),
    examples=examples,
    predict=predict,
    values=values,
)
