"""Classes of errors: predicted and gold spans matched one to one, and differences of their ends.

Every gold and every predicted span is in exactly one match, so the classes add up to both sides.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from kospan.evaluation.span_counts import check_spans, unit_tag_ids
from kospan.example import Example
from kospan.modeling.particles import PARTICLES
from kospan.modeling.spans import Span, overlap

CLASSES = ("correct", "boundary", "type", "boundary and type", "spurious", "missed")
# Position of a predicted span relative to a gold one that it overlaps without being equal.
SHAPES = ("too long", "too short", "shifted")
# Text between the two ends on one side.
MATERIALS = ("space", "particle", "punctuation", "other")


class Match(NamedTuple):
    """A gold and a predicted span that are matched, or one of them alone.

    Args:
        document: Index of the example.
        kind: One of `CLASSES`.
        gold: The gold span; None for a spurious one.
        predicted: The predicted span; None for a missed one.
    """

    document: int
    kind: str
    gold: Span | None
    predicted: Span | None


class Boundary(NamedTuple):
    """Difference between the ends of a predicted span and its gold span.

    Args:
        shape: One of `SHAPES`: the predicted span contains the gold one, is contained in it, or neither.
        side: "left", "right" or "both": the ends that differ; for a shifted span its direction, left or right.
        left: The text between the two left ends; empty if they are equal.
        right: The text between the two right ends.
    """

    shape: str
    side: str
    left: str
    right: str


def match_spans(examples: Sequence[Example], predicted: Sequence[Sequence[Span]]) -> list[Match]:
    """Match gold and predicted spans one to one.

    Equal spans are matched first, then those of the same place with another type, then by the largest overlap in
    characters (ties: the same type first, then the earlier).

    Args:
        examples: Documents with gold spans.
        predicted: One list of spans per document, in the same order, without overlaps.

    Returns: Matches by document and place. Gold spans are in all kinds but "spurious", predicted ones in all but
        "missed".

    Raises: ValueError as `kospan.evaluation.span_counts.check_spans`.

    >>> example = Example("a", "이재용 회장이 서울에서", (Span(0, 3, "PS"), Span(8, 10, "LC")))
    >>> [match.kind for match in match_spans([example], [[Span(8, 12, "LC"), Span(4, 6, "PS")]])]
    ['missed', 'spurious', 'boundary']
    """
    check_spans(examples, predicted)
    return [
        match
        for at, (example, spans) in enumerate(zip(examples, predicted))
        for match in _match_document(at, example.spans, spans)
    ]


def _match_document(document: int, gold: Sequence[Span], predicted: Sequence[Span]) -> list[Match]:
    gold, predicted = sorted(gold), sorted(predicted)
    # Neither side overlaps itself, so one pass over both finds every pair that shares a character.
    pairs, first = [], 0
    for at, span in enumerate(gold):
        while first < len(predicted) and predicted[first].end <= span.start:
            first += 1
        other = first
        while other < len(predicted) and predicted[other].start < span.end:
            pairs.append((at, other))
            other += 1

    def preference(pair: tuple[int, int]) -> tuple:
        one, other = gold[pair[0]], predicted[pair[1]]
        same_place, same_type = one[:2] == other[:2], one.label == other.label
        return not (same_place and same_type), not same_place, -overlap(one, other), not same_type, pair

    taken_gold: set[int] = set()
    taken_predicted: set[int] = set()
    matches = []
    for at, other in sorted(pairs, key=preference):
        if at not in taken_gold and other not in taken_predicted:
            taken_gold.add(at)
            taken_predicted.add(other)
            matches.append(Match(document, _kind(gold[at], predicted[other]), gold[at], predicted[other]))
    matches += [Match(document, "missed", span, None) for at, span in enumerate(gold) if at not in taken_gold]
    matches += [
        Match(document, "spurious", None, span) for at, span in enumerate(predicted) if at not in taken_predicted
    ]
    return sorted(matches, key=lambda match: min(span[:2] for span in (match.gold, match.predicted) if span))


def _kind(gold: Span, predicted: Span) -> str:
    if gold[:2] == predicted[:2]:
        return "correct" if gold.label == predicted.label else "type"
    return "boundary" if gold.label == predicted.label else "boundary and type"


def boundary_of(text: str, match: Match) -> Boundary | None:
    """The boundary error of a match; None if one side is missing or the ends are equal.

    >>> found = Match(0, "boundary", Span(4, 6, "LC"), Span(4, 8, "LC"))
    >>> boundary_of("오늘은 서울에서", found)
    Boundary(shape='too long', side='right', left='', right='에서')
    """
    gold, predicted = match.gold, match.predicted
    if gold is None or predicted is None or gold[:2] == predicted[:2]:
        return None
    left = text[min(gold.start, predicted.start) : max(gold.start, predicted.start)]
    right = text[min(gold.end, predicted.end) : max(gold.end, predicted.end)]
    if predicted.start <= gold.start and predicted.end >= gold.end:
        shape = "too long"
    elif predicted.start >= gold.start and predicted.end <= gold.end:
        shape = "too short"
    else:
        return Boundary("shifted", "left" if predicted.start < gold.start else "right", left, right)
    return Boundary(shape, "both" if left and right else "left" if left else "right", left, right)


def material_of(text: str, right: bool) -> str:
    """The kind of text between two ends, one of `MATERIALS`.

    A Korean particle or ending follows a noun, so it counts on the right alone.

    >>> [material_of(text, True) for text in (" ", "에서는", ")", " 회장")]
    ['space', 'particle', 'punctuation', 'other']
    """
    if not text.strip():
        return "space"
    stripped = text.strip()
    if right and PARTICLES.fullmatch(stripped):
        return "particle"
    if not any(character.isalnum() for character in stripped):
        return "punctuation"
    return "other"


def class_counts(matches: Sequence[Match]) -> dict[str, int]:
    """Numbers of matches by `CLASSES`."""
    counts = Counter(match.kind for match in matches)
    return {kind: counts[kind] for kind in CLASSES}


def boundary_counts(examples: Sequence[Example], matches: Sequence[Match]) -> dict[str, dict[str, int]]:
    """Count boundary errors, with or without a wrong type, by shape and side and by the text between the ends.

    Returns: "shape": counts by "too long, left" and so on; "material": counts by "space, left" and so on, one for each
        end that differs.
    """
    shapes, materials = Counter(), Counter()
    for match in matches:
        boundary = boundary_of(examples[match.document].text, match)
        if boundary is None:
            continue
        shapes[f"{boundary.shape}, {boundary.side}"] += 1
        for side, text in (("left", boundary.left), ("right", boundary.right)):
            if text:
                materials[f"{material_of(text, side == 'right')}, {side}"] += 1
    ends = ("left", "right")
    shown = [f"{name}, {side}" for name in SHAPES for side in (ends if name == "shifted" else (*ends, "both"))]
    return {
        "shape": {name: shapes[name] for name in shown},
        "material": {f"{name}, {side}": materials[f"{name}, {side}"] for name in MATERIALS for side in ends},
    }


def type_confusion(matches: Sequence[Match], labels: Sequence[str]) -> np.ndarray:
    """Matches by gold and predicted type `(labels + 1, labels + 1)`, int64; the last row and column are "none".

    Rows of labels add up to gold spans, columns to predicted ones.
    """
    place = {label: at for at, label in enumerate(labels)}
    table = np.zeros((len(labels) + 1, len(labels) + 1), dtype=np.int64)
    for match in matches:
        row = place[match.gold.label] if match.gold else len(labels)
        column = place[match.predicted.label] if match.predicted else len(labels)
        table[row, column] += 1
    return table


def tag_confusion(
    examples: Sequence[Example], predicted: Sequence[Sequence[Span]], labels: Sequence[str], unit: str
) -> tuple[list[str], np.ndarray]:
    """Count BIO tags of units, gold against predicted.

    Args:
        examples: Documents with gold spans.
        predicted: One list of spans per document.
        labels: The types.
        unit: "character" or "word"; a word belongs to every span that it shares a character with.

    Returns: The tags, "O" first, and counts `(tags, tags)`, int64; divide by the rows' sums to normalise.
    """
    tags = ["O", *(f"{prefix}-{label}" for label in labels for prefix in "BI")]
    place = {label: 1 + 2 * at for at, label in enumerate(labels)}
    table = np.zeros((len(tags), len(tags)), dtype=np.int64)
    for example, spans in zip(examples, predicted):
        gold, found = (unit_tag_ids(example.document, side, place, unit) for side in (example.spans, spans))
        np.add.at(table, (gold, found), 1)
    return tags, table


def without_spaces(
    examples: Sequence[Example], predicted: Sequence[Sequence[Span]]
) -> tuple[list[Example], list[list[Span]]]:
    """The same documents and predictions with every space removed from text and spans.

    This is the data of analyses that lose spaces. Spans of spaces alone are removed.

    >>> shown, found = without_spaces([Example("a", "오후 3시", (Span(0, 5, "TI"),))], [[Span(0, 2, "TI")]])
    >>> shown[0].text, shown[0].spans, found[0]
    ('오후3시', (Span(start=0, end=4, label='TI', score=1.0),), [Span(start=0, end=2, label='TI', score=1.0)])
    """
    bare, moved = [], []
    for example, spans in zip(examples, predicted):
        before = np.concatenate([[0], np.cumsum([not character.isspace() for character in example.text])]).tolist()

        def shift(span: Span, before: list[int] = before) -> Span:
            return span._replace(start=before[span.start], end=before[span.end])

        gold = tuple(span for span in map(shift, example.spans) if span.start < span.end)
        bare.append(replace(example, text="".join(example.text.split()), spans=gold, words=None))
        moved.append([span for span in map(shift, spans) if span.start < span.end])
    return bare, moved


def broken_at_spaces(examples: Sequence[Example], predicted: Sequence[Sequence[Span]]) -> list[list[Span]]:
    """The predictions with every span split at its spaces, as if spaces were tagged "O".

    Tokenizers that are given words and drop the spaces between them have this effect.

    >>> broken_at_spaces([Example("a", "오후 3시", ())], [[Span(0, 5, "TI")]])[0][1][:3]
    (3, 5, 'TI')
    """
    return [
        [
            span._replace(start=span.start + part.start(), end=span.start + part.end())
            for span in spans
            for part in re.finditer(r"\S+", example.text[span.start : span.end])
        ]
        for example, spans in zip(examples, predicted)
    ]
