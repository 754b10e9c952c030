"""Text for the rules: composed, with ASCII digits, hyphens and spaces, and the way back to the original's offsets."""

import unicodedata
from typing import NamedTuple

_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−﹘﹣－ㅡ"), "-")


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
    if text.isascii() and "\t" not in text:
        places = range(len(text) + 1)
        return NormalizedText(text, places[:-1], places[1:])
    characters, starts, ends = [], [], []
    at = 0
    while at < len(text):
        end = at + 1
        while end < len(text) and _continues(text[end]):
            end += 1
        for character in _plain(text[at:end]):
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


def _continues(character: str) -> bool:
    """Return whether a character continues the one before it: a mark, or a vowel or final consonant of Hangul jamo."""
    return unicodedata.combining(character) > 0 or "\u1160" <= character <= "\u11ff"
