"""Choices and limits of model settings, and the settings that a model takes from a recipe; imports no torch."""

from collections.abc import Iterable

from .alignment import ENCODER_INPUTS, NORMALIZATIONS, UNITS
from .tags import SCHEMES
from .words import WORD_SPLITTINGS

CHOICES = {
    "unit": UNITS,
    "encoder_input": ENCODER_INPUTS,
    "normalization": NORMALIZATIONS,
    "word_splitting": WORD_SPLITTINGS,
    "scheme": SCHEMES,
    "dropout_merge": ("mean_logits", "mean_loss"),
    "constrain": ("none", "decode", "both"),
    "problem_type": ("single_label_classification", "regression"),
    "windowed_field": ("text", "text_pair"),
    "pooling": ("cls", "mean"),
}

# Types of models that earlier versions saved, and their present names.
FORMER_MODEL_TYPES = {
    "kospan-tagger": "kospan-token-classification",
    "kospan-reader": "kospan-question-answering",
    "kospan-classifier": "kospan-sequence-classification",
    "kospan-writer": "kospan-generative-ner",
}


def choice(name: str, value: str) -> str:
    """Return the value of a setting with choices.

    Raises:
        ValueError: The value is none of the choices.
    """
    if value not in CHOICES[name]:
        raise ValueError(f"expected {name} to be one of {', '.join(CHOICES[name])}, got {value!r}; choose one of them")
    return value


def encoder_limit(config) -> int | None:
    """Return the most positions that an encoder with this config reads; None if it sets no limit.

    RoBERTa-class models count positions from after the padding id, so two rows of their table are never used.
    """
    limit = getattr(config, "max_position_embeddings", None)
    if not limit or limit < 0:
        return None
    relative = getattr(config, "model_type", "") in ("deberta-v2", "deberta") and not getattr(
        config, "position_biased_input", True
    )
    if relative:
        return None
    shifted = getattr(config, "model_type", "") in ("roberta", "xlm-roberta", "camembert", "xlm-roberta-xl")
    return limit - (config.pad_token_id + 1) if shifted else limit


def taken_from(recipe, names: Iterable[str]) -> dict:
    """Return the settings of a recipe that have these names and are not None.

    Args:
        recipe: An object with settings as attributes.
        names: Names of model settings; the recipe need not have them all.
    """
    found = {name: getattr(recipe, name, None) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def check_model_type(model_type: str | None, place: str) -> None:
    """Refuse a model of an earlier version.

    Args:
        model_type: The `model_type` in the saved config.
        place: The model, as the error names it.

    Raises:
        ValueError: The type has another name now, and the weights other parameter names.
    """
    if model_type in FORMER_MODEL_TYPES:
        raise ValueError(
            f"expected a model of type {FORMER_MODEL_TYPES[model_type]} in {place}, got {model_type} of an earlier "
            "version of kospan; train the model again"
        )
