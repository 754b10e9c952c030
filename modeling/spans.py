"""The data type shared by all tasks: a labelled stretch of characters."""

from typing import NamedTuple


class Span(NamedTuple):
    """A labelled stretch of the string that the user passed: `text[span.start:span.end]`.

    A `NamedTuple`, so that a span made by a class that came from the Hub equals ours. Scoring compares `span[:3]`.

    Attributes:
        start: First character, counted from 0.
        end: One past the last character (half-open).
        label: The type, as the data names it.
        score: The model's probability in [0, 1]; 1.0 for a gold span.

    >>> text = "이재용 회장이 서울에서 말했다"
    >>> span = Span(8, 10, "LC")
    >>> text[span.start : span.end]
    '서울'
    >>> span[:3] == (8, 10, "LC")
    True
    """

    start: int
    end: int
    label: str
    score: float = 1.0


def overlap(one: Span, other: Span) -> int:
    """Return the number of characters in both spans.

    >>> overlap(Span(0, 4, "PS"), Span(2, 9, "LC"))
    2
    """
    return max(0, min(one.end, other.end) - max(one.start, other.start))


def contains(outer: Span, inner: Span) -> bool:
    """Return whether every character of `inner` is in `outer`.

    >>> contains(Span(0, 4, "PS"), Span(2, 4, "LC"))
    True
    """
    return outer.start <= inner.start and inner.end <= outer.end


def first_overlap(spans: list[Span]) -> tuple[Span, Span] | None:
    """Return the first two spans, by start, that share a character; None if no two do.

    >>> first_overlap([Span(0, 4, "PS"), Span(4, 6, "LC")]) is None
    True
    """
    ordered = sorted(spans, key=lambda span: (span.start, span.end))
    for one, other in zip(ordered, ordered[1:]):
        if other.start < one.end:
            return one, other
    return None


def keep_longest(spans: list[Span]) -> list[Span]:
    """Return a subset without overlaps, sorted by start: longer spans first, then earlier ones.

    >>> keep_longest([Span(0, 4, "PS"), Span(2, 9, "LC"), Span(9, 11, "DT")])
    [Span(start=2, end=9, label='LC', score=1.0), Span(start=9, end=11, label='DT', score=1.0)]
    """
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start - span.end, span.start)):
        if not any(overlap(span, other) for other in kept):
            kept.append(span)
    return sorted(kept)
