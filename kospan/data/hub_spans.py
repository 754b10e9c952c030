"""Texts with spans from sets read with the `datasets` library: character offsets in a column of structs."""

from collections.abc import Iterable, Iterator

from kospan.data.annotations import ENDS, LABELS, STARTS, spans_of
from kospan.data.checks import check_encodable, typed
from kospan.data.records import STRICT, Item, ReadSession
from kospan.example import Example, clean_label

COLUMNS = ("spans", "entities", "ents")
_IDS = ("id", "guid", "idx")


def span_column(data) -> str | None:
    """The column of a split that holds spans of its column `text`; None if there is none."""
    if "text" not in data.column_names:
        return None
    return next((name for name in COLUMNS if name in data.column_names and holds_offsets(data, name)), None)


def holds_offsets(data, column: str) -> bool:
    """Return whether a column holds structs with a start, an end and a label, or may do so since all rows are empty."""
    fields = _fields(data.features[column])
    return fields is not None and (not fields or all(set(names) & set(fields) for names in (STARTS, ENDS, LABELS)))


def span_labels(splits: Iterable[tuple]) -> tuple[str, ...] | None:
    """The labels used by the rows, in the order of the set's ClassLabel; None if labels are strings.

    Args:
        splits: The place of each split, the split, and its column of spans.

    Raises:
        ValueError: If labels are numbers without names.
    """
    names, used = [], set()
    for place, data, column in splits:
        known = _names(data, column, place) or []
        names += known
        used |= {known[label] for row in data[column] for label in _raw_labels(row) if label in range(len(known))}
    return tuple(dict.fromkeys(clean_label(name) for name in names if name in used)) or None


def span_items(data, column: str, place: str, split: str, session: ReadSession = STRICT) -> Iterator[Item]:
    """Read the rows of a split with a text and its spans; rows with null spans are unlabelled.

    Spans are a list of structs or a struct of lists, with `start`, `end` (or `start_offset`, `end_offset`) and `label`
    (or `type`): a string, or a number with a ClassLabel. `id`, `guid` or `idx` names a row, else its number; `question`
    and `source` are read if present.

    Args:
        data: The split.
        column: The column of the spans.
        place: The set and the split, as errors name them.
        split: The split's name, for ids.
        session: Takes the rows that cannot be read.

    Raises:
        ValueError, TypeError: If there is another kind of value; the message names the row.
    """
    names = _names(data, column, place)
    columns = [name for name in (*_IDS, "text", "question", "source", column) if name in data.column_names]
    for row, values in enumerate(data.select_columns(columns)):
        where = f"{place}, row {row}"
        with session.record():
            text = typed(values["text"], str, where, "'text'")
            name = next((values[key] for key in _IDS if values.get(key) not in (None, "")), row + 1)
            name = name if isinstance(name, str) else f"{split}-{name}"
            question, source = (typed(values.get(key) or "", str, where, key) for key in ("question", "source"))
            spans = None if values[column] is None else spans_of(values[column], text, where, "span", names)
            for value in (name, text, question, source):
                check_encodable(value, where)
            yield Item(where, Example(name, text, spans, question, source), text if question else "")


def _fields(feature) -> dict | None:
    """The fields of a list of structs or a struct of lists; empty for lists that hold nothing, None for others."""
    inner = feature[0] if isinstance(feature, list) else getattr(feature, "feature", feature)
    if isinstance(inner, dict):
        return inner
    return {} if inner is not feature and getattr(inner, "dtype", None) == "null" else None


def _names(data, column: str, place: str) -> list[str] | None:
    """Names of numeric labels.

    Raises:
        ValueError: If they have none.
    """
    fields = _fields(data.features[column]) or {}
    features = [_innermost(fields[name]) for name in LABELS if name in fields]
    names = next((feature.names for feature in features if hasattr(feature, "names")), None)
    feature = next((feature for feature in features if getattr(feature, "dtype", "") != "null"), None)
    if names is None and feature is not None and getattr(feature, "dtype", "string") not in ("string", "large_string"):
        raise ValueError(
            f"{place}: expected the labels of the column {column} to be strings or a ClassLabel, got {feature}; cast "
            "them to a ClassLabel"
        )
    return names


def _innermost(feature):
    while getattr(feature, "feature", None) is not None:
        feature = feature.feature
    return feature


def _raw_labels(row) -> Iterator:
    """Yield the labels of a row as stored, under all names of labels."""
    for each in [row] if isinstance(row, dict) else row or []:
        for value in (each.get(name) for name in LABELS) if isinstance(each, dict) else ():
            yield from value if isinstance(value, list) else [value]
