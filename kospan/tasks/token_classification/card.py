"""Model cards of token-classification models."""

from pathlib import Path

from kospan.card.values import FEW, class_names, groups_by_strength, stored_examples
from kospan.data.corpus import read_examples
from kospan.evaluation.breakdown import SAMPLES
from kospan.modeling.tags import labels_of
from kospan.task import TaskCard
from kospan.tasks.token_classification.published import predict

FOLDER = Path(__file__).parent


def examples(dataset: str, language: str) -> list[dict[str, str]]:
    """Two short sentences: of the sample its own, otherwise neutral ones, never those of a licensed data set.

    >>> [len(item["text"]) <= 40 for item in examples("sample", "ko")]
    [True, True]
    """
    if dataset != "sample":
        return stored_examples(FOLDER)(dataset, language)
    short = [each for each in read_examples("sample", "validation") if len(each.text) <= 40]
    return [{"text": each.text} for each in short if len({span.label for span in each.spans}) >= 3][:2]


def values(record: dict) -> dict:
    """Labels, and the types of entities that the scores show to be weak."""
    config, evaluation = record["config"], record["evaluation"]
    labels = labels_of(class_names(config))
    found = {
        "metric_args": {"unit": config["unit"]},
        "labels": labels,
        "label_names": label_names(record, labels),
        "decoder": decoder_of(config),
        "samples": SAMPLES,
    }
    return found | weaknesses(evaluation) if evaluation else found


def label_names(record: dict, labels: list[str]) -> list[tuple[str, str]]:
    """What the labels mean, English and Korean; a label itself if that is not known."""
    return [record["about"].meanings.get(label, (label, label)) for label in labels]


def weaknesses(evaluation: dict) -> dict:
    """Types by strength, types that a dictionary finds better, and the recall of new surfaces."""
    types, overall = evaluation["types"], evaluation["overall"]["f1"]
    groups = groups_by_strength(types, overall, "f1", "gold")
    baseline = {row["group"]: row["f1"] for row in evaluation["baseline"]["types"]}
    surfaces = {row["group"]: row for row in evaluation["surfaces"]}
    seen, unseen = surfaces["seen with this type"], surfaces["unseen"]
    return {
        "groups": groups,
        "weakest": min(groups.judged, key=lambda row: row["f1"]) if len(groups.judged) > 1 else None,
        "untested": [row["group"] for row in types if not row["gold"]],
        "baseline_f1": baseline,
        "behind": [
            {**row, "baseline": baseline[row["group"]]}
            for row in types
            if row["gold"] and row["f1"] < baseline[row["group"]]
        ],
        "seen": seen if seen["gold"] >= FEW else None,
        "unseen": unseen if unseen["gold"] >= FEW else None,
    }


def decoder_of(config: dict) -> str:
    """The decoder, "crf" or "linear", of a head; the positional head has it as an option."""
    own = (config.get("head_options") or {}).get("decoder", "linear")
    return own if config["head"] == "positional" else config["head"]


CARD = TaskCard(
    templates=FOLDER,
    task_name="span extraction",
    tag="named-entity-recognition",
    items="texts",
    claim="span",
    claims="spans",
    backbone="an encoder",
    unsplit="document",
    headline=("f1",),
    in_tables=("f1", "precision", "recall", "f1_*", "support_*"),
    examples=examples,
    predict=predict,
    values=values,
)
