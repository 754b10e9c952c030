"""Confidence of text classification in its classes."""

from collections.abc import Sequence

import numpy as np

from kospan.evaluation.confidence import Claims
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.tasks.text_classification.metrics import gold_label


class ClassConfidence:
    """Logits of labelled texts, computed once, and the most probable classes at any temperature.

    Args:
        model: A `KospanForSequenceClassification` of classes.
        examples: Texts with gold classes.
        batch_size: Windows per batch.
    """

    kinds = {"spans": ("posterior",)}

    def __init__(self, model, examples: Sequence[Example], batch_size: int = 32):
        self.model, self.documents = model, len(examples)
        self.lengths = [len(example.text) for example in examples]
        self.logits = logits_of(model, examples, batch_size)
        self.best = self.logits.argmax(axis=1)
        self.labels = np.array([model.config.classes[at] for at in self.best], dtype=object)
        gold = [gold_label(example) for example in examples]
        self.right = np.array([label == other for label, other in zip(gold, self.labels)], dtype=bool)

    def claims(self, part: str, kind: str, temperature: float) -> Claims:
        """Return the most probable classes with their probabilities."""
        scores = self.model.scores_of(self.logits, temperature)
        return Claims(self.labels, self.right, scores[np.arange(self.documents), self.best])

    def predicted(self, temperature: float) -> list[list[Span]]:
        """Return the class of each text as `classify` gives it."""
        scores = self.claims("spans", "posterior", temperature).confidence.tolist()
        return [[Span(0, *each)] for each in zip(self.lengths, self.labels, scores)]


class ValueConfidence:
    """Values of texts; they have no probability, so there is nothing to calibrate.

    Args:
        model: A `KospanForSequenceClassification` of values.
        examples: Texts.
        batch_size: Windows per batch.
    """

    kinds = {}

    def __init__(self, model, examples: Sequence[Example], batch_size: int = 32):
        self.documents = len(examples)
        values = model.scores_of(logits_of(model, examples, batch_size))[:, 0].tolist()
        label = model.config.classes[0]
        self.spans = [[Span(0, len(each.text), label, value)] for each, value in zip(examples, values)]

    def claims(self, part: str, kind: str, temperature: float) -> Claims:
        """Raise ValueError."""
        raise ValueError(
            "expected a model of classes, whose probabilities have a temperature, got one that predicts values; skip "
            "calibration"
        )

    def predicted(self, temperature: float) -> list[list[Span]]:
        """Return the value of each text, at any temperature."""
        return self.spans


def confidence(task, examples: Sequence[Example]) -> ClassConfidence | ValueConfidence:
    """Confidence of a task's model."""
    return (ValueConfidence if task.values else ClassConfidence)(task.model, examples)


def logits_of(model, examples: Sequence[Example], batch_size: int = 32) -> np.ndarray:
    """Logits of each text `(documents, classes)`, or of each pair if the model takes pairs."""
    return model.logits([example.text for example in examples], pairs_of(model, examples), batch_size)


def pairs_of(model, examples: Sequence[Example]) -> list[str] | None:
    """The second text of each pair; None for a model of single texts."""
    return [example.text_pair for example in examples] if model.config.pairs else None
