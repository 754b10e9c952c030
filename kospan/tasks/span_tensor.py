"""Spans as the tensor that a task predicts, and back."""

from collections.abc import Sequence

import torch

from kospan.modeling.spans import Span


def to_rows(found: Sequence[Sequence[Span]], labels: Sequence[str]) -> torch.Tensor:
    """float32 `(documents, spans, 4)`: start, end, label id, score; rows padded with -100.

    >>> to_rows([[Span(0, 2, "LC", 0.5)], []], ["LC"])[0].tolist()
    [[0.0, 2.0, 0.0, 0.5]]
    """
    ids = {label: at for at, label in enumerate(labels)}
    width = max(1, max((len(spans) for spans in found), default=0))
    rows = torch.full((len(found), width, 4), -100.0)
    for row, spans in enumerate(found):
        for at, span in enumerate(spans):
            rows[row, at] = torch.tensor([span.start, span.end, ids[span.label], span.score])
    return rows


def from_rows(rows, labels: Sequence[str]) -> list[list[Span]]:
    """What `to_rows` made, as spans again.

    >>> from_rows(to_rows([[Span(0, 2, "LC", 0.5)]], ["LC"]), ["LC"])
    [[Span(start=0, end=2, label='LC', score=0.5)]]
    """
    return [
        [Span(int(start), int(end), labels[int(label)], float(score)) for start, end, label, score in row if label >= 0]
        for row in rows
    ]
