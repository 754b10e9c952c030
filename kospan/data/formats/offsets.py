"""Offsets of other tools, converted to characters."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import regex

# Python and most libraries count characters (code points), JavaScript counts UTF-16 code units, and some editors count
# graphemes, which are displayed as one character (Unicode Standard Annex 29).
UNITS = ("characters", "utf16", "graphemes")
# Number of spans in an error message.
SHOWN = 3

Fragments = tuple[tuple[int, int], ...]


class RawSpan(NamedTuple):
    """An annotated span with the offsets of another tool.

    Args:
        place: Its place in the file, for errors.
        fragments: Start and end of each part; all but discontinuous annotations have one part.
        surface: The annotated text as the tool has stored it; None if it stores none.
    """

    place: str
    fragments: Fragments
    surface: str | None = None


@lru_cache(maxsize=8)  # A text is used several times in a row.
def positions(text: str, unit: str) -> tuple[int, ...]:
    r"""The character position of each offset, from 0 to the text's length in `unit`; -1 inside a character.

    >>> positions("😀a", "characters"), positions("😀a", "utf16"), positions("a\r\nb", "graphemes")
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
    """Convert the start and end of each span from characters to `unit`.

    Raises:
        ValueError: If a span begins or ends inside a grapheme, which has no offset there.
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


def resolve(text: str, raw_spans: Sequence[RawSpan], units: Sequence[str], place: str) -> list[Fragments]:
    """Return the fragments of all spans of a text, counted in characters.

    Args:
        text: The text.
        raw_spans: The annotated spans.
        units: Possible units of the offsets.
        place: The text's place in the file, for error messages.

    Raises:
        ValueError: If no unit is possible (see `interpretations`), or if two possible units give different spans.
    """
    possible = interpretations(text, raw_spans, units)
    if not possible:
        raise _impossible(text, raw_spans, units, place)
    _check_agreement(text, possible, place)
    return next(iter(possible.values()))


def interpretations(text: str, raw_spans: Sequence[RawSpan], units: Sequence[str]) -> dict[str, list[Fragments]]:
    """The fragments of all spans, counted in characters, by each possible unit.

    A unit is possible if all offsets are inside the text and between characters, and all stored surfaces equal the text
    at the offsets. Browsers collapse white space: where no unit gives equal surfaces, those that differ in white space
    alone count as equal.
    """
    inside = {unit: found for unit in units if (found := _fragments_in(text, raw_spans, unit)) is not None}
    for equal in (_equal, same_but_white_space):
        fitting = {unit: found for unit, found in inside.items() if not _misfits(text, raw_spans, found, equal)}
        if fitting:
            return fitting
    return {}


def common_units(texts: Iterable[tuple[str, Sequence[RawSpan]]], units: Sequence[str]) -> Sequence[str]:
    """The units that are possible in all texts of a file; all units if none is."""
    left = list(units)
    for text, raw_spans in texts:
        left = [unit for unit in left if unit in interpretations(text, raw_spans, units)]
    return left or units


def is_ambiguous(text: str, raw_spans: Sequence[RawSpan], units: Sequence[str]) -> bool:
    """Return whether two possible units give different spans."""
    return len({tuple(found) for found in interpretations(text, raw_spans, units).values()}) > 1


def same_but_white_space(one: str, other: str) -> bool:
    r"""Return whether two surfaces differ only in white space, including backslash-n for a line end.

    >>> same_but_white_space("서울 중앙", "서울\\n중앙")
    True
    """
    return _bare(one) == _bare(other)


def _bare(surface: str) -> str:
    return "".join(surface.replace("\\n", " ").split())


def _equal(one: str, other: str) -> bool:
    return _one_line(one) == _one_line(other)


def _one_line(surface: str) -> str:
    return re.sub(r"[\t\r\n]|\\n", " ", surface)


def _fragments_in(text: str, raw_spans: Sequence[RawSpan], unit: str) -> list[Fragments] | None:
    """The fragments in one unit; None if an offset is outside the text or inside a character."""
    places = positions(text, unit)
    found = []
    for raw_span in raw_spans:
        fragments = []
        for start, end in raw_span.fragments:
            # The label of an empty text covers the whole text, which has no characters.
            if not (0 <= start < end < len(places) or (start == end == 0 and not text)):
                return None
            if places[start] < 0 or places[end] < 0:
                return None
            fragments.append((places[start], places[end]))
        found.append(tuple(fragments))
    return found


def _cut(text: str, fragments: Fragments) -> str:
    return " ".join(text[start:end] for start, end in fragments)


def _misfits(text: str, raw_spans: Sequence[RawSpan], found: list[Fragments], equal) -> list[int]:
    return [
        at
        for at, (raw_span, fragments) in enumerate(zip(raw_spans, found))
        if raw_span.surface is not None and not equal(raw_span.surface, _cut(text, fragments))
    ]


def _impossible(text: str, raw_spans: Sequence[RawSpan], units: Sequence[str], place: str) -> ValueError:
    for unit in units:
        found = _fragments_in(text, raw_spans, unit)
        if found is not None:
            at = _misfits(text, raw_spans, found, same_but_white_space)[0]
            offsets = ";".join(f"{start}..{end}" for start, end in raw_spans[at].fragments)
            return ValueError(
                f"{raw_spans[at].place}: expected the surface {raw_spans[at].surface!r} at {offsets}, got "
                f"{_cut(text, found[at])!r}; export again with the text that was annotated, its line ends unchanged"
            )
    wrong = next((one for one in raw_spans if all(_fragments_in(text, [one], unit) is None for unit in units)), None)
    if wrong is None:
        return ValueError(
            f"{place}: expected offsets that all count {' or all '.join(units)}, got some that fit one and some that "
            "fit another; export the annotations again"
        )
    start, end = next(
        (
            pair
            for pair in wrong.fragments
            if all(_fragments_in(text, [RawSpan("", (pair,))], unit) is None for unit in units)
        ),
        wrong.fragments[0],
    )
    lengths = {unit: len(positions(text, unit)) - 1 for unit in units}
    most = max(lengths.values())
    if start in range(most) and end in range(start + 1, most + 1):
        return ValueError(
            f"{wrong.place}: expected offsets between characters, got start {start}, end {end}, which are outside "
            f"the text or split a character if they count {' or '.join(units)}; set their unit with --offsets"
        )
    spread = ", ".join(f"{length} {unit}" for unit, length in lengths.items())
    return ValueError(
        f"{wrong.place}: expected 0 <= start < end <= {most} (the text's "
        f"length{f': {spread}' if len(set(lengths.values())) > 1 else ''}), got start {start}, end {end}; the end is "
        "the offset behind the last character"
    )


def _check_agreement(text: str, interpretations: dict[str, list[Fragments]], place: str) -> None:
    groups: dict[tuple[Fragments, ...], list[str]] = {}
    for unit, found in interpretations.items():
        groups.setdefault(tuple(found), []).append(unit)
    if len(groups) == 1:
        return
    differing = [at for at, found in enumerate(zip(*groups)) if len(set(found)) > 1][:SHOWN]
    shown = "; ".join(
        f"{', '.join(repr(_cut(text, found[at])) for at in differing)} if they count {' or '.join(units)}"
        for found, units in groups.items()
    )
    raise ValueError(
        f"{place}: expected offsets with one possible meaning, got ones that select {shown}; set their unit with "
        f"--offsets {'|'.join(UNITS)}"
    )
