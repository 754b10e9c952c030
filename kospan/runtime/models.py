"""Exported models of each task, with the methods of the models in torch."""

from collections.abc import Mapping, Sequence

import numpy as np

from kospan.modeling.alignment import Document
from kospan.modeling.input_checks import as_text, check_documents, check_prediction_arguments
from kospan.modeling.padded_batches import length_batches
from kospan.modeling.question_answering_methods import QuestionAnsweringMethods
from kospan.modeling.sequence_classification_methods import SequenceClassificationMethods
from kospan.modeling.spans import Span
from kospan.modeling.tags import tags_to_spans
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
        self.chain = Chain(config.tags, config.scheme, settings["chain"], constrained, config.calibration_temperature)

    def extract(
        self, texts: str | Sequence[str | Sequence[str]], threshold: float = 0.0, batch_size: int = 32
    ) -> list[Span] | list[list[Span]]:
        """Extract the spans of each text; as `KospanForTokenClassification.extract`."""
        texts = as_text(texts)
        if isinstance(texts, str):
            return self.extract([texts], threshold, batch_size)[0]
        texts = check_documents(texts)
        check_prediction_arguments(threshold, batch_size)
        found = []
        for documents, emissions in self.read(texts, batch_size):
            found.extend(self._decoded(documents, emissions, threshold, batch_size))
        return found

    def new_chain(self, units: int) -> np.ndarray:
        """Return zeros `(units, tags)`, float32."""
        return np.zeros((units, len(self.config.tags)), dtype=np.float32)

    def window_emissions(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return emissions of a batch of windows `(batch, units, tags)`, float32."""
        return self.run(batch)

    def _decoded(
        self, documents: list[Document], emissions: list[np.ndarray], threshold: float, batch_size: int
    ) -> list[list[Span]]:
        tags, scheme = self.config.tags, self.config.scheme
        found: list[list[Span]] = [[] for _ in documents]
        with_units = [at for at, chain in enumerate(emissions) if len(chain)]
        for chosen in length_batches([len(emissions[at]) for at in with_units], batch_size):
            rows = [with_units[at] for at in chosen]
            lengths = np.array([len(emissions[at]) for at in rows])
            batch = np.zeros((len(rows), lengths.max(), len(tags)), dtype=np.float32)
            for row, at in zip(batch, rows):
                row[: len(emissions[at])] = emissions[at]
            paths = self.chain.decode(batch, lengths)
            unit_spans = [tags_to_spans([tags[tag] for tag in path], scheme) for path in paths]
            scores = self.chain.posteriors(batch, lengths, unit_spans)
            for at, row_spans, row_scores in zip(rows, unit_spans, scores):
                text, units = documents[at].text, documents[at].units
                for (first, last, label), score in zip(row_spans, row_scores):
                    start, end = trimmed(text, units[first][0], units[last - 1][1])
                    if start < end and score >= threshold:
                        found[at].append(Span(start, end, label, score))
        return found


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
