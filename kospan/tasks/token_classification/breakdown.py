"""Scores of parts of the data: by type, by length of the entity, by seen or unseen surface, by source."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from kospan.evaluation.bootstrap import intervals
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.tasks.token_classification.metrics import check, metrics

# Upper ends of the length groups, in characters; the last group has none.
LENGTHS = (1, 2, 3, 4, 6, 9, 14)


class GroupScore(NamedTuple):
    """Scores of one group.

    Args:
        group: Its name.
        gold: Gold spans.
        predicted: Predicted spans.
        correct: Those that are both.
        metrics: `f1`, `precision`, `recall`.
        intervals: The ends of the bootstrap interval of each metric, documents resampled.
    """

    group: str
    gold: int
    predicted: int
    correct: int
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]


def group_scores(
    examples: Sequence[Example],
    predicted: Sequence[Sequence[Span]],
    group_of: Callable[[Example, Span], Hashable],
    groups: Iterable[Hashable] | None = None,
    samples: int = 2_000,
) -> list[GroupScore]:
    """Strict scores of each group of spans: a gold span counts in the group that it falls into, a predicted one too,
    and an exact hit falls into the same one from both sides.

    Args:
        examples: Documents with gold spans.
        predicted: One list of spans a document, in the same order.
        group_of: The group of a span of an example.
        groups: All groups in the order they are shown; None takes those that occur, sorted.
        samples: Resamples of the intervals.

    Raises: ValueError as `kospan.tasks.token_classification.metrics.score_spans` does.

    >>> example = Example("a", "이재용 회장이 서울에서", (Span(0, 3, "PS"), Span(8, 10, "LC")))
    >>> [(row.group, row.metrics["f1"]) for row in group_scores([example], [[Span(0, 3, "PS")]], by_type)]
    [('LC', 0.0), ('PS', 1.0)]
    """
    check(list(examples), list(predicted))
    counts: dict[Hashable, np.ndarray] = {}

    def add(group: Hashable, document: int, kind: int) -> None:
        if group not in counts:
            counts[group] = np.zeros((len(examples), 3), dtype=np.int64)
        counts[group][document, kind] += 1

    for at, (example, spans) in enumerate(zip(examples, predicted)):
        gold = {span[:3] for span in example.spans}
        for span in spans:
            add(group_of(example, span), at, 1)
            if span[:3] in gold:
                add(group_of(example, span), at, 0)
        for span in example.spans:
            add(group_of(example, span), at, 2)
    rows = []
    for group in sorted(counts) if groups is None else groups:
        found = counts.get(group, np.zeros((len(examples), 3), dtype=np.int64))
        correct, guessed, gold = (int(count) for count in found.sum(axis=0))
        rows.append(
            GroupScore(str(group), gold, guessed, correct, metrics(found.sum(axis=0)), intervals(found, samples))
        )
    return rows


def by_type(example: Example, span: Span) -> str:
    """The span's label."""
    return span.label


def by_source(example: Example, span: Span) -> str:
    """Where the document comes from; "unnamed" where the data does not say."""
    return example.source or "unnamed"


def by_length(example: Example, span: Span) -> str:
    """The span's length in characters, in the groups of `length_groups`."""
    length = span.end - span.start
    return next((name for top, name in zip(LENGTHS, length_groups()) if length <= top), length_groups()[-1])


def length_groups() -> list[str]:
    """Names of the length groups, shortest first.

    >>> length_groups()[:5], length_groups()[-1]
    (['1', '2', '3', '4', '5-6'], '15 and more')
    """
    names, low = [], 1
    for top in LENGTHS:
        names.append(str(top) if low == top else f"{low}-{top}")
        low = top + 1
    return [*names, f"{low} and more"]


SEEN_GROUPS = ("seen with this type", "seen with another type", "unseen")


def by_surface(training: Iterable[Example]) -> Callable[[Example, Span], str]:
    """Whether a span's surface stands in the training data as an entity of the same type, of another, or not at all.

    >>> group_of = by_surface([Example("t", "서울에서", (Span(0, 2, "LC"),))])
    >>> group_of(Example("a", "서울은 부산은", ()), Span(4, 6, "LC"))
    'unseen'
    """
    known: dict[str, set[str]] = {}
    for example in training:
        for start, end, label, *_ in example.spans or ():
            known.setdefault(example.text[start:end], set()).add(label)

    def group_of(example: Example, span: Span) -> str:
        labels = known.get(example.text[span.start : span.end], ())
        return SEEN_GROUPS[0 if span.label in labels else 1 if labels else 2]

    return group_of
