"""Static vectors of the character n-grams around each unit, projected to the width of its hidden state."""

import torch
from torch import nn

from .character_ngrams import ngram_windows

# Length of a vector: about 0.4 for each of 64 values. FastText's lengths grow with the frequency of an n-gram.
LENGTH = 3.0


class NgramEmbedding(nn.Module):
    """Fixed vectors of n-grams (Zhang and Yang 2018 for bigrams), concatenated and projected.

    Only the projection is trained: most n-grams of new texts are not in the training texts, and their vectors would no
    longer fit to those that are.

    Args:
        config: Has `ngram_count`, `ngram_size`, `longest_ngram` and `ngram_dropout`.
        width: Size of the result.
    """

    def __init__(self, config, width: int):
        super().__init__()
        # Row 0 is the vector of unknown n-grams, which is zero.
        self.register_buffer("vectors", torch.zeros(config.ngram_count + 1, config.ngram_size))
        self.dropout = nn.Dropout(config.ngram_dropout)
        self.projection = nn.Linear(len(ngram_windows(config.longest_ngram)) * config.ngram_size, width)

    @torch.no_grad()
    def set_vectors(self, vectors) -> None:
        """Set the vectors of the n-grams, each scaled to the length `LENGTH`.

        Args:
            vectors: A vector for each n-gram of the vocabulary `(ngram_count, ngram_size)`, an array or a tensor.
        """
        vectors = nn.functional.normalize(torch.as_tensor(vectors, dtype=torch.float32), dim=1)
        self.vectors[1:] = LENGTH * vectors

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return `(batch, units, width)` for ids `(batch, units, windows)`, -100 as padding."""
        found = nn.functional.embedding(ids.clamp(min=0), self.vectors).flatten(-2)
        return self.projection(self.dropout(found))
