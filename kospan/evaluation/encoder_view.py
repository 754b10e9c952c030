"""What was seen of one text, and what every view needs to see it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from kospan.modeling.spans import Span

# Subwords that one metric can show and be read.
MOST_PIECES = 48


class EncoderView(NamedTuple):
    """One text that fits into a window, and what the encoder saw of it.

    Args:
        text: The text; of a reader's long text the part that was read.
        subwords: The subwords' names, special tokens and question included `(length)`.
        offsets: `(start, end)` in characters of the text; `(0, 0)` for a special token or a question's `(length)`.
        attentions: Mean over heads by layer `(layers, length, length)`, float32; no layers where the encoder has none.
        spans: What the model finds.
        question: What was asked, or the other text of a pair; empty for a tagger.
        asked: Positions of the question's subwords.
        asked_first: Whether the question stands before the text.
        units: `(start, end)` in characters of each unit, where the head has attention of its own; else empty.
        head_attention: From unit to unit, mean over heads `(units, units)`, float32; None where the head has none.
        words: The words of the text, where it was given word by word.
    """

    text: str
    subwords: list[str]
    offsets: list[tuple[int, int]]
    attentions: np.ndarray
    spans: list[Span]
    question: str = ""
    asked: Sequence[int] = ()
    asked_first: bool = True
    units: Sequence[tuple[int, int]] = ()
    head_attention: np.ndarray | None = None
    words: Sequence[str] | None = None


def stacked(layers: Sequence[torch.Tensor], length: int) -> np.ndarray:
    """Mean over heads of each layer's `(heads, length, length)`."""
    means = [layer.mean(dim=0).numpy() for layer in layers]
    return np.stack(means) if means else np.zeros((0, length, length), dtype=np.float32)


def attentions_of(model, features: dict) -> np.ndarray:
    """Attention of the only row of a batch, mean over heads by layer `(layers, length, length)`."""
    inputs = {
        key: features[key].to(model.device)
        for key in ("input_ids", "attention_mask", "token_type_ids")
        if key in features
    }
    # A thread that reads while the implementation changes would mix two kinds of attention mask.
    with model.evaluating(exclusive=True), torch.no_grad():
        implementation = model.encoder.config._attn_implementation
        try:
            model.encoder.set_attn_implementation("eager")
            layers = model.encoder(**inputs, output_attentions=True, return_dict=True).attentions
        finally:
            model.encoder.set_attn_implementation(implementation)
    return stacked([layer[0].float().cpu() for layer in layers or ()], features["input_ids"].shape[1])


def hide(model, ids: torch.Tensor, hidden: Sequence[int]) -> None:
    """Shows the subwords at `hidden` of the only row as the mask or the unknown token."""
    tokenizer = model.tokenizer
    filler = tokenizer.mask_token_id if tokenizer.mask_token_id is not None else tokenizer.unk_token_id
    ids[0, list(hidden)] = filler if filler is not None else tokenizer.pad_token_id or 0
