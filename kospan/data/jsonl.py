"""JSON Lines: the project's own form, the same in and out."""

import json
import math
import os
from collections.abc import Iterable, Iterator, Sequence

from kospan.data.prodigy import accepted_lines, span_record
from kospan.data.source import Item
from kospan.data.text import open_text, stem, write_text
from kospan.example import Example
from modeling.spans import Span

KINDS = {str: "a string", int: "an integer", float: "a number", list: "a list", dict: "an object"}


def record(example: Example, spans: Sequence[Span] | None = None) -> dict:
    """An example as a line of JSON holds it.

    Args:
        spans: Predicted spans that take the place of the gold ones; they carry their scores. Gold spans (None here) do
            where the score is not 1.

    >>> record(Example("a", "서울에 간다", (Span(0, 2, "LC"),)))
    {'id': 'a', 'text': '서울에 간다', 'spans': [{'start': 0, 'end': 2, 'label': 'LC'}]}
    """
    line: dict = {"id": example.id, "text": example.text}
    found = example.spans if spans is None else spans
    if found is not None:
        line["spans"] = [
            {"start": int(start), "end": int(end), "label": label}
            | ({"score": float(score)} if spans is not None or score != 1.0 else {})
            for start, end, label, score in found
        ]
    return line | {key: value for key in ("question", "source") if (value := getattr(example, key))}


def from_record(line: dict, place: str = "record", default_id: str | None = None) -> Example:
    """An example from what `json.loads` made of a line; keys that it does not know are ignored.

    Args:
        place: "file:line", as errors name it.
        default_id: The id of a line without one.

    Raises: ValueError where a key is missing or a span leaves the text, TypeError where a value has the wrong type.

    >>> from_record({"id": "a", "text": "서울에 간다"}).spans is None
    True
    """
    line = typed(line, dict, place, "the line")
    for key in ("text",) if default_id else ("id", "text"):
        if key not in line:
            raise ValueError(f"{place}: expected the key {key!r}, got {', '.join(map(repr, line)) or 'none'}; add it")
    text = typed(line["text"], str, place, "'text'")
    name = typed(line.get("id", default_id), str, place, "'id'")
    question, source = (typed(line.get(key, ""), str, place, repr(key)) for key in ("question", "source"))
    spans = None
    if "spans" in line:
        spans = tuple(_span(span, len(text), f"{place}, span {at}") for at, span in enumerate(_list(line, place)))
    for value in (name, text, question, source, *(span.label for span in spans or ())):
        check_encodable(value, place)
    return Example(name, text, spans if spans is None else tuple(sorted(spans)), question, source)


def _list(line: dict, place: str) -> list:
    if line["spans"] is None:
        raise TypeError(
            f"{place}: expected 'spans' to be a list, got null; leave the key out for an unlabelled text, write [] for "
            f"a text without spans"
        )
    return typed(line["spans"], list, place, "'spans'")


def _span(span, length: int, place: str) -> Span:
    typed(span, dict, place, "a span")
    for key in ("start", "end", "label"):
        if key not in span:
            raise ValueError(
                f"{place}: expected the keys start, end and label, got {', '.join(span) or 'none'}; add {key}"
            )
    score = span.get("score", 1.0)
    if isinstance(score, int) and not isinstance(score, bool):
        score = float(score)
    if isinstance(score, float) and not math.isfinite(score):
        raise ValueError(f"{place}: expected 'score' to be finite, got {score}; leave the key out where none is known")
    return located(
        typed(span["start"], int, place, "'start'"),
        typed(span["end"], int, place, "'end'"),
        typed(span["label"], str, place, "'label'"),
        length,
        place,
        typed(score, float, place, "'score'"),
    )


def located(start: int, end: int, label: str, length: int, place: str, score: float = 1.0) -> Span:
    """A span that lies inside a text of `length` characters and has a label.

    Raises: ValueError where it does not.
    """
    # The label of an empty text stands over the whole of it, which is no character.
    if not (0 <= start < end <= length or start == end == length == 0):
        raise ValueError(
            f"{place}: expected 0 <= start < end <= {length} (the text's length), got start {start}, end {end}; "
            f"offsets count characters, the end stands behind the last one"
        )
    if not label:
        raise ValueError(f"{place}: expected a label, got an empty string; name the span's type")
    return Span(start, end, label, score)


def typed(value, kind: type, place: str, what: str):
    """The value, if it is of `kind`; True and False are no integers here.

    Raises: TypeError naming what came instead.
    """
    if isinstance(value, kind) and not isinstance(value, bool):
        return value
    mend = "; write it without quotation marks" if isinstance(value, str) and kind in (int, float) else ""
    shown = repr(value) if len(repr(value)) < 60 else repr(value)[:57] + "..."
    raise TypeError(
        f"{place}: expected {what} to be {KINDS[kind]}, got {shown} ({type(value).__name__}){mend or '; mend it'}"
    )


def check_encodable(text: str, place: str) -> None:
    """Raises: ValueError where a text holds half a surrogate pair, which UTF-8 cannot hold."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{place}: expected whole characters, got the half surrogate pair {text[error.start]!a} at character "
            f"{error.start}; write the character itself or both halves"
        ) from error


def json_lines(path: str | os.PathLike) -> Iterator[tuple[str, object]]:
    """Place and value of each line that is not empty.

    Raises: ValueError naming file and line where a line is no JSON.
    """
    for at, line in enumerate(open_text(path), 1):
        if line.strip():
            try:
                yield f"{path}:{at}", json.loads(line.rstrip("\n"))
            except json.JSONDecodeError as error:
                whole = line.strip() in ("[", "{") or line.startswith("[{")
                mend = "the file looks like one JSON value; write one object per line" if whole else "mend the line"
                raise ValueError(
                    f"{path}:{at}: expected one JSON object per line, got {error.msg} at column {error.colno}; {mend}"
                ) from error
            except (ValueError, RecursionError) as error:  # A number of thousands of digits; brackets in brackets.
                reason = str(error).partition(";")[0]
                raise ValueError(
                    f"{path}:{at}: expected one JSON object per line, got one that Python does not read ({reason}); "
                    "mend the line"
                ) from error


def jsonl_items(path: str | os.PathLike) -> Iterator[Item]:
    """The examples of a file and where they stand; a line without an id is named after its file and line.

    Questions about one text have it as their group: they stay together where a split is cut. Lines that Prodigy's
    annotators have rejected or ignored are skipped, see `kospan.data.prodigy`.
    """
    for place, line in accepted_lines(json_lines(path), path):
        example = from_record(span_record(line, place), place, f"{stem(path)}-{place.rpartition(':')[2]}")
        yield Item(place, example, example.text if example.question else "")


def read_jsonl(path: str | os.PathLike) -> list[Example]:
    """The examples of a file, plain or gzipped; overlapping spans are left as they are."""
    return [item.example for item in jsonl_items(path)]


def write_jsonl(path: str | os.PathLike, examples: Iterable[Example]) -> None:
    """Writes examples under a temporary name and renames it: the file is there whole or not at all."""
    write_text(path, "".join(json.dumps(record(example), ensure_ascii=False) + "\n" for example in examples))
