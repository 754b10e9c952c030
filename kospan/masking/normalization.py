"""Normalisation of text for the rules, with a map back to the original offsets."""

import re
import unicodedata
from typing import NamedTuple

_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−﹘﹣－ㅡ"), "-")
# White space of ASCII that becomes a space.
_WHITE = re.compile(r"[\t\v\f\x1c-\x1f]")


class NormalizedText(NamedTuple):
    """A text for the rules.

    Args:
        text: The normalised text.
        starts: For each of its characters, where the original character begins.
        ends: For each of its characters, where the original character ends.
    """

    text: str
    starts: list[int]
    ends: list[int]

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Return the offsets in the original of a stretch that is not empty."""
        return self.starts[start], self.ends[end - 1]


def normalized(text: str) -> NormalizedText:
    """Normalise a text (NFKC, dashes to "-", white space other than line ends to " ", no zero-width characters).

    >>> found = normalized("０１０–1234")
    >>> found.text, found.original(0, 3)
    ('010-1234', (0, 3))
    """
    if text.isascii() and not _WHITE.search(text):
        places = range(len(text) + 1)
        return NormalizedText(text, places[:-1], places[1:])
    characters, starts, ends = [], [], []
    at = 0
    for cluster in clusters(text):
        end = at + len(cluster)
        for character in _plain(cluster):
            characters.append(character)
            starts.append(at)
            ends.append(end)
        at = end
    return NormalizedText("".join(characters), starts, ends)


def _plain(cluster: str) -> str:
    plain = unicodedata.normalize("NFKC", cluster.translate(_DASHES)).translate(_DASHES)
    if plain.isspace():
        return plain if plain in "\n\r" else " "
    return "".join(character for character in plain if unicodedata.category(character) != "Cf")


def clusters(text: str) -> list[str]:
    r"""Split a text into characters with the marks on them; a syllable of decomposed Hangul is one.

    Another division than that of `kospan.modeling.alignment`, which separates marks that compose with no letter.

    >>> [len(cluster) for cluster in clusters("\u1100\u1161e\u0301x\u0302b")]
    [2, 2, 2, 1]
    """
    found: list[str] = []
    for character in text:
        if found and (unicodedata.combining(character) or "\u1160" <= character <= "\u11ff"):
            found[-1] += character
        else:
            found.append(character)
    return found
