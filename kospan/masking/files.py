"""Masking and unmasking of files."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from kospan.data.content import form_of
from kospan.data.text import COMPRESSIONS
from kospan.masking.aliases import AliasTable
from kospan.masking.documents import Document, PlacedText, placed_text
from kospan.masking.masker import Masker
from kospan.masking.office import OfficeDocument
from kospan.masking.pdf import PdfDocument
from kospan.masking.plain_files import JsonLinesFile, TableFile, TextFile

_OFFICE = {".docx": "DOCX", ".docm": "DOCX", ".hwpx": "HWPX"}
_OLD = {".doc": "DOCX", ".hwp": "HWPX", ".xls": "CSV", ".xlsx": "CSV", ".pptx": "PDF", ".odt": "DOCX", ".rtf": "DOCX"}
# Texts that the model reads together: enough for sorted batches, few enough that memory does not grow with the file.
_TEXTS_AT_A_TIME = 4096


class FileResult(NamedTuple):
    """Counts of a masked or unmasked file.

    Args:
        texts: Texts of the file.
        masked: Replaced regions by label.
        not_masked: Parts whose content is not masked, such as pictures.
    """

    texts: int
    masked: Counter[str]
    not_masked: list[str]


def open_document(path: str | os.PathLike, columns: Sequence[str] | None = None) -> Document:
    """Open a file as a document.

    Args:
        path: DOCX, HWPX, PDF, JSON Lines, CSV, TSV, or text with a document per line.
        columns: Keys or columns of JSON Lines, CSV and TSV; None takes all.

    Raises:
        ValueError: If the file is broken, encrypted or of another kind.
        OSError: If it cannot be read.
        ImportError: If a package of the extra `mask` is missing.
    """
    ending = Path(path).suffix.lower()
    if ending in _OLD:
        raise ValueError(
            f"expected DOCX, HWPX, PDF, JSON Lines, CSV, TSV or text, got {path}; save it as {_OLD[ending]}"
        )
    if ending in _OFFICE or ending == ".pdf":
        if columns is not None:
            raise ValueError(f"expected columns for JSON Lines, CSV or TSV alone, got {path}; remove --columns")
        return PdfDocument(path) if ending == ".pdf" else OfficeDocument(path, _OFFICE[ending])
    _check_uncompressed(path)
    form = form_of(path)
    if form == "json":
        raise ValueError(
            f"{path}: expected JSON Lines, got one JSON value over the whole file; write one object per line"
        )
    if form == "jsonl":
        return JsonLinesFile(path, columns)
    if form in ("csv", "tsv"):
        return TableFile(path, "," if form == "csv" else "\t", columns)
    if columns is not None:
        raise ValueError(f"expected columns for JSON Lines, CSV or TSV alone, got the text {path}; remove --columns")
    return TextFile(path)


def _check_uncompressed(path: str | os.PathLike) -> None:
    """Refuse compressed texts, whose size is only known after decompression."""
    path = Path(path)
    start = b""
    if path.is_file():
        with open(path, "rb") as file:
            start = file.read(8)
    packed = any(start.startswith(compression.magic) for compression in COMPRESSIONS.values())
    if packed or path.suffix.lower() in COMPRESSIONS:
        raise ValueError(f"expected a file without compression, got {path}; unpack it")


def document_text(path: str | os.PathLike) -> PlacedText:
    r"""Return the text of a DOCX, HWPX, PDF or other file, with the places of its parts; see `open_document`.

    >>> from pathlib import Path
    >>> _ = Path("letter.txt").write_text("서울에서\n부산까지\n", encoding="utf-8")
    >>> found = document_text("letter.txt")
    >>> found.text, found.starts, found.units[1].place
    ('서울에서\n부산까지', [0, 5], 'line 2')
    """
    return placed_text(open_document(path))


def mask_file(masker: Masker, document: Document) -> FileResult:
    """Mask all texts of an open document."""
    counts: Counter[str] = Counter()
    units = document.units
    for first in range(0, len(units), _TEXTS_AT_A_TIME):
        part = units[first : first + _TEXTS_AT_A_TIME]
        texts, contexts, by_model = ([unit[at] for unit in part] for at in (1, 2, 3))
        for at, masked in enumerate(masker.mask(texts, contexts, by_model), first):
            document.change(at, masked.edits)
            counts.update(edit.label for edit in masked.edits)
    return FileResult(len(units), counts, document.not_masked())


def unmask_file(table: AliasTable, document: Document, particles: bool = True) -> FileResult:
    """Replace the aliases in all texts of an open document by their surfaces."""
    count = 0
    for at, unit in enumerate(document.units):
        changes = table.changes(unit.text, particles)
        document.change(at, changes)
        count += sum(unit.text[change.start : change.stop] in table.surfaces for change in changes)
    return FileResult(len(document.units), Counter({"aliases": count}), [])


def check_endings(path: str | os.PathLike, output: str | os.PathLike) -> None:
    """Check that an output has the format of its input.

    Raises:
        ValueError: If the endings differ, or the two are one file.
    """
    ending = Path(path).suffix.lower()
    wanted = ".txt" if ending == ".pdf" else ending
    if Path(output).exists() and os.path.samefile(path, output):
        raise ValueError(f"expected another file for the output, got the input {path}; name a new file")
    if (ending in _OFFICE or ending == ".pdf") and Path(output).suffix.lower() != wanted:
        raise ValueError(f"expected an output that ends in {wanted} for {path}, got {output}; rename it")
