"""Regions, choices and predictions in the form of Label Studio, for exports and for its ML backend protocol."""

from collections.abc import Sequence
from typing import NamedTuple

from kospan.modeling.spans import Span


class Control(NamedTuple):
    """Names in a labelling interface.

    Args:
        from_name: Name of the tag with the labels.
        to_name: Name of the tag that shows the text.
    """

    from_name: str = "label"
    to_name: str = "text"


# The names in exports.
DEFAULT = Control()


def region_results(
    text: str,
    spans: Sequence[Span],
    pairs: Sequence[tuple[int, int]] | None = None,
    control: Control = DEFAULT,
    scored: bool = False,
) -> list[dict]:
    """Return a labelled region for each span.

    Args:
        text: The text.
        spans: The spans.
        pairs: Start and end of each span in the unit that is written; None means characters.
        control: Names in the labelling interface.
        scored: Whether regions have the scores of the spans.

    >>> [region] = region_results("서울에 간다", [Span(0, 2, "LC", 0.5)], scored=True)
    >>> region["value"], region["score"]
    ({'start': 0, 'end': 2, 'text': '서울', 'labels': ['LC']}, 0.5)
    """
    pairs = [(span.start, span.end) for span in spans] if pairs is None else pairs
    found = []
    for at, (span, (start, end)) in enumerate(zip(spans, pairs)):
        value = {"start": start, "end": end, "text": text[span.start : span.end], "labels": [span.label]}
        found.append(_result(f"span-{at}", "labels", value, control) | ({"score": span.score} if scored else {}))
    return found


def choice_results(span: Span | None, control: Control = DEFAULT, scored: bool = False) -> list[dict]:
    """Return the choice of a text's class; no result without a class.

    Args:
        span: The class, as a span over the text.
        control: Names in the labelling interface.
        scored: Whether the choice has the score of the span.

    >>> choice_results(Span(0, 5, "사회", 0.9))[0]["value"]
    {'choices': ['사회']}
    """
    if span is None:
        return []
    found = _result("choice", "choices", {"choices": [span.label]}, control)
    return [found | ({"score": span.score} if scored else {})]


def prediction(results: list[dict], spans: Sequence[Span], model_version: str) -> dict:
    """Build a prediction; its score, by which Label Studio sorts tasks, is the mean of its spans' scores."""
    score = {"score": sum(span.score for span in spans) / len(spans)} if spans else {}
    return {"model_version": model_version, **score, "result": results}


def _result(name: str, kind: str, value: dict, control: Control) -> dict:
    return {"id": name, **control._asdict(), "type": kind, "value": value}
