"""All kinds of model that a card can be about. A new kind is a module and a line here."""

from kospan.card.kinds import generative_ner, question_answering, text_classification, token_classification
from kospan.card.kinds.base import Kind
from kospan.card.run_record import RunRecord

KINDS: dict[str, Kind] = {
    "kospan-token-classification": token_classification,
    "kospan-question-answering": question_answering,
    "kospan-sequence-classification": text_classification,
    "kospan-generative-ner": generative_ner,
}


def kind_of(left: RunRecord) -> Kind:
    """The kind of a model that a run has left.

    Raises: ValueError where no card can be written about it.
    """
    return kind_named(str(left.config["model_type"]))


def kind_named(model_type: str) -> Kind:
    """The kind of models of this type. Raises: ValueError where there is none."""
    if model_type not in KINDS:
        raise ValueError(
            f"expected a model of type {' or '.join(KINDS)} to write a card about, got {model_type!r}; only models "
            "of ours have one"
        )
    return KINDS[model_type]
