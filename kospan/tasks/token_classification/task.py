"""Data and model of token classification: spans found by tagging units."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from kospan.data.corpus import Corpus
from kospan.data.ngram_vectors import NgramVectors, read_vectors
from kospan.data.registry import dataset_spec
from kospan.example import Example
from kospan.modeling import KospanForTokenClassification, KospanTokenClassificationConfig
from kospan.modeling.alignment import unit_spans
from kospan.modeling.spans import Span
from kospan.modeling.tags import labels_of, spans_to_tags, tag_names
from kospan.recipe import Recipe
from kospan.tasks.base import EncoderTask
from kospan.tasks.building import continued_model, corpus_of, new_model
from kospan.tasks.token_classification.metrics import score_spans
from kospan.tasks.unused_settings import check_recipe


class TokenClassificationTask(EncoderTask):
    """Named entities and other labelled spans.

    Args:
        corpus: The data; None over a saved model.
        model: A `KospanForTokenClassification` with its tokenizer, or a `StockModel`.
        unit: The unit of the data, for a stock model, which has none of its own.
    """

    def __init__(self, corpus: Corpus | None, model, unit: str = "character"):
        self.misaligned = 0
        if hasattr(model.config, "tags"):
            self.tag_ids = {tag: at for at, tag in enumerate(model.config.tags)}
            super().__init__(corpus, model, model.tokenizer, labels_of(model.config.tags), model.config.unit)
        else:
            super().__init__(corpus, model, None, model.labels, unit)

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> "TokenClassificationTask":
        """Read the data and build the model of a recipe."""
        check_recipe(recipe, cls.spec)
        corpus = corpus_of(recipe)
        return cls(corpus, build_model(recipe, corpus))

    @classmethod
    def over(cls, model, dataset: str) -> "TokenClassificationTask":
        """Wrap a saved model."""
        return cls(None, model, dataset_spec(dataset).unit)

    def train_features(self, examples: Sequence[Example]) -> list[dict]:
        """Return the features of each window.

        They are `input_ids`, `unit_positions`, `unit_places`, `labels`, `begins` and `ends`, the word shapes if the
        model uses them, and `ids`, a list of the text's id.
        """
        aligner, config = self.model.aligner, self.model.config
        features = []
        for example, document in zip(examples, aligner.documents([example.document for example in examples])):
            spans = unit_spans(document.units, list(example.spans))
            exact = {(document.units[first][0], document.units[last - 1][1], label) for first, last, label in spans}
            self.misaligned += sum(span[:3] not in exact for span in example.spans)
            tags = [self.tag_ids[tag] for tag in spans_to_tags(spans, len(document.units), config.scheme)]
            windows = aligner.windows(document)
            self.documents += 1
            self.windowed += len(windows) > 1
            for window in windows:
                labels = tags[window.first_unit : window.first_unit + len(window.unit_positions)]
                edges = {"begins": window.begins, "ends": window.ends}
                features.append(self.model.features(window) | {"labels": labels, **edges, "ids": [example.id]})
        return features

    def windows(self, examples: Sequence[Example]) -> Iterator[dict]:
        """Yield the encoder's input for each window of each text, as `extract` splits it."""
        aligner = self.model.aligner
        for example in examples:
            for window in aligner.windows(aligner.documents([example.document])[0]):
                yield {"input_ids": window.input_ids}

    def predict(
        self, documents: Sequence[Example], threshold: float | None = None, batch_size: int = 32, model=None, **decoding
    ) -> list[list[Span]]:
        """Predict the spans of each text with `extract`, which takes the settings of the decoding."""
        model = self.model if model is None else model
        return model.extract([each.document for each in documents], threshold, batch_size, **decoding)

    def metrics(self, examples: Sequence[Example], predictions: Sequence[Sequence[Span]]) -> dict[str, float]:
        """Return span metrics as the documentation defines them."""
        return score_spans(examples, predictions, self.unit, self.labels)


def build_model(recipe: Recipe, corpus: Corpus) -> KospanForTokenClassification:
    """Build the model of a recipe: the trained one in `encoder`, or a new one over it."""
    model = continued_model(recipe, KospanTokenClassificationConfig)
    if model is not None:
        return model
    tags = tag_names(list(corpus.labels), recipe.scheme)
    vectors = read_vectors(recipe.ngram_vectors) if recipe.ngram_vectors else None
    model = new_model(
        recipe,
        KospanForTokenClassification,
        [example.text for example in corpus.splits["train"]],
        unit=recipe.unit or dataset_spec(recipe.dataset).unit,
        word_splitting="punctuation",
        id2label=dict(enumerate(tags)),
        label2id={tag: at for at, tag in enumerate(tags)},
        **(ngram_settings(recipe.ngram_vectors, vectors) if vectors else {}),
    )
    if vectors:
        model.ngrams = vectors.ngrams
        model.ngram_embedding.set_vectors(vectors.vectors)
    return model


def ngram_settings(path: str, vectors: NgramVectors) -> dict:
    """Return the settings of the config that vectors of n-grams decide; of their path only the name is kept."""
    longest = max(map(len, vectors.ngrams.ngrams))
    count, size = vectors.vectors.shape
    return {"ngram_vectors": Path(path).name, "ngram_count": count, "ngram_size": size, "longest_ngram": longest}
