"""Exported models of each task, with the methods of the models in torch."""

from collections.abc import Mapping

import numpy as np

from kospan.modeling.question_answering_methods import QuestionAnsweringMethods
from kospan.modeling.sequence_classification_methods import SequenceClassificationMethods
from kospan.modeling.token_classification_methods import TokenClassificationMethods

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
