"""Text of PDF files by page; there is no masked copy, only a text."""

import os
from collections.abc import Sequence
from pathlib import Path

from kospan.masking.aliases import Change, apply_changes
from kospan.masking.documents import TextDocument, TextUnit

# Limits of one document; pypdf itself limits the size of each stream after decompression.
MAX_PAGES, MAX_CHARACTERS = 10_000, 100_000_000


class PdfDocument(TextDocument):
    """A PDF file, read page by page and written as text, with a form feed between two pages.

    Args:
        path: The file.

    Raises:
        ImportError: If pypdf is missing.
        ValueError: If it is no PDF, broken, encrypted with a password, without text, or too large.
        OSError: If it cannot be read.
    """

    def __init__(self, path: str | os.PathLike):
        # Whole pages: a model reads the line ends inside a sentence as spaces.
        self.units = [TextUnit(f"page {at}", page) for at, page in enumerate(_pages(path), 1)]
        if not any(unit.text.strip() for unit in self.units):
            raise ValueError(
                f"{path}: expected a PDF file with text, got pictures alone; recognise its text (OCR) first"
            )
        self._texts = [unit.text for unit in self.units]

    def change(self, at: int, changes: Sequence[Change]) -> None:
        """Change a page."""
        self._texts[at] = apply_changes(self._texts[at], changes)

    def content(self, notice: str | None) -> str:
        """Return the text of the changed pages."""
        return "\f".join(self._texts) + "\n" + (f"{notice}\n" if notice else "")


def _pages(path: str | os.PathLike) -> list[str]:
    try:
        import pypdf
    except ModuleNotFoundError as error:
        raise ImportError(
            "expected the packages of the extra mask for PDF files, found no pypdf; run `pip install -c "
            'constraints.txt -e ".[mask]"`'
        ) from error
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"expected a PDF file at {path}, found none; check the name")
    try:
        reader = pypdf.PdfReader(path)
        locked = reader.is_encrypted and not reader.decrypt("")
    except Exception as error:  # Of pypdf, of its decoders, of an encryption that needs another package.
        raise _broken(path, error) from error
    if locked:
        raise ValueError(f"{path}: expected a PDF file without a password, got an encrypted one; remove the password")
    try:
        if len(reader.pages) > MAX_PAGES:
            raise ValueError(f"more than {MAX_PAGES:,} pages")
        texts, left = [], MAX_CHARACTERS
        for page in reader.pages:  # Many pages may share one large stream.
            texts.append(page.extract_text())
            left -= len(texts[-1])
            if left < 0:
                raise ValueError(f"more than {MAX_CHARACTERS:,} characters")
        return texts
    except Exception as error:
        raise _broken(path, error) from error


def _broken(path: Path, error: Exception) -> ValueError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return ValueError(f"{path}: expected a whole PDF file, got an error of pypdf ({reason}); save it again")
