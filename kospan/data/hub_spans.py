"""Texts with spans from sets read with the `datasets` library: character offsets in a column of structs."""

from collections.abc import Iterable, Iterator, Mapping

from kospan.data.annotations import ENDS, LABELS, SPAN_KEYS, STARTS, rows_of, spans_of
from kospan.data.checks import check_encodable, typed
from kospan.data.prodigy import CHOICES, accepted_lines, answer_of, is_rejected, span_record
from kospan.data.records import STRICT, Item, ReadSession
from kospan.data.span_strings import holds_span_strings, is_empty, read_spans
from kospan.example import Example, clean_label

COLUMNS = ("spans", *SPAN_KEYS)
# Names of a class's column too, which holds spans only if it holds structs.
_CLASSES = ("label", "labels")
# Keys by which Prodigy's lines are recognised.
_DECISIONS = ("answer", "_task_hash", "_is_binary", *CHOICES)
IDS = ("id", "guid", "idx")


def span_columns(splits: Mapping, places: Mapping[str, str]) -> dict[str, str] | None:
    """The column of each split that holds spans of its column `text`; None if a split has none.

    Columns that are empty in all rows of all splits count only where there is no other.

    Args:
        splits: The splits by name.
        places: The place of each split, for errors.

    Raises:
        ValueError: If a split has several.
    """
    found = {split: _candidates(data) for split, data in splits.items()}
    if not all(found.values()):
        return None
    if any(len(names) > 1 for names in found.values()):
        names = {name for each in found.values() for name in each}
        filled = {
            name for name in names if any(_has_spans(splits[split], name) for split in splits if name in found[split])
        }
        found = {split: [name for name in each if name in filled] or each[:1] for split, each in found.items()}
    for split, names in found.items():
        if len(names) > 1:
            raise ValueError(
                f"{places[split]}: expected one column of spans, got {' and '.join(names)}; pass "
                f"{' or '.join(f'--tag_column {name}' for name in names)}"
            )
    return {split: name for split, (name,) in found.items()}


def _candidates(data) -> list[str]:
    names = [name for name in COLUMNS if name in data.column_names] if "text" in data.column_names else []
    return [name for name in names if (holds_structs if name in _CLASSES else holds_offsets)(data, name)]


def _has_spans(data, column: str) -> bool:
    """Return whether a row holds spans; a struct of lists holds some if its lists do."""
    return any(any(row.values()) if isinstance(row, dict) else row and not is_empty(row) for row in data[column])


def holds_structs(data, column: str) -> bool:
    """Return whether a column holds structs with a start, an end and a label."""
    return bool(_fields(data.features[column])) and holds_offsets(data, column)


def holds_offsets(data, column: str) -> bool:
    """Return whether a column holds structs with a start, an end and a label, or may do so since all rows are empty."""
    fields, keys = _fields(data.features[column]), (STARTS, ENDS, LABELS)
    if fields is None:
        return holds_span_strings(data, column, keys)
    return not fields or all(set(names) & set(fields) for names in keys)


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
        used |= {
            known[label] for row in _accepted(data, column) for label in _raw_labels(row) if label in range(len(known))
        }
    return tuple(dict.fromkeys(clean_label(name) for name in names if name in used)) or None


def span_items(data, column: str, place: str, split: str, session: ReadSession = STRICT) -> Iterator[Item]:
    """Read the rows of a split with a text and its spans; rows with null spans are unlabelled.

    Spans are a list of structs, a struct of lists, or a string with a list of them, with `start`, `end` (or
    `start_offset`, `end_offset`) and `label` (or `type`): a string, or a number with a ClassLabel. `id`, `guid` or
    `idx` names a row, else its number; `question` and `source` are read if present.

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
    for where, values in accepted_rows(data, (*IDS, "text", "question", "source", column, *_DECISIONS), place):
        with session.record():
            text = typed(values["text"], str, where, "'text'")
            name = row_id(values, where, split)
            question, source = (typed(values.get(key) or "", str, where, key) for key in ("question", "source"))
            found = _decided(values, column, where)
            spans = None if found is None else spans_of(found, text, where, "span", names)
            for value in (name, text, question, source):
                check_encodable(value, where)
            yield Item(where, Example(name, text, spans, question, source), text if question else "")


def accepted_rows(data, wanted: Iterable[str], place: str) -> Iterator[tuple[str, dict]]:
    """Yield place and wanted columns of each row, without those that Prodigy's annotators have rejected or ignored."""
    columns = [name for name in dict.fromkeys(wanted) if name in data.column_names]
    rows = ((f"{place}, row {row}", values) for row, values in enumerate(data.select_columns(columns)))
    return accepted_lines(rows, place)


def row_id(values: dict, where: str, split: str) -> str:
    """The id of a row; a number, or else that of the row, follows the name of the split."""
    name = next((values[key] for key in IDS if values.get(key) not in (None, "")), None)
    name = int(where.rpartition(" ")[2]) + 1 if name is None else name
    return name if isinstance(name, str) else f"{split}-{name}"


def _decided(values: dict, column: str, place: str):
    """The spans of a row as stored, for an accepted row of Prodigy's without those that were rejected."""
    found = values[column]
    if isinstance(found, str):
        found = read_spans(found, place)
    if answer_of(values) != "accept":
        return found
    found = rows_of(found, place, "span") if isinstance(found, dict) else found
    rest = {key: value for key, value in values.items() if key != column}
    return span_record(rest | {"spans": found}, place)["spans"]


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


def _accepted(data, column: str) -> Iterator:
    """Yield the spans of each row as stored, without those that Prodigy's annotators have rejected or ignored."""
    columns = [name for name in ("question", "answer", "_task_hash", column) if name in data.column_names]
    for row in data.select_columns(columns):
        answer, spans = answer_of(row), row[column]
        if isinstance(spans, str):
            continue
        if answer == "accept" and isinstance(spans, list):
            yield [span for span in spans if not is_rejected(span)]
        elif answer not in ("reject", "ignore"):
            yield spans


def _innermost(feature):
    while getattr(feature, "feature", None) is not None:
        feature = feature.feature
    return feature


def _raw_labels(row) -> Iterator:
    """Yield the labels of a row as stored, under all names of labels."""
    for each in [row] if isinstance(row, dict) else row or []:
        for value in (each.get(name) for name in LABELS) if isinstance(each, dict) else ():
            yield from value if isinstance(value, list) else [value]
