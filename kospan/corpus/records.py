"""Records of a source: read as they are, and converted to examples later."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from kospan.corpus.sources import Source, dataset_of
from kospan.corpus.streams import MAX_RECORD_BYTES, START_BYTES, Line, file_lines, start_of
from kospan.data.jsonl import from_record, json_value
from kospan.data.tables import broken_row, csv_style, quoting_of, wrong_width
from kospan.data.text import looks_like
from kospan.example import Example

# Columns of tables that are read; lines of JSON may also have words.
COLUMNS = ("text", "id", "question", "text_pair", "context", "source")
_DELIMITERS = {"csv": ",", "tsv": "\t"}
_ROWS_AT_A_TIME = 1024


class Raw(NamedTuple):
    """A record as it is read, not yet checked.

    Args:
        at: Its line, from 1, or row, from 0.
        value: The bytes of a line, or the values of a row by column; None if there is an error.
        error: Reason why it cannot be read; None if it can.
        position: Bytes of the file, or rows of the data set, that have been read, for progress.
    """

    at: int
    value: bytes | Mapping | None
    error: str | None
    position: int

    @property
    def size(self) -> int:
        """Approximate number of bytes."""
        if isinstance(self.value, bytes):
            return len(self.value)
        return sum(len(each) for each in (self.value or {}).values() if isinstance(each, str))

    def digested(self) -> bytes:
        """Return bytes that differ for different records."""
        if isinstance(self.value, bytes):
            return self.value + b"\n"
        return json.dumps([self.at, self.value, self.error], ensure_ascii=True, default=str).encode() + b"\n"


def raw_records(source: Source, columns: Mapping[str, str], quoting: str = "auto") -> Iterator[Raw]:
    """Yield the records of a source; empty lines are skipped, and unreadable records have an error.

    Args:
        source: The source.
        columns: Names of columns in the source by the name in `COLUMNS`, where they differ.
        quoting: CSV and TSV: "minimal", "none", or "auto", which decides by the start of the file.

    Raises:
        OSError: If a file cannot be opened.
        ValueError: If a data set lacks a column.
    """
    if source.form in _DELIMITERS:
        return _table(source, _quoting_of(source, quoting))
    if source.form == "parquet":
        return _parquet(source, columns)
    if source.form == "dataset":
        return _dataset(source, columns)
    return _lines(source)


def _lines(source: Source) -> Iterator[Raw]:
    for line in file_lines(source.name):
        # White space of Unicode makes an empty line, too.
        if line.error or (line.data and not line.data.decode("utf-8", "replace").isspace()):
            yield Raw(line.number, None if line.error else line.data, line.error, line.position)


def _table(source: Source, quoting: str) -> Iterator[Raw]:
    header: Sequence[str] | None = None
    for at, fields, error, position in _table_rows(source, quoting):
        if header is None:
            header, error = _header(fields, error)
            if error is None:
                continue
        error = error or _width_error(fields, header, _DELIMITERS[source.form], quoting)
        yield Raw(at, None if error else dict(zip(header, fields)), error, position)


def _table_rows(source: Source, quoting: str) -> Iterator[tuple[int, list[str], str | None, int]]:
    """Yield line, fields, error and position of each row that is not empty, the header first."""
    csv.field_size_limit(MAX_RECORD_BYTES)
    feed = _TableLines(source.name)
    rows = csv.reader(feed, delimiter=_DELIMITERS[source.form], **csv_style(quoting))
    while True:
        at, feed.error = feed.number + 1, None
        try:
            fields, error = next(rows), None
        except StopIteration:
            return
        except csv.Error as problem:
            fields, error = [], broken_row(f"{problem} (lines {at} to {feed.number})")
        if fields or error or feed.error:
            yield at, fields, feed.error or error, feed.position


def _quoting_of(source: Source, quoting: str) -> str:
    if quoting != "auto":
        return quoting
    start = start_of(source.name)
    text = start.decode("utf-8-sig", "replace")
    return quoting_of(text, source.name, _DELIMITERS[source.form], whole=len(start) < START_BYTES)


class _TableLines:
    """Lines of a table as `csv.reader` takes them; it keeps the number of the last one, and its error."""

    def __init__(self, path: str):
        self.path, self.number, self.position = path, 0, 0
        self.lines: Iterator[Line] = file_lines(path)
        self.error: str | None = None

    def __iter__(self):
        return self

    def __next__(self) -> str:
        line = next(self.lines)
        self.number, self.position, self.error = line.number, line.position, line.error or self.error
        try:
            text = line.data.decode("utf-8")
        except UnicodeDecodeError as error:
            self.error, text = _not_utf8(error, self.path), line.data.decode("utf-8", "replace")
        return text + (line.end.decode() or "\n")


def _header(fields: Sequence[str], error: str | None) -> tuple[list[str], str | None]:
    """Return the names of the columns, or none and the reason."""
    names = [field.strip() for field in fields]
    if error is None and len(set(names)) < len(names):
        error = f"expected a header that names every column once, got {', '.join(names)}; correct it"
    return ([] if error else names), error


def _width_error(fields: Sequence[str], header: Sequence[str], delimiter: str, quoting: str) -> str | None:
    if not header:
        return "expected a header that can be read above this row, got none; correct it"
    if len(fields) == len(header):
        return None
    plain_marks = quoting == "none" and any('"' in field for field in fields)
    return wrong_width(header, len(fields), delimiter, plain_marks)


def _parquet(source: Source, columns: Mapping[str, str]) -> Iterator[Raw]:
    import pyarrow
    import pyarrow.parquet

    row = 0
    try:
        with pyarrow.parquet.ParquetFile(source.name, memory_map=False) as file:
            total, names = file.metadata.num_rows, file.schema_arrow.names
            for batch in file.iter_batches(_ROWS_AT_A_TIME, columns=read_columns(names, columns)):
                for values in batch.to_pylist():
                    row += 1
                    yield Raw(row - 1, values, None, source.size * row // total)
    except (pyarrow.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        reason = f"expected a whole Parquet file, got: {' '.join(str(error).split())[:200]}; fetch the file again"
        yield Raw(row, None, reason, source.size)


def _dataset(source: Source, columns: Mapping[str, str]) -> Iterator[Raw]:
    data = dataset_of(source)
    data = data.select_columns(read_columns(data.column_names, columns)).with_format(None)
    row = 0
    for batch in data.iter(_ROWS_AT_A_TIME):
        for values in zip(*batch.values()):
            row += 1
            yield Raw(row - 1, dict(zip(batch, values)), None, row)


def read_columns(names: Sequence[str], columns: Mapping[str, str]) -> list[str]:
    """Return the columns of a table that are read; renamed ones hide others of their new name."""
    renamed = {columns.get(each, each) for each in COLUMNS}
    return [name for name in names if name in renamed]


def to_example(raw: Raw, source: Source, columns: Mapping[str, str]) -> Example:
    """Convert a record to an example.

    Raises:
        ValueError, TypeError: If it cannot be read; the message begins with its place.
    """
    place = source.place(raw.at)
    if raw.error:
        raise ValueError(f"{place}: {raw.error}")
    default_id = f"{source.prefix}-{raw.at + source.rows}"
    values = raw.value
    if isinstance(values, bytes):
        try:
            text = values.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{place}: {_not_utf8(error, source.name)}") from error
        if source.form == "text":
            return Example(default_id, text, None)
        values = json_value(text, place)
    if isinstance(values, Mapping):
        values = _renamed(values, columns, place)
        if not isinstance(raw.value, bytes):
            values = _known_values(values, source, place)
    return from_record(values, place, default_id, annotated=False)


def _renamed(values: Mapping, columns: Mapping[str, str], place: str) -> Mapping:
    """Return the values under the names in `COLUMNS`."""
    for column in columns.values():
        if column not in values:
            got = ", ".join(map(repr, values)) or "none"
            raise ValueError(f"{place}: expected the key {column!r}, got {got}; add it")
    others = {name: value for name, value in values.items() if name not in columns}
    return others | {name: values[column] for name, column in columns.items()}


def _known_values(values: Mapping, source: Source, place: str) -> Mapping:
    """Return the values of a table's row that are read; other columns may have any type."""
    if values.get("text", "") is None:
        raise ValueError(f"{place}: expected a text, got null; write one, or remove the row")
    if "text" not in values and "context" not in values:
        return values
    known = {name: values[name] for name in COLUMNS if name in values}
    if not isinstance(known.get("source"), str):
        known.pop("source", None)
    # An empty field of a CSV file is a missing value, except for the text.
    return known if source.rows else {name: value for name, value in known.items() if value or name == "text"}


