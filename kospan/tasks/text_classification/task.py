"""Data and model of text classification: the class of a text or of a pair of texts, or its value."""

from collections.abc import Iterator, Sequence

import numpy as np

from kospan.data.corpus import Corpus
from kospan.data.values import value_of
from kospan.example import Example
from kospan.modeling import KospanForSequenceClassification, KospanSequenceClassificationConfig
from kospan.modeling.spans import Span
from kospan.recipe import Recipe
from kospan.tasks.base import EncoderTask
from kospan.tasks.building import continued_model, corpus_of, new_model
from kospan.tasks.text_classification.breakdown import spread_of
from kospan.tasks.text_classification.checks import check_corpus, check_trainable
from kospan.tasks.text_classification.confidence import pairs_of
from kospan.tasks.text_classification.metrics import (
    gold_label,
    gold_values,
    score_classes,
    score_values,
    values_of,
)
from kospan.tasks.unused_settings import check_recipe


class TextClassificationTask(EncoderTask):
    """Classes or values of texts; a prediction is one span over the whole text.

    Args:
        corpus: The data, each text with one span over the whole of it; None over a saved model.
        model: A `KospanForSequenceClassification` with its tokenizer.
        dataset: The data set, which decides the metrics of values.
    """

    def __init__(self, corpus: Corpus | None, model, dataset: str = "labelled"):
        self.dataset = dataset
        self.values = model.config.problem_type == "regression"
        super().__init__(corpus, model, model.tokenizer, model.config.classes, model.config.unit)

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> "TextClassificationTask":
        """Read the data and build the model of a recipe."""
        check_recipe(recipe, cls.spec)
        corpus = corpus_of(recipe, recipe.problem_type, whole_texts=True)
        check_corpus(corpus, recipe)
        return cls(corpus, build_model(recipe, corpus), recipe.dataset)

    @classmethod
    def over(cls, model, dataset: str) -> "TextClassificationTask":
        """Wrap a saved model."""
        return cls(None, model, dataset)

    def train_features(self, examples: Sequence[Example]) -> list[dict]:
        """Return per window the model's input, `labels` (class id or value of the whole text) and `ids`."""
        model, features = self.model, []
        documents = model.passages_of([example.text for example in examples], pairs_of(model, examples))
        for example, windows in zip(examples, documents):
            [label] = gold_values([example]) if self.values else [self.labels.index(gold_label(example))]
            # The Trainer does not count -100; the next number is as good.
            label = float(np.nextafter(np.float32(label), np.float32(0))) if label == -100.0 else label
            features += [model.features(window) | {"labels": label, "ids": [example.id]} for window in windows]
            self.documents += 1
            self.windowed += len(windows) > 1
        return features

    def windows(self, examples: Sequence[Example]) -> Iterator[dict]:
        """Yield the encoder's input for each window of each text, as `classify` splits it."""
        model = self.model
        for windows in model.passages_of([example.text for example in examples], pairs_of(model, examples)):
            yield from map(model.features, windows)

    def predict(
        self, documents: Sequence[Example], threshold: float | None = None, batch_size: int = 32, model=None
    ) -> list[list[Span]]:
        """Predict the class or value of each text with `classify`."""
        model = self.model if model is None else model
        texts = [document.text for document in documents]
        spans = model.classify(texts, pairs_of(model, documents), threshold or 0.0, batch_size)
        return [[] if span is None else [span] for span in spans]

    def metrics(self, examples: Sequence[Example], predictions: Sequence[Sequence[Span]]) -> dict[str, float]:
        """Return accuracy and macro F1, or the correlations of values."""
        if self.values:
            return score_values(*values_of(examples, predictions), self.dataset)
        return score_classes(examples, predictions, self.labels)


def build_model(recipe: Recipe, corpus: Corpus) -> KospanForSequenceClassification:
    """Build the model of a recipe: the trained one in `encoder`, or a new one over it.

    Raises:
        ValueError: The trained model has another `problem_type`, or there are no two classes.
    """
    train = corpus.splits["train"]
    model = continued_model(recipe, KospanSequenceClassificationConfig)
    pairs = any(example.text_pair for example in train)
    check_trainable(corpus, recipe, pairs, model and model.config)
    if model is not None:
        return model
    values = [value_of(example.spans[0], "train") for example in train] if corpus.values else [0.0]
    return new_model(
        recipe,
        KospanForSequenceClassification,
        [*dict.fromkeys(example.text for example in train), *(example.text_pair for example in train if pairs)],
        problem_type="regression" if corpus.values else "single_label_classification",
        pairs=pairs,
        value_mean=float(np.mean(values)),
        value_spread=spread_of(values),
        id2label=dict(enumerate(corpus.labels)),
    )
