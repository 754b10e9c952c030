"""Texts to be read by a model."""

from pathlib import Path

from kospan.data.jsonl import read_jsonl
from kospan.data.text import open_text, stem
from kospan.example import Example


def read_texts(path: str) -> list[Example]:
    """Documents from JSON Lines (.jsonl or .json, .gz allowed), or from plain text with a document per line.

    Empty lines of a plain text are no documents; a document is named after its file and line.

    Raises: ValueError where there is no document.
    """
    if Path(path).name.removesuffix(".gz").endswith((".jsonl", ".json")):
        examples = read_jsonl(path)
    else:
        lines = ((at, line.rstrip("\n")) for at, line in enumerate(open_text(path), 1))
        examples = [Example(f"{stem(path)}-{at}", line, None) for at, line in lines if line.strip()]
    if not examples:
        raise ValueError(f"{path}: expected at least one text, got an empty file; write a document per line")
    return examples
