"""Pseudo-labels for self-training: predictions of a model on unlabelled texts, of which it is certain."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from kospan.evaluation.calibration import check_precision, threshold_for
from kospan.example import Example
from kospan.modeling.spans import Span

# Fewer predictions of a label do not tell its precision; it takes the threshold of all labels together.
_LEAST_PREDICTIONS = 30
_TEXTS_AT_A_TIME = 1024


@dataclass(frozen=True)
class Certainty:
    """Rules that a text has to satisfy to be used with its predicted spans.

    Args:
        thresholds: Lowest posterior of a span by label. A text with a span below it is left out, and so is a text with
            a label that is missing here.
        doubt: Lowest posterior of a span beside the predicted ones at which a text is left out.

    Raises:
        ValueError: `doubt` is out of range.
    """

    thresholds: Mapping[str, float]
    doubt: float = 0.1

    def __post_init__(self):
        if not 0 < self.doubt <= 1:
            raise ValueError(f"expected doubt above 0 and at most 1, got {self.doubt}; 1 turns it off")


class LabelPrecision(NamedTuple):
    """Threshold of a label and its quality on the labelled texts.

    Args:
        threshold: Lowest posterior; None if no threshold gives the precision.
        predicted: Number of predicted spans.
        kept: Number of those that reach the threshold.
        precision: Share of right ones among these; None if there are none.
    """

    threshold: float | None
    predicted: int
    kept: int
    precision: float | None


def fit_thresholds(
    gold: Sequence[Example], predictions: Sequence[Sequence[Span]], labels: Sequence[str], precision: float
) -> dict[str, LabelPrecision]:
    """Choose for each label the lowest threshold at which this share of the kept spans is right.

    Args:
        gold: Labelled texts that the model was not trained on.
        predictions: Predicted spans of each text, with posteriors as scores.
        labels: The model's labels.
        precision: The share, above 0 and at most 1.

    Raises:
        ValueError: `precision` is out of range.
    """
    check_precision(precision)
    rows = [
        (span.label, span.score, span[:3] in {each[:3] for each in example.spans})
        for example, spans in zip(gold, predictions, strict=True)
        for span in spans
    ]
    names = np.array([name for name, _, _ in rows], dtype=object)
    scores, right = (np.array([row[at] for row in rows], dtype=kind) for at, kind in ((1, float), (2, bool)))
    found = {}
    for label in labels:
        own = names == label
        chosen = own if own.sum() >= _LEAST_PREDICTIONS else np.ones(len(rows), dtype=bool)
        threshold = threshold_for(scores[chosen], right[chosen], precision) if chosen.any() else None
        kept = own & (scores >= threshold) if threshold is not None else np.zeros(len(rows), dtype=bool)
        share = float(right[kept].mean()) if kept.any() else None
        found[label] = LabelPrecision(threshold, int(own.sum()), int(kept.sum()), share)
    return found


def pseudo_labelled(
    model,
    texts: Sequence[Example],
    certainty: Certainty,
    most: int | None = None,
    seed: int = 0,
    batch_size: int = 32,
    with_spans: bool = False,
) -> Iterator[Example]:
    """Yield the texts of whose spans a model is certain, with these spans.

    Args:
        model: A `KospanForTokenClassification`; its posteriors should be calibrated.
        texts: Unlabelled texts.
        certainty: The rules.
        most: Number of texts after which to stop; they are then a random part of all. None yields all.
        seed: Seed of the order in which texts are read.
        batch_size: Windows per batch.
        with_spans: Whether texts without any span are left out.
    """
    order = list(texts)
    random.Random(seed).shuffle(order)
    count = 0
    for at in range(0, len(order), _TEXTS_AT_A_TIME):
        for example in _certain(model, order[at : at + _TEXTS_AT_A_TIME], certainty, batch_size, with_spans):
            if count == most:
                return
            yield example
            count += 1


def _certain(
    model, examples: Sequence[Example], certainty: Certainty, batch_size: int, with_spans: bool
) -> list[Example]:
    """Return the examples that satisfy the rules, with their predicted spans."""
    predicted = model.extract([example.document for example in examples], batch_size=batch_size)
    kept = [
        replace(example, spans=tuple(spans))
        for example, spans in zip(examples, predicted)
        if (spans or not with_spans)
        and all(span.score >= certainty.thresholds.get(span.label, np.inf) for span in spans)
    ]
    if not kept or certainty.doubt == 1:
        return kept
    possible = model.extract(
        [example.document for example in kept],
        threshold=certainty.doubt,
        batch_size=batch_size,
        decode="posterior",
        overlapping=True,
    )
    return [
        example
        for example, spans in zip(kept, possible)
        if {span[:3] for span in spans} <= {span[:3] for span in example.spans}
    ]
