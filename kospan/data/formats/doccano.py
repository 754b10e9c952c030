"""doccano's JSON Lines, old ("label") and new ("entities")."""

import json
import os
from collections.abc import Iterable

from kospan.data.jsonl import check_encodable, json_lines, located, typed
from kospan.data.text import stem, write_text
from kospan.example import Example
from modeling.spans import Span


def read_doccano(path: str | os.PathLike) -> list[Example]:
    """Examples from an export; a line with none of the keys label, labels, entities is unlabelled.

    Raises: ValueError or TypeError naming file and line where a record is malformed.
    """
    return [_example(line, place, f"{stem(path)}-{place.rpartition(':')[2]}") for place, line in json_lines(path)]


def _example(line, place: str, default_id: str) -> Example:
    typed(line, dict, place, "the line")
    key = next((key for key in ("text", "data") if key in line), None)
    if key is None:
        raise ValueError(f"{place}: expected the key 'text', got {', '.join(map(repr, line)) or 'none'}; add it")
    text = typed(line[key], str, place, repr(key))
    name = line.get("id", default_id)
    name = str(name) if isinstance(name, int) and not isinstance(name, bool) else typed(name, str, place, "'id'")
    spans = None
    for key, convert in (("entities", _from_entity), ("label", _from_triple), ("labels", _from_triple)):
        if key in line and spans is None:
            values = typed(line[key], list, place, repr(key))
            found = [convert(value, len(text), f"{place}, {key} {at}") for at, value in enumerate(values)]
            spans = tuple(sorted(found))
    question, source = (typed(line.get(key, ""), str, place, repr(key)) for key in ("question", "source"))
    check_encodable(text, place)
    return Example(name, text, spans, question, source)


def _from_entity(value, length: int, place: str) -> Span:
    typed(value, dict, place, "an entity")
    missing = [key for key in ("start_offset", "end_offset", "label") if key not in value]
    if missing:
        raise ValueError(
            f"{place}: expected start_offset, end_offset and label, got {', '.join(value) or 'none'}; add {missing[0]}"
        )
    return _span(value["start_offset"], value["end_offset"], value["label"], length, place)


def _from_triple(value, length: int, place: str) -> Span:
    if not isinstance(value, list) or len(value) != 3:
        raise ValueError(
            f"{place}: expected [start, end, label], got {value!r}; export the project as sequence labelling"
        )
    return _span(*value, length, place)


def _span(start, end, label, length: int, place: str) -> Span:
    start, end = typed(start, int, place, "the start"), typed(end, int, place, "the end")
    return located(start, end, typed(label, str, place, "the label"), length, place)


def write_doccano(path: str | os.PathLike, examples: Iterable[Example]) -> None:
    """Writes what doccano imports as sequence labelling: a line with `text` and `label` per example."""
    lines = []
    for example in examples:
        line: dict = {"id": example.id, "text": example.text}
        if example.spans is not None:
            line["label"] = [list(span[:3]) for span in example.spans]
        line |= {key: value for key in ("question", "source") if (value := getattr(example, key))}
        lines.append(json.dumps(line, ensure_ascii=False) + "\n")
    write_text(path, "".join(lines))
