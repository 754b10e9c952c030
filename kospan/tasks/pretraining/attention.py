"""Inputs of an encoder for packed rows: attention and positions within each window."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from transformers.masking_utils import (
    create_bidirectional_mask,
    create_bidirectional_sliding_window_mask,
    packed_sequence_mask_function,
)

# Largest change of the states of a packed window, as a share of their spread: rounding in float32.
SAME = 1e-3
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


@torch.no_grad()
def check_packed(model, rows: Sequence[dict], collate: Callable) -> None:
    """Check that a model computes the windows of a packed row as it computes each alone.

    Args:
        model: The model.
        rows: Training rows, of which the first with several windows is used.
        collate: Makes a batch of rows.

    Raises:
        ValueError: It does not, because it takes no positions or no attention mask for each position.
    """
    row = next((each for each in rows if each["windows"][-1] > 0), None)
    if row is None:
        return
    ends = np.flatnonzero(np.diff(row["windows"])) + 1
    parts = [
        {name: part for name, part in zip(row, each)} for each in zip(*(np.split(row[name], ends) for name in row))
    ]
    alone_rows = [part | {"windows": part["windows"] * 0} for part in parts]
    mode = model.training
    model.eval()
    try:
        packed = _states(model, collate([row]))[0, : len(row["windows"])]
        alone = [_states(model, collate([part]))[0, : len(part["windows"])] for part in alone_rows]
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"expected a model that reads packed rows, got {model.config.model_type!r}, which does not "
            f"({' '.join(str(error).split())[:200]}); set packing: false"
        ) from error
    finally:
        model.train(mode)
    expected = torch.cat(alone)
    change = float((packed - expected).norm() / (expected - expected.mean()).norm().clamp(min=1e-12))
    if not change <= SAME:
        raise ValueError(
            "expected a model that reads windows packed into one row as it reads each alone, got "
            f"{model.config.model_type!r}, whose states change by {change:.1%} of their spread; set packing: false"
        )


def _states(model, batch: dict) -> torch.Tensor:
    """Return the last hidden states of a batch of rows `(batch, length, hidden)`."""
    batch = {name: each.to(model.device) for name, each in batch.items()}
    inputs = encoder_inputs(model.config, batch["windows"], packed=True)
    return model.base_model(input_ids=batch["input_ids"], **inputs).last_hidden_state.float()