def _not_utf8(error: UnicodeDecodeError, path: str) -> str:
    data, at = error.object, error.start
    return f"expected utf-8, got byte 0x{data[at]:02x} at position {at}; {looks_like(data, path)}"


def check_columns(sources: Sequence[Source], columns: Mapping[str, str], quoting: str) -> None:
    """Check that one of the sources has the columns, as far as they are tables.

    Raises:
        ValueError: If none has; the message names the columns of the first.
    """
    wanted, first = list({"text": "text", **columns}.values()), None
    for source in sources:
        names = column_names(source, quoting)
        if names is None or set(wanted) <= {*names} or ({"question", "context"} <= {*names} and not columns):
            return
        first = first or (source.name, names)
    if first:
        missing = next(name for name in wanted if name not in first[1])
        option = next((name for name, column in columns.items() if column == missing), "text")
        raise ValueError(
            f"{first[0]}: expected a column {missing!r}, got {', '.join(first[1]) or 'none'}; name it with "
            f"--{option}_column"
        )


def column_names(source: Source, quoting: str) -> list[str] | None:
    """Return the columns of a table; None if the source is no table or cannot be read."""
    if source.form == "dataset":
        return dataset_of(source).column_names
    if source.form == "parquet":
        import pyarrow
        import pyarrow.parquet

        try:
            return pyarrow.parquet.read_schema(source.name).names
        except (pyarrow.ArrowException, OSError):
            return None
    if source.form not in _DELIMITERS:
        return None
    _, header, error, _ = next(_table_rows(source, _quoting_of(source, quoting)), (0, [], "empty", 0))
    names, error = _header(header, error)
    return None if error else names
