"""Conversion between the formats of annotation tools and JSON Lines."""

import os
import warnings
from collections.abc import Callable
from typing import NamedTuple

from kospan.data.annotations import SPAN_KEYS
from kospan.data.formats.brat import read_brat, write_brat
from kospan.data.formats.doccano import read_doccano, write_doccano
from kospan.data.formats.keys import EXTRA_KEYS
from kospan.data.formats.labelstudio import COUNTED, read_labelstudio, write_labelstudio
from kospan.data.formats.offsets import UNITS
from kospan.data.formats.prodigy import read_prodigy, write_prodigy
from kospan.data.jsonl import json_lines, jsonl_items, read_jsonl, write_jsonl
from kospan.data.prodigy import answer_of
from kospan.data.records import ReadOptions, ReadSession
from kospan.example import Example


class Format(NamedTuple):
    """Functions and properties of an annotation format.

    Args:
        read: From a path, for other tools the units that offsets may count, and a session for the records that cannot
            be read, to examples.
        write: Examples to a path, whole or not at all, for other tools with the unit that offsets count.
        units: Possible units of the tool's offsets (see `kospan.data.formats.offsets`); empty for JSON Lines.
        unit: Default unit for writing.
        loses: Fields that the format cannot represent.
        has_predictions: Whether it distinguishes predicted spans from annotated ones.
    """

    read: Callable[..., list[Example]]
    write: Callable[..., None]
    units: tuple[str, ...] = ()
    unit: str = ""
    loses: tuple[str, ...] = ()
    has_predictions: bool = False


FORMATS: dict[str, Format] = {
    "jsonl": Format(read_jsonl, write_jsonl),
    "doccano": Format(read_doccano, write_doccano, UNITS, "utf16", ("score",)),
    "label-studio": Format(read_labelstudio, write_labelstudio, COUNTED, "characters", has_predictions=True),
    "brat": Format(read_brat, write_brat, UNITS, "characters", ("score", *EXTRA_KEYS)),
    "prodigy": Format(read_prodigy, write_prodigy, ("characters",), "characters"),
}


def convert_file(
    source: str | os.PathLike,
    target: str | os.PathLike,
    from_format: str = "jsonl",
    to_format: str = "jsonl",
    offsets: str | None = None,
    model_version: str = "kospan",
    skip_invalid: bool = False,
) -> str:
    """Read annotations in one format and write them in another.

    Args:
        source: File or folder in `from_format`.
        target: File or folder to write in `to_format`.
        from_format: A name of `FORMATS`.
        to_format: A name of `FORMATS`.
        offsets: Unit of the offsets of the other tool's file, a name of `UNITS`: of `source`, or of `target` if
            `source` is JSON Lines. None reads any unit if all possible units give the same spans, and writes the
            tool's own unit.
        model_version: The model's name beside predictions, if the format has them.
        skip_invalid: Continue without records that cannot be read.

    Returns:
        A line about what was converted, ignored, and lost because the new format cannot represent it.

    Raises:
        ValueError: If a name is unknown, nothing was read, or a record is malformed (the first, and the number of
            others).
        FileExistsError: If a file is to be written and `target` is a folder.
    """
    for name in (from_format, to_format):
        if name not in FORMATS:
            raise ValueError(f"expected a format among {', '.join(FORMATS)}, got {name!r}; choose one of them")
    if offsets is not None and offsets not in UNITS:
        raise ValueError(f"expected offsets to be one of {', '.join(UNITS)}, got {offsets!r}; choose one of them")
    reader, writer = FORMATS[from_format], FORMATS[to_format]
    if offsets and not (reader.units or writer.units):
        raise ValueError(
            f"expected --offsets beside the format of another tool, got {offsets!r} for JSON Lines, whose offsets "
            "count characters; remove it"
        )
    if to_format != "brat" and os.path.isdir(target):
        raise FileExistsError(f"expected a file to write to, got the folder {target}; name a file inside it")
    session = ReadSession(ReadOptions(skip_invalid=skip_invalid), collect=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        units = (offsets,) if offsets else reader.units
        examples = reader.read(source, *((units,) if reader.units else ()), session=session)
    session.finish()
    if not examples:
        notes = "".join(f" ({warning.message})" for warning in caught)
        raise ValueError(
            f"{source}: expected at least one text in the form {from_format}, got {session.nothing('none')}{notes}; "
            "check file and form"
        )
    notes = [str(warning.message) for warning in caught] + _lost(examples, writer.loses, to_format)
    if session.invalid:
        notes.append(f"skipped {session.invalid:,} invalid record{'s' * (session.invalid > 1)}")
    options: dict = {}
    if writer.units:
        options["unit"] = offsets if offsets and not reader.units else writer.unit
    if writer.has_predictions:
        options |= {"predicted": _predicted(source, from_format, examples), "model_version": model_version}
        if options["predicted"]:
            notes.append(f"{len(options['predicted']):,} texts with scores: written as predictions")
    writer.write(target, examples, **options)
    spans = sum(len(example.spans or ()) for example in examples)
    unlabelled = sum(example.spans is None for example in examples)
    parts = [f"{len(examples):,} texts", f"{spans:,} spans"] + ([f"{unlabelled:,} unlabelled"] if unlabelled else [])
    return "; ".join([f"{', '.join(parts)}: {source} ({from_format}) -> {target} ({to_format})", *notes])


def _predicted(source: str | os.PathLike, from_format: str, examples: list[Example]) -> set[int]:
    """Positions of the texts whose spans are predictions, which have scores in JSON Lines.

    If all spans of the file are predictions, texts without spans count as predictions too.
    """
    found = {at for at, example in enumerate(examples) if any(span.score != 1.0 for span in example.spans or ())}
    if from_format == "jsonl":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # These were collected while the examples were read.
            session = ReadSession(ReadOptions(skip_invalid=True), collect=True)
            lines = dict(json_lines(source, session))
            places = [item.place for item in jsonl_items(source, session)]
        # A score of exactly 1 is in the line alone; one in an annotator's decision is not the annotator's.
        found |= {at for at, place in enumerate(places) if not answer_of(lines[place]) and _has_scores(lines[place])}
    gold = any(example.spans and at not in found for at, example in enumerate(examples))
    none_found = {at for at, example in enumerate(examples) if example.spans == ()} if found and not gold else set()
    return found | none_found


def _has_scores(line: dict) -> bool:
    """Whether spans of a record of JSON Lines have scores."""
    listed = [line[key] for key in ("spans", *SPAN_KEYS) if isinstance(line.get(key), list)]
    return any(isinstance(span, dict) and span.get("score") is not None for spans in listed for span in spans)


def _lost(examples: list[Example], keys: tuple[str, ...], to_format: str) -> list[str]:
    counts = {key: sum(bool(getattr(example, key)) for example in examples) for key in EXTRA_KEYS}
    counts["score"] = sum(span.score != 1.0 for example in examples for span in example.spans or ())
    return [f"{to_format} has no {key}: {counts[key]:,} lost" for key in keys if counts[key]]
