"""Label Studio's exports as JSON and JSON-MIN."""

import json
import os
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from kospan.data.checks import check_encodable, located, typed
from kospan.data.formats.html_nodes import HtmlNodes
from kospan.data.formats.keys import EXTRA_KEYS, warn_ignored
from kospan.data.formats.labelstudio_results import prediction, region_results
from kospan.data.formats.labelstudio_tasks import ID_KEY, LABEL_KEYS, Region, Task, read_tasks
from kospan.data.formats.offsets import RawSpan, counted, interpretations, resolve
from kospan.data.records import STRICT, ReadSession
from kospan.data.text import write_text
from kospan.example import Example
from kospan.modeling.spans import Span

# Units of offsets: characters since 2022, before that UTF-16 code units.
COUNTED = ("characters", "utf16")
# The path of a text without tags.
ONLY_NODE = "/text()[1]"


class AnnotationSpans(NamedTuple):
    """The spans of one annotation of a text."""

    place: str
    author: str
    is_truth: bool
    spans: tuple[Span, ...]


def read_labelstudio(
    path: str | os.PathLike, units: Sequence[str] = COUNTED, session: ReadSession = STRICT
) -> list[Example]:
    """Read examples from an export as JSON or JSON-MIN; a task without a finished annotation is unlabelled.

    The text is the field of the data that the labelled regions are in; `text`, if they are in several. Offsets of
    HyperText count the text nodes of HTML, so the text is what these hold, with a line end between blocks. Several
    annotators must have marked the same spans, except where one annotation is the ground truth; records of JSON-MIN
    with one id are annotations of one task. Counted in a warning are regions of another kind (relations, choices) or in
    another field, and predictions of tasks without an annotation.

    Args:
        path: The export.
        units: Possible units of the offsets; see `kospan.data.formats.offsets`.
        session: Takes the tasks that cannot be read.

    Raises:
        ValueError, TypeError: If a record is malformed, its annotations differ, a surface differs from the text at the
            offsets, or the offsets can be read in several ways; the message names file and task.
    """
    ignored: Counter[str] = Counter()
    tasks = read_tasks(path, ignored, session)
    fields = _fields(tasks, units)
    chosen = _chosen(fields, path)
    html_fields = {fields[region.tag] for task in tasks for region in task.regions if region.is_html}
    found: dict[object, tuple[Example, list[AnnotationSpans]]] = {}
    for at, task in enumerate(tasks):
        with session.record():
            example, marked = _marked(task, _text_key(task, chosen), fields, html_fields, units, ignored)
            # JSON-MIN has a record for each annotation.
            identity = (task.name, example.text) if task.is_minimal and task.number is not None else at
            found.setdefault(identity, (example, []))[1].extend(marked)
    warn_ignored(path, ignored)
    examples = []
    for example, marked in found.values():
        with session.record():
            examples.append(replace(example, spans=_agreed(marked)))
    return examples


def _marked(
    task: Task, key: str, fields: dict[str, str], html_fields: set[str], units: Sequence[str], ignored: Counter
) -> tuple[Example, list[AnnotationSpans]]:
    """The unlabelled example of a task whose text is under `key`, and its annotations."""
    text = typed(task.data[key], str, task.place, repr(key))
    check_encodable(text, task.place)
    nodes = HtmlNodes(text) if key in html_fields else None
    text = nodes.text if nodes else text
    extra = {key: typed(task.data.get(key) or "", str, task.place, repr(key)) for key in EXTRA_KEYS}
    marked = []
    for annotation in task.annotations:
        regions = [region for region in annotation.regions if fields[region.tag] == key]
        if others := len(annotation.regions) - len(regions):
            ignored[f"in another field than {key!r}"] += others
        spans = _spans(regions, text, nodes, task.place, units)
        marked.append(AnnotationSpans(task.place, annotation.author, annotation.is_truth, spans))
    return Example(task.name, text, None, **extra), marked


def _agreed(marked: list[AnnotationSpans]) -> tuple[Span, ...] | None:
    """The spans on which all annotations of a text agree; None if there is no annotation."""
    found = [one for one in marked if one.is_truth] or marked
    if len({one.spans for one in found}) > 1:
        authors = ", ".join(one.author or "unknown" for one in found)
        raise ValueError(
            f"{found[-1].place}: expected one annotation, got {len(found)} that differ (annotators {authors}); mark "
            "one as ground truth in Label Studio, or delete the others, and export again"
        )
    return found[0].spans if found else None


def _chosen(fields: dict[str, str], path: str | os.PathLike) -> str | None:
    """The data field that is the text; None if there are no regions to tell."""
    shown = sorted(set(fields.values()))
    if len(shown) > 1 and "text" not in shown:
        raise ValueError(
            f"{path}: expected labelled regions in one field of the data, or in 'text' among others, got them in "
            f"{', '.join(shown)}; rename the one to read to 'text'"
        )
    return "text" if "text" in shown else next(iter(shown), None)


def _text_key(task: Task, chosen: str | None) -> str:
    if chosen in task.data:
        return chosen
    names = [key for key, value in task.data.items() if isinstance(value, str) and key not in (ID_KEY, *EXTRA_KEYS)]
    if "text" not in task.data and len(names) != 1:
        raise ValueError(
            f"{task.place}: expected the text under 'text', got the keys {', '.join(task.data)}; rename one to text"
        )
    return "text" if "text" in task.data else names[0]


