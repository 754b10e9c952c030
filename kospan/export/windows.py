"""Random windows for tracing and comparing a model."""

import numpy as np
import torch

from kospan.modeling.character_ngrams import ngram_windows
from kospan.modeling.exact_match import LONGEST_MATCH
from kospan.modeling.word_shapes import SHAPES


def random_batch(model, batch_size: int, length: int, units: int, seed: int) -> dict[str, torch.Tensor]:
    """Build a padded batch of random windows with the inputs of a model.

    Args:
        model: The model.
        batch_size: Number of windows; the first has the full length, the others are shorter.
        length: Positions of the longest window.
        units: Units of the window with the most of them.
        seed: Seed of the random numbers.
    """
    random = np.random.default_rng(seed)
    config, encoder = model.config, model.config.encoder_config
    features = []
    for row in range(batch_size):
        positions = length if not row else int(random.integers(3, length + 1))
        count = min(units if not row else int(random.integers(1, units + 1)), positions)
        ids = random.integers(0, encoder.vocab_size, positions)
        # Encoders that count positions by padding take a padding token for padding wherever it is.
        ids[ids == (model.tokenizer.pad_token_id or 0)] = encoder.vocab_size - 1
        second = int(random.integers(1, positions))
        window = {
            "input_ids": ids,
            "token_type_ids": np.arange(positions) >= second,
            "unit_positions": np.sort(random.integers(0, positions, count)),
            "unit_places": random.integers(0, getattr(config, "places", 1), count),
            "word_shape_feature": random.integers(0, len(SHAPES), count),
            "character_ngrams": _random_ngrams(random, config, count),
            "exact_match_feature": random.integers(0, LONGEST_MATCH + 1, count),
        }
        features.append({name: window[name].astype(int).tolist() for name in input_names(model)})
    return model.collate(features)


def _random_ngrams(random: np.random.Generator, config, count: int) -> np.ndarray:
    """Random ids of n-grams around each unit `(count, windows)`."""
    around = len(ngram_windows(getattr(config, "longest_ngram", 0)))
    return random.integers(0, getattr(config, "ngram_count", 0) + 1, (count, around))


def input_names(model) -> list[str]:
    """Return the names of a model's features of a window."""
    config = model.config
    segments = (getattr(config.encoder_config, "type_vocab_size", 0) or 0) > 1
    names = ["input_ids"]
    if hasattr(model, "window_logits"):
        return names + ["token_type_ids"] * (segments and config.pairs)
    names += ["unit_positions"] + ["unit_places"] * config.uses_places
    if getattr(config, "word_shape_feature", False):
        names.append("word_shape_feature")
    if getattr(config, "ngram_count", 0):
        names.append("character_ngrams")
    if hasattr(model, "head"):
        return names
    return names + ["exact_match_feature"] * config.exact_match_feature + ["token_type_ids"] * segments
