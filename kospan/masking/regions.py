"""Disjoint regions that cover the union of overlapping spans."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from kospan.modeling.spans import Span


class Region(NamedTuple):
    """A stretch of a text to mask.

    Args:
        start: First character.
        end: One past the last.
        label: Label of the span that decides how it is masked.
        score: Score of this span.
    """

    start: int
    end: int
    label: str
    score: float


def regions(text: str, spans: Sequence[Span], first: Collection[Span] = ()) -> list[Region]:
    """Cut the union of spans into disjoint regions; every character of a span is covered, except white space.

    Spans are taken in the order of preference, score and length. A span that no region overlaps yet becomes one; of
    others the uncovered stretches do.

    Args:
        text: The text.
        spans: Spans, which may overlap.
        first: Spans with precedence, those of rules.

    >>> regions("김민수 부장", [Span(0, 6, "OG", 0.2), Span(0, 3, "PS", 0.9)])
    [Region(start=0, end=3, label='PS', score=0.9), Region(start=4, end=6, label='OG', score=0.2)]
    """
    preferred = set(first)
    covered = bytearray(len(text))
    found = []
    for span in sorted(set(spans), key=lambda each: (each not in preferred, -each.score, each.start - each.end, each)):
        at = span.start
        while at < span.end:
            if covered[at]:
                at += 1
                continue
            free = covered.find(1, at, span.end)
            end = span.end if free < 0 else free
            covered[at:end] = b"\1" * (end - at)
            found += _trimmed(text, at, end, span)
            at = end
    return sorted(found)


def _trimmed(text: str, start: int, end: int, span: Span) -> list[Region]:
    stretch = text[start:end]
    start += len(stretch) - len(stretch.lstrip())
    end -= len(stretch) - len(stretch.rstrip())
    return [Region(start, end, span.label, span.score)] if start < end else []
