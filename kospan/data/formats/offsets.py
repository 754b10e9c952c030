"""Offsets of other tools: what they count, and which characters of the text they mean."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import regex

# Python and most libraries count characters (code points), JavaScript counts UTF-16 code units, and some editors count
# graphemes, which are what a reader sees as one character (Unicode Standard Annex 29).
UNITS = ("characters", "utf16", "graphemes")
# More stretches than this do not make an error message clearer.
SHOWN = 3

Fragments = tuple[tuple[int, int], ...]


class Stretch(NamedTuple):
    """One annotated stretch of a text, with offsets as a tool has written them.

    Args:
        place: Where it is in the file, for error messages.
        fragments: Start and end of each part; all but discontinuous annotations have one part.
        surface: The annotated text as the tool has stored it; None where it stores none.
    """

    place: str
    fragments: Fragments
    surface: str | None = None


@lru_cache(maxsize=8)  # A text is looked at several times in a row.
def positions(text: str, unit: str) -> tuple[int, ...]:
    """The character position of each offset, from 0 to the text's length in `unit`; -1 inside a character.

    >>> positions("😀a", "characters"), positions("😀a", "utf16"), positions("a\\r\\nb", "graphemes")
    ((0, 1, 2), (0, -1, 1, 2), (0, 1, 3, 4))
    """
    if unit == "characters":
        return tuple(range(len(text) + 1))
    if unit == "utf16":
        found = [place for at, character in enumerate(text) for place in ([at, -1] if character > "\uffff" else [at])]
    else:
        found = [cluster.start() for cluster in regex.finditer(r"\X", text)]
    return (*found, len(text))


def counted(text: str, spans: Iterable[Sequence], unit: str, place: str) -> list[tuple[int, int]]:
    """Start and end of each span, counted in `unit`.

    Raises: ValueError where a span begins or ends inside a grapheme, which has no offset there.
    """
    offsets = {position: offset for offset, position in enumerate(positions(text, unit))}
    found = []
    for start, end, *_ in spans:
        if start not in offsets or end not in offsets:
            raise ValueError(
                f"{place}: expected spans that begin and end between {unit}, got {text[start:end]!r} at "
                f"{start}..{end}, which splits one; pass --offsets characters or utf16"
            )
        found.append((offsets[start], offsets[end]))
    return found


def resolve(text: str, stretches: Sequence[Stretch], units: Sequence[str], place: str) -> list[Fragments]:
    """The fragments of all stretches of a text, counted in characters.

    Args:
        units: What the offsets may count.
        place: The text's place in the file, for error messages.

    Raises: ValueError where no unit is possible (see `readings`), or where two possible units give different spans.
    """
    possible = readings(text, stretches, units)
    if not possible:
        raise _impossible(text, stretches, units, place)
    _check_agreement(text, possible, place)
    return next(iter(possible.values()))


def readings(text: str, stretches: Sequence[Stretch], units: Sequence[str]) -> dict[str, list[Fragments]]:
    """The fragments of all stretches, counted in characters, by each unit that is possible.

    A unit is possible if all offsets are inside the text and between characters, and all stored surfaces are what the
    offsets select. Browsers collapse white space: where no unit gives equal surfaces, those that differ in white space
    alone count as equal.
    """
    inside = {unit: found for unit in units if (found := _read(text, stretches, unit)) is not None}
    for equal in (_equal, same_but_white_space):
        fitting = {unit: found for unit, found in inside.items() if not _misfits(text, stretches, found, equal)}
        if fitting:
            return fitting
    return {}


def common_units(texts: Iterable[tuple[str, Sequence[Stretch]]], units: Sequence[str]) -> Sequence[str]:
    """The units that are possible in all texts of a file; all units where none is."""
    left = list(units)
    for text, stretches in texts:
        left = [unit for unit in left if unit in readings(text, stretches, units)]
    return left or units


def is_ambiguous(text: str, stretches: Sequence[Stretch], units: Sequence[str]) -> bool:
    """Whether two possible units give different spans."""
    return len({tuple(found) for found in readings(text, stretches, units).values()}) > 1


def same_but_white_space(one: str, other: str) -> bool:
    """Whether two surfaces differ in nothing but white space, where a backslash and an n may stand for a line end.

    >>> same_but_white_space("서울 중앙", "서울\\\\n중앙")
    True
    """
    return _bare(one) == _bare(other)


def _bare(surface: str) -> str:
    return "".join(surface.replace("\\n", " ").split())


def _equal(one: str, other: str) -> bool:
    return _one_line(one) == _one_line(other)


def _one_line(surface: str) -> str:
    return re.sub(r"[\t\r\n]|\\n", " ", surface)


def _read(text: str, stretches: Sequence[Stretch], unit: str) -> list[Fragments] | None:
    """The fragments under one unit; None where an offset is outside the text or inside a character."""
    places = positions(text, unit)
    found = []
    for stretch in stretches:
        fragments = []
        for start, end in stretch.fragments:
            # The label of an empty text is on the whole of it, which is no character.
            if not (0 <= start < end < len(places) or (start == end == 0 and not text)):
                return None
            if places[start] < 0 or places[end] < 0:
                return None
            fragments.append((places[start], places[end]))
        found.append(tuple(fragments))
    return found


def _cut(text: str, fragments: Fragments) -> str:
    return " ".join(text[start:end] for start, end in fragments)


def _misfits(text: str, stretches: Sequence[Stretch], found: list[Fragments], equal) -> list[int]:
    return [
        at
        for at, (stretch, fragments) in enumerate(zip(stretches, found))
        if stretch.surface is not None and not equal(stretch.surface, _cut(text, fragments))
    ]


def _impossible(text: str, stretches: Sequence[Stretch], units: Sequence[str], place: str) -> ValueError:
    for unit in units:
        found = _read(text, stretches, unit)
        if found is not None:
            at = _misfits(text, stretches, found, same_but_white_space)[0]
            offsets = ";".join(f"{start}..{end}" for start, end in stretches[at].fragments)
            return ValueError(
                f"{stretches[at].place}: expected the surface {stretches[at].surface!r} at {offsets}, got "
                f"{_cut(text, found[at])!r}; export again with the text that was annotated, its line ends unchanged"
            )
    wrong = next((one for one in stretches if all(_read(text, [one], unit) is None for unit in units)), None)
    if wrong is None:
        return ValueError(
            f"{place}: expected offsets that all count {' or all '.join(units)}, got some that fit one and some that "
            "fit another; export the annotations again"
        )
    start, end = next(
        (pair for pair in wrong.fragments if all(_read(text, [Stretch("", (pair,))], unit) is None for unit in units)),
        wrong.fragments[0],
    )
    lengths = {unit: len(positions(text, unit)) - 1 for unit in units}
    most = max(lengths.values())
    if start in range(most) and end in range(start + 1, most + 1):
        return ValueError(
            f"{wrong.place}: expected offsets between characters, got start {start}, end {end}, which are outside "
            f"the text or split a character if they count {' or '.join(units)}; say what they count with --offsets"
        )
    spread = ", ".join(f"{length} {unit}" for unit, length in lengths.items())
    return ValueError(
        f"{wrong.place}: expected 0 <= start < end <= {most} (the text's "
        f"length{f': {spread}' if len(set(lengths.values())) > 1 else ''}), got start {start}, end {end}; the end is "
        "the offset behind the last character"
    )


def _check_agreement(text: str, readings: dict[str, list[Fragments]], place: str) -> None:
    groups: dict[tuple[Fragments, ...], list[str]] = {}
    for unit, found in readings.items():
        groups.setdefault(tuple(found), []).append(unit)
    if len(groups) == 1:
        return
    differing = [at for at, found in enumerate(zip(*groups)) if len(set(found)) > 1][:SHOWN]
    shown = "; ".join(
        f"{', '.join(repr(_cut(text, found[at])) for at in differing)} if they count {' or '.join(units)}"
        for found, units in groups.items()
    )
    raise ValueError(
        f"{place}: expected offsets with one possible meaning, got ones that select {shown}; say what they count "
        f"with --offsets {'|'.join(UNITS)}"
    )
