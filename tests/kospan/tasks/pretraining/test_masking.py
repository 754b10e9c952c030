"""Masks: their shares, whole words, special tokens, and the seed."""

import numpy as np
import pytest
import torch

from kospan.modeling.words import words
from kospan.tasks.pretraining.masking import NO_LABEL, Masking, evaluated_words
from kospan.tasks.pretraining.windows import BLANK, SPECIAL

MASK, FIRST, VOCABULARY = 4, 6, 60
ROWS, LENGTH = 400, 62


def masking(**settings) -> Masking:
    usual = {"probability": 0.25, "whole_words": 0.0, "replaced": 0.8, "random": 0.1}
    return Masking(MASK, torch.arange(FIRST, VOCABULARY), **{**usual, **settings})


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rows of two windows, of words of three subwords with a blank between."""
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(FIRST, VOCABULARY, (ROWS, LENGTH), generator=draw)
    half = [SPECIAL, *(BLANK if at % 4 == 3 else at // 4 for at in range(LENGTH // 2 - 2)), SPECIAL]
    numbers = torch.tensor(half * 2).expand(ROWS, LENGTH)
    windows = torch.arange(LENGTH).div(LENGTH // 2, rounding_mode="floor").expand(ROWS, LENGTH)
    return ids, numbers, windows


@pytest.mark.parametrize("whole_words", [0.0, 1.0])
def test_the_shares_are_those_that_were_asked_for(batch, whole_words):
    ids, numbers, _ = batch
    masked, labels = masking(whole_words=whole_words)(*batch, (1, 2))
    chosen = labels != NO_LABEL
    candidates = numbers >= 0 if whole_words else numbers != SPECIAL
    assert not chosen[~candidates].any()
    assert chosen[candidates].float().mean() == pytest.approx(0.25, abs=0.015)
    assert torch.equal(labels[chosen], ids[chosen]) and torch.equal(masked[~chosen], ids[~chosen])
    became = (masked[chosen] == MASK).float().mean()
    stayed = (masked[chosen] == ids[chosen]).float().mean()
    # One in 54 random subwords is the subword itself.
    assert became == pytest.approx(0.8, abs=0.02) and stayed == pytest.approx(0.1 + 0.1 / 54, abs=0.015)
    assert masked[chosen].min() >= MASK and masked.max() < VOCABULARY


def test_a_word_is_masked_as_a_whole_and_apart_from_the_same_number_in_another_window(batch):
    _ids, numbers, windows = batch
    labels = masking(whole_words=1.0)(*batch, (1, 2))[1]
    chosen = (labels != NO_LABEL).numpy()
    differs = 0
    for row in range(ROWS):
        of_word = {}
        for at in range(LENGTH):
            if numbers[row, at] >= 0:
                of_word.setdefault((int(windows[row, at]), int(numbers[row, at])), set()).add(bool(chosen[row, at]))
        assert all(len(each) == 1 for each in of_word.values())
        differs += sum(of_word[0, word] != of_word[1, word] for window, word in of_word if window == 0)
    # Independent: they differ with the probability 2 * 0.25 * 0.75.
    assert differs / ROWS / 8 == pytest.approx(0.375, abs=0.03)


def test_whole_words_are_masked_in_the_share_of_the_rows(batch):
    _ids, numbers, _windows = batch
    chosen = masking(whole_words=0.5, probability=0.5)(*batch, (1, 2))[1] != NO_LABEL
    blank = (chosen & (numbers == BLANK)).any(dim=1)
    # A row of single subwords almost always masks one of its 14 blanks.
    assert blank.float().mean() == pytest.approx(0.5, abs=0.07)


def test_masks_are_a_function_of_the_seed(batch):
    first, again, other = (masking()(*batch, seed)[0] for seed in ((1, 2, 0), (1, 2, 0), (1, 3, 0)))
    assert torch.equal(first, again) and not torch.equal(first, other)
    state = torch.get_rng_state()
    masking()(*batch, (1, 2))
    assert torch.equal(torch.get_rng_state(), state)


def test_a_batch_always_has_a_label(batch):
    labels = masking(probability=0.0)(*(each[:1] for each in batch), (1, 2))[1]
    assert (labels != NO_LABEL).sum() == 1 and labels[0, 1] != NO_LABEL


def test_the_evaluation_masks_words_of_the_text_whatever_the_tokenizer():
    count = len(words("가 나 다 라"))
    assert np.array_equal(evaluated_words(count, 3), evaluated_words(count, 3))
    drawn = np.stack([evaluated_words(40, text) for text in range(500)])
    assert drawn.mean() == pytest.approx(0.15, abs=0.01) and drawn.any(axis=1).all()
    assert all(evaluated_words(1, text).all() for text in range(9)) and len(evaluated_words(0, 0)) == 0
