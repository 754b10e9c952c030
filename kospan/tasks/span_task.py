"""What tasks share that find labelled spans in texts: metrics, the dictionary they have to beat, errors."""

from collections.abc import Sequence

import numpy as np

from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.tasks.token_classification.analysis import examine, scored_spans
from kospan.tasks.token_classification.baseline import DictionaryBaseline
from kospan.tasks.token_classification.metrics import counts_per_type, metric_names, score_spans


class SpanTask:
    """A part of `Task`; the task itself has `labels`, `unit`, `examples` and `find`."""

    baseline_name = "dictionary and patterns"
    whole_texts = False

    # --- use ----------------------------------------------------------------------------------------------------------

    def check(self, examples: Sequence[Example], place: str) -> None:
        """Raises: ValueError where an example holds a label that the model does not know."""
        for example in examples:
            check_labels(example, self.labels, place)

    # --- scores -------------------------------------------------------------------------------------------------------

    def metric_names(self) -> list[str]:
        """The names of what `metrics` gives."""
        return metric_names(self.unit, self.labels)

    def metrics(self, examples: Sequence[Example], predicted: Sequence[Sequence[Span]]) -> dict[str, float]:
        """Span metrics as the README defines them."""
        return score_spans(list(examples), [list(spans) for spans in predicted], self.unit, self.labels)

    def counts(self, examples: Sequence[Example], predicted: Sequence[Sequence[Span]]) -> np.ndarray:
        """Correct, predicted and gold spans `(documents, labels, 3)`."""
        return counts_per_type(list(examples), [list(spans) for spans in predicted], self.labels)

    def baseline(self, documents: Sequence[Example]) -> list[list[Span]]:
        """What a dictionary of the training spans and patterns find."""
        return DictionaryBaseline(self.examples("train")).extract([document.text for document in documents])

    def examine(
        self, examples: Sequence[Example], predicted: Sequence[Sequence[Span]], training: Sequence[Example] | None
    ) -> dict:
        """Figures, groups and errors of spans."""
        return examine(examples, predicted, self.labels, self.unit, training)

    def scored(
        self,
        training: Sequence[Example],
        examples: Sequence[Example],
        predicted: Sequence[Sequence[Span]],
        found: Sequence[Sequence[Span]],
    ) -> dict:
        """Scores by type, length and surface with intervals, and the dictionary's."""
        return scored_spans(training, examples, predicted, found, self.labels, self.unit)


def check_labels(example: Example, labels: list[str], split: str = "data") -> None:
    """Raises: ValueError where an example holds a label that the model does not know."""
    for span in example.spans or ():
        if span.label not in labels:
            raise ValueError(
                f"example {example.id!r} ({split}): expected labels that the model knows ({', '.join(labels)}), got "
                f"{span.label!r}; rename the label in the data, or train a model on data that holds it"
            )
