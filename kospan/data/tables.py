"""Rows of CSV and TSV files, in which quotation marks may be quoting or text."""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from typing import NamedTuple

from kospan.data.checks import shown
from kospan.data.records import STRICT, ReadSession

# Fields of a CSV file are documents; Python's own limit is 131,072 characters.
_LONGEST_FIELD = 2**31 - 1


class Row(NamedTuple):
    """A row of a table.

    Args:
    place: "file:line" or a similar reference.
    values: The value of each column.
    """

    place: str
    values: dict


class _Record(NamedTuple):
    """The fields of a row and its first line, or its error."""

    line: int
    fields: list[str]
    error: ValueError | None = None


def csv_rows(
    text: str,
    name: str,
    delimiter: str = ",",
    wanted: Sequence[str] = (),
    session: ReadSession = STRICT,
    quoting: str = "auto",
) -> Iterator[Row]:
    r"""Read the rows of a file with a header.

    Quotation marks around a field quote it ("minimal", as pandas and Excel write files: the field may hold delimiters,
    line ends and doubled quotation marks), or are text ("none"). With "auto" the file is read both ways: one must be
    valid alone, or both must give the same rows.

    Args:
        text: The file, its line ends as they are.
        name: As errors name it.
        delimiter: The character between two fields.
        wanted: Required columns.
        session: Its option `quoting` decides.
        quoting: The convention of this kind of file, if the option is not set.

    Raises:
        ValueError: If quotation marks do not close, a row has more or fewer fields than the header, the header lacks a
            column or names one twice, or both ways of reading are valid and differ; the message names the file and the
            line at which a row begins.

    >>> [row.values for row in csv_rows('text\tlabel\nsay "hi" twice\tx\n', "my.tsv", "\t")]
    [{'text': 'say "hi" twice', 'label': 'x'}]
    """
    nul = text.find("\0")
    if nul >= 0:
        line = text.count("\n", 0, nul) + 1
        raise ValueError(
            f"{name}:{line}: expected text, got a NUL character; the file may be UTF-16 or cut short: save it as UTF-8"
        )
    asked = session.options.quoting
    records = _records(text, name, delimiter, quoting if asked == "auto" else asked)
    header: list[str] | None = None
    for record in records:
        place = f"{name}:{record.line}"
        if header is None:
            if record.error:
                raise record.error
            header = [field.strip() for field in record.fields]
            if len(set(header)) < len(header) or not set(wanted) <= set(header):
                raise ValueError(
                    f"{place}: expected a header that names every column once{' (' if wanted else ''}"
                    f"{', '.join(wanted)}{')' if wanted else ''}, got {', '.join(header)}; correct it"
                )
        elif record.error:
            session.reject(record.error)
        else:
            yield Row(place, dict(zip(header, record.fields)))


def _records(text: str, name: str, delimiter: str, quoting: str) -> list[_Record]:
    """The records of a file, header first, by the requested or the detected quoting convention."""
    if '"' not in text:
        return _parsed(text, name, delimiter, "none")
    if quoting != "auto":
        return _parsed(text, name, delimiter, quoting)
    minimal, none = (_parsed(text, name, delimiter, each) for each in ("minimal", "none"))
    return minimal if _convention(minimal, none, name) == "minimal" else none


def quoting_of(start: str, name: str, delimiter: str = ",", whole: bool = True) -> str:
    r"""Return the quoting convention of a file by its start, "minimal" or "none"; see `csv_rows`.

    Args:
        start: The first characters of the file.
        name: As errors name it.
        delimiter: The character between two fields.
        whole: Whether this is the whole file; otherwise its last row may be incomplete.

    Raises:
        ValueError: If both conventions are valid and give different rows.

    >>> quoting_of('text\tlabel\nsay "hi" twice\tx\n"a\ty\n', "my.tsv", "\t")
    'none'
    """
    if '"' not in start:
        return "minimal"
    minimal, none = (_parsed(start, name, delimiter, each) for each in ("minimal", "none"))
    if not whole:
        # A row that begins in the first half is not cut off by the end: a quotation mark in front of it is text.
        half = start.count("\n") / 2
        minimal, none = (records[:-1] if records[-1].line > half else records for records in (minimal, none))
    return _convention(minimal, none, name)


