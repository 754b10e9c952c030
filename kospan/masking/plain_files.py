"""Text, JSON Lines, CSV and TSV files whose texts are masked in place."""

import csv
import io
import json
import os
from collections.abc import Collection, Sequence

from kospan.data.checks import check_encodable
from kospan.data.jsonl import json_lines
from kospan.data.tables import csv_rows
from kospan.data.text import decoded, read_bytes
from kospan.masking.aliases import Change, apply_changes
from kospan.masking.documents import TextDocument, TextUnit
from kospan.masking.labels import NOTICE, NOTICE_KEY
from kospan.masking.masker import Edit

_MARK = "\ufeff"
# Keys of a record that hold no free text.
_KEPT = ("id", "spans", NOTICE_KEY)
# Styles of tables by quoting, in order of preference. A header in quotation marks states that they quote.
_MINIMAL, _ALL = {"quoting": csv.QUOTE_MINIMAL}, {"quoting": csv.QUOTE_ALL}
_NONE = {"quoting": csv.QUOTE_NONE, "quotechar": None}
_STYLES = {"auto": (_MINIMAL, _NONE, _ALL), "minimal": (_MINIMAL, _ALL), "none": (_NONE,)}


class TextFile(TextDocument):
    """A text with a document per line; the notice is a last line, with a line end if the text has one at its end."""

    def __init__(self, path: str | os.PathLike):
        text = decoded(read_bytes(path), path, keep_mark=True)
        self._mark, text = (_MARK, text[1:]) if text.startswith(_MARK) else ("", text)
        self._lines = text.splitlines(keepends=True)
        self._end = next((line[len(line.rstrip("\r\n")) :] for line in self._lines), "") or "\n"
        if self._lines and self._lines[-1].strip() == NOTICE:
            whole = self._lines.pop().endswith(("\n", "\r"))
            if self._lines and not whole:
                self._lines[-1] = self._lines[-1].rstrip("\r\n")
        self._bodies = [line.rstrip("\r\n") for line in self._lines]
        self.units = [TextUnit(f"line {at}", body) for at, body in enumerate(self._bodies, 1)]

    def change(self, at: int, changes: Sequence[Change]) -> None:
        """Change a line."""
        body = self._bodies[at]
        self._lines[at] = apply_changes(body, changes) + self._lines[at][len(body) :]

    def content(self, notice: str | None) -> str:
        """The text of the changed file."""
        text = self._mark + "".join(self._lines)
        if notice is None:
            return text
        whole = not self._lines or self._lines[-1].endswith(("\n", "\r"))
        return text + (notice + self._end if whole else self._end + notice)


class JsonLinesFile(TextDocument):
    """Records whose strings are masked, at any depth; `spans` become those of the replacements in a masked `text`.

    Args:
        path: The file.
        columns: Keys of the record to mask; None masks all strings but `id`.

    Raises:
        ValueError: If a line is not a JSON object, a string is not valid Unicode, or no record has one of the keys.
    """

    def __init__(self, path: str | os.PathLike, columns: Sequence[str] | None = None):
        self._records: list[dict] = []
        self._places: list[tuple] = []
        self.units: list[TextUnit] = []
        self._spans: dict[int, list[dict]] = {}
        self._changed: set[int] = set()
        for place, record in json_lines(path):
            if not isinstance(record, dict):
                raise ValueError(f"{place}: expected a JSON object, got {type(record).__name__}; correct the line")
            check_encodable(json.dumps(record, ensure_ascii=False), place)
            self._records.append(record)
            for key in record if columns is None else [key for key in columns if key in record]:
                if columns is not None or key not in _KEPT:
                    self._add(record, key, place, key)
        _check_columns(path, columns, dict.fromkeys(key for record in self._records for key in record))

    def _add(self, holder, key, place: str, name: str) -> None:
        value = holder[key]
        if isinstance(value, str):
            self.units.append(TextUnit(place, value, name))
            self._places.append((holder, key))
        elif isinstance(value, (dict, list)):
            for inner in value if isinstance(value, dict) else range(len(value)):
                self._add(value, inner, place, inner if isinstance(inner, str) else name)

    def change(self, at: int, changes: Sequence[Change]) -> None:
        """Change a string."""
        holder, key = self._places[at]
        holder[key] = apply_changes(holder[key], changes)
        if key == "text":
            if changes:
                self._changed.add(id(holder))
            self._spans[id(holder)] = [_span(edit) for edit in changes if isinstance(edit, Edit)]

    def content(self, notice: str | None) -> str:
        """The text of the changed file."""
        lines = []
        for record in self._records:
            # Spans of the source would count characters of another text, and may quote it.
            stale = id(record) in (self._changed if notice is None else self._spans)
            kept = {key: value for key, value in record.items() if key != NOTICE_KEY and not (stale and key == "spans")}
            if notice is not None:
                kept |= ({"spans": self._spans[id(record)]} if stale else {}) | {NOTICE_KEY: notice}
            lines.append(json.dumps(kept, ensure_ascii=False) + "\n")
        return "".join(lines)


