"""Decisions of Prodigy's annotators in JSON Lines."""

import os
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator

ANSWERS = ("accept", "reject", "ignore")
# Keys of decisions about whole texts.
CHOICES = ("label", "accept", "options")


def accepted_lines(lines: Iterable[tuple[str, object]], path: str | os.PathLike) -> Iterator[tuple[str, object]]:
    """Yield the lines of a JSON Lines file that Prodigy's annotators have not rejected or ignored.

    These are counted in a warning at the end, as are binary decisions, which do not cover the rest of their text.

    Args:
        lines: Place and value of each line; lines of other tools pass unchanged.
        path: The file, as the warning names it.
    """
    skipped: Counter[str] = Counter()
    binary = 0
    for place, line in lines:
        answer = answer_of(line)
        if answer in ("reject", "ignore"):
            skipped[answer] += 1
            continue
        binary += bool(answer and line.get("_is_binary") and line.get("spans"))
        yield place, line
    if skipped:
        counts = ", ".join(f'{count} with the answer "{answer}"' for answer, count in sorted(skipped.items()))
        warnings.warn(f"{path}: skipped {counts}", stacklevel=2)
    if binary:
        warnings.warn(
            f"{path}: {binary} lines are binary decisions about single spans; other entities of their texts may be "
            "missing",
            stacklevel=2,
        )


def answer_of(line) -> str:
    """The decision in a line of Prodigy's; empty for any other line.

    >>> answer_of({"text": "서울", "answer": "reject"}), answer_of({"question": "Yes or no?", "answer": "accept"})
    ('reject', '')
    """
    if not isinstance(line, dict) or (line.get("question") is not None and line.get("_task_hash") is None):
        return ""
    answer = line.get("answer")
    return answer if isinstance(answer, str) and answer in ANSWERS else ""


def span_record(line, place: str):
    """Convert a line of Prodigy's for `kospan.data.jsonl.from_record`; other lines are returned unchanged.

    An accepted text without spans has none. Spans that were rejected one by one are dropped, and so are scores.

    Raises:
        ValueError: If the annotators have chosen labels for whole texts.
    """
    if answer_of(line) != "accept":
        return line
    if line.get("spans") is None:
        chosen = next((key for key in CHOICES if line.get(key) is not None), None)
        if chosen:
            raise ValueError(
                f"{place}: expected Prodigy's 'spans', got a decision about the whole text under {chosen!r}; export "
                "a dataset in which spans were annotated"
            )
    name = line.get("id")
    is_number = isinstance(name, int) and not isinstance(name, bool)
    spans = line.get("spans")
    if spans is None or isinstance(spans, list):
        spans = [_gold(span) for span in spans or () if not is_rejected(span)]
    return line | {"spans": spans} | ({"id": str(name)} if is_number else {})


def is_rejected(span) -> bool:
    """Return whether a span was rejected or ignored by itself."""
    return isinstance(span, dict) and span.get("answer") in ("reject", "ignore")


def _gold(span):
    # The score of the model that suggested the span is not the annotator's.
    return {key: value for key, value in span.items() if key != "score"} if isinstance(span, dict) else span
