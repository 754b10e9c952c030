"""Prodigy's JSON Lines, as written by `prodigy db-out` and read by `prodigy db-in`."""

import os
from collections.abc import Iterable, Sequence

from kospan.data.checks import typed
from kospan.data.formats.keys import check_no_annotations
from kospan.data.formats.offsets import RawSpan, counted, resolve
from kospan.data.jsonl import from_record, json_lines, record, write_lines
from kospan.data.prodigy import accepted_lines, span_record
from kospan.data.records import STRICT, ReadSession
from kospan.data.text import line_id
from kospan.example import Example


def read_prodigy(
    path: str | os.PathLike, units: Sequence[str] = ("characters",), session: ReadSession = STRICT
) -> list[Example]:
    """Read the lines that were accepted or have no answer yet.

    A line with neither answer nor spans is unlabelled.

    Args:
        path: The file.
        units: Possible units of the offsets; Prodigy itself counts characters.
        session: Takes the lines that cannot be read.

    Raises:
        ValueError, TypeError: If a record is malformed or holds no spans but other annotations; the message names file
            and line.
    """
    examples = []
    for place, line in accepted_lines(json_lines(path, session), path):
        with session.record():
            line = typed(span_record(line, place), dict, place, "the line")
            if line.get("spans") is None:
                check_no_annotations(line, place, "under 'spans'", ("spans", "relations", "meta"))
            elif isinstance(line.get("text"), str):
                line = line | {"spans": _in_characters(line["spans"], line["text"], units, place)}
            examples.append(from_record(line, place, line_id(path, place)))
    return examples


def _in_characters(spans, text: str, units: Sequence[str], place: str) -> list[dict]:
    raw_spans = []
    for at, span in enumerate(typed(spans, list, place, "'spans'")):
        where = f"{place}, span {at}"
        typed(span, dict, where, "a span")
        start, end = (typed(span.get(key), int, where, repr(key)) for key in ("start", "end"))
        surface = span.get("text")
        raw_spans.append(RawSpan(where, ((start, end),), surface if isinstance(surface, str) else None))
    found = resolve(text, raw_spans, units, place)
    return [span | {"start": start, "end": end} for span, ((start, end),) in zip(spans, found)]


def write_prodigy(path: str | os.PathLike, examples: Iterable[Example], unit: str = "characters") -> None:
    """Write a line with `text` and `spans` per example, without answers.

    Args:
        path: The file.
        examples: The examples.
        unit: Unit of the offsets; Prodigy itself counts characters.

    Raises:
        ValueError: If a span begins or ends inside a grapheme and graphemes are counted.
    """
    lines = []
    for example in examples:
        line = record(example)
        if example.spans is not None:
            pairs = counted(example.text, example.spans, unit, f"example {example.id!r}")
            line["spans"] = [span | {"start": start, "end": end} for span, (start, end) in zip(line["spans"], pairs)]
        lines.append(line)
    write_lines(path, lines)
