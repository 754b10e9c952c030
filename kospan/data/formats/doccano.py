"""doccano's JSON Lines, of old and new versions."""

import os
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from kospan.data.checks import check_encodable, id_of, located, typed
from kospan.data.formats.keys import EXTRA_KEYS, check_no_annotations, warn_ignored
from kospan.data.formats.offsets import UNITS, RawSpan, common_units, counted, is_ambiguous, resolve
from kospan.data.jsonl import json_lines, write_lines
from kospan.data.records import STRICT, ReadSession
from kospan.data.text import line_id
from kospan.example import Example
from kospan.modeling.spans import Span

# "label" and, for projects with relations or intents, "entities" are written today, the others by older versions.
KEYS = ("label", "labels", "entities", "annotations")
# Annotations of other kinds, which are not read.
OTHERS = ("relations", "cats")


class Annotation(NamedTuple):
    """One annotated span; `user` is its annotator, if the line names one."""

    raw_span: RawSpan
    label: str
    user: object


class Line(NamedTuple):
    """A line of an export before its offsets are interpreted: an example without spans, and annotations by key."""

    place: str
    example: Example
    annotations: dict[str, list[Annotation]]


def read_doccano(path: str | os.PathLike, units: Sequence[str] = UNITS, session: ReadSession = STRICT) -> list[Example]:
    """Read the examples of an export; a line without label, labels, entities and annotations is unlabelled.

    doccano counts UTF-16 code units, or graphemes in projects with that setting, and keeps imported offsets, which
    often count characters. A unit that is impossible in one line is not considered in the others. Relations and
    categories are counted in a warning.

    Args:
        path: The export.
        units: Possible units of the offsets; see `kospan.data.formats.offsets`.
        session: Takes the lines that cannot be read.

    Raises:
        ValueError, TypeError: If a record is malformed, its offsets can be read in several ways, its annotations are
            under another key, or annotators differ; the message names file and line.
    """
    ignored: Counter[str] = Counter()
    lines = []
    for place, line in json_lines(path, session):
        with session.record():
            lines.append(_line(line, place, line_id(path, place), ignored))
    texts = [(line.example.text, _raw_spans(line)) for line in lines]
    possible = common_units(texts, units)
    found = []
    for line in lines:
        with session.record():
            found.append(_labelled(line, possible))
    warn_ignored(path, ignored)
    if any(is_ambiguous(text, raw_spans, units) for text, raw_spans in texts):
        warnings.warn(
            f"{path}: read the offsets as {' or '.join(possible)}, which alone fits all lines",
            stacklevel=2,
        )
    return found


def _line(line, place: str, default_id: str, ignored: Counter) -> Line:
    typed(line, dict, place, "the line")
    key = next((key for key in ("text", "data") if key in line), None)
    if key is None:
        raise ValueError(f"{place}: expected the key 'text', got {', '.join(map(repr, line)) or 'none'}; add it")
    text = typed(line[key], str, place, repr(key))
    name = id_of(line.get("id", line.get("doc_id", default_id)), place)
    # If only some lines of a project have an extra key, doccano writes null in the others.
    extra = {key: typed(line.get(key) or "", str, place, repr(key)) for key in EXTRA_KEYS}
    for value in (text, name, *extra.values()):
        check_encodable(value, place)
    ignored.update({key: len(line[key]) for key in OTHERS if isinstance(line.get(key), list) and line[key]})
    keys = [key for key in KEYS if line.get(key) is not None] or [key for key in KEYS if key in line]
    if not keys:
        check_no_annotations(line, place, "under " + ", ".join(map(repr, KEYS)), (*OTHERS, "Comments"))
    annotations = {}
    for key in keys:
        values = typed(line[key], list, place, repr(key))
        annotations[key] = [_annotation(value, f"{place}, {key} {at}") for at, value in enumerate(values)]
    return Line(place, Example(name, text, None, **extra), annotations)


def _raw_spans(line: Line) -> list[RawSpan]:
    return [annotation.raw_span for annotations in line.annotations.values() for annotation in annotations]


def _labelled(line: Line, units: Sequence[str]) -> Example:
    """Add the spans to an example; they must be the same under all keys and for all users."""
    found: dict[str, list[Span]] = {}
    resolved = iter(resolve(line.example.text, _raw_spans(line), units, line.place))
    for key, annotations in line.annotations.items():
        if not annotations:
            found[repr(key)] = []
        for raw_span, label, user in annotations:
            ((start, end),) = next(resolved)
            name = repr(key) if user is None else f"{key!r} (user {user})"
            found.setdefault(name, []).append(located(start, end, label, len(line.example.text), raw_span.place))
    spans = {name: tuple(sorted(each)) for name, each in found.items()}
    if len(set(spans.values())) > 1:
        raise ValueError(
            f"{line.place}: expected one set of annotations, got different ones under {' and '.join(spans)}; remove "
            "all but one"
        )
    return replace(line.example, spans=next(iter(spans.values()), None))


def _annotation(value, place: str) -> Annotation:
    user = None
    if isinstance(value, dict):
        missing = [key for key in ("start_offset", "end_offset", "label") if key not in value]
        if missing:
            raise ValueError(
                f"{place}: expected start_offset, end_offset and label, got {', '.join(value) or 'none'}; add "
                f"{missing[0]}"
            )
        start, end, label, user = *(value[key] for key in ("start_offset", "end_offset", "label")), value.get("user")
    elif isinstance(value, list) and len(value) == 3:
        start, end, label = value
    else:
        raise ValueError(
            f"{place}: expected [start, end, label], got {value!r}; export the project as sequence labelling"
        )
    if isinstance(label, int) and not isinstance(label, bool):
        raise ValueError(
            f"{place}: expected the label's name, got the number {label}, whose name is not in the file; export as "
            "JSONL (text label), or put the names in"
        )
    offsets = typed(start, int, place, "the start"), typed(end, int, place, "the end")
    return Annotation(RawSpan(place, (offsets,)), typed(label, str, place, "the label"), user)


def write_doccano(path: str | os.PathLike, examples: Iterable[Example], unit: str = "utf16") -> None:
    """Write sequence-labelling data for doccano: a line with `text` and `label` per example.

    Args:
        path: The file.
        examples: The examples.
        unit: Unit of the offsets: "utf16", or "graphemes" for a project that counts these.

    Raises:
        ValueError: If a span begins or ends inside a grapheme and graphemes are counted.
    """
    lines = []
    for example in examples:
        line: dict = {"id": example.id, "text": example.text}
        if example.spans is not None:
            offsets = counted(example.text, example.spans, unit, f"example {example.id!r}")
            line["label"] = [[start, end, span.label] for (start, end), span in zip(offsets, example.spans)]
        line |= {key: value for key in EXTRA_KEYS if (value := getattr(example, key))}
        lines.append(line)
    write_lines(path, lines)
