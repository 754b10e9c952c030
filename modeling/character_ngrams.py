"""Character n-grams around each character of a text, as ids of a vocabulary; plain Python, without torch."""

import os
from collections.abc import Iterable, Sequence

NGRAM_FILE = "character_ngrams.txt"
# Stands for a space in files, as in SentencePiece: tables of vectors separate their columns by spaces.
SPACE = "\u2581"


class CharacterNgrams:
    """Vocabulary of character n-grams.

    An n-gram is a string of neighbouring characters. White space of any kind counts as a space, and a text has spaces
    before and after it, so that an n-gram may mark the beginning or the end of a word.

    Args:
        ngrams: Distinct n-grams; the first has the id 1, and 0 stands for all others.

    Attributes:
        windows: `(start, end)` of each n-gram around a character, relative to it: all that cover it, shortest first.

    Raises:
        ValueError: There is no n-gram, an empty one, or one that occurs twice.

    >>> CharacterNgrams(["서울", "울", " 서"]).ids("서울")
    [[0, 3, 1], [2, 1, 0]]
    """

    def __init__(self, ngrams: Iterable[str]):
        self.ngrams = tuple(ngrams)
        self._ids = {ngram: at for at, ngram in enumerate(self.ngrams, 1)}
        if not self.ngrams or "" in self._ids or len(self._ids) < len(self.ngrams):
            wrong = "an empty one" if "" in self._ids else "repeated ones" if self.ngrams else "none"
            raise ValueError(f"expected distinct character n-grams, got {wrong}; write each of them once")
        self.windows = ngram_windows(max(map(len, self.ngrams)))

    def __len__(self) -> int:
        return len(self.ngrams)

    def ids(self, characters: Sequence[str]) -> list[list[int]]:
        """Return the ids of the n-grams that cover each character `(characters, windows)`.

        Args:
            characters: The characters of a text; composed characters may hold several code points.
        """
        most = max(end for _, end in self.windows)
        around = [" "] * most
        padded = [*around, *(" " if character.isspace() else character for character in characters), *around]
        known = self._ids.get
        return [
            [known("".join(padded[at + start : at + end]), 0) for start, end in self.windows]
            for at in range(most, len(padded) - most)
        ]

    def save(self, folder: str | os.PathLike) -> None:
        """Write the vocabulary to a folder, one n-gram in a line, with U+2581 for a space."""
        with open(os.path.join(folder, NGRAM_FILE), "w", encoding="utf-8", newline="\n") as file:
            file.writelines(ngram.replace(" ", SPACE) + "\n" for ngram in self.ngrams)

    @classmethod
    def load(cls, path: str | os.PathLike, count: int) -> "CharacterNgrams":
        """Read a file that `save` wrote.

        Args:
            path: The file.
            count: The number of its n-grams, which is that of the model's vectors.

        Raises:
            ValueError: It holds another number of whole lines, as after an interrupted copy.
        """
        with open(path, encoding="utf-8", newline="\n") as file:
            *lines, rest = file.read().split("\n")
        if len(lines) != count or rest:
            raise ValueError(
                f"expected {count:,} lines in {path}, got {len(lines):,}{' and a part of one' if rest else ''}; "
                "copy or download the model again"
            )
        return cls(line.replace(SPACE, " ") for line in lines)


def ngram_windows(longest: int) -> tuple[tuple[int, int], ...]:
    """Return `(start, end)` of all n-grams of up to `longest` characters that cover the character at 0.

    >>> ngram_windows(2)
    ((0, 1), (-1, 1), (0, 2))
    """
    return tuple((start, start + length) for length in range(1, longest + 1) for start in range(1 - length, 1))
