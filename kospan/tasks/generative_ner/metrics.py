"""Metrics of generated entities: those of spans, and scores of the replies.

A metric is a function of `kospan.tasks.token_classification.metrics.ScoredSpans` and a line in `METRICS`.
"""

from collections.abc import Callable

from kospan.evaluation.metrics import Metric
from kospan.task import NotedSpans
from kospan.tasks.token_classification.metrics import METRICS as SPAN_METRICS
from kospan.tasks.token_classification.metrics import ScoredSpans


def notes_of(writing) -> tuple[int, int, int]:
    """Summarize a reply in three numbers.

    Args:
        writing: A `Writing` of `kospan.modeling.modeling_generative_ner`.

    Returns: Malformed brackets; surfaces without a free occurrence in the text; and the form of the reply: 1 if it
        consists of the grammar with its entities in order of the text, -1 if a part of it holds nothing of the
        grammar, 0 in between.
    """
    return writing.dropped, writing.unmatched, -1 if writing.unparsed else int(writing.in_order)


def _notes(scored: ScoredSpans) -> list[tuple[int, int, int]]:
    """Notes about each reply; plain lists of spans count as flawless replies."""
    return [spans.notes if isinstance(spans, NotedSpans) else (0, 0, 1) for spans in scored.predicted]


def exact_reply(scored: ScoredSpans) -> float:
    """Share of documents whose reply equals the expected one.

    >>> from kospan.example import Example
    >>> from kospan.modeling.spans import Span
    >>> gold = [Example("a", "서울 부산", (Span(0, 2, "LC"),)), Example("b", "없다", ())]
    >>> exact_reply(ScoredSpans(gold, [[Span(0, 2, "LC")], NotedSpans([], (1, 2, -1))], "word", ["LC"]))
    0.5
    """
    exact = 0
    for example, spans, notes in zip(scored.examples, scored.predicted, _notes(scored), strict=True):
        named, gold = (
            [(span.label, example.text[span.start : span.end]) for span in side]
            for side in (sorted(spans), example.spans)
        )
        exact += notes[2] == 1 and named == gold
    return exact / max(1, len(scored.examples))


def unparsed(scored: ScoredSpans) -> float:
    """Share of documents with a reply that does not follow the format."""
    return sum(notes[2] < 0 for notes in _notes(scored)) / max(1, len(scored.examples))


def _sum(place: int) -> Callable[[ScoredSpans], float]:
    return lambda scored: sum(notes[place] for notes in _notes(scored))


REPLY_METRICS = {
    "exact_reply": Metric(exact_reply, "share of replies that equal the expected one", "accuracy"),
    "unparsed": Metric(unparsed, "share of replies that do not follow the format", "share", larger_is_better=False),
    "dropped": Metric(_sum(0), "malformed brackets in replies", "count", larger_is_better=False),
    "unmatched": Metric(_sum(1), "generated entities that are not in the text", "count", larger_is_better=False),
}
MERGED = Metric(None, "largest difference of a logit after merging", "difference", larger_is_better=False)
METRICS = SPAN_METRICS | REPLY_METRICS | {"merged_difference": MERGED}
