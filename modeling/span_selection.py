"""Selection of spans from the posteriors of all: nested sets, best disjoint sets, and sets with the best expected F1.

Only numpy is needed, so that models and the runtime without torch share it.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .input_checks import check_threshold

DECODINGS = ("viterbi", "posterior", "mbr")
# Units of the longest span that "posterior" and "mbr" find; of the spans of 4,000 KLUE-NER sentences 0.22 % are longer.
MAX_SPAN_LENGTH = 16
# Threshold of "posterior" if none is given: a span that is more probable than not. Two of these never overlap.
LIKELY = 0.5
# "mbr" leaves out spans below this posterior.
LEAST_POSTERIOR = 1e-3


class Candidates(NamedTuple):
    """Spans of one document, sorted by start, end and label.

    Args:
        starts: First unit or character of each span `(spans,)`, int64.
        ends: One past its last `(spans,)`, int64.
        labels: Index of its label `(spans,)`, int64.
        posteriors: Its probability `(spans,)`, float64.
    """

    starts: np.ndarray
    ends: np.ndarray
    labels: np.ndarray
    posteriors: np.ndarray

    def take(self, chosen: np.ndarray) -> "Candidates":
        """Return the spans of an index or mask."""
        return Candidates(*(column[chosen] for column in self))


class SpanTags(NamedTuple):
    """Ids of the tags of each label, in the order of the labels `(labels,)`; tensors or arrays.

    Args:
        begin: First tag of a span: `B-`.
        inside: Tag that continues it: `I-`.
        end: Last tag of a span of several units, `E-`; None in BIO, where a span ends where `inside` does not follow.
        single: Tag of a span of one unit, `S-`; None in BIO, where it is `begin`.
    """

    begin: Any
    inside: Any
    end: Any = None
    single: Any = None


class Decoding(NamedTuple):
    """Settings of the decoding of emissions to spans.

    Args:
        decode: "viterbi" (spans of the best tag sequence), "posterior" (spans above thresholds) or "mbr" (the disjoint
            set with the best expected F1 of the document).
        overlapping: Whether "posterior" returns every span above its threshold; otherwise the disjoint set with the
            largest sum of posterior minus threshold.
        thresholds: Lowest score of each label `(labels,)`, float64.
        max_span_length: Units of the longest span of "posterior" and "mbr".
    """

    decode: str
    overlapping: bool
    thresholds: np.ndarray
    max_span_length: int


def decoding_of(
    labels: Sequence[str],
    threshold: float | Mapping[str, float] | None = None,
    decode: str | None = None,
    overlapping: bool | None = None,
    operating_point: str | None = None,
    operating_points: Mapping[str, Mapping] | None = None,
) -> Decoding:
    """Check the arguments of `extract` and complete them.

    Args:
        labels: Labels of the model.
        threshold: Lowest score of a span, a number for all labels or a number for each; None means 0.5 for "posterior"
            and 0 otherwise.
        decode: One of `DECODINGS`; None means "viterbi".
        overlapping: See `Decoding`; None means False.
        operating_point: Name of an operating point, which has all other settings.
        operating_points: Operating points of the model by name.

    Raises:
        TypeError: If a threshold is not a number, or `overlapping` not a bool.
        ValueError: If a setting is out of range or has no effect with the others.
    """
    length = MAX_SPAN_LENGTH
    if operating_point is not None:
        points = operating_points or {}
        if (threshold, decode, overlapping) != (None, None, None):
            raise ValueError(
                "expected an operating point without threshold, decode and overlapping, which it contains, got "
                f"{operating_point!r} with one of them; leave them out"
            )
        if not isinstance(operating_point, str) or operating_point not in points:
            has = f"the model has {', '.join(points)}" if points else "the model has none"
            raise ValueError(
                f"expected the name of an operating point of the model, got {operating_point!r}, but {has}; make one "
                "with `kospan calibrate --recall`"
            )
        point = points[operating_point]
        missing = [name for name in ("thresholds", "decode", "overlapping") if name not in point]
        if missing:
            raise ValueError(
                f"expected the operating point {operating_point!r} to have thresholds, decode and overlapping, got no "
                f"{', '.join(missing)}; make it again with `kospan calibrate --recall`"
            )
        threshold, decode, overlapping = point["thresholds"], point["decode"], point["overlapping"]
        length = point.get("max_span_length", length)
    decode, overlapping = "viterbi" if decode is None else decode, False if overlapping is None else overlapping
    if decode not in DECODINGS:
        raise ValueError(f"expected decode to be one of {', '.join(DECODINGS)}, got {decode!r}; choose one")
    if not isinstance(overlapping, (bool, np.bool_)):
        raise TypeError(f"expected overlapping to be true or false, got {overlapping!r}; choose one")
    if overlapping and decode != "posterior":
        raise ValueError(
            f'expected overlapping with decode="posterior" only, got decode={decode!r}, whose spans are disjoint; '
            "leave one of the two out"
        )
    if threshold is None:
        threshold = LIKELY if decode == "posterior" else 0.0
    values = _thresholds(threshold, labels)
    if overlapping and not (values > 0).all():
        raise ValueError(
            "expected thresholds above 0 with overlapping, as all spans reach 0, got 0; pass a threshold such as 0.1"
        )
    return Decoding(decode, bool(overlapping), values, length)


def _thresholds(threshold: float | Mapping[str, float], labels: Sequence[str]) -> np.ndarray:
    """Thresholds of all labels `(labels,)`. Raises: as `decoding_of`."""
    if isinstance(threshold, Mapping):
        if set(threshold) != set(labels):
            missing = [label for label in labels if label not in threshold]
            unknown = [str(label) for label in threshold if label not in labels]
            problems = [f"none for {', '.join(missing)}"] * bool(missing)
            problems += [f"some for unknown labels: {', '.join(unknown)}"] * bool(unknown)
            raise ValueError(
                f"expected a threshold for each label ({', '.join(labels)}), got {' and '.join(problems)}; pass one "
                "number for all, or one for each"
            )
        values = [threshold[label] for label in labels]
    else:
        values = [threshold] * len(labels)
    for value in values if isinstance(threshold, Mapping) else [threshold]:
        check_threshold(value)
    return np.array(values, dtype=np.float64)


def best_disjoint(candidates: Candidates, gains: np.ndarray) -> np.ndarray:
    """Find the disjoint set of spans with the largest sum of gains (weighted interval scheduling).

    Args:
        candidates: Spans of one document.
        gains: Gain of each span `(spans,)`; spans without a positive gain are never chosen.

    Returns:
        Indices of the chosen spans in ascending order, int64. Of equal sums the spans that end first win.

    >>> spans = Candidates(np.array([0, 0, 2]), np.array([2, 4, 4]), np.zeros(3, int), np.array([0.5, 0.9, 0.6]))
    >>> best_disjoint(spans, spans.posteriors).tolist()
    [0, 2]
    """
    useful = np.flatnonzero(gains > 0)
    order = useful[np.lexsort((candidates.labels[useful], candidates.starts[useful], candidates.ends[useful]))]
    starts, ends = candidates.starts[order].tolist(), candidates.ends[order].tolist()
    # totals[n]: largest sum of the first n spans; before[n]: number of spans that end before span n begins.
    totals, before = [0.0], []
    for start, gain in zip(starts, gains[order].tolist()):
        before.append(bisect_right(ends, start, 0, len(before)))
        totals.append(max(totals[-1], totals[before[-1]] + gain))
    chosen, at = [], len(order)
    while at:
        if totals[at] > totals[at - 1]:
            chosen.append(order[at - 1])
            at = before[at - 1]
        else:
            at -= 1
    return np.array(sorted(chosen), dtype=np.int64)


def best_expected_f1(candidates: Candidates, expected_gold: float, no_span: float) -> np.ndarray:
    """Find the disjoint set of spans with the best plug-in estimate of a document's expected F1.

    The estimate replaces the counts of F1 by their expectations: 2 * sum of posteriors / (spans + expected gold spans).
    Its maximum is found by Dinkelbach's iteration (1967): for a value F, the best set has the largest sum of posterior
    minus F / 2 (for the threshold F / 2 see Lewis, 1995; Ye et al., 2012). The empty set has the probability that the
    document has no span, for which F1 is 1.

    Args:
        candidates: Spans of one document with their posteriors.
        expected_gold: Expected number of spans of the document.
        no_span: Probability that the document has no span.

    Returns:
        Indices of the chosen spans in ascending order, int64.

    >>> spans = Candidates(np.array([0, 2]), np.array([2, 4]), np.zeros(2, int), np.array([0.6, 0.2]))
    >>> best_expected_f1(spans, 0.8, 0.3).tolist()
    [0]
    """
    # Any disjoint set is a valid start. That of the likely spans is close to the best, and few candidates remain.
    chosen, threshold, value = np.zeros(0, dtype=np.int64), LIKELY, 0.0
    while True:
        found = best_disjoint(candidates, candidates.posteriors - threshold)
        total = candidates.posteriors[found].sum()
        higher = 2 * total / (len(found) + expected_gold) if len(found) else 0.0
        if higher <= value and threshold == value / 2:
            return chosen if value > no_span else np.zeros(0, dtype=np.int64)
        if higher > value:
            value, chosen = higher, found
        threshold = value / 2


def corpus_threshold(documents: Sequence[Candidates], expected_gold: float) -> float:
    """Find the threshold F / 2 of the sets whose plug-in estimate F of a corpus' F1 is the best.

    Args:
        documents: Spans of the documents that the threshold is chosen on.
        expected_gold: Expected number of spans of all documents.

    Returns:
        The threshold for "posterior".

    >>> spans = Candidates(np.array([0, 2]), np.array([2, 4]), np.zeros(2, int), np.array([0.6, 0.2]))
    >>> round(corpus_threshold([spans], 0.8), 4)
    0.3333
    """
    value = 0.0
    while True:
        chosen = [best_disjoint(spans, spans.posteriors - value / 2) for spans in documents]
        count = sum(map(len, chosen))
        total = sum(spans.posteriors[found].sum() for spans, found in zip(documents, chosen))
        higher = 2 * total / (count + expected_gold) if count else 0.0
        if higher <= value:
            return value / 2
        value = higher


def select(candidates: Candidates, decoding: Decoding, expected_gold: float = 0.0, no_span: float = 0.0) -> Candidates:
    """Choose the spans of a document.

    Args:
        candidates: All spans whose posterior reaches `lowest_posteriors(decoding)`.
        decoding: A decoding with "posterior" or "mbr".
        expected_gold: For "mbr": expected number of spans of the document.
        no_span: For "mbr": probability that the document has no span.
    """
    thresholds = decoding.thresholds[candidates.labels]
    if decoding.decode == "mbr":
        found = candidates.take(best_expected_f1(candidates, expected_gold, no_span))
        return found.take(found.posteriors >= decoding.thresholds[found.labels])
    if decoding.overlapping:
        return candidates.take(candidates.posteriors >= thresholds)
    return candidates.take(best_disjoint(candidates, candidates.posteriors - thresholds))


def lowest_posteriors(decoding: Decoding) -> np.ndarray:
    """Return the posterior below which no span of a label can be chosen `(labels,)`, float64."""
    if decoding.decode == "mbr":
        return np.full_like(decoding.thresholds, LEAST_POSTERIOR)
    return decoding.thresholds


def trimmed_places(blank: np.ndarray, starts: range, lengths: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the spans that begin or end with white space, and the spans without it.

    Places count the spans in the order of an array `(batch, starts, lengths)`.

    Args:
        blank: True where a unit is white space `(batch, units)`.
        starts: First units of the spans.
        lengths: Number of span lengths, from 1 on.

    Returns:
        Places of the spans with white space `(spans,)`; whether they have other units and then begin before the end of
        `starts` `(spans,)`; places of those without the white space `(kept spans,)`.
    """
    units = blank.shape[1]
    places = np.broadcast_to(np.arange(units), blank.shape)
    # First visible unit at or behind each unit, and one past the last visible one at or before it.
    opening = np.minimum.accumulate(np.where(blank, units, places)[:, ::-1], axis=1)[:, ::-1]
    closing = np.maximum.accumulate(np.where(blank, -1, places), axis=1) + 1
    lasts = np.arange(starts.start, starts.stop)[:, None] + np.arange(lengths)  # shape: (starts, lengths)
    moved = blank[:, starts.start : starts.stop, None] | blank[:, lasts.clip(max=units - 1)]
    rows, at, length = (moved & (lasts < units)).nonzero()
    begin, end = opening[rows, at + starts.start], closing[rows, at + starts.start + length]
    kept = (begin < end) & (begin < starts.stop)
    own = (rows * len(starts) + at) * lengths + length
    goals = (rows * len(starts) + begin - starts.start) * lengths + end - begin - 1
    return own, kept, goals[kept]
