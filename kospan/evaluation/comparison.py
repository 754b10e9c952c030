"""Comparison of two systems on the same documents: differences with intervals, errors fixed and introduced."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kospan.evaluation.bootstrap import holm, paired, span_metrics
from kospan.evaluation.span_matching import CLASSES, Match, match_spans
from kospan.example import Example
from kospan.modeling.spans import Span

# Differences of a document, in the order of tables.
CHANGES = ("fixed", "introduced", "both wrong")


class Change(NamedTuple):
    """An error that only one of two systems makes, or both.

    Args:
        document: Index of the example.
        change: "fixed" for an error of the first system alone, "introduced" for one of the second alone.
        kind: Class of the error, one of `kospan.evaluation.span_matching.CLASSES`.
        gold: The gold span; None for a spurious one.
        first: The span of the first system that is matched to the gold span, or is spurious; None if it has none.
        second: The same of the second system.
    """

    document: int
    change: str
    kind: str
    gold: Span | None
    first: Span | None
    second: Span | None


def differences(first: np.ndarray, second: np.ndarray, labels: Sequence[str], samples: int = 10_000) -> list[dict]:
    """Difference in F1 between two systems, overall and by label, by the paired bootstrap over documents.

    Args:
        first: Counts of the first system `(documents, labels, 3)`: correct, predicted, gold.
        second: Counts of the second system on the same documents, of the same shape.
        labels: Names of the second axis.
        samples: Number of resamples.

    Returns: A row for "all" and for each label that is gold or predicted: `group`, `gold`, `first`, `second` (F1),
        `difference` (second minus first), its 95 % `interval`, `p_value`, and for labels `p_holm`, adjusted for their
        number; "all" is a single comparison.

    >>> counts = np.array([[[1, 1, 1]], [[0, 1, 1]]] * 20)
    >>> row = differences(counts, np.ones_like(counts), ["PS"], samples=200)[0]
    >>> row["group"], row["first"], row["second"], row["difference"]
    ('all', 0.5, 1.0, 0.5)
    """
    used = [at for at in range(len(labels)) if first[:, at].any() or second[:, at].any()]
    rows = [_difference("all", first.sum(axis=1), second.sum(axis=1), samples)]
    parts = [_difference(labels[at], first[:, at], second[:, at], samples) for at in used] if len(labels) > 1 else []
    for row, adjusted in zip(parts, holm([row["p_value"] for row in parts])):
        row["p_holm"] = adjusted
    return rows + parts


def _difference(group: str, first: np.ndarray, second: np.ndarray, samples: int) -> dict:
    # `paired` gives its first argument minus its second.
    found = paired(second, first, samples)
    scores = [float(span_metrics(counts.sum(axis=0))["f1"]) for counts in (first, second)]
    return {
        "group": group,
        "gold": int(first[:, 2].sum()),
        "first": scores[0],
        "second": scores[1],
        "difference": found.difference,
        "interval": [found.low, found.high],
        "p_value": found.p_value,
    }


def span_changes(
    examples: Sequence[Example], first: Sequence[Sequence[Span]], second: Sequence[Sequence[Span]]
) -> list[Change]:
    """Errors that one of two systems makes and the other does not, and errors of both, by document and place.

    An error belongs to a gold span that a system misses, or finds with another place or label, or to a spurious
    predicted span. Both systems are wrong about a gold span if neither finds it, also in different ways; the class is
    then that of the second system.

    Args:
        examples: Documents with gold spans.
        first: Spans of the first system for each document, without overlaps.
        second: Spans of the second system.

    >>> example = Example("a", "이재용 회장이 서울에서", (Span(0, 3, "PS"), Span(8, 10, "LC")))
    >>> found = span_changes([example], [[Span(0, 3, "PS")]], [[Span(8, 10, "LC")]])
    >>> [(change.change, change.kind, change.gold.label) for change in found]
    [('introduced', 'missed', 'PS'), ('fixed', 'missed', 'LC')]
    """
    by_gold: list[dict[tuple, Match]] = []
    spurious: list[dict[tuple, Match]] = []
    for spans in (first, second):
        matches = match_spans(examples, spans)
        by_gold.append({(match.document, *match.gold[:3]): match for match in matches if match.gold})
        spurious.append({(match.document, *match.predicted[:3]): match for match in matches if not match.gold})
    changes = []
    for key, one in by_gold[0].items():
        two = by_gold[1][key]
        change = _change(one.kind != "correct", two.kind != "correct")
        if change:
            kind = one.kind if change == "fixed" else two.kind
            changes.append(Change(key[0], change, kind, one.gold, one.predicted, two.predicted))
    for key in sorted(spurious[0].keys() | spurious[1].keys()):
        one, two = spurious[0].get(key), spurious[1].get(key)
        # A span that is spurious in one system may be the other's match of a gold span; it is still wrong there.
        sides = [match and match.predicted for match in (one, two)]
        changes.append(Change(key[0], _change(one is not None, two is not None), "spurious", None, *sides))
    return sorted(changes, key=lambda change: (change.document, _place(change)))


def _change(first_is_wrong: bool, second_is_wrong: bool) -> str | None:
    if first_is_wrong and second_is_wrong:
        return "both wrong"
    return "fixed" if first_is_wrong else "introduced" if second_is_wrong else None


def _place(change: Change) -> tuple[int, int]:
    return min(span[:2] for span in (change.gold, change.first, change.second) if span)


def document_changes(first: np.ndarray, second: np.ndarray) -> list[tuple[int, str]]:
    """Documents whose single prediction is better or worse in the second system, or wrong in both.

    Args:
        first: Counts of the first system `(documents, labels, 3)`, whose F1 is the score of a document.
        second: Counts of the second system.

    Returns: Index and change of each document on which a score is below 1.

    >>> right, wrong = [[1.0, 1.0, 1.0]], [[0.0, 1.0, 1.0]]
    >>> document_changes(np.array([right, wrong, wrong]), np.array([right, right, wrong]))
    [(1, 'fixed'), (2, 'both wrong')]
    """
    one, two = (span_metrics(counts.sum(axis=1))["f1"] for counts in (first, second))
    changes = []
    for at, (before, after) in enumerate(zip(one.tolist(), two.tolist())):
        if before != after:
            changes.append((at, "fixed" if after > before else "introduced"))
        elif after < 1.0:
            changes.append((at, "both wrong"))
    return changes


def count_changes(changes: Sequence[Change]) -> dict[str, dict[str, int]]:
    """Number of changes by class of error, for the classes that occur.

    >>> count_changes([Change(0, "fixed", "missed", Span(0, 2, "PS"), None, Span(0, 2, "PS"))])
    {'missed': {'fixed': 1, 'introduced': 0, 'both wrong': 0}}
    """
    counts = Counter((change.kind, change.change) for change in changes)
    kinds = [kind for kind in dict.fromkeys((*CLASSES, *(change.kind for change in changes))) if kind != "correct"]
    kinds = [kind for kind in kinds if any(counts[kind, change] for change in CHANGES)]
    return {kind: {change: counts[kind, change] for change in CHANGES} for kind in kinds}
