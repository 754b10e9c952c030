"""Records of a Label Studio export, as JSON or JSON-MIN, before their offsets are interpreted."""

import json
import os
from collections import Counter
from typing import NamedTuple

from kospan.data.checks import typed
from kospan.data.formats.keys import check_no_annotations
from kospan.data.records import STRICT, ReadSession
from kospan.data.text import open_text, stem
from kospan.files import parse_json

# Key of kospan's ids; "id" is Label Studio's own number.
ID_KEY = "example_id"
# Keys of a region's labels, by control tag.
LABEL_KEYS = ("labels", "hypertextlabels", "htmllabels")
# Keys of the values of other control tags, which are not read.
OTHER_KEYS = ("choices", "taxonomy", "rating", "number", "datetime", "ranker", "pairwise")
# Other keys of JSON-MIN and tasks, beside data and annotations.
BOOKKEEPING = frozenset(
    (
        *("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement", "history", "meta"),
        *("file_upload", "inner_id", "project", "updated_by", "drafts", "predictions"),
    )
)


class Region(NamedTuple):
    """A labelled region.

    Args:
        place: Its place in the file, for errors.
        tag: The object tag that shows the text (`to_name`); in JSON-MIN, which lacks it, the control tag.
        source: The data key that the tag shows, if the region names it.
        value: Offsets, labels and surface.
    """

    place: str
    tag: str
    source: str
    value: dict

    @property
    def is_html(self) -> bool:
        """Whether the offsets count the text nodes of HTML."""
        # A path such as "/p[1]/text()[1]" has no meaning in plain text.
        return "globalOffsets" in self.value or str(self.value.get("start")).startswith("/")


class Annotation(NamedTuple):
    """The regions marked by one annotator; `is_truth` tells whether they are the ground truth."""

    author: str
    is_truth: bool
    regions: list[Region]


class Task(NamedTuple):
    """A record with its finished annotations.

    Args:
        place: Its place in the file, for errors.
        number: Label Studio's own id; None if the record has none.
        name: The id of the example.
        data: The annotated data, by field; in JSON-MIN they include the values of the control tags.
        annotations: The annotations that were not cancelled.
        is_minimal: Whether it is a record of JSON-MIN.
    """

    place: str
    number: object
    name: str
    data: dict
    annotations: list[Annotation]
    is_minimal: bool

    @property
    def regions(self) -> list[Region]:
        """The regions of all annotations."""
        return [region for annotation in self.annotations for region in annotation.regions]


def read_tasks(path: str | os.PathLike, ignored: Counter, session: ReadSession = STRICT) -> list[Task]:
    """The records of a file.

    Args:
        path: The export.
        ignored: Counter of skipped annotations, by kind.
        session: Takes the records that cannot be read.

    Raises:
        ValueError, TypeError: If the format is another, or a record without annotations has apparent annotations under
            another key; the message names file and record.
    """
    text = open_text(path).read()
    try:
        records = parse_json(text)
    except ValueError as error:
        place, got = str(path), str(error).partition(";")[0]
        if isinstance(error, json.JSONDecodeError):
            place, got = f"{path}:{error.lineno}", error.msg
        raise ValueError(f"{place}: expected one JSON list of tasks, got {got}; export the project as JSON") from error
    typed(records, list, str(path), "the file")
    tasks = []
    for at, record in enumerate(records):
        with session.record():
            tasks.append(_task(record, f"{path}, task {at}", f"{stem(path)}-{at + 1}", ignored))
    return tasks


def _task(record, place: str, default_id: str, ignored: Counter) -> Task:
    typed(record, dict, place, "a task")
    whole = isinstance(record.get("data"), dict) or _has_results(record)
    rest = {key: value for key, value in record.items() if key not in BOOKKEEPING}
    data = record["data"] if isinstance(record.get("data"), dict) else rest
    name = str(data.get(ID_KEY, record.get("id", default_id)))
    annotations = (_annotations if whole else _minimal)(record, place, ignored)
    if not annotations:
        if whole:
            check_no_annotations(rest, place, "under 'annotations'", ("data", "annotations", "completions"))
        if isinstance(record.get("predictions"), list) and record["predictions"]:
            ignored["predictions of tasks without annotation"] += len(record["predictions"])
    return Task(place, record.get("id"), name, data, annotations, not whole)


def _has_results(record: dict) -> bool:
    """Return whether a record without `data` holds annotations as the full JSON does."""
    given = record.get("annotations", record.get("completions"))
    return isinstance(given, list) and any(isinstance(one, dict) and "result" in one for one in given)


def _annotations(record: dict, place: str, ignored: Counter) -> list[Annotation]:
    found = []
    given = record.get("annotations", record.get("completions"))
    for at, one in enumerate(typed([] if given is None else given, list, place, "'annotations'")):
        typed(one, dict, place, "an annotation")
        if one.get("was_cancelled") or one.get("skipped"):
            continue
        results = one.get("result")
        regions = []
        for number, result in enumerate(typed([] if results is None else results, list, place, "'result'")):
            kind = typed(result, dict, place, "a region").get("type", "labels")
            if kind not in LABEL_KEYS:
                ignored[f"of type {kind}"] += 1
                continue
            where = f"{place}, region {number}" if len(given) == 1 else f"{place}, annotation {at}, region {number}"
            value = typed(result.get("value"), dict, where, "'value'")
            if not _is_of_text(value):
                ignored["of an image or of sound"] += 1
                continue
            source = str(result.get("source") or "").removeprefix("$")
            regions.append(Region(where, str(result.get("to_name") or ""), source, value))
        found.append(Annotation(_author(one.get("completed_by")), bool(one.get("ground_truth")), regions))
    return found


def _minimal(record: dict, place: str, ignored: Counter) -> list[Annotation]:
    """The annotation of a JSON-MIN record: all lists of regions with labels, whatever the names of the control tags."""
    regions, known = [], [*BOOKKEEPING]
    for key, values in record.items():
        if key in BOOKKEEPING or not isinstance(values, list):
            continue
        kinds = Counter(kind for value in values for kind in _kinds(value))
        if any(kind in LABEL_KEYS for kind in kinds):
            known.append(key)
            for at, value in enumerate(values):
                where = f"{place}, {key} {at}"
                if _is_of_text(typed(value, dict, where, "a region")):
                    regions.append(Region(where, key, "", value))
                else:
                    ignored["of an image or of sound"] += 1
        elif kinds:
            known.append(key)
            ignored.update({f"of type {kind}": count for kind, count in kinds.items()})
    is_labelled = bool(regions) or record.get("annotation_id") is not None or record.get("label") == []
    check_no_annotations(record, place, "in lists of regions with 'labels'", known, by_name=not is_labelled)
    return [Annotation(_author(record.get("annotator")), False, regions)] if is_labelled else []


def _is_of_text(value: dict) -> bool:
    return "x" not in value and not isinstance(value.get("start"), float)


def _kinds(value) -> list[str]:
    """The keys of a JSON-MIN region that tell its control tag; "textarea" if its text is a list."""
    if not isinstance(value, dict):
        return []
    kinds = [key for key in value if key in LABEL_KEYS or key in OTHER_KEYS or key.endswith("labels")]
    return kinds or ["textarea"] * isinstance(value.get("text"), list)


def _author(value) -> str:
    if isinstance(value, dict):
        value = value.get("email") or value.get("id")
    return "" if value is None else str(value)