def _convention(minimal: list[_Record], none: list[_Record], name: str) -> str:
    """Choose between the records by both conventions.

    Raises:
        ValueError: If both are valid and differ.
    """
    wrong = [sum(record.error is not None for record in records) for records in (minimal, none)]
    if any(wrong):
        # If neither is valid, the one with fewer errors is probably meant.
        return "minimal" if wrong[0] <= wrong[1] else "none"
    for one, other in zip_longest(minimal, none):
        if one is None or other is None or one.fields != other.fields:
            raise _ambiguous(name, minimal[0].fields, one, other)
    return "minimal"


def _ambiguous(name: str, header: list[str], one: _Record | None, other: _Record | None) -> ValueError:
    """Build the error about a file that is valid under both conventions; it shows the first field that differs."""
    line = min(record.line for record in (one, other) if record)
    quoted, plain = (record.fields if record else ["nothing"] for record in (one, other))
    at = next((at for at, pair in enumerate(zip(quoted, plain)) if pair[0] != pair[1]), 0)
    column = header[at] if at < len(header) else f"number {at + 1}"
    return ValueError(
        f"{name}:{line}: expected quotation marks that can be read in one way, got column {column.strip()!r} as "
        f"{shown(quoted[at])} where they quote a field and as {shown(plain[at])} where they are text; pass --quoting "
        "minimal for a file from pandas or Excel, --quoting none where the marks belong to the text"
    )


def _parsed(text: str, name: str, delimiter: str, quoting: str) -> list[_Record]:
    """Parse all rows by one convention; rows of another width or with open quotation marks become errors."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, **csv_style(quoting))
    records: list[_Record] = []
    width = 0
    with _long_fields():
        while True:
            line = rows.line_num + 1
            try:
                fields = next(rows)
            except StopIteration:
                return records
            except csv.Error as error:
                wrong = ValueError(f"{name}:{line}: {broken_row(error)}")
                wrong.__cause__ = error
                records.append(_Record(line, [], wrong))
                continue
            if not fields:
                continue
            width = width or len(fields)
            wrong = None
            if quoting == "none" and not records and any('"' in field for field in fields):
                wrong = ValueError(
                    f"{name}:{line}: expected a header without quotation marks, got {', '.join(fields)}; pass "
                    "--quoting minimal where they quote the names"
                )
            elif len(fields) != width:
                reason = wrong_width(records[0].fields, len(fields), delimiter, quoting == "none" and '"' in text)
                wrong = ValueError(f"{name}:{line}: {reason}")
            records.append(_Record(line, fields, wrong))


def csv_style(quoting: str) -> dict:
    """Return the arguments of `csv.reader` for a quoting convention, "minimal" or "none"."""
    return {"quoting": csv.QUOTE_NONE} if quoting == "none" else {"strict": True}


def broken_row(got: object) -> str:
    """Return the reason why a row cannot be read that `csv.reader` refuses."""
    return (
        f"expected rows of fields, quotation marks inside a quoted field doubled, got: {got}; correct the row that "
        "begins here, or pass --quoting none where the marks belong to the text"
    )


def wrong_width(header: Sequence[str], got: int, delimiter: str, plain_marks: bool) -> str:
    """Return the reason why a row of another width than its header cannot be read.

    Args:
        header: Names of the columns.
        got: Number of fields.
        delimiter: The character between two fields.
        plain_marks: Whether there are quotation marks, and they are text.
    """
    character = {",": "a comma", "\t": "a tab"}.get(delimiter, repr(delimiter))
    hint = (
        f"take {character} out of the fields, or pass --quoting minimal where quotation marks quote them"
        if plain_marks
        else f"put a field that holds {character} or a line end into quotation marks"
    )
    return f"expected {len(header)} fields ({', '.join(header)}), got {got}; {hint}"


@contextmanager
def _long_fields():
    """Allow fields as long as a document; the limit applies to the whole process."""
    before = csv.field_size_limit(_LONGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(before)
