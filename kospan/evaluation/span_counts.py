"""Gold and predicted spans: checks, counts per document, and tags of units."""

from collections.abc import Sequence

import numpy as np

from kospan.example import Example
from kospan.modeling.alignment import unit_spans
from kospan.modeling.spans import Span, first_overlap
from kospan.modeling.words import document_text, document_words


def check_gold(examples: Sequence[Example]) -> None:
    """Raise ValueError if an example is unlabelled."""
    unlabelled = next((example.id for example in examples if example.spans is None), None)
    if unlabelled is not None:
        raise ValueError(
            f"example {unlabelled!r}: expected gold spans to score against, got an unlabelled example; remove it, or "
            "give it empty spans if the text has none"
        )


def check_spans(examples: Sequence[Example], predicted: Sequence[Sequence[Span]]) -> None:
    """Raise ValueError if gold and predicted spans cannot be scored.

    The two must have one length, examples gold spans, and predicted spans must be inside their text without overlaps.
    """
    if len(examples) != len(predicted):
        raise ValueError(
            f"expected one list of predicted spans for each of {len(examples)} examples, got {len(predicted)} lists; "
            "pass [] for a document without predicted spans"
        )
    check_gold(examples)
    for example, spans in zip(examples, predicted):
        for span in spans:
            if not 0 <= span.start < span.end <= len(example.text):
                raise ValueError(
                    f"example {example.id!r}: expected predicted spans with 0 <= start < end <= {len(example.text)} "
                    f"(the text's length), got {tuple(span[:3])}; offsets count characters of the raw text"
                )
        clash = first_overlap(spans)
        if clash:
            raise ValueError(
                f"example {example.id!r}: expected predicted spans that do not overlap, got {tuple(clash[0][:3])} "
                f"and {tuple(clash[1][:3])}; drop one of the two, for example with "
                "kospan.modeling.spans.keep_longest"
            )


def counts_per_type(
    examples: Sequence[Example], predicted: Sequence[Sequence[Span]], labels: Sequence[str]
) -> np.ndarray:
    """Count correct, predicted and gold spans of each type in each document.

    Args:
        examples: Documents with gold spans.
        predicted: One list of spans per document, in the same order.
        labels: The types of the second axis.

    Returns: Counts `(documents, labels, 3)`, int64.

    Raises: ValueError as `check_spans`, or for a span of another type.

    >>> gold = [Example("a", "서울 부산", (Span(0, 2, "LC"), Span(3, 5, "LC")))]
    >>> counts_per_type(gold, [[Span(0, 2, "LC"), Span(3, 5, "PS")]], ["LC", "PS"]).tolist()
    [[[1, 1, 2], [0, 1, 0]]]
    """
    check_spans(examples, predicted)
    place = {label: at for at, label in enumerate(labels)}
    counts = np.zeros((len(examples), len(labels), 3), dtype=np.int64)
    for row, example, spans in zip(counts, examples, predicted):
        gold = {span[:3] for span in example.spans}
        try:
            for span in spans:
                row[place[span.label], 1] += 1
                row[place[span.label], 0] += span[:3] in gold
            for _, _, label in gold:
                row[place[label], 2] += 1
        except KeyError as unknown:
            raise ValueError(
                f"example {example.id!r}: expected labels among {', '.join(labels)}, got {unknown}; score with the "
                "label set of the data"
            ) from None
    return counts


def counts_per_document(examples: Sequence[Example], predicted: Sequence[Sequence[Span]]) -> np.ndarray:
    """Count correct, predicted and gold spans of each document, of all types together.

    Returns: Counts `(documents, 3)`, int64, which `kospan.evaluation.bootstrap` resamples.

    Raises: ValueError as `check_spans`.

    >>> gold = [Example("a", "서울 부산", (Span(0, 2, "LC"), Span(3, 5, "LC"))), Example("b", "없다", ())]
    >>> counts_per_document(gold, [[Span(0, 2, "LC")], [Span(0, 2, "LC")]]).tolist()
    [[1, 1, 2], [0, 1, 0]]
    """
    check_spans(examples, predicted)
    labels = {span.label for example, spans in zip(examples, predicted) for span in (*example.spans, *spans)}
    return counts_per_type(examples, predicted, sorted(labels)).sum(axis=1)


def unit_tag_ids(document: str | Sequence[str], spans: Sequence[Span], place: dict[str, int], unit: str) -> np.ndarray:
    """BIO tag ids of the units of a text, or of a list of words, `(units,)`, int32.

    Args:
        document: The text or its words.
        spans: Spans without overlaps.
        place: Id of the `B-` tag of each label; the id of `I-` is one more.
        unit: "character" or "word"; a word belongs to every span that it shares a character with.

    >>> unit_tag_ids("Jane Doe left.", [Span(0, 8, "PER")], {"PER": 1}, "word").tolist()
    [1, 2, 0, 0]
    """
    if unit == "character":
        return tag_ids(spans, place, len(document_text(document)))
    units = document_words(document)
    return tag_ids(unit_spans(units, sorted(spans)), place, len(units))


def tag_ids(spans: Sequence[Span], place: dict[str, int], length: int) -> np.ndarray:
    """BIO tag ids of `length` characters `(characters,)`, int32; `place` as in `unit_tag_ids`.

    >>> tag_ids([Span(1, 3, "PS")], {"LC": 1, "PS": 3}, 4).tolist()
    [0, 3, 4, 0]
    """
    tags = np.zeros(length, dtype=np.int32)
    for start, end, label, *_ in spans:
        tags[start:end] = place[label] + 1
        tags[start] = place[label]
    return tags
