"""Subword dropout: subwords hidden while a model learns (Iyyer et al. 2015, "word dropout")."""

import torch


class SubwordDropout:
    """Replacement of some subwords of a batch by the unknown token, so that a model learns to infer them from context.

    It is applied in the training step, not in the collator: data loaders collate batches ahead of their step, so that
    a resumed run would draw other masks. Special tokens and padding stay. Masks come from torch's global generator of
    the batch's device. FGM and R-Drop see one mask: both passes and both copies of a row miss the same subwords.

    Args:
        share: Probability with which a subword is hidden, above 0 and below 1.
        tokenizer: Names the unknown token and the special ones.

    Raises: ValueError where `share` is out of range or the tokenizer has no unknown token.
    """

    def __init__(self, share: float, tokenizer):
        if not 0 < share < 1:
            raise ValueError(f"expected subword_dropout to be 0 (off) or a share below 1, got {share}")
        if tokenizer.unk_token_id is None:
            raise ValueError(
                f"expected a tokenizer with an unknown token for subword_dropout, got {type(tokenizer).__name__} "
                "without one; set subword_dropout: 0"
            )
        self.share, self.unknown = share, tokenizer.unk_token_id
        self.kept = torch.tensor(sorted(set(tokenizer.all_special_ids)))

    def __call__(self, batch: dict) -> dict:
        """Return the batch with other `input_ids` `(batch, length)`."""
        ids = batch["input_ids"]
        hidden = (torch.rand(ids.shape, device=ids.device) < self.share) & ~torch.isin(ids, self.kept.to(ids.device))
        return {**batch, "input_ids": ids.masked_fill(hidden, self.unknown)}
