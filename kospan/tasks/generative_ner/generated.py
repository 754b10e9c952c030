"""Scores of generated replies, beside those of their spans."""

from collections.abc import Sequence

from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.task import NotedSpans

REPLY_METRICS = ["exact_reply", "unparsed", "dropped", "unmatched"]


def notes_of(writing) -> tuple[int, int, int]:
    """Summarize a reply in three numbers.

    Args:
        writing: A `Writing` of `kospan.modeling.modeling_generative_ner`.

    Returns: Malformed brackets; surfaces without a free occurrence in the text; and the form of the reply: 1 if it
        consists of the grammar with its entities in order of the text, -1 if a part of it holds nothing of the
        grammar, 0 in between.
    """
    return writing.dropped, writing.unmatched, -1 if writing.unparsed else int(writing.in_order)


def score_replies(examples: Sequence[Example], predicted: Sequence[Sequence[Span]]) -> dict[str, float]:
    """Score replies against the expected ones.

    Args:
        examples: Documents with gold spans.
        predicted: Predicted spans of each; plain lists count as flawless replies.

    Returns: `exact_reply`, the share of documents whose reply equals the expected one; `unparsed`, the share with a
        reply that holds nothing of the grammar; `dropped`, the number of malformed brackets; `unmatched`, the number of
        surfaces without a free occurrence in the text.

    >>> gold = [Example("a", "서울 부산", (Span(0, 2, "LC"),)), Example("b", "없다", ())]
    >>> score_replies(gold, [[Span(0, 2, "LC")], NotedSpans([], (1, 2, -1))])
    {'exact_reply': 0.5, 'unparsed': 0.5, 'dropped': 1.0, 'unmatched': 2.0}
    """
    exact = unparsed = dropped = unmatched = 0
    for example, spans in zip(examples, predicted, strict=True):
        notes = spans.notes if isinstance(spans, NotedSpans) else (0, 0, 1)
        dropped, unmatched, unparsed = dropped + notes[0], unmatched + notes[1], unparsed + (notes[2] < 0)
        named = [(span.label, example.text[span.start : span.end]) for span in sorted(spans)]
        asked = [(span.label, example.text[span.start : span.end]) for span in example.spans]
        exact += notes[2] == 1 and named == asked
    count = max(1, len(examples))
    return {
        "exact_reply": exact / count,
        "unparsed": unparsed / count,
        "dropped": float(dropped),
        "unmatched": float(unmatched),
    }
