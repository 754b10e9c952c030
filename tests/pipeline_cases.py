"""Results of the token classification pipeline, as the tests compare them."""

import pytest

KEYS = ["entity_group", "score", "word", "start", "end"]


def dicts(text: str, spans: list) -> list[dict]:
    return [
        dict(zip(KEYS, (span.label, span.score, text[span.start : span.end], span.start, span.end))) for span in spans
    ]


def close(found: list[dict], expected: list[dict]) -> None:
    """Equal, with scores to 1e-6: what stands beside a text in a batch changes the last digits."""
    assert [[one[key] for key in KEYS if key != "score"] for one in found] == [
        [one[key] for key in KEYS if key != "score"] for one in expected
    ]
    assert [one["score"] for one in found] == pytest.approx([one["score"] for one in expected], abs=1e-6)
