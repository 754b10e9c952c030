"""Labelled spans of texts by any model that predicts them, for the plug-ins."""

from collections.abc import Sequence
from typing import Any

from kospan.modeling.spans import Span


class SpanExtractor:
    """Labelled spans of texts.

    Args:
        model: A folder, a name on the Hub or of an installed model, or a model that `kospan.load` returned.
        threshold: Lowest score of a span; None takes the model's own.
        decode: As in the model's `extract`.
        operating_point: As in the model's `extract`.
        batch_size: Windows per batch.

    Raises:
        FileNotFoundError: If there is no model.
        ValueError: If it predicts no labelled spans, or a setting is out of range or unknown to it.

    >>> SpanExtractor("outputs/quickstart")(["비가 온다."])
    [[]]
    """

    def __init__(
        self,
        model: Any,
        threshold: float | None = None,
        decode: str | None = None,
        operating_point: str | None = None,
        batch_size: int = 32,
    ):
        # Imported here, as plug-ins are imported by processes that may never use a model.
        from kospan.api import check_decoding, span_task_over

        self.task = span_task_over(model)
        self.decoding = check_decoding(self.task, {"decode": decode, "operating_point": operating_point})
        self.threshold, self.batch_size = threshold, batch_size
        self([])

    @property
    def labels(self) -> list[str]:
        """Labels of the spans."""
        return list(self.task.labels)

    def __call__(self, texts: Sequence[str]) -> list[list[Span]]:
        """Return the spans of each text, sorted by start."""
        from kospan.example import Example

        documents = [Example(f"text-{at}", text, None) for at, text in enumerate(texts)]
        return self.task.predict(documents, self.threshold, self.batch_size, **self.decoding)
