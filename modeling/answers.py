"""Distribution over the answers in a document, computed from start and end scores of its windows.

An answer is a stretch of units. Its score in a window is the start score of its first unit plus the end score of its
last one; if it is in several windows, the largest score counts, once. One softmax runs over all answers of the
document, and over "no answer" if that is allowed, so probabilities of different documents can be compared. No answer is
longer than the overlap of two windows, so each one is whole in some window. None begins or ends with white space: such
starts and ends are masked before the softmax, so a text of white space alone has no answer.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

# Answers may overlap; this many candidates per requested answer are ranked first.
_CANDIDATES = 64


class WindowScores(NamedTuple):
    """Start and end scores of one window.

    Args:
        first_unit: Index of the window's first unit in the document.
        starts: Score of each unit as an answer's first `(units)`, in nats up to a constant.
        ends: Score of each unit as an answer's last `(units)`.
        null: Score of "the window holds no answer".
    """

    first_unit: int
    starts: np.ndarray
    ends: np.ndarray
    null: float


class Answer(NamedTuple):
    """A ranked answer.

    Args:
        first: Index of its first unit.
        last: Index behind its last unit; equal to `first` for "no answer".
        score: Its probability among all answers.
    """

    first: int
    last: int
    score: float


class AnswerDistribution:
    """The distribution over all answers of a document.

    Args:
        windows: Scores of each window, together covering every unit.
        unit_subwords: Index of each unit's subword, non-decreasing `(units)`.
        longest: Maximum number of units of an answer.
        longest_subwords: Maximum number of subwords of an answer: the overlap of two windows.
        null: Whether "no answer" is a candidate; its score is the smallest of any window's, as each window alone may
            lack the answer (Devlin et al. 2019, SQuAD 2.0).
        temperature: Divides all scores.
        blank: Units that hold white space alone, with which no answer begins or ends `(units)`; None if none does.

    Raises:
        ValueError: If a length is below 1.

    >>> scores = WindowScores(0, np.array([0.0, 3.0, 0.0]), np.array([0.0, 0.0, 3.0]), 0.0)
    >>> [answer] = AnswerDistribution([scores], [0, 1, 2], longest=3, longest_subwords=3).best(1)
    >>> answer.first, answer.last
    (1, 3)
    """

    def __init__(
        self,
        windows: Sequence[WindowScores],
        unit_subwords: Sequence[int],
        longest: int,
        longest_subwords: int,
        null: bool = False,
        temperature: float = 1.0,
        blank: Sequence[bool] | None = None,
    ):
        if longest < 1 or longest_subwords < 1:
            raise ValueError(f"expected answers of 1 unit and 1 subword or more, got {longest} and {longest_subwords}")
        units = len(unit_subwords)
        subwords = np.asarray(unit_subwords, dtype=np.int64)
        # Answers from unit i on may extend to the last unit whose subword is within reach; it never falls by more than
        # 1.
        reach = np.searchsorted(subwords, subwords + longest_subwords, side="left") - np.arange(units)
        width = min(longest, int(reach.max(initial=0)))
        # logits[i, k]: the answer of k + 1 units from unit i on; shape: (units, width).
        logits = np.full((units, width), -np.inf, dtype=np.float32)
        for window in windows:
            count = len(window.starts)
            # ends[i, k] = window.ends[i + k], -inf behind the window; shape: (count, width).
            padded = np.full(count + max(0, width - 1), -np.inf, dtype=np.float32)
            padded[:count] = window.ends
            ends = np.lib.stride_tricks.sliding_window_view(padded, width) if width else padded[:, None]
            place = logits[window.first_unit : window.first_unit + count]
            np.maximum(place, np.asarray(window.starts, dtype=np.float32)[:, None] + ends, out=place)
        if width and reach.min() < width:
            logits[np.arange(width) >= reach[:, None]] = -np.inf
        blank = np.flatnonzero(np.asarray([] if blank is None else blank, dtype=bool))
        logits[blank] = -np.inf
        for length in range(width):
            logits[blank[blank >= length] - length, length] = -np.inf
        self.null = min((window.null for window in windows), default=0.0) if null else None
        if temperature != 1.0:
            logits /= temperature
        null_logit = -math.inf if self.null is None else self.null / temperature
        highest = max(float(logits.max(initial=-np.inf)), null_logit)
        if highest == -math.inf:
            self.probabilities, self.null_probability = np.zeros_like(logits, dtype=np.float64), 0.0
            return
        logits -= np.float32(highest)
        self.probabilities = np.exp(logits, dtype=np.float64)  # shape: (units, width)
        null_part = math.exp(null_logit - highest)
        total = self.probabilities.sum() + null_part
        self.probabilities /= total
        self.null_probability = float(null_part / total)

    def shorten(self, cuts: Mapping[int, Sequence[int]]) -> None:
        """Move the probability of answers to shorter ones that begin at the same unit.

        Args:
            cuts: Index behind an answer's last unit -> where such answers end instead, the earliest first; an answer
                takes the first that keeps at least one unit.
        """
        width = self.probabilities.shape[1]
        for last, shorter in cuts.items():
            first = max(0, last - width)
            for cut in shorter:
                starts = np.arange(first, cut)
                self.probabilities[starts, cut - 1 - starts] += self.probabilities[starts, last - 1 - starts]
                self.probabilities[starts, last - 1 - starts] = 0.0
                first = max(first, cut)

    def best(self, count: int, overlapping: bool = False) -> list[Answer]:
        """The most probable answers, best first; ties go to the earlier, then the shorter one.

        Args:
            count: Maximum number of answers.
            overlapping: Whether answers may share units; otherwise one that overlaps a better one is skipped.
        """
        found = [Answer(0, 0, self.null_probability)] if self.null is not None else []
        taken: list[tuple[int, int]] = []
        for first, last, score in self._ranked(count):
            if len(taken) == count:
                break
            if overlapping or all(last <= begin or end <= first for begin, end in taken):
                taken.append((first, last))
                found.append(Answer(first, last, score))
        found.sort(key=lambda answer: -answer.score)
        return found[:count]

    def _ranked(self, count: int):
        """Yield answers from the best down; only as many are sorted as are needed."""
        flat, rows = self.probabilities.ravel(), self.probabilities.max(axis=1, initial=0.0)
        asked, seen = _CANDIDATES * count, 0
        while seen < len(flat):
            if asked < len(rows):
                # The best of each row are answers too, so at least as many reach the worst of them. Ties are
                # included, so that they are broken by place alone.
                floor = np.partition(rows, len(rows) - asked)[len(rows) - asked]
                candidates = np.flatnonzero(flat >= floor)
            else:
                candidates = np.arange(len(flat))
            order = candidates[np.argsort(-flat[candidates], kind="stable")]
            for at in order[seen:]:
                if flat[at] <= 0:
                    return
                first, length = divmod(int(at), self.probabilities.shape[1])
                yield first, first + length + 1, float(flat[at])
            seen, asked = len(order), asked * 16

    def starts(self) -> np.ndarray:
        """Probability that the answer begins at each unit `(units)`, float64."""
        return self.probabilities.sum(axis=1)

    def ends(self) -> np.ndarray:
        """Probability that the answer's last unit is each one `(units)`, float64."""
        units, width = self.probabilities.shape
        found = np.zeros(units)
        for length in range(width):
            found[length:] += self.probabilities[: units - length, length]
        return found
