"""Windows and packed rows of raw texts."""

from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kospan.modeling.alignment import Aligner
from kospan.tasks.pretraining.windows import BLANK, SPECIAL, TrainingRows, pack, windows_of, word_numbers

TEXTS = ["서울 시청 앞", "비가  온다.", "가나다라마바사 아자차카타파하 가나다라마바사"]


def aligner(tokenizer, encoder_input="units", length=12) -> Aligner:
    return Aligner(tokenizer, encoder_input=encoder_input, max_length=length, stride=0)


@pytest.mark.parametrize("encoder_input", ["units", "subwords"])
def test_the_windows_of_a_text_hold_its_subwords_once_and_in_order(character_tokenizer, encoder_input):
    reader = aligner(character_tokenizer, encoder_input)
    windows = windows_of(TEXTS, reader)
    assert windows.lengths.max() == 12 and windows.bounds[-1] == len(windows.input_ids) == len(windows.words)
    for text, document in enumerate(reader.documents(TEXTS)):
        rows = [windows.row([at]) for at in np.flatnonzero(windows.texts == text)]
        assert all(row["input_ids"][0] == 2 and row["input_ids"][-1] == 3 for row in rows)
        assert np.concatenate([row["input_ids"][1:-1] for row in rows]).tolist() == document.subwords
        # Words count from 0 in a window, and `first_words` gives their number in the text.
        firsts = windows.first_words[windows.texts == text]
        numbers = [
            [number + first if number >= 0 else BLANK for number in row["words"][1:-1]]
            for row, first in zip(rows, firsts)
        ]
        assert list(chain(*numbers)) == word_numbers(TEXTS[text], document.offsets)
        assert all(min([n for n in row["words"] if n >= 0]) == 0 for row in rows)
        assert all({row["words"][0], row["words"][-1]} == {SPECIAL} for row in rows)


@given(st.lists(st.integers(1, 20), max_size=60))
def test_rows_hold_each_window_once_and_no_more_than_they_can(lengths):
    rows = pack(lengths, 20)
    assert sorted(chain(*rows)) == list(range(len(lengths)))
    filled = [sum(lengths[window] for window in row) for row in rows]
    assert all(0 < each <= 20 for each in filled)
    # Best fit: no two rows would fit into one.
    assert len(filled) < 2 or sum(sorted(filled)[:2]) > 20


def test_each_window_goes_into_the_fullest_row_with_room():
    assert pack([6, 9, 1, 4], 10) == [[0, 3], [1, 2]]


def test_texts_are_used_as_often_as_asked_and_in_an_order_of_the_seed(character_tokenizer):
    windows = windows_of(TEXTS, aligner(character_tokenizer, length=64))
    rows = TrainingRows(windows, [1, 3, 2], 64, seed=1)
    assert sorted(chain(*rows.rows)) == [0, 1, 1, 1, 2, 2]
    assert rows.longest == 64 and rows.positions == sum(len(row["input_ids"]) for row in rows)
    assert rows.rows == TrainingRows(windows, [1, 3, 2], 64, seed=1).rows
    others = [TrainingRows(windows, [1, 3, 2], 64, seed).rows for seed in range(2, 9)]
    assert any(rows.rows != each for each in others)
    alone = TrainingRows(windows, [1, 1, 1], None, seed=1)
    assert alone.rows == [[0], [1], [2]] and alone.longest == windows.lengths.max()


def test_positions_of_a_row_name_their_window(character_tokenizer):
    windows = windows_of(["가나", "다"], aligner(character_tokenizer))
    assert windows.row([1, 0])["windows"].tolist() == [0] * 3 + [1] * 4
