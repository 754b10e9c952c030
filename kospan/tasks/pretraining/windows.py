"""Windows of raw texts, and training rows of one or several windows."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from kospan.modeling.alignment import Aligner
from kospan.modeling.words import words

# Words of subwords that belong to none: those of white space alone, and special tokens and padding.
BLANK, SPECIAL = -1, -2
# Texts that are tokenised at once.
_BATCH = 1000


class Windows(NamedTuple):
    """Windows of texts in flat arrays.

    Args:
        input_ids: Subwords of all windows, special tokens included.
        words: The word of each subword, counted from 0 in each window; `BLANK` or `SPECIAL` for those without one.
        bounds: Start of each window, and the end of the last `(windows + 1,)`.
        texts: The text that each window belongs to `(windows,)`.
        first_words: The number in its text of the word that counts as 0 in a window `(windows,)`.
    """

    input_ids: np.ndarray
    words: np.ndarray
    bounds: np.ndarray
    texts: np.ndarray
    first_words: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """Positions of each window."""
        return np.diff(self.bounds)

    def row(self, members: Sequence[int]) -> dict[str, np.ndarray]:
        """Return `input_ids`, `words` and `windows` (the number of each position's window) of a training row."""
        spans = [slice(self.bounds[at], self.bounds[at + 1]) for at in members]
        return {
            "input_ids": np.concatenate([self.input_ids[span] for span in spans]),
            "words": np.concatenate([self.words[span] for span in spans]),
            "windows": np.repeat(np.arange(len(spans)), [span.stop - span.start for span in spans]),
        }


def windows_of(texts: Sequence[str], aligner: Aligner) -> Windows:
    """Split texts into windows, which do not overlap.

    Args:
        texts: The texts.
        aligner: Gives subwords and the length of a window.
    """
    kind = np.uint16 if len(aligner.tokenizer) < 2**16 else np.int32
    ids, numbers, lengths, owners, bases = [], [], [], [], []
    head, tail = [SPECIAL] * len(aligner.prefix), [SPECIAL] * len(aligner.suffix)
    for first in range(0, len(texts), _BATCH):
        row_ids, row_numbers = [], []
        for at, document in enumerate(aligner.documents(texts[first : first + _BATCH]), first):
            of_subword = word_numbers(document.text, document.offsets)
            for start in range(0, len(document.subwords), aligner.room):
                end = min(start + aligner.room, len(document.subwords))
                row_ids += aligner.prefix + document.subwords[start:end] + aligner.suffix
                base = next((number for number in of_subword[start:end] if number >= 0), 0)
                row_numbers += head + [max(number - base, BLANK) for number in of_subword[start:end]] + tail
                lengths.append(end - start + len(head) + len(tail))
                owners.append(at)
                bases.append(base)
        ids.append(np.array(row_ids, dtype=kind))
        numbers.append(np.array(row_numbers, dtype=np.int16))
    bounds = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    owners, bases = (np.array(each, dtype=np.int64) for each in (owners, bases))
    return Windows(np.concatenate(ids), np.concatenate(numbers), bounds, owners, bases)


def word_numbers(text: str, offsets: Iterable[tuple[int, int]]) -> list[int]:
    """Return the word that each subword begins in, `BLANK` for those of white space alone.

    >>> word_numbers("서울 시청", [(0, 1), (1, 2), (2, 3), (3, 5)])
    [0, 0, -1, 1]
    """
    of_character = [BLANK] * (len(text) + 1)
    for number, (start, end) in enumerate(words(text)):
        of_character[start:end] = [number] * (end - start)
    return [of_character[start] if start < end else BLANK for start, end in offsets]


def pack(lengths: Sequence[int], room: int) -> list[list[int]]:
    """Pack windows into rows, each into the fullest row that has room for it (best fit, deterministic).

    Args:
        lengths: Positions of each window, none more than `room`.
        room: Positions of a row.

    Returns: The windows of each row.

    >>> pack([3, 2, 2], 5)
    [[0, 1], [2]]
    """
    rows: list[list[int]] = []
    free: list[list[int]] = [[] for _ in range(room + 1)]  # Rows by the room that is left in them.
    left: list[int] = []  # The rooms that a row has, in order.
    for window, need in enumerate(lengths):
        at = bisect_left(left, need)
        if at < len(left):
            space = left[at]
            row = free[space].pop()
            if not free[space]:
                del left[at]
        else:
            space, row = room, len(rows)
            rows.append([])
        rows[row].append(window)
        space -= int(need)
        if not free[space]:
            left.insert(bisect_left(left, space), space)
        free[space].append(row)
    return rows


class TrainingRows:
    """Training rows, a sequence for the Trainer.

    Args:
        windows: The windows.
        repeats: How many times each text is used.
        room: Positions of a packed row; None makes a row of each window.
        seed: Seed of the order in which windows are packed.
    """

    def __init__(self, windows: Windows, repeats: Sequence[int], room: int | None, seed: int):
        self.windows, self.room = windows, room
        times = np.asarray(repeats, dtype=np.int64)[windows.texts]
        order = np.repeat(np.arange(len(times)), times)
        if room is None:
            self.rows = order[:, None].tolist()
            return
        order = np.random.default_rng(seed).permutation(order)
        self.rows = [order[members].tolist() for members in pack(windows.lengths[order].tolist(), room)]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: int) -> dict[str, np.ndarray]:
        return self.windows.row(self.rows[at])

    @property
    def longest(self) -> int:
        """Positions of the longest row."""
        return self.room or int(self.windows.lengths.max())

    @property
    def positions(self) -> int:
        """Subwords of all rows, special tokens included."""
        lengths = self.windows.lengths
        return int(sum(lengths[row].sum() for row in self.rows))
