"""Label Studio's JSON export, and JSON-MIN."""

import json
import os
import warnings
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from kospan.data.jsonl import check_encodable, located, typed
from kospan.data.text import open_text, stem, write_text
from kospan.example import Example
from modeling.spans import Span

# Where our ids travel: "id" is Label Studio's own number.
ID_KEY = "example_id"


def read_labelstudio(path: str | os.PathLike) -> list[Example]:
    """Examples from an export as JSON or JSON-MIN; a task without a finished annotation is unlabelled.

    Offsets count characters; those of older versions, which count UTF-16 code units, are recognised by the surfaces
    beside them and converted. Regions of other kinds (relations, choices) are counted in a warning.

    Raises: ValueError or TypeError naming file and task where a record is malformed, holds several differing
        annotations, or a surface is not what the offsets cut out.
    """
    try:
        tasks = json.loads(open_text(path).read())
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path}:{error.lineno}: expected one JSON list of tasks, got {error.msg}; export the project as JSON"
        ) from error
    except RecursionError as error:
        raise ValueError(
            f"{path}: expected one JSON list of tasks, got brackets too deep to read; export the project as JSON"
        ) from error
    ignored: Counter[str] = Counter()
    typed(tasks, list, str(path), "the file")
    examples = [
        _example(task, f"{path}, task {at}", f"{stem(path)}-{at + 1}", ignored) for at, task in enumerate(tasks)
    ]
    if ignored:
        counts = ", ".join(f"{count} of type {kind}" for kind, count in sorted(ignored.items()))
        warnings.warn(f"{path}: ignored {counts}", stacklevel=2)
    return examples


def _example(task, place: str, default_id: str, ignored: Counter) -> Example:
    typed(task, dict, place, "a task")
    data = typed(task.get("data", task), dict, place, "'data'")
    texts = [key for key, value in data.items() if isinstance(value, str)]
    key = "text" if "text" in data else (texts[0] if len(texts) == 1 else None)
    if key is None:
        raise ValueError(f"{place}: expected the text under 'text', got the keys {', '.join(data)}; rename one to text")
    text = typed(data[key], str, place, repr(key))
    check_encodable(text, place)
    name = data.get(ID_KEY, task.get("id", default_id))
    question, source = (typed(data.get(key, ""), str, place, repr(key)) for key in ("question", "source"))
    results = _results(task, place)
    spans = None if results is None else _spans(results, text, place, ignored)
    return Example(str(name), text, spans, question, source)


def _results(task: dict, place: str) -> list | None:
    """The regions of the one finished annotation; None where there is none."""
    if "data" not in task:
        if "label" not in task:
            return None
        return [{"type": "labels", "value": value} for value in typed(task["label"], list, place, "'label'")]
    annotations = typed(task.get("annotations", task.get("completions", [])), list, place, "'annotations'")
    annotations = [typed(one, dict, place, "an annotation") for one in annotations]
    found = [
        typed(one.get("result", []), list, place, "'result'") for one in annotations if not one.get("was_cancelled")
    ]
    if not found:
        return None
    values = [
        sorted(json.dumps(typed(region, dict, place, "a region").get("value"), sort_keys=True) for region in result)
        for result in found
    ]
    if any(other != values[0] for other in values[1:]):
        raise ValueError(
            f"{place}: expected one annotation, got {len(found)} that differ; settle on one in Label Studio and "
            f"export again"
        )
    return found[0]


class Region(NamedTuple):
    """A labelled stretch as the export holds it; `start` and `end` may count UTF-16 units."""

    place: str
    start: int
    end: int
    label: str
    surface: str | None


def _spans(results: list, text: str, place: str, ignored: Counter) -> tuple[Span, ...]:
    regions = []
    for at, result in enumerate(results):
        kind = typed(result, dict, place, "a region").get("type", "labels")
        if kind in ("labels", "hypertextlabels"):
            regions.append(_region_of(result, f"{place}, region {at}"))
        else:
            ignored[str(kind)] += 1
    spans = [
        located(start, end, region.label, len(text), region.place)
        for region, (start, end) in zip(regions, _in_characters(regions, text, place))
    ]
    return tuple(sorted(spans))


