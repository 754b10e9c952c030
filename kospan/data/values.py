"""Numeric labels; the score of the span over the whole text is the value."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace

from kospan.example import Example
from kospan.modeling.spans import Span

VALUE = "value"
REGRESSION = "regression"
# A number with a point or an exponent: 3 may be the name of a class, 3.0 is not.
_FRACTION = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][+-]?\d+)?")


def holds_values(examples: Sequence[Example], problem_type: str | None = None) -> bool:
    """Return whether labels are read as numbers.

    Args:
        examples: Labelled examples, those to train on.
        problem_type: "single_label_classification" or "regression" decides; None reads them as numbers where each is
            written with a point or an exponent ("3.0"), or is a value already.

    >>> holds_values([Example("a", "가", (Span(0, 1, "3.0"),))]), holds_values([Example("a", "가", (Span(0, 1, "3"),))])
    (True, False)
    """
    if problem_type is not None:
        return problem_type == REGRESSION
    labels = {span.label for example in examples for span in example.spans or ()}
    return bool(labels) and all(label == VALUE or _FRACTION.fullmatch(label) for label in labels)


def value_of(span: Span, place: str) -> float:
    """Return the number that a label stands for.

    Args:
        span: Labelled "value", the number as its score; or labelled with the number.
        place: Place of the label, for errors.

    Raises:
        ValueError: If it is not a number.

    >>> value_of(Span(0, 1, "3.5"), "row 1"), value_of(Span(0, 1, "value", 2.0), "row 1")
    (3.5, 2.0)
    """
    try:
        value = span.score if span.label == VALUE else float(span.label)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(
            f"{place}: expected a label that is a finite number, got {span.label!r}; correct it, or set "
            "problem_type: single_label_classification for names of classes"
        )
    return value


def valued(example: Example, place: str) -> Example:
    """Convert the labels of an example to values.

    Raises:
        ValueError: As `value_of`.
    """
    if example.spans is None:
        return example
    where = f"example {example.id!r} ({place})"
    spans = tuple(Span(span.start, span.end, VALUE, value_of(span, where)) for span in example.spans)
    return replace(example, spans=spans)