class TableFile(TextDocument):
    """Rows of a CSV or TSV file whose fields are masked; the names of the columns are context words.

    Args:
        path: The file.
        delimiter: The character between two fields.
        columns: Columns to mask; None masks all.
        quoting: "minimal" reads quotation marks around a field as quoting, "none" as text; "auto" detects it.

    Raises:
        ValueError: If the file is not a table, or has none of the columns.
    """

    def __init__(
        self, path: str | os.PathLike, delimiter: str, columns: Sequence[str] | None = None, quoting: str = "auto"
    ):
        text = decoded(read_bytes(path), path, keep_mark=True)
        self._mark, text = (_MARK, text[1:]) if text.startswith(_MARK) else ("", text)
        self._end = "\r\n" if "\r\n" in text.partition("\n")[0] + "\n" else "\n"
        self._path, self._delimiter, self._quoting = os.fspath(path), delimiter, quoting
        rows = list(csv_rows(text, self._path, delimiter, quoting=quoting))
        if not rows:
            raise ValueError(f"{path}: expected a header and at least one row, got none; add rows")
        self._rows = [dict(row.values) for row in rows]
        _check_columns(path, columns, self._rows[0])
        self._places = [
            (at, column)
            for at, row in enumerate(self._rows)
            for column in row
            if column != NOTICE_KEY and (columns is None or column in columns)
        ]
        self.units = [TextUnit(rows[at].place, self._rows[at][column], column) for at, column in self._places]

    def change(self, at: int, changes: Sequence[Change]) -> None:
        """Change a field."""
        row, column = self._places[at]
        self._rows[row][column] = apply_changes(self._rows[row][column], changes)

    def content(self, notice: str | None) -> str:
        """The text of the changed file; the notice is a column of its own."""
        header = [column for column in self._rows[0] if column != NOTICE_KEY]
        rows = [header + [NOTICE_KEY] * (notice is not None)]
        rows += [[*(row[column] for column in header), *([notice] if notice else [])] for row in self._rows]
        texts = [text for style in _STYLES[self._quoting] if (text := self._written(rows, style)) is not None]
        if not texts:
            raise ValueError(
                f"{self._path}: expected fields without delimiters and line ends, which --quoting none cannot write; "
                "rename the labels in the policy, or pass --quoting minimal"
            )
        return self._mark + next((text for text in texts if self._read_again(text, rows)), texts[0])

    def _written(self, rows: Sequence[Sequence[str]], style: dict) -> str | None:
        """The text of rows; None if a style cannot write them."""
        output = io.StringIO(newline="")
        try:
            csv.writer(output, delimiter=self._delimiter, lineterminator=self._end, **style).writerows(rows)
        except csv.Error:
            return None
        return output.getvalue()

    def _read_again(self, text: str, rows: Sequence[Sequence[str]]) -> bool:
        """Return whether a text is read as the same rows without knowledge of its style."""
        try:
            found = [list(row.values.items()) for row in csv_rows(text, self._path, self._delimiter)]
        except ValueError:
            return False
        return found == [list(zip(rows[0], row)) for row in rows[1:]]


def _span(edit: Edit) -> dict:
    return {"start": edit.new_start, "end": edit.new_end, "label": edit.label, "score": round(edit.score, 6)}


def _check_columns(path: str | os.PathLike, columns: Sequence[str] | None, found: Collection[str]) -> None:
    for column in columns or ():
        if column not in found:
            raise ValueError(f"{path}: expected a column or key {column!r}, got {', '.join(found)}; name one of them")