def _region_of(result: dict, place: str) -> Region:
    value = typed(result.get("value"), dict, place, "'value'")
    labels = typed(value.get("labels", value.get("hypertextlabels")), list, place, "'labels'")
    if len(labels) != 1:
        raise ValueError(f"{place}: expected one label, got {labels}; choose one in Label Studio")
    start, end = (typed(value.get(key), int, place, repr(key)) for key in ("start", "end"))
    surface = value.get("text")
    if surface is not None:
        typed(surface, str, place, "'text'")
    return Region(place, start, end, typed(labels[0], str, place, "a label"), surface)


def _in_characters(regions: list[Region], text: str, place: str) -> list[tuple[int, int]]:
    """Start and end of each region in characters: as they stand if all surfaces agree, else from UTF-16 if all do."""
    offsets = [(region.start, region.end) for region in regions]
    surfaces = [region.surface for region in regions]
    if _fit(text, offsets, surfaces):
        if None in surfaces and any(ord(character) > 0xFFFF for character in text):
            raise ValueError(
                f"{place}: expected the surface of each region (value.text), got none, and the text holds characters "
                f"such as emoji, so that its offsets may count UTF-16 units instead; export with savetextresult=yes"
            )
        return offsets
    converted = _from_utf16(text, offsets)
    if converted is not None and None not in surfaces and _fit(text, converted, surfaces):
        return converted
    wrong = next(at for at in range(len(regions)) if not _fit(text, offsets[at : at + 1], surfaces[at : at + 1]))
    where, start, end, label, surface = regions[wrong]
    located(start, end, label, len(text), where)
    raise ValueError(
        f"{where}: expected the surface {surface!r} at {start}..{end}, got {text[start:end]!r}; export again with the "
        f"text that was annotated"
    )


def _fit(text: str, offsets: list[tuple[int, int]], surfaces: list[str | None]) -> bool:
    """Whether every span lies in the text and cuts out its surface.

    Label Studio may write a line end as a backslash and an n.
    """
    return all(
        0 <= start < end <= len(text)
        and (surface is None or surface in (text[start:end], text[start:end].replace("\n", "\\n")))
        for (start, end), surface in zip(offsets, surfaces)
    )


def _from_utf16(text: str, offsets: list[tuple[int, int]]) -> list[tuple[int, int]] | None:
    """Offsets in UTF-16 code units as offsets in characters; None where one stands inside a character or outside."""
    places, at = {}, 0
    for place, character in enumerate(text):
        places[at] = place
        at += 1 + (ord(character) > 0xFFFF)
    places[at] = len(text)
    if any(start not in places or end not in places for start, end in offsets):
        return None
    return [(places[start], places[end]) for start, end in offsets]


def write_labelstudio(path: str | os.PathLike, examples: Iterable[Example]) -> None:
    """Writes tasks that Label Studio imports into a project with `<Text name="text">` and `<Labels name="label">`."""
    tasks = []
    for number, example in enumerate(examples, 1):
        data = {"text": example.text, ID_KEY: example.id}
        data |= {key: value for key in ("question", "source") if (value := getattr(example, key))}
        task: dict = {"id": number, "data": data}
        if example.spans is not None:
            task["annotations"] = [
                {"result": [_region(span, example.text, at) for at, span in enumerate(example.spans)]}
            ]
        tasks.append(task)
    write_text(path, json.dumps(tasks, ensure_ascii=False, indent=1) + "\n")


def _region(span: Span, text: str, at: int) -> dict:
    value = {"start": span.start, "end": span.end, "text": text[span.start : span.end], "labels": [span.label]}
    return {"id": f"span-{at}", "from_name": "label", "to_name": "text", "type": "labels", "value": value}
