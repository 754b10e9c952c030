"""Similarity of texts by shared runs of characters.

Examples in a prompt help most if they are similar to the input (Liu et al. 2022, "What Makes Good In-Context Examples
for GPT-3?"; for entities Wang et al. 2023, "GPT-NER"). Those use a second model; this needs nothing but the characters,
two to four at a time, so that Korean is compared without a tokenizer: stems meet whatever particle follows them.
"""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

# Lengths of a run in characters.
SHORTEST, LONGEST = 2, 4
# Marks before and after a text, so that its ends count and a text of one character has a run too.
EDGES = "\x02\x03"


def runs(text: str) -> Counter:
    r"""Count the runs of characters in a text, in order of first appearance.

    >>> [run for run in runs("서울")][:3]
    ['\x02서', '서울', '울\x03']
    """
    text = f"{EDGES[0]}{text}{EDGES[1]}"
    return Counter(text[at : at + size] for size in range(SHORTEST, LONGEST + 1) for at in range(len(text) - size + 1))


class Similarity:
    """Cosine similarity of TF-IDF vectors over runs of characters, against each text of a pool.

    A run that is found n times in a text and in d of N texts weighs (1 + ln n) * (1 + ln((1 + N) / (1 + d))).

    Args:
        pool: The texts.

    >>> Similarity(["비가 온다", "서울에 비가", "부산에 갔다"]).nearest("서울에 갔다", 2)
    [1, 2]
    """

    def __init__(self, pool: Sequence[str]):
        self.pool = list(pool)
        counts = [runs(text) for text in self.pool]
        found = Counter(run for each in counts for run in each)
        self.rarity = {run: 1 + math.log((1 + len(self.pool)) / (1 + number)) for run, number in found.items()}
        holders: dict[str, list[tuple[int, float]]] = {run: [] for run in found}
        for at, each in enumerate(counts):
            for run, weight in self._weights(each).items():
                holders[run].append((at, weight))
        # For each run, its texts and its weights in them.
        flat = [pair for run in found for pair in holders[run]]
        self.texts = np.array([at for at, _ in flat], dtype=np.int64)
        self.weights = np.array([weight for _, weight in flat], dtype=np.float64)
        ends = np.cumsum([found[run] for run in found]).tolist()
        self.places = {run: slice(end - found[run], end) for run, end in zip(found, ends)}

    def _weights(self, counts: Counter) -> dict[str, float]:
        """Return a text's vector, of length 1, without runs that no text of the pool has."""
        weights = {run: (1 + math.log(n)) * self.rarity[run] for run, n in counts.items() if run in self.rarity}
        length = math.sqrt(sum(weight * weight for weight in weights.values()))
        return {run: weight / length for run, weight in weights.items()}

    def scores(self, text: str) -> np.ndarray:
        """Return the similarity to each text of the pool, from 0 to 1: `(texts,)`, float64."""
        found = np.zeros(len(self.pool))
        for run, weight in self._weights(runs(text)).items():
            place = self.places[run]
            found[self.texts[place]] += weight * self.weights[place]
        return found

    def nearest(self, text: str, count: int, without: Sequence[str] = ()) -> list[int]:
        """Return the indices of the most similar texts, an identical one first; ties keep the order of the pool.

        Args:
            text: The text to compare with the pool.
            count: Number of texts.
            without: Excluded texts.
        """
        # Differences by rounding are ignored; a stable sort keeps ties in the order of the pool.
        order = np.argsort(-np.round(self.scores(text), 9), kind="stable").tolist()
        passed = set(without)
        kept = [at for at in order if self.pool[at] not in passed]
        return sorted(kept, key=lambda at: self.pool[at] != text)[:count]
