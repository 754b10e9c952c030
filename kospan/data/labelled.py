"""Labelled texts or pairs of texts, as rows with the columns `text`, `text_pair` and `label`."""

import math
import os
from collections.abc import Iterable, Iterator

from kospan.data.checks import check_encodable, typed
from kospan.data.content import form_of
from kospan.data.jsonl import json_lines
from kospan.data.prodigy import accepted_lines
from kospan.data.records import STRICT, Item, ReadSession
from kospan.data.tables import Row, csv_rows
from kospan.data.text import line_id, open_text
from kospan.example import Example, clean_label
from kospan.modeling.spans import Span


def labelled_items(path: str | os.PathLike, session: ReadSession = STRICT) -> Iterator[Item]:
    """Read the rows of a CSV, TSV or JSON Lines file, plain or gzipped.

    The columns are `text`, `label`, and where two texts are read together `text_pair`, the second text: the hypothesis
    of the text's premise. `id` and `source` are taken where they are there. A label is the name of a class or a number;
    an empty one (null) means that the text is unlabelled. Rows with the same text stay together when a split is cut; of
    pairs see `kospan.data.records.grouped_pairs`. How quotation marks are read see `kospan.data.tables.csv_rows`.

    Raises:
        ValueError: If a column is missing, also in one row, or the file is malformed; the message names file and line.
    """
    form = form_of(path)
    if form == "jsonl":
        rows: Iterable[Row] = _json_rows(path, session)
    elif form in ("csv", "tsv"):
        text = open_text(path, newline="").read()
        rows = csv_rows(text, str(path), "\t" if form == "tsv" else ",", session=session)
    else:
        raise ValueError(
            f"expected a file of labelled texts that ends in .csv, .tsv or .jsonl, got {path}; rename it after its form"
        )
    paired = None
    for row in rows:
        with session.record():
            values = row.values
            for column in ("text", "label") if session.labelled else ("text",):
                if column not in values:
                    raise ValueError(
                        f"{row.place}: expected the columns text and label, got "
                        f"{', '.join(map(str, values)) or 'none'}; rename the columns, and use an empty label for "
                        "unlabelled texts"
                    )
            pair = values.get("text_pair")
            pair = pair if pair not in (None, "") else None
            paired = pair is not None if paired is None else paired
            if (pair is not None) != paired:
                got = "none" if pair is None else "one"
                raise ValueError(
                    f"{row.place}: expected a text_pair in every row or in none, got {got} here and not so above; "
                    "correct the row, or remove it"
                )
            name = values.get("id")
            yield labelled_item(
                row.place,
                line_id(path, row.place) if name in (None, "") else str(name),
                values["text"],
                values.get("label"),
                "" if pair is None else pair,
                values.get("source") or "",
            )


def _json_rows(path: str | os.PathLike, session: ReadSession) -> Iterator[Row]:
    for place, line in accepted_lines(json_lines(path, session), path):
        with session.record():
            values = typed(line, dict, place, "the line")
            yield Row(place, {key: None if _is_nan(value) else value for key, value in values.items()})


def labelled_item(place: str, name: str, text: str, label, pair: str = "", source: str = "") -> Item:
    """Build the item of a labelled text; the label becomes one span over the whole text.

    Args:
        place: Place of the row, for errors.
        name: Id of the example.
        text: The text.
        label: A class's name, or a number; None or an empty string for none.
        pair: The second text of a pair; empty for a single text.
        source: Part of the data set that it comes from.

    Raises:
        TypeError, ValueError: If a value has the wrong type or is not valid Unicode; the message names the place.

    >>> labelled_item("my.csv:2", "a", "금리가 올랐다", "경제").example.spans
    (Span(start=0, end=7, label='경제', score=1.0),)
    """
    for value, what in ((text, "'text'"), (pair, "'text_pair'"), (source, "'source'")):
        check_encodable(typed(value, str, place, what), place)
    words = label_in_words(label, place)
    spans = None if words is None else (Span(0, len(text), words),)
    example = Example(name, text, spans, source=source, text_pair=pair)
    return Item(place, example, "" if pair else text, whole_text=True)


def label_in_words(label, place: str) -> str | None:
    """Convert a label to its name; None if there is none.

    A float keeps its point, which distinguishes values from names of classes. NaN, which pandas writes for a missing
    number, is no label.

    Raises:
        TypeError, ValueError: If it is neither a name nor a finite number.

    >>> label_in_words(3, "row 1"), label_in_words(3.0, "row 1"), label_in_words(True, "row 1")
    ('3', '3.0', 'true')
    """
    if isinstance(label, bool):
        return "true" if label else "false"
    if _is_nan(label):
        return None
    if isinstance(label, float) and math.isinf(label):
        raise ValueError(
            f"{place}: expected a label that is a finite number, got {label}; correct it, or use an empty label"
        )
    if isinstance(label, (int, float)):
        return repr(label)
    if label is not None and not isinstance(label, str):
        raise TypeError(
            f"{place}: expected a label to be a class's name or a number, got {str(label)[:60]!r} "
            f"({type(label).__name__}); correct it"
        )
    check_encodable(label or "", place)
    return clean_label(label or "") or None


def _is_nan(value) -> bool:
    return isinstance(value, float) and math.isnan(value)
