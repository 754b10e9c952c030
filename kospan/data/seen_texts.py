"""Keys of texts, by which data are found to overlap although the texts themselves are not kept."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from unicodedata import normalize

from kospan.data.text import write_text
from kospan.example import Example

# File of a run's folder with the keys of its training texts; it is not published.
NAME = "training_texts.txt"
# Shorter lines, such as datelines and signatures, are in many documents.
_LINE = 20


def text_key(text: str) -> str:
    r"""Key of a text; the same for texts that differ in white space or Unicode composition alone.

    >>> text_key("서울은  맑다\n") == text_key("서울은 맑다") != text_key("서울은 맑다.")
    True
    """
    return hashlib.sha256(" ".join(normalize("NFC", text).split()).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _lines(text: str) -> list[str]:
    lines = text.splitlines()
    return [line for line in lines if len(line) >= _LINE] if len(lines) > 1 else []


def text_keys(examples: Iterable[Example]) -> set[str]:
    """Keys of texts and, of texts of several lines, of their longer lines."""
    return {text_key(text) for example in examples for text in (example.text, *_lines(example.text))}


def digest(examples: Iterable[Example]) -> str:
    """Key of a set of texts, whatever their order.

    >>> one, other = Example("a", "서울은 맑다", None), Example("b", "부산은 맑다", None)
    >>> digest([one, other]) == digest([other, one]) != digest([one])
    True
    """
    return text_key(" ".join(sorted(text_key(example.text) for example in examples)))


def seen_among(examples: Sequence[Example], keys: Collection[str]) -> list[Example]:
    """Return the examples whose text, or at least half of whose longer lines, are among the keys.

    >>> one, other = Example("a", "서울은 맑다", None), Example("b", "부산은 맑다", None)
    >>> [example.id for example in seen_among([one, other], text_keys([other]))]
    ['b']
    """

    def is_seen(text: str) -> bool:
        lines = _lines(text)
        return text_key(text) in keys or 0 < len(lines) <= 2 * sum(text_key(line) in keys for line in lines)

    return [example for example in examples if is_seen(example.text)]


def write_keys(examples: Iterable[Example], path: Path, earlier: Path | None = None) -> None:
    """Write the keys of texts, one per line, in an order that says nothing about the data.

    Args:
        examples: Documents.
        path: The file.
        earlier: File with keys to add, such as that of the model that was trained further; it may be missing.
    """
    keys = text_keys(examples) | (read_keys(earlier) if earlier is not None and earlier.is_file() else set())
    write_text(path, "".join(f"{key}\n" for key in sorted(keys)))


def read_keys(path: Path) -> set[str]:
    """Read what `write_keys` wrote."""
    return set(path.read_text(encoding="utf-8").split())
