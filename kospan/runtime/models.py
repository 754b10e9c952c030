"""Exported models of each task, with the methods of the models in torch."""

from collections.abc import Mapping, Sequence

import numpy as np

from kospan.modeling.alignment import Document
from kospan.modeling.input_checks import check_documents, check_prediction_arguments
from kospan.modeling.question_answering_methods import QuestionAnsweringMethods
from kospan.modeling.sequence_classification_methods import SequenceClassificationMethods
from kospan.modeling.spans import Span
from kospan.modeling.token_classification_methods import TokenClassificationMethods
from kospan.modeling.words import trimmed

from .chain import Chain
from .graph_model import GraphModel


class GraphTokenClassifier(TokenClassificationMethods, GraphModel):
    """Exported `KospanForTokenClassification`; arguments as in `GraphModel`."""

    def __init__(self, folder, settings: Mapping, threads: int | None = None):
        super().__init__(folder, settings, threads)
        config = self.config
        constrained = config.constrain != "none"
        self.head = Chain(config.tags, config.scheme, settings["chain"], constrained, config.calibration_temperature)

    def new_chain(self, units: int) -> np.ndarray:
        """Return zeros `(units, tags)`, float32."""
        return np.zeros((units, len(self.config.tags)), dtype=np.float32)

    def window_emissions(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return emissions of a batch of windows `(batch, units, tags)`, float32."""
        return self.run(batch)

    def tag_units(
        self, texts: Sequence[str | Sequence[str]], threshold: float = 0.0, batch_size: int = 32
    ) -> list[list[Span]]:
        """Return the tag of every unit with its marginal probability, as `KospanForTokenClassification.tag_units`."""
        texts = check_documents(texts)
        check_prediction_arguments(threshold, batch_size)
        found = [
            self._tagged(document, chain)
            for documents, emissions in self.read(texts, batch_size)
            for document, chain in zip(documents, emissions)
        ]
        return [[span for span in spans if span.score >= threshold] for spans in found]

    def _tagged(self, document: Document, chain: np.ndarray) -> list[Span]:
        if not document.units:
            return []
        batch, mask = self.head.padded([chain])
        [path] = self.head.decode(batch, mask)
        chances = self.head.sums(batch, mask).marginals_at(np.arange(len(path)), 0, np.array(path))
        units = zip(document.units, path, chances.astype(np.float32).tolist())
        spans = [Span(*trimmed(document.text, *unit), self.config.tags[tag], chance) for unit, tag, chance in units]
        return [span for span in spans if span.start < span.end]


class GraphQuestionAnswerer(QuestionAnsweringMethods, GraphModel):
    """Exported `KospanForQuestionAnswering`; arguments as in `GraphModel`."""

    def window_emissions(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return start and end scores of a batch of windows `(batch, 1 + units, 2)`, float32."""
        return self.run(batch)


class GraphTextClassifier(SequenceClassificationMethods, GraphModel):
    """Exported `KospanForSequenceClassification`; arguments as in `GraphModel`."""

    def window_logits(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return logits of a batch of passages `(batch, classes)`, float64."""
        return self.run(batch).astype(np.float64)


# Model type in config.json -> class.
GRAPH_MODELS: dict[str, type[GraphModel]] = {
    "kospan-token-classification": GraphTokenClassifier,
    "kospan-question-answering": GraphQuestionAnswerer,
    "kospan-sequence-classification": GraphTextClassifier,
}
