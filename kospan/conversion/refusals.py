"""What does not fit into a BigBird, and why."""

from transformers import AutoConfig

from kospan.conversion.checkpoint import Source
from kospan.conversion.renames import KINDS, RELATIVE


def check_fits(place: str, source: Source, max_length: int):
    """The source's config and n, the positions it reads.

    Args:
        place: The source's folder, or its name on the Hub.
        source: What was read there.
        max_length: Positions that the BigBird is to have.

    Returns: `(config, n)`; rows of the position table that stand for no position (RoBERTa's first two) are no part of
    n.

    Raises: ValueError where the source has relative positions, another shape than BigBird, another kind, or reads more
        than `max_length`.
    """
    settings, name = source.settings, source.name
    model_type = settings.get("model_type")
    positions = settings.get("position_embedding_type", "absolute")
    if model_type in RELATIVE or "relative" in str(positions) or settings.get("relative_attention"):
        what = f"position_embedding_type {positions!r}" if model_type not in RELATIVE else f"model_type {model_type!r}"
        raise ValueError(
            f"expected an encoder with a table of absolute positions, which TAPER can stretch, got {what} in {name}, "
            f"which tells positions by distance; choose an encoder of type {', '.join(KINDS)}"
        )
    if model_type not in KINDS:
        raise ValueError(
            f"expected an encoder of type {', '.join(KINDS)}, whose parameters BigBird has a place for, got "
            f"{model_type!r} in {name}; choose another encoder"
        )
    config = AutoConfig.from_pretrained(place)
    if config.is_decoder or config.add_cross_attention:
        raise ValueError(
            f"expected an encoder, which reads in both directions, got a decoder in {name} (is_decoder or "
            "add_cross_attention is set); choose another"
        )
    if getattr(config, "embedding_size", config.hidden_size) != config.hidden_size:
        raise ValueError(
            f"expected embedding_size equal to hidden_size, got {config.embedding_size} and {config.hidden_size} in "
            f"{name}: its layer norm stands before the projection between the two, and BigBird has neither place; "
            "choose the base size of the encoder"
        )
    reach = config.max_position_embeddings
    if KINDS[model_type].shifted:
        # Positions are counted from behind the padding id.
        reach -= config.pad_token_id + 1
    if max_length < reach:
        raise ValueError(
            f"expected max_length of {reach} or more, which {name} reads already, got {max_length}; a short encoder "
            "needs no conversion"
        )
    return config, reach
