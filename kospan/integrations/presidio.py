"""Recognizer of presidio-analyzer over a model; needs the extra `presidio`."""

from collections.abc import Mapping
from typing import Any

try:
    from presidio_analyzer import AnalysisExplanation, EntityRecognizer, RecognizerResult
    from presidio_analyzer.nlp_engine.ner_model_configuration import MODEL_TO_PRESIDIO_ENTITY_MAPPING
except ModuleNotFoundError as error:
    raise ImportError(
        f"expected the packages of the extra presidio, found no {error.name}; run `pip install -c constraints.txt -e "
        '".[presidio]"`'
    ) from error

from kospan.integrations.extraction import SpanExtractor
from kospan.masking.labels import RULE_LABELS

# Entity of Presidio by label: Presidio's own names, those of the Korean data sets, and those of the masking rules.
# NRP (nationality, religion, political group) is no organisation.
ENTITIES = {
    **MODEL_TO_PRESIDIO_ENTITY_MAPPING,
    **{label: rule.presidio for label, rule in RULE_LABELS.items() if rule.presidio},
    "PS": "PERSON",
    "LC": "LOCATION",
    "OG": "ORGANIZATION",
    "DT": "DATE_TIME",
    "TI": "DATE_TIME",
    "TIM": "DATE_TIME",
    "GEO": "LOCATION",
    "CORPORATION": "ORGANIZATION",
    "ADDRESS": "LOCATION",
}
ENTITIES |= {entity: entity for entity in ENTITIES.values()}


def entity_of(label: str) -> str:
    """Return Presidio's name of a label; labels without one keep their own.

    >>> entity_of("PS"), entity_of("per"), entity_of("QT")
    ('PERSON', 'PERSON', 'QT')
    """
    return ENTITIES.get(label.upper(), label)


class KospanRecognizer(EntityRecognizer):
    """Recognizer of the entities that a model finds, with exact character offsets and the model's scores.

    Args:
        model: A folder, a name on the Hub or of an installed model, or a model that `kospan.load` returned.
        supported_language: Language of the texts in Presidio. A recognizer has one; those of several languages share
            a loaded model.
        threshold: Lowest score; None takes the model's own.
        operating_point: Operating point of the model, such as "recall-0.95".
        decode: As in the model's `extract`.
        labels: Entities by label, in place of those of `entity_of`; None omits a label.
        supported_entities: Entities that are recognized; None means all of the model's.
        batch_size: Windows per batch.
        **settings: Other arguments of `EntityRecognizer`: `name`, `version`, `context`, `country_code`,
            `score_thresholds`.

    Raises:
        ImportError: If presidio-analyzer is missing.
        FileNotFoundError: If there is no model.
        ValueError: If the model predicts no labelled spans, or a label or entity is unknown.

    >>> recognizer = KospanRecognizer("ko-ner", labels={"QT": None})  # doctest: +SKIP
    >>> registry.add_recognizer(recognizer)  # doctest: +SKIP
    """

    def __init__(
        self,
        model: Any = "ko-ner",
        supported_language: str = "ko",
        *,
        threshold: float | None = None,
        operating_point: str | None = None,
        decode: str | None = None,
        labels: Mapping[str, str | None] | None = None,
        supported_entities: list[str] | None = None,
        batch_size: int = 32,
        **settings: Any,
    ):
        self.extractor = SpanExtractor(model, threshold, decode, operating_point, batch_size)
        self.entity_by_label = _entities(self.extractor.labels, labels or {}, supported_entities)
        self.model_name = model if isinstance(model, str) else getattr(self.extractor.task.model, "name_or_path", "")
        chosen = {"threshold": threshold, "operating_point": operating_point, "decode": decode, "labels": labels}
        self._settings = {"model": self.model_name, "batch_size": batch_size} | chosen
        entities = list(dict.fromkeys(self.entity_by_label.values()))
        super().__init__(supported_entities=entities, supported_language=supported_language, **settings)

    def load(self) -> None:
        """Do nothing: the constructor loads the model."""

    def to_dict(self) -> dict:
        """Return the arguments of the constructor, with the model by its name."""
        return super().to_dict() | self._settings

    def analyze(self, text: str, entities: list[str] | None = None, nlp_artifacts=None) -> list[RecognizerResult]:
        """Recognize the entities of a text.

        Args:
            text: The text.
            entities: Entities to return; None returns all.
            nlp_artifacts: Ignored; the model has its own tokenizer.
        """
        entity_by_label = self.entity_by_label
        wanted = {label for label, entity in entity_by_label.items() if not entities or entity in entities}
        if not wanted:
            return []
        return [
            self._result(text[start:end], start, end, label, score)
            for start, end, label, score in self.extractor([text])[0]
            if label in wanted
        ]

    def _result(self, surface: str, start: int, end: int, label: str, score: float) -> RecognizerResult:
        explanation = AnalysisExplanation(
            recognizer=self.name,
            original_score=score,
            textual_explanation=f"Labelled {label} with the probability {score:.4f} by the model {self.model_name}",
        )
        metadata = {
            RecognizerResult.RECOGNIZER_NAME_KEY: self.name,
            RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: self.id,
        }
        entity = self.entity_by_label[label]
        return RecognizerResult(entity, start, end, score, explanation, metadata)


def _entities(known: list[str], given: Mapping[str, str | None], supported: list[str] | None) -> dict[str, str]:
    """Return the entity of each label that is recognized."""
    for label in given:
        if label not in known:
            raise ValueError(f"expected labels of the model ({', '.join(known)}), got {label!r}; correct it")
    found = {label: given[label] if label in given else entity_of(label) for label in known}
    found = {label: entity for label, entity in found.items() if entity}
    for entity in supported or ():
        if entity not in found.values():
            names = ", ".join(dict.fromkeys(found.values()))
            raise ValueError(f"expected supported_entities among {names}, got {entity!r}; correct it")
    return {label: entity for label, entity in found.items() if supported is None or entity in supported}
