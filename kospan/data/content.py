"""Detection of a file's format, by its name or else by its contents."""

import os
import re
from pathlib import Path

from kospan.data.text import COMPRESSIONS, open_text
from kospan.files import parse_json

_BY_NAME = {
    **dict.fromkeys((".jsonl", ".ndjson", ".jsonlines", ".jl", ".json"), "jsonl"),
    ".csv": "csv",
    **dict.fromkeys((".tsv", ".tab"), "tsv"),
}
# A line of short names that includes one of these is the header of a table.
_COLUMNS = {"text", "text_pair", "label", "question", "context", "sentence", "sentence1", "document"}
_COLUMN = re.compile(r"[\w][\w .-]{0,30}")


def form_of(path: str | os.PathLike) -> str:
    """Return "jsonl", "csv", "tsv", "json" (one value for the whole file) or "text".

    Endings count in any case, and in front of .gz, .bz2 and .xz. The contents of other files decide: JSON Lines if the
    first line is an object with a text, or every line is an object; a table if the first line names columns.
    """
    name = Path(path)
    name = name.with_suffix("") if name.suffix.lower() in COMPRESSIONS else name
    return form_of_name(name) or _form_of_text(open_text(path).read())


def form_of_name(path: str | os.PathLike) -> str | None:
    """Return the format that the ending of an uncompressed file names, as `form_of` does; None if it names none.

    >>> form_of_name("a.ndjson"), form_of_name("a.txt")
    ('jsonl', None)
    """
    return _BY_NAME.get(Path(path).suffix.lower())


def form_of_start(text: str, whole: bool) -> str:
    """Return the format of a file by its first characters, as `form_of` does.

    Args:
        text: The start of the file.
        whole: Whether it is the whole file; otherwise its last line is ignored.
    """
    if whole:
        return _form_of_text(text)
    text = text.rpartition("\n")[0] or text
    if text.lstrip()[:2] in ("[", "{", "[\n", "{\n", "[{", "[\r", "{\r"):
        return "json"
    return _form_of_text(text)


def _form_of_text(text: str) -> str:
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines:
        return "text"
    if lines[0].lstrip()[0] in "{[":
        first = loaded(lines[0])
        if isinstance(first, dict) and ("text" in first or all(isinstance(loaded(line), dict) for line in lines)):
            return "jsonl"
        if isinstance(loaded(text), (dict, list)):
            return "json"
    for delimiter, form in (("\t", "tsv"), (",", "csv")):
        names = [name.strip().strip('"') for name in lines[0].split(delimiter)]
        header = len(names) > 1 and _COLUMNS & {name.lower() for name in names} and all(map(_COLUMN.fullmatch, names))
        if header and len(lines) > 1 and all(delimiter in line for line in lines):
            return form
    return "text"


def loaded(text: str):
    """Return the JSON value of a text; None if it is not JSON, or one that Python does not read."""
    try:
        return parse_json(text)
    except ValueError:
        return None
