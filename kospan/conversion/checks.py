"""Checks that a source can be converted to BigBird."""

from collections.abc import Container

import torch
from transformers import AutoConfig

from kospan.conversion.checkpoint import SourceCheckpoint
from kospan.conversion.weight_names import FAMILIES, OPTIONAL, RELATIVE


def check_fits(name_or_path: str, source: SourceCheckpoint, max_length: int):
    """Check a source's architecture and return its config and the number of its positions.

    Args:
        name_or_path: The source's folder, or its name on the Hub.
        source: The source's checkpoint.
        max_length: Positions that the BigBird is to have.

    Returns:
        `(config, n)`; rows of the position table without a position (RoBERTa's first two) are not counted in n.

    Raises:
        ValueError: If the source has relative positions, another shape than BigBird, another kind, or reads more than
            `max_length`.
    """
    settings, name = source.settings, source.name
    model_type = settings.get("model_type")
    positions = settings.get("position_embedding_type", "absolute")
    if model_type in RELATIVE or "relative" in str(positions) or settings.get("relative_attention"):
        what = f"position_embedding_type {positions!r}" if model_type not in RELATIVE else f"model_type {model_type!r}"
        raise ValueError(
            f"expected an encoder with a table of absolute positions, which TAPER can stretch, got {what} in {name}, "
            f"which encodes positions by distance; choose an encoder of type {', '.join(FAMILIES)}"
        )
    if model_type not in FAMILIES:
        raise ValueError(
            f"expected an encoder of type {', '.join(FAMILIES)}, whose parameters BigBird has a place for, got "
            f"{model_type!r} in {name}; choose another encoder"
        )
    config = AutoConfig.from_pretrained(name_or_path, trust_remote_code=False)
    if config.is_decoder or config.add_cross_attention:
        raise ValueError(
            f"expected an encoder, which reads in both directions, got a decoder in {name} (is_decoder or "
            "add_cross_attention is set); choose another"
        )
    if getattr(config, "embedding_size", config.hidden_size) != config.hidden_size:
        raise ValueError(
            f"expected embedding_size equal to hidden_size, got {config.embedding_size} and {config.hidden_size} in "
            f"{name}: its layer norm comes before the projection between the two, and BigBird has neither; choose "
            "the base size of the encoder"
        )
    source_length = config.max_position_embeddings
    if FAMILIES[model_type].shifted:
        # Positions are counted from after the padding id.
        source_length -= config.pad_token_id + 1
    if source_length < 1:
        raise ValueError(
            "expected a source with positions after its padding id, got max_position_embeddings "
            f"{config.max_position_embeddings} and pad_token_id {config.pad_token_id} in {name}; correct its "
            "config.json"
        )
    if max_length < source_length:
        raise ValueError(
            f"expected max_length of {source_length} or more, which {name} reads already, got {max_length}; a short "
            "encoder needs no conversion"
        )
    return config, source_length


def check_whole(name: str, table: dict[str, str], renamed: Container[str]) -> None:
    """Check that a checkpoint has all weights of the encoder, the pooler excepted.

    Raises:
            ValueError: If weights of the encoder are missing.

    Args:
        name: Name of the source.
        table: Names in the source and in BigBird.
        renamed: BigBird's names of the existing weights.
    """
    missing = [
        old for old, new in table.items() if new not in renamed and new not in OPTIONAL and ".pooler." not in f".{new}"
    ]
    if missing:
        raise ValueError(
            f"expected every weight of the encoder in {name}, got a checkpoint that lacks {len(missing)} of them "
            f"(first: {missing[0]}); copy or fetch the model again"
        )


def check_shapes(name: str, kind: type, config, tensors: dict[str, torch.Tensor]) -> None:
    """Check that weights have the shapes of a BigBird class with this config.

    Raises:
            ValueError: If weights are not of the shapes that a class of BigBird has by its config.

    Args:
        name: Name of the source.
        kind: BigBird's class.
        config: Its config.
        tensors: Its tensors, by BigBird's names.
    """
    with torch.device("meta"):
        wanted = kind(config).state_dict()
    for at, tensor in tensors.items():
        if at not in wanted or wanted[at].shape != tensor.shape:
            shape = tuple(wanted[at].shape) if at in wanted else "none"
            raise ValueError(
                f"expected weights in {name} with the shapes that its config.json gives, got {tuple(tensor.shape)} "
                f"instead of {shape} at {at}; take config and weights from one model"
            )


def check_tokenizer(tokenizer, name: str, vocabulary: int) -> None:
    """Check that a source has a fast tokenizer with ids below `vocabulary`.

    Raises:
        ValueError, FileNotFoundError: If a source has no fast tokenizer with ids below `vocabulary`.
    """
    if not tokenizer.is_fast:
        raise ValueError(
            f"expected a fast tokenizer beside {name}, got {type(tokenizer).__name__}; save one there that has a "
            "tokenizer.json"
        )
    if len(tokenizer) <= len(set(tokenizer.all_special_tokens)):
        raise FileNotFoundError(
            f"expected a tokenizer beside {name}, found none or one without words; save it there with "
            "tokenizer.save_pretrained(folder)"
        )
    if (highest := max(tokenizer.get_vocab().values())) >= vocabulary:
        raise ValueError(
            f"expected a tokenizer whose ids lie below the source's vocab_size {vocabulary}, got id {highest} beside "
            f"{name}; use the tokenizer that the encoder was trained with"
        )
