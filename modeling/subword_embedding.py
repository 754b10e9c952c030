"""Embedding of each unit's subword beside the hidden state of the encoder."""

import torch
from torch import nn


class SubwordEmbedding(nn.Module):
    """Embedding of the units' own subwords, concatenated with the encoder's hidden states.

    A small encoder smooths over the characters of rare names; an embedding that is trained with the head keeps them
    apart.

    Args:
        vocabulary: Number of subwords.
        size: Width of the embedding.
        width: Width of the hidden states.
    """

    def __init__(self, vocabulary: int, size: int, width: int):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, size)
        self.norm = nn.LayerNorm(size)
        self.width = width + size

    def forward(self, units: torch.Tensor, subwords: torch.Tensor) -> torch.Tensor:
        """Concatenate.

        Args:
            units: Hidden states `(batch, units, hidden)`.
            subwords: Id of the subword of each unit, -100 as padding `(batch, units)`.

        Returns: `(batch, units, hidden + size)`.
        """
        return torch.cat([units, self.norm(self.embedding(subwords.clamp(min=0))).to(units.dtype)], dim=-1)
