"""Labelled texts, or pairs of texts, as rows with the columns `text`, `text_pair` and `label`."""

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from kospan.data.jsonl import check_encodable, json_lines, typed
from kospan.data.prodigy import accepted_lines
from kospan.data.source import Item
from kospan.data.text import open_text, stem
from kospan.example import Example
from modeling.spans import Span

# Fields of a CSV file are documents; Python's own limit is 131,072 characters.
_LONGEST_FIELD = 2**31 - 1


class Row(NamedTuple):
    """
    Args:
        place: "file:line", or whatever leads to it.
        values: What stands in each column.
    """

    place: str
    values: dict


def labelled_items(path: str | os.PathLike) -> Iterator[Item]:
    """The rows of a CSV (.csv), TSV (.tsv) or JSON Lines (.jsonl, .json) file, .gz allowed.

    The columns are `text`, `label`, and where two texts are read together `text_pair`, which stands before the text:
    the premise before the hypothesis. `id` and `source` are taken where they are there. A label is the name of a class
    or a number; an empty one (null) means that nobody has labelled the text. Rows with the same text_pair stay together
    where a split is cut, as do equal texts.

    Raises: ValueError naming file and line where a column is missing, also in one row, or the file is malformed.
    """
    name = os.fspath(path).removesuffix(".gz").lower()
    if name.endswith((".jsonl", ".json")):
        lines = accepted_lines(json_lines(path), path)
        rows: Iterable[Row] = (Row(place, typed(line, dict, place, "the line")) for place, line in lines)
    elif name.endswith((".csv", ".tsv")):
        rows = csv_rows(open_text(path, newline=""), str(path), "\t" if name.endswith(".tsv") else ",")
    else:
        raise ValueError(
            f"expected a file of labelled texts that ends in .csv, .tsv or .jsonl, got {path}; rename it after its form"
        )
    paired = None
    for row in rows:
        values = row.values
        for column in ("text", "label"):
            if column not in values:
                raise ValueError(
                    f"{row.place}: expected the columns text and label, got "
                    f"{', '.join(map(str, values)) or 'none'}; name the columns so, and leave a label empty where "
                    "there is none"
                )
        pair = values.get("text_pair")
        pair = pair if pair not in (None, "") else None
        paired = pair is not None if paired is None else paired
        if (pair is not None) != paired:
            got = "none" if pair is None else "one"
            raise ValueError(
                f"{row.place}: expected a text_pair in every row or in none, got {got} here and not so above; mend the "
                "row, or leave it out"
            )
        yield labelled_item(
            row.place,
            str(values.get("id") or f"{stem(path)}-{row.place.rpartition(':')[2]}"),
            values["text"],
            values["label"],
            "" if pair is None else pair,
            values.get("source") or "",
        )


def labelled_item(place: str, name: str, text: str, label, pair: str = "", source: str = "") -> Item:
    """A text with its label as an example: the label is one span over the whole text.

    Args:
        place: Where it stands, as errors name it.
        label: A class's name, or a number; None or an empty string for none.
        pair: What stands before the text; empty where it stands alone.

    Raises: TypeError or ValueError naming the place where a value has the wrong type or is no Unicode.

    >>> labelled_item("my.csv:2", "a", "금리가 올랐다", "경제").example.spans
    (Span(start=0, end=7, label='경제', score=1.0),)
    """
    for value, what in ((text, "'text'"), (pair, "'text_pair'"), (source, "'source'")):
        check_encodable(typed(value, str, place, what), place)
    words = label_in_words(label, place)
    spans = None if words is None else (Span(0, len(text), words),)
    return Item(place, Example(name, text, spans, pair, source), pair or text)


def label_in_words(label, place: str) -> str | None:
    """A label as a source holds it, as its name; None where there is none.

    A float keeps its point, by which numbers are told from names of classes.

    >>> label_in_words(3, "row 1"), label_in_words(3.0, "row 1"), label_in_words(True, "row 1")
    ('3', '3.0', 'true')
    """
    if label is None or (isinstance(label, str) and not label.strip()):
        return None
    if isinstance(label, bool):
        return "true" if label else "false"
    if isinstance(label, (int, float)):
        return repr(label)
    if not isinstance(label, str):
        raise TypeError(
            f"{place}: expected a label to be a class's name or a number, got {str(label)[:60]!r} "
            f"({type(label).__name__}); mend it"
        )
    check_encodable(label, place)
    return label.strip()


def csv_rows(file: Iterable[str], name: str, delimiter: str = ",", wanted: Sequence[str] = ()) -> Iterator[Row]:
    """The rows of a file with a header; a quoted field may hold several lines.

    Args:
        file: The file, opened with `newline=""`.
        name: As errors name it.
        delimiter: What stands between two fields.
        wanted: Columns that must be there.

    Raises: ValueError naming the file and the line at which a row begins where quotation marks do not close, a row has
        more or fewer fields than the header, or the header lacks a column or names one twice.
    """
    rows = csv.reader(file, delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        place = f"{name}:{rows.line_num + 1}"
        try:
            with _long_fields():
                fields = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            raise ValueError(
                f"{place}: expected rows of fields, quotation marks inside a field doubled, got: {error}; mend the row "
                "that begins here"
            ) from error
        if not fields:
            continue
        if header is None:
            header = [field.strip() for field in fields]
            if len(set(header)) < len(header) or not set(wanted) <= set(header):
                raise ValueError(
                    f"{place}: expected a header that names every column once{' (' if wanted else ''}"
                    f"{', '.join(wanted)}{')' if wanted else ''}, got {', '.join(header)}; mend it"
                )
            continue
        if len(fields) != len(header):
            raise ValueError(
                f"{place}: expected {len(header)} fields ({', '.join(header)}), got {len(fields)}; put a field that "
                f"holds {'a comma' if delimiter == ',' else 'a tab'} or a line end into quotation marks"
            )
        yield Row(place, dict(zip(header, fields)))


@contextmanager
def _long_fields():
    """Inside, a field may be as long as a document; the limit is one for the whole process."""
    before = csv.field_size_limit(_LONGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(before)
