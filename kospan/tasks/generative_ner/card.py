"""Model cards of generative NER models: those of token classification, with what differs for a causal LM."""

from dataclasses import replace
from pathlib import Path

from kospan.evaluation.breakdown import SAMPLES
from kospan.tasks.token_classification.card import CARD as TOKEN_CLASSIFICATION
from kospan.tasks.token_classification.card import label_names, weaknesses


def values(record: dict) -> dict:
    """Labels, and the types of entities that the scores show to be weak."""
    config, evaluation = record["config"], record["evaluation"]
    labels = list(config["labels"])
    found = {
        "metric_args": {"unit": config["unit"]},
        "labels": labels,
        "label_names": label_names(record, labels),
        "samples": SAMPLES,
    }
    return found | weaknesses(evaluation) if evaluation else found


CARD = replace(TOKEN_CLASSIFICATION, templates=Path(__file__).parent, backbone="a language model", values=values)
