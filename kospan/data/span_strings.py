"""Columns of strings that hold spans, as sets of personal data write them: JSON, or a Python literal."""

import ast
import json

from kospan.data.checks import shown

_LONGEST = 1_000_000
_EMPTY = ("", "[]", "null", "None")


def is_empty(value) -> bool:
    """Return whether a value of a column of strings holds no spans."""
    return value is None or (isinstance(value, str) and value.strip() in _EMPTY)


def holds_span_strings(data, column: str, keys: tuple[tuple[str, ...], ...]) -> bool:
    """Return whether the first value that is not empty is a string with a list of spans.

    Args:
        data: A split.
        column: The column.
        keys: Names of the start, the end and the label of a span, one of each of which it has.
    """
    if getattr(data.features[column], "dtype", None) not in ("string", "large_string"):
        return False
    value = next((value for value in data[column] if not is_empty(value)), None)
    try:
        rows = [] if value is None else read_spans(value, column)
    except ValueError:
        return False
    return bool(rows) and all(isinstance(row, dict) and all(set(names) & set(row) for names in keys) for row in rows)


def read_spans(value: str, place: str) -> list:
    """Read the list in a string.

    Args:
        value: JSON, or a Python literal with single quotes.
        place: As errors name it.

    Raises:
        ValueError: If it is neither, or no list.

    >>> read_spans("[{'start': 0, 'end': 2, 'label': 'LC'}]", "row 0")
    [{'start': 0, 'end': 2, 'label': 'LC'}]
    """
    if is_empty(value):
        return []
    found = None
    if len(value) <= _LONGEST:
        for read in (json.loads, ast.literal_eval):
            try:
                found = read(value)
                break
            except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
                continue
    if not isinstance(found, list):
        raise ValueError(
            f"{place}: expected spans as a list, in JSON or as Python writes it, got {shown(value)}; correct the row"
        )
    return found
