"""Model cards of generative NER models: those of token classification, with what differs for a causal LM."""

from dataclasses import replace
from pathlib import Path

from kospan.task import Metric
from kospan.tasks.token_classification.analysis import SAMPLES
from kospan.tasks.token_classification.card import CARD as TOKEN_CLASSIFICATION
from kospan.tasks.token_classification.card import weaknesses

METRICS = {
    "exact_reply": Metric("accuracy", "share of replies that are the gold reply, letter by letter"),
    "unparsed": Metric("share", "share of texts with a reply in which nothing of the grammar was found"),
    "dropped": Metric("count", "brackets in replies that were none"),
    "unmatched": Metric("count", "surfaces in replies without a free occurrence in the text"),
    "merged_difference": Metric("difference", "largest difference of a logit by which merging moved the model"),
}


def values(record: dict) -> dict:
    """Labels, and the types of entities that the scores show to be weak."""
    config, evaluation = record["config"], record["evaluation"]
    found = {"metric_args": {"unit": config["unit"]}, "labels": list(config["labels"]), "samples": SAMPLES}
    return found | weaknesses(evaluation) if evaluation else found


CARD = replace(
    TOKEN_CLASSIFICATION,
    templates=Path(__file__).parent,
    backbone="a language model",
    metrics=TOKEN_CLASSIFICATION.metrics | METRICS,
    values=values,
)