def _fields(tasks: list[Task], units: Sequence[str]) -> dict[str, str]:
    """Return the data field of each object tag or, in JSON-MIN, of each control tag.

    An export does not name it; a field is possible if all regions of the tag fit it. Of several, the one that the tag
    or its regions name is taken, else the one that no other tag must have, else `text`.
    """
    groups: dict[str, list[tuple[Task, list[Region]]]] = {}
    for task in tasks:
        for annotation in task.annotations:
            for tag in dict.fromkeys(region.tag for region in annotation.regions):
                regions = [region for region in annotation.regions if region.tag == tag]
                groups.setdefault(tag, []).append((task, regions))
    fields: dict[str, str] = {}
    several: dict[str, list[str]] = {}
    for tag, group in groups.items():
        keys = dict.fromkeys(key for task, _ in group for key in task.data)
        strings = [key for key in keys if all(isinstance(task.data.get(key), str) for task, _ in group)]
        sources = [region.source for _, regions in group for region in regions]
        named = [key for key in (*sources, tag) if key in keys and not group[0][0].is_minimal]
        fitting = [key for key in strings if all(_fits(regions, task.data[key], units) for task, regions in group)]
        certain = [key for key in named if key in fitting or key not in strings] or fitting
        if certain and (len(certain) == 1 or certain[0] in named):
            fields[tag] = certain[0]
        elif certain:
            several[tag] = certain
        else:  # No field fits: the first wrong region raises the error.
            fields[tag] = next(iter(named), "text" if "text" in strings or not strings else strings[0])
    for tag, certain in several.items():
        free = [key for key in certain if key not in fields.values()] if not tasks[0].is_minimal else []
        if len(free) != 1 and "text" not in certain:
            raise ValueError(
                f"{groups[tag][0][0].place}: expected regions of {tag!r} that fit one field of the data, got ones "
                f"that fit {', '.join(certain)}; rename the one to read to 'text'"
            )
        fields[tag] = free[0] if len(free) == 1 else "text"
    return fields


def _fits(regions: list[Region], text: str, units: Sequence[str]) -> bool:
    try:
        raw_spans = [_raw_span(region) for region in regions]
    except (TypeError, ValueError):
        return False
    text = HtmlNodes(text).counted if any(region.is_html for region in regions) else text
    return bool(interpretations(text, raw_spans, units))


def _spans(
    regions: list[Region], text: str, nodes: HtmlNodes | None, place: str, units: Sequence[str]
) -> tuple[Span, ...]:
    found = resolve(nodes.counted if nodes else text, [_raw_span(region) for region in regions], units, place)
    spans = []
    for region, ((start, end),) in zip(regions, found):
        start, end = nodes.span(start, end) if nodes and end else (start, end)
        spans.append(located(start, end, _label(region), len(text), region.place))
    return tuple(sorted(spans))


def _raw_span(region: Region) -> RawSpan:
    value, place = region.value, region.place
    surface = value.get("text")
    if surface is not None:
        typed(surface, str, place, "'text'")
    start, end = value.get("start"), value.get("end")
    if region.is_html:
        offsets = value.get("globalOffsets")
        if offsets is None and start == end == ONLY_NODE:
            offsets = {"start": value.get("startOffset"), "end": value.get("endOffset")}
        if offsets is None:
            raise ValueError(
                f"{place}: expected 'globalOffsets' beside the paths {start} and {end}, got none; open and save the "
                "annotation in a newer Label Studio, which adds them"
            )
        typed(offsets, dict, place, "'globalOffsets'")
        start, end = offsets.get("start"), offsets.get("end")
    return RawSpan(place, ((typed(start, int, place, "'start'"), typed(end, int, place, "'end'")),), surface)


def _label(region: Region) -> str:
    labels = next((region.value[key] for key in LABEL_KEYS if key in region.value), None)
    typed(labels, list, region.place, "'labels'")
    if len(labels) != 1:
        raise ValueError(f"{region.place}: expected one label, got {labels}; choose one in Label Studio")
    return typed(labels[0], str, region.place, "a label")


def write_labelstudio(
    path: str | os.PathLike,
    examples: Iterable[Example],
    unit: str = "characters",
    predicted: Collection[int] = (),
    model_version: str = "kospan",
) -> None:
    """Write tasks for a project with `<Text name="text">` and `<Labels name="label">`.

    Args:
        path: The file.
        examples: The examples.
        unit: Unit of the offsets.
        predicted: Positions, from 0, of the examples whose spans are a model's: they become a prediction with its
            scores, which an annotator may accept, and no annotation.
        model_version: The model, as Label Studio names it beside a prediction.

    Raises:
        ValueError: If a span begins or ends inside a grapheme and graphemes are counted.
    """
    tasks = []
    for number, example in enumerate(examples, 1):
        task: dict = {"id": number, "data": task_data(example)}
        if example.spans is not None:
            pairs = counted(example.text, example.spans, unit, f"example {example.id!r}")
            is_predicted = number - 1 in predicted
            result = region_results(example.text, example.spans, pairs, scored=is_predicted)
            if is_predicted:
                task["predictions"] = [prediction(result, example.spans, model_version)]
            else:
                task["annotations"] = [{"result": result}]
        tasks.append(task)
    write_tasks(path, tasks)


def task_data(example: Example) -> dict:
    """Return the data of a task."""
    extra = {key: value for key in EXTRA_KEYS if (value := getattr(example, key))}
    return {"text": example.text, ID_KEY: example.id} | extra


def write_tasks(path: str | os.PathLike, tasks: list[dict]) -> None:
    """Write tasks, whole or not at all."""
    write_text(path, json.dumps(tasks, ensure_ascii=False, indent=1) + "\n")
