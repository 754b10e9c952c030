"""Annotations of other tools to JSON Lines and back."""

import os
import warnings
from collections.abc import Callable, Iterable
from typing import NamedTuple

from kospan.data.formats.brat import read_brat, write_brat
from kospan.data.formats.doccano import read_doccano, write_doccano
from kospan.data.formats.labelstudio import read_labelstudio, write_labelstudio
from kospan.data.jsonl import read_jsonl, write_jsonl
from kospan.example import Example


class Format(NamedTuple):
    """How a tool's annotations are read and written.

    Args:
        read: From a path to examples.
        write: Examples to a path, whole or not at all.
        loses: What the form cannot hold.
    """

    read: Callable[[str | os.PathLike], list[Example]]
    write: Callable[[str | os.PathLike, Iterable[Example]], None]
    loses: tuple[str, ...] = ()


FORMATS: dict[str, Format] = {
    "jsonl": Format(read_jsonl, write_jsonl),
    "doccano": Format(read_doccano, write_doccano, ("score",)),
    "label-studio": Format(read_labelstudio, write_labelstudio, ("score",)),
    "brat": Format(read_brat, write_brat, ("score", "question", "source")),
}


def convert_file(
    source: str | os.PathLike, target: str | os.PathLike, from_format: str = "jsonl", to_format: str = "jsonl"
) -> str:
    """Reads annotations in one form and writes them in another.

    Args:
        source: File or folder in `from_format`.
        target: File or folder to write in `to_format`.
        from_format: A name of `FORMATS`.
        to_format: A name of `FORMATS`.

    Returns: One line that says what was converted, what was ignored and what the new form cannot hold.

    Raises: ValueError where a name is unknown, nothing was read, or a record is malformed;
        FileExistsError where a file is to be written and `target` is a folder.
    """
    for name in (from_format, to_format):
        if name not in FORMATS:
            raise ValueError(f"expected a format among {', '.join(FORMATS)}, got {name!r}; choose one of them")
    if to_format != "brat" and os.path.isdir(target):
        raise FileExistsError(f"expected a file to write to, got the folder {target}; name a file inside it")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        examples = FORMATS[from_format].read(source)
    if not examples:
        raise ValueError(
            f"{source}: expected at least one text in the form {from_format}, got none; check file and form"
        )
    FORMATS[to_format].write(target, examples)
    spans = sum(len(example.spans or ()) for example in examples)
    unlabelled = sum(example.spans is None for example in examples)
    parts = [f"{len(examples):,} texts", f"{spans:,} spans"] + ([f"{unlabelled:,} unlabelled"] if unlabelled else [])
    notes = [str(warning.message) for warning in caught] + _lost(examples, FORMATS[to_format].loses, to_format)
    return "; ".join([f"{', '.join(parts)}: {source} ({from_format}) -> {target} ({to_format})", *notes])


def _lost(examples: list[Example], keys: tuple[str, ...], to_format: str) -> list[str]:
    counts = {
        "score": sum(span.score != 1.0 for example in examples for span in example.spans or ()),
        "question": sum(bool(example.question) for example in examples),
        "source": sum(bool(example.source) for example in examples),
    }
    return [f"{to_format} holds no {key}: {counts[key]:,} left out" for key in keys if counts[key]]
