"""Decoding of emissions to spans of texts: the best path, or a choice from the posteriors of all spans.

Emissions are tensors or arrays, as the chain takes them; torch is not needed.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from .alignment import Document
from .padded_batches import length_batches
from .span_selection import Candidates, Decoding, lowest_posteriors, select
from .spans import Span
from .tags import labels_of, tags_to_spans
from .words import trimmed


def decode_spans(
    head,
    documents: Sequence[Document],
    emissions: Sequence,
    decoding: Decoding,
    batch_size: int,
) -> list[list[Span]]:
    """Decode the spans of each document, with their exact posteriors as scores.

    Args:
        head: The model's head, or another object with `tags`, `scheme`, `padded`, `decode`, `posteriors`,
            `span_posteriors` and `no_span_probability` as `TagHead` has them.
        documents: The documents.
        emissions: Tag scores of each document `(units, tags)`.
        decoding: How spans are chosen.
        batch_size: Maximum number of documents that are decoded together.
    """
    found: list[list[Span]] = [[] for _ in documents]
    decode = _best_paths if decoding.decode == "viterbi" else _selected
    for rows, batch, mask in chain_batches(head, emissions, batch_size):
        for at, spans in zip(rows, decode(head, [documents[at] for at in rows], batch, mask, decoding)):
            found[at] = spans
    return found


def chain_batches(head, emissions: Sequence, size: int) -> Iterator[tuple]:
    """Yield indices, emissions `(batch, units, tags)` and mask of documents with units, sorted by length."""
    with_units = [at for at, chain in enumerate(emissions) if len(chain)]
    for chosen in length_batches([len(emissions[at]) for at in with_units], size):
        rows = [with_units[at] for at in chosen]
        yield rows, *head.padded([emissions[at] for at in rows])


def _best_paths(head, documents: list[Document], batch, mask, decoding: Decoding) -> Iterator[list[Span]]:
    """Yield the spans of the best path of each document.

    Tags on white space at a span's ends are not reported; its score stays that of the path.
    """
    thresholds = dict(zip(labels_of(head.tags), decoding.thresholds.tolist()))
    unit_spans = [tags_to_spans([head.tags[tag] for tag in path], head.scheme) for path in head.decode(batch, mask)]
    for document, spans, scores in zip(documents, unit_spans, head.posteriors(batch, mask, unit_spans)):
        found = []
        for (first, last, label), score in zip(spans, scores):
            start, end = trimmed(document.text, document.units[first][0], document.units[last - 1][1])
            if start < end and score >= thresholds[label]:
                found.append(Span(start, end, label, score))
        yield found


def _selected(head, documents: list[Document], batch, mask, decoding: Decoding) -> Iterator[list[Span]]:
    """Yield the spans of each document that are chosen from all."""
    labels = labels_of(head.tags)
    posteriors = head.span_posteriors(batch, mask, decoding.max_span_length)
    found = posteriors.reaching(lowest_posteriors(decoding), blank_units(documents, mask.shape))
    rows, *columns = map(np.asarray, found)
    bounds = rows.searchsorted(range(len(documents) + 1))
    expected, no_span = [0.0] * len(documents), [0.0] * len(documents)
    if decoding.decode == "mbr":
        expected = posteriors.expected_count().sum(-1).tolist()
        no_span = head.no_span_probability(batch, mask, posteriors).tolist()
    for at, document in enumerate(documents):
        place = slice(bounds[at], bounds[at + 1])
        chosen = select(Candidates(*(column[place] for column in columns)), decoding, expected[at], no_span[at])
        yield [
            Span(document.units[start][0], document.units[end - 1][1], labels[label], score)
            for start, end, label, score in zip(*(column.tolist() for column in chosen))
        ]


def blank_units(documents: Sequence[Document], shape: tuple[int, int]) -> np.ndarray | None:
    """Return which units are white space, of the given shape `(batch, units)`; None if none is."""
    blank = np.zeros(shape, dtype=bool)
    for row, document in zip(blank, documents):
        row[: len(document.units)] = [document.text[start:end].isspace() for start, end in document.units]
    return blank if blank.any() else None
