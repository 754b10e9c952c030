"""The metric of pretraining: validation loss in bits per character, which compares models with different tokenizers."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kospan.evaluation.metrics import Metric
from kospan.modeling.words import words
from kospan.tasks.pretraining.masking import NO_LABEL, evaluated_words
from kospan.tasks.pretraining.windows import Windows

METRICS = {
    "bits_per_character": Metric(
        None,
        "bits per character of masked words: the sum of their subwords' losses / (ln 2 x their characters)",
        "bits",
        larger_is_better=False,
    )
}


class Evaluated(NamedTuple):
    """Masked windows of the evaluation.

    Args:
        features: `input_ids`, `labels` and `windows` of each window.
        subwords: Number of masked subwords.
        characters: Number of characters of the masked words.
        unknown: Number of masked subwords that are the unknown token, which is easier to predict than a character.
    """

    features: list[dict]
    subwords: int
    characters: int
    unknown: int

    def bits_per_character(self, loss: float) -> float:
        """Convert a mean loss of the masked subwords in nats."""
        return loss * self.subwords / self.characters / math.log(2)


def evaluated(texts: Sequence[str], windows: Windows, mask: int, unknown: int | None) -> Evaluated:
    """Mask the same words of each text, whatever the tokenizer, and every subword of them.

    Args:
        texts: The texts.
        windows: Their windows.
        mask: Id of the mask token.
        unknown: Id of the unknown token.
    """
    spans = [words(text) for text in texts]
    chosen = [evaluated_words(len(each), at) for at, each in enumerate(spans)]
    characters = sum(
        end - start for each, kept in zip(spans, chosen) for (start, end), is_kept in zip(each, kept) if is_kept
    )
    features, unknowns = [], 0
    for at, text in enumerate(windows.texts):
        row = windows.row([at])
        ids, numbers = row["input_ids"].astype(np.int64), row["words"].astype(np.int64)
        masked = numbers >= 0
        masked[masked] = chosen[text][numbers[masked] + windows.first_words[at]]
        unknowns += int((ids[masked] == unknown).sum())
        labels = np.where(masked, ids, NO_LABEL)
        features.append({"input_ids": np.where(masked, mask, ids), "labels": labels, "windows": row["windows"]})
    subwords = sum(int((feature["labels"] != NO_LABEL).sum()) for feature in features)
    return Evaluated(features, subwords, characters, unknowns)
