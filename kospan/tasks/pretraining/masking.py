"""Masks of masked language modelling, as functions of a seed: subwords, or whole words.

Source: BERT (Devlin et al. 2019); whole words as in its later release, which for Korean are eojeol.
"""

from dataclasses import dataclass

import numpy as np
import torch

from kospan.tasks.pretraining.windows import SPECIAL

# Label of a position without loss.
NO_LABEL = -100
# Share of the words that the evaluation masks, and the seed of their choice.
EVALUATED, EVALUATION_SEED = 0.15, 0


@dataclass(frozen=True)
class Masking:
    """Random masks of training rows.

    Args:
        mask: Id of the mask token.
        ordinary: Ids that may replace a subword `(ids,)`, all but special tokens.
        probability: Share of the subwords that are masked.
        whole_words: Share of the rows in which whole words are masked.
        replaced: Share of the masked subwords that become the mask token.
        random: Share of the masked subwords that become a random one.
    """

    mask: int
    ordinary: torch.Tensor
    probability: float
    whole_words: float
    replaced: float
    random: float

    def __call__(
        self, input_ids: torch.Tensor, words: torch.Tensor, windows: torch.Tensor, seed: tuple[int, ...]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mask rows.

        Args:
            input_ids: Subwords `(batch, length)`.
            words: The word of each subword in its window, `BLANK` or `SPECIAL` `(batch, length)`.
            windows: The number of each subword's window in its row `(batch, length)`.
            seed: Numbers that decide the masks, such as seed and step.

        Returns: The masked subwords, and the labels: the subword where it is masked, else -100 `(batch, length)`.
        """
        draw = generator_of(seed)
        shape = input_ids.shape
        candidates = words != SPECIAL
        chosen = torch.rand(shape, generator=draw) < self.probability
        whole = torch.rand(shape[0], 1, generator=draw) < self.whole_words
        # A number per row and word: words are counted from 0 in each window.
        most = int(words.max()) + 1
        numbers = windows.clamp(min=0) * most + words.clamp(min=0)
        of_word = torch.rand(shape[0], int(numbers.max()) + 1, generator=draw) < self.probability
        chosen = torch.where(whole, of_word.gather(1, numbers) & (words >= 0), chosen) & candidates
        if not chosen.any():
            chosen.view(-1)[candidates.flatten().nonzero()[:1]] = True
        fate = torch.rand(shape, generator=draw)
        others = self.ordinary[torch.randint(len(self.ordinary), shape, generator=draw)]
        masked = torch.where(chosen & (fate < self.replaced), self.mask, input_ids)
        swapped = chosen & (fate >= self.replaced) & (fate < self.replaced + self.random)
        return torch.where(swapped, others, masked), torch.where(chosen, input_ids, NO_LABEL)


def generator_of(seed: tuple[int, ...]) -> torch.Generator:
    """Return a random generator for several numbers."""
    state = np.random.SeedSequence(seed).generate_state(2, np.uint32)
    return torch.Generator().manual_seed(int(state[0]) << 31 ^ int(state[1]))


def evaluated_words(count: int, text: int) -> np.ndarray:
    """Choose the words of a text that the evaluation masks, whatever the tokenizer; at least one.

    Args:
        count: Number of words of the text.
        text: Number of the text.

    Returns: Whether each word is masked `(words,)`.
    """
    draw = np.random.default_rng((EVALUATION_SEED, text))
    chosen = draw.random(count) < EVALUATED
    if count and not chosen.any():
        chosen[draw.integers(count)] = True
    return chosen
