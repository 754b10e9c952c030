"""Subword dropout: subwords hidden while a model learns (Iyyer et al. 2015, "word dropout")."""

from collections.abc import Callable

import torch


class SubwordDropout:
    """Collator that replaces some subwords by the unknown token, so that a model learns to infer them from context.

    It is called for training batches only; special tokens and padding stay. Masks come from torch's global generator.
    With R-Drop both copies of a row miss the same subwords.

    Args:
        collate: Makes the batch, with `input_ids` `(batch, length)`.
        share: Probability with which a subword is hidden, above 0 and below 1.
        tokenizer: Names the unknown token and the special ones.

    Raises: ValueError where `share` is out of range or the tokenizer has no unknown token.
    """

    def __init__(self, collate: Callable[[list[dict]], dict], share: float, tokenizer):
        if not 0 < share < 1:
            raise ValueError(f"expected subword_dropout to be 0 (off) or a share below 1, got {share}")
        if tokenizer.unk_token_id is None:
            raise ValueError(
                f"expected a tokenizer with an unknown token for subword_dropout, got {type(tokenizer).__name__} "
                "without one; set subword_dropout: 0"
            )
        self.collate, self.share, self.unknown = collate, share, tokenizer.unk_token_id
        self.kept = torch.tensor(sorted(set(tokenizer.all_special_ids)))

    def __call__(self, features: list[dict]) -> dict:
        """Collate features and replace a share of the subwords by the unknown token."""
        batch = self.collate(features)
        ids = batch["input_ids"]
        hidden = (torch.rand(ids.shape) < self.share) & ~torch.isin(ids, self.kept)
        return batch | {"input_ids": ids.masked_fill(hidden, self.unknown)}
