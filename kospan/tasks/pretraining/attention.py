"""Inputs of an encoder for packed rows: attention and positions within each window."""

import torch
from transformers.masking_utils import (
    create_bidirectional_mask,
    create_bidirectional_sliding_window_mask,
    packed_sequence_mask_function,
)

# Encoders that count positions from after the padding id.
SHIFTED = ("roberta", "xlm-roberta", "camembert", "xlm-roberta-xl")


def encoder_inputs(config, windows: torch.Tensor, packed: bool) -> dict:
    """Return attention mask and positions of rows.

    Args:
        config: The config of the encoder, with its implementation of attention.
        windows: The number of each position's window in its row, -1 for padding `(batch, length)`.
        packed: Whether rows hold several windows. Without, the attention mask is the usual one, and positions are the
            encoder's own.
    """
    if not packed:
        return {"attention_mask": (windows >= 0).long()}
    arguments = {
        "config": config,
        "inputs_embeds": torch.empty(*windows.shape, 0, device=windows.device),
        "attention_mask": None,
        "and_mask_function": packed_sequence_mask_function(windows),
    }
    mask = create_bidirectional_mask(**arguments)
    if "sliding_attention" in (getattr(config, "layer_types", None) or ()):
        sliding = create_bidirectional_sliding_window_mask(**arguments)
        mask = {"full_attention": mask, "sliding_attention": sliding}
    return {"attention_mask": mask, "position_ids": positions(config, windows)}


def positions(config, windows: torch.Tensor) -> torch.Tensor:
    """Return the place of each position in its window, as the encoder counts it `(batch, length)`.

    >>> positions(None, torch.tensor([[0, 0, 1, 1, 1, -1]]))
    tensor([[0, 1, 0, 1, 2, 0]])
    """
    places = torch.arange(windows.shape[1], device=windows.device).expand_as(windows)
    begins = torch.ones_like(windows, dtype=torch.bool)
    begins[:, 1:] = windows[:, 1:] != windows[:, :-1]
    places = places - torch.where(begins, places, 0).cummax(1).values
    return places + (config.pad_token_id + 1 if getattr(config, "model_type", "") in SHIFTED else 0)
