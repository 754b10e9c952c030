"""The Groningen Meaning Bank in Kaggle's format."""

import csv
import io
import zipfile
import zlib
from collections.abc import Iterator

from kospan.data.decompression import check_entries, read_entry
from kospan.data.records import STRICT, Item, ReadSession
from kospan.data.tagged import Sentence, tagged_items
from kospan.data.text import decoded, read_bytes, stem

COLUMNS = ("Sentence #", "Word", "Tag")


def read_gmb(path: str, session: ReadSession = STRICT) -> Iterator[Item]:
    """Read a CSV with the columns `Sentence #` (filled in a sentence's first row only), `Word` and `Tag`.

    Args:
        path: The CSV, plain or in a zip; cp1252 as distributed, or UTF-8.
        session: Options, and collector of invalid records.

    Raises:
        ValueError: If a column is missing, or a zip holds no CSV or several.
    """
    return tagged_items(_sentences(path, session), " ", session=session)


def _sentences(path: str, session: ReadSession) -> Iterator[Sentence]:
    rows = csv.DictReader(io.StringIO(_text(path), newline=""))
    missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise ValueError(
            f"{path}:1: expected a heading with the columns {', '.join(COLUMNS)}, got "
            f"{rows.fieldnames or 'an empty file'}; add {', '.join(missing)}"
        )
    number, sentence, wrong = 0, None, None
    for row in rows:
        if row["Sentence #"]:
            if wrong:
                session.reject(wrong)
            elif sentence:
                yield sentence
            number, wrong = number + 1, None
            sentence = Sentence(f"{stem(path)}-{number}", str(path))
        place = f"{path}:{rows.line_num}"
        if sentence is None:
            raise ValueError(f"{place}: expected the first row to name its sentence, got an empty `Sentence #`; add it")
        if not row["Word"] or not row["Tag"]:
            wrong = wrong or ValueError(
                f"{place}: expected a word and its tag, got {row['Word']!r} and {row['Tag']!r}; add both"
            )
        sentence.tokens.append(row["Word"])
        sentence.tags.append((row["Tag"] or "").strip())
        sentence.lines.append(rows.line_num)
    if wrong:
        session.reject(wrong)
    elif sentence:
        yield sentence


def _text(path: str) -> str:
    data = read_bytes(path)
    if data[:4] == b"PK\x03\x04":
        try:
            data = _zipped(data, path)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
            raise ValueError(f"{path}: expected a whole zip archive, got {error}; fetch the file again") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return decoded(data, path, "cp1252")


def _zipped(data: bytes, path: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        check_entries(len(archive.infolist()), path)
        found = [info for info in archive.infolist() if info.filename.lower().endswith(".csv")]
        found = [info for info in found if "__MACOSX" not in info.filename]
        if len(found) != 1:
            names = [info.filename for info in found[:10]]
            raise ValueError(f"{path}: expected a zip with one .csv, got {names or 'none'}; name the right file itself")
        return read_entry(archive, found[0], len(data), path)
