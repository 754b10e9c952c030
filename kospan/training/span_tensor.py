"""Predicted spans as one tensor, which processes gather, and back."""

from collections.abc import Sequence

import torch

from kospan.modeling.spans import Span
from kospan.task import NotedSpans

PAD = -100
# The label id of the row that holds the notes of `NotedSpans`.
NOTES = -2


def to_rows(predictions: Sequence[Sequence[Span]], labels: Sequence[str]) -> torch.Tensor:
    """Return float32 `(documents, spans, 4)`: start, end, label id, score; rows padded with -100.

    The row of notes has the label id -2.

    >>> to_rows([[Span(0, 2, "LC", 0.5)], []], ["LC"])[0].tolist()
    [[0.0, 2.0, 0.0, 0.5]]
    """
    ids = {label: at for at, label in enumerate(labels)}
    documents = []
    for spans in predictions:
        rows = [[span.start, span.end, ids[span.label], span.score] for span in spans]
        if isinstance(spans, NotedSpans):
            rows.append([*spans.notes[:2], NOTES, spans.notes[2]])
        documents.append(rows)
    width = max(1, max(map(len, documents), default=0))
    table = torch.full((len(documents), width, 4), float(PAD))
    for row, rows in zip(table, documents):
        if rows:
            row[: len(rows)] = torch.tensor(rows)
    return table


def from_rows(table, labels: Sequence[str]) -> list[list[Span]]:
    """Return the predictions in a tensor of `to_rows`.

    >>> from_rows(to_rows([[Span(0, 2, "LC", 0.5)]], ["LC"]), ["LC"])
    [[Span(start=0, end=2, label='LC', score=0.5)]]
    """
    predictions = []
    for rows in table:
        spans = [
            Span(int(start), int(end), labels[int(label)], float(score))
            for start, end, label, score in rows
            if label >= 0
        ]
        notes = [(int(first), int(second), int(third)) for first, second, label, third in rows if label == NOTES]
        predictions.append(NotedSpans(spans, notes[0]) if notes else spans)
    return predictions
