"""A model with vectors of character n-grams."""

import torch

from kospan.modeling.character_ngrams import CharacterNgrams

NGRAMS = ("서울", "서", " 김", "에서 ")
# Settings of its config.
NGRAM_SETTINGS = {"ngram_count": len(NGRAMS), "ngram_size": 5, "longest_ngram": 3}


def with_ngrams(model):
    """Give a model with `NGRAM_SETTINGS` its n-grams, with random vectors."""
    model.ngrams = CharacterNgrams(NGRAMS)
    model.ngram_embedding.set_vectors(torch.randn(len(NGRAMS), 5, generator=torch.Generator().manual_seed(1)))
    return model
