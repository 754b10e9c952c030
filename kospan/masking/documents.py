"""Documents as texts that are masked one by one and written back in place."""

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from kospan.data.text import write_text
from kospan.masking.aliases import Change

# Longest text that can be a heading or a cell with the name of the next one.
LONGEST_HEADING = 30


class TextUnit(NamedTuple):
    """A text of a document.

    Args:
        place: Where it is, such as "word/document.xml".
        text: The text.
        context: Text before it that may name its kind.
        by_model: Whether the model reads it; otherwise rules alone do.
    """

    place: str
    text: str
    context: str = ""
    by_model: bool = True


class Document(Protocol):
    """A file whose texts can be changed."""

    units: list[TextUnit]

    def change(self, at: int, changes: Sequence[Change]) -> None:
        """Change the text of a unit."""

    def write(self, path, notice: str | None) -> None:
        """Write the changed file whole, with a notice or, for None, without one."""

    def not_masked(self) -> list[str]:
        """Names of parts whose content is not masked, such as pictures."""


class TextDocument(ABC):
    """A document that is written as a text, so that it can be printed."""

    @abstractmethod
    def content(self, notice: str | None) -> str:
        """Return the text of the changed file, with a notice or, for None, without one."""

    def write(self, path: str | os.PathLike, notice: str | None) -> None:
        """Write the changed file."""
        write_text(path, self.content(notice))

    def not_masked(self) -> list[str]:
        """Return nothing: a text has no pictures."""
        return []


class PlacedText(NamedTuple):
    """The text of a document with the places of its parts.

    Args:
        text: The texts of all units, each on its own line.
        units: The units.
        starts: Where each of them begins in `text`.
    """

    text: str
    units: list[TextUnit]
    starts: list[int]


def placed_text(document: Document) -> PlacedText:
    """Return the whole text of a document; `text[start:][:len(unit.text)]` is the text of a unit."""
    starts, at = [], 0
    for unit in document.units:
        starts.append(at)
        at += len(unit.text) + 1
    return PlacedText("\n".join(unit.text for unit in document.units), list(document.units), starts)


def with_contexts(places: Sequence[str], texts: Sequence[str]) -> list[TextUnit]:
    """Units of consecutive texts; a short one is the context of the next, as in a table."""
    units = []
    for at, (place, text) in enumerate(zip(places, texts)):
        before = texts[at - 1] if at and places[at - 1] == place else ""
        units.append(TextUnit(place, text, before if len(before) <= LONGEST_HEADING else ""))
    return units
