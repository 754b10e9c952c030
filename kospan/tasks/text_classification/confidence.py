"""What a classifier claims about texts, how sure it is, and what came true."""

from collections.abc import Sequence

import numpy as np

from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.tasks.text_classification.metrics import gold_label
from kospan.tasks.token_classification.confidence import SpanClaims

CLASS_KINDS = ("posterior",)


class ClassClaims:
    """A classifier's logits for labelled texts, read once; what follows from them at any temperature.

    The most probable class stays so at every temperature, so the claims do not change, only how sure they are.

    Args:
        model: A `KospanForSequenceClassification` of classes.
        examples: Texts with gold classes.
        batch_size: Windows read at once.
    """

    span_kinds, tag_kinds = CLASS_KINDS, ()

    def __init__(self, model, examples: Sequence[Example], batch_size: int = 32):
        self.model, self.classes = model, model.config.classes
        self.logits = logits_of(model, examples, batch_size)
        self.rows = list(zip(examples, self.logits))
        self.best = self.logits.argmax(axis=1)
        self.found = [[(0, len(example.text))] for example in examples]
        gold = [gold_label(example) for example in examples]
        self.labels = np.array([self.classes[at] for at in self.best], dtype=object)
        self.right = np.array([label == said for label, said in zip(gold, self.labels)], dtype=bool)

    def spans(self, temperature: float, kinds: Sequence[str] = CLASS_KINDS) -> SpanClaims:
        """The most probable classes with their probabilities at this temperature."""
        scores = self.model.scores_of(self.logits, temperature)
        best = scores[np.arange(len(self.rows)), self.best]
        return SpanClaims(self.labels, self.right, dict.fromkeys(kinds, best))

    def predicted(self, temperature: float) -> list[list[Span]]:
        """What `classify` gives at this temperature."""
        scores = self.spans(temperature).confidence["posterior"].tolist()
        return [
            [Span(0, len(example.text), label, score)]
            for (example, _), label, score in zip(self.rows, self.labels, scores)
        ]


class ValueClaims:
    """The values that a model gives to texts; it does not say how sure it is, so there is nothing to calibrate.

    Args:
        model: A `KospanForSequenceClassification` of values.
        examples: Texts.
        batch_size: Windows read at once.
    """

    span_kinds, tag_kinds = (), ()

    def __init__(self, model, examples: Sequence[Example], batch_size: int = 32):
        self.label = model.config.classes[0]
        values = model.scores_of(logits_of(model, examples, batch_size))[:, 0]
        self.rows = list(zip(examples, values.tolist()))
        self.found: list[list[tuple[int, int]]] = [[] for _ in examples]

    def spans(self, temperature: float, kinds: Sequence[str] = ()) -> SpanClaims:
        """Raises: ValueError always."""
        raise ValueError(
            "expected a model of classes, whose probabilities have a temperature, got one that gives values; leave "
            "calibration out"
        )

    def predicted(self, temperature: float) -> list[list[Span]]:
        """The value of each text, at any temperature."""
        return [[Span(0, len(example.text), self.label, value)] for example, value in self.rows]


def logits_of(model, examples: Sequence[Example], batch_size: int = 32) -> np.ndarray:
    """Logits of each example `(documents, classes)`, of pairs where the model reads pairs."""
    return model.logits([example.text for example in examples], pairs_of(model, examples), batch_size)


def pairs_of(model, examples: Sequence[Example]) -> list[str] | None:
    """The second text of each pair as a classifier takes them; None for a model of single texts."""
    return [example.text_pair for example in examples] if model.config.pairs else None
