"""Masking and unmasking of files."""

import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from kospan.data.content import form_of
from kospan.data.text import COMPRESSIONS
from kospan.masking.aliases import AliasTable
from kospan.masking.documents import Document, PlacedText, TextDocument, placed_text
from kospan.masking.masker import Masker
from kospan.masking.office import OfficeDocument
from kospan.masking.pdf import PdfDocument
from kospan.masking.plain_files import JsonLinesFile, TableFile, TextFile
from kospan.training.saving import check_output

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


def open_document(path: str | os.PathLike, columns: Sequence[str] | None = None, quoting: str = "auto") -> Document:
    """Open a file as a document.

    Args:
        path: DOCX, HWPX, PDF, JSON Lines, CSV, TSV, or text with a document per line.
        columns: Keys or columns of JSON Lines, CSV and TSV; None takes all.
        quoting: CSV and TSV: whether quotation marks quote fields ("minimal") or are text ("none"); "auto" detects it.

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
        _check_options(path, columns, quoting)
        return PdfDocument(path) if ending == ".pdf" else OfficeDocument(path, _OFFICE[ending])
    _check_uncompressed(path)
    form = form_of(path)
    if form == "json":
        raise ValueError(
            f"{path}: expected JSON Lines, got one JSON value over the whole file; write one object per line"
        )
    if form in ("csv", "tsv"):
        return TableFile(path, "," if form == "csv" else "\t", columns, quoting)
    _check_options(path, None if form == "jsonl" else columns, quoting)
    return JsonLinesFile(path, columns) if form == "jsonl" else TextFile(path)


def _check_options(path: str | os.PathLike, columns: Sequence[str] | None, quoting: str) -> None:
    """Refuse the options of other formats."""
    if columns is not None:
        raise ValueError(f"expected columns for JSON Lines, CSV or TSV alone, got {path}; remove --columns")
    if quoting != "auto":
        raise ValueError(f"expected quoting for CSV or TSV alone, got {path}; remove --quoting")


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
        found = masker.mask(
            [unit.text for unit in part], [unit.context for unit in part], [unit.by_model for unit in part]
        )
        for at, masked in enumerate(found, first):
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


def check_distinct(files: Mapping[str, str | os.PathLike | None]) -> None:
    """Check that no two names are of one file, which would be overwritten.

    Args:
        files: Files by argument; None and "-" name none.

    Raises:
        ValueError: If two are the same file.
    """
    known: dict[str, str] = {}
    for argument, path in files.items():
        if path is None or path == "-":
            continue
        for other, name in known.items():
            same = os.path.samefile(path, other) if os.path.exists(path) and os.path.exists(other) else False
            if same or os.path.realpath(path) == other:
                raise ValueError(f"expected different files for {name} and {argument}, got {path}; name a new file")
        known[os.path.realpath(path)] = argument


def check_result(document: Document, path: str | os.PathLike, output: str) -> None:
    """Check that a document can be written to an output, or printed for "-".

    Raises:
        ValueError: If the endings differ, or a document that is not a text is to be printed.
        OSError: If the output cannot be written.
    """
    if output == "-":
        if not isinstance(document, TextDocument):
            raise ValueError("expected --output FILE for this kind of document, got -; name a file")
        return
    check_output(output)
    ending = Path(path).suffix.lower()
    wanted = ".txt" if ending == ".pdf" else ending
    if (ending in _OFFICE or ending == ".pdf") and Path(output).suffix.lower() != wanted:
        raise ValueError(f"expected an output that ends in {wanted} for {path}, got {output}; rename it")


def write_result(document: Document, output: str, notice: str | None) -> str:
    """Write a document, or print it for "-", and return the name of the output."""
    if output == "-":
        sys.stdout.write(document.content(notice))
        return "standard output"
    document.write(output, notice)
    return output
