"""Labelled texts, and pairs of texts, from sets that the `datasets` library reads."""

from collections.abc import Iterator

from kospan.data.labelled import labelled_item
from kospan.data.source import Item

# (text, what stands before it): the names that sets have for them; the first that are there count.
TEXTS = (
    ("text", "text_pair"),
    ("hypothesis", "premise"),
    ("sentence2", "sentence1"),
    ("text", None),
    ("sentence", None),
    ("title", None),
)
LABELS = ("label", "labels")
# Of a struct of labels, what is taken; KLUE-STS rounds its real label to one digit and calls that the label.
_INNER = "label"


def holds_labels(data) -> bool:
    """Whether a split has the columns of labelled texts."""
    columns = set(data.column_names)
    return "tokens" not in columns and bool(columns & set(LABELS)) and _texts(data) is not None


def label_names(data) -> tuple[str, ...] | None:
    """The classes in the order that the set gives them; None where it names none."""
    names = getattr(_feature(data), "names", None)
    return tuple(names) if names else None


def label_items(data, place: str, split: str) -> Iterator[Item]:
    """The rows of a split with a text or a pair of texts and a label.

    Texts are the columns `text` and, where there is one, `text_pair`, which stands before it; or those of a known task:
    `premise` before `hypothesis`, `sentence1` before `sentence2`, `sentence` or `title` alone. `label` (or `labels`)
    holds a ClassLabel, a class's name, a number, or a struct with such a `label` (KLUE-STS). A class of -1 means none.

    Args:
        place: The set and the split, as errors name them.
        split: The split's name, for ids.

    Raises: ValueError or TypeError naming the row where something else stands there.
    """
    text, pair = _texts(data)
    label = next(column for column in LABELS if column in data.column_names)
    names = label_names(data)
    columns = [name for name in ("id", "guid", "idx", "source", text, pair, label) if name in data.column_names]
    for row, values in enumerate(data.select_columns(columns)):
        where = f"{place}, row {row}"
        found = values[label]
        found = found.get(_INNER) if isinstance(found, dict) else found
        if names is not None and found is not None:
            if not -1 <= found < len(names):
                raise ValueError(f"{where}: expected a class from 0 to {len(names) - 1}, got {found}; mend the row")
            found = None if found == -1 else names[found]
        if pair is not None and not str(values[pair] or "").strip():
            raise ValueError(f"{where}: expected a {pair} beside {text}, got {values[pair]!r}; mend the row")
        name = next((values[key] for key in ("id", "guid", "idx") if values.get(key) not in (None, "")), row + 1)
        name = name if isinstance(name, str) else f"{split}-{name}"
        source = values.get("source")
        yield labelled_item(
            where, name, values[text], found, values[pair] if pair else "", source if isinstance(source, str) else ""
        )


def _texts(data) -> tuple[str, str | None] | None:
    columns = set(data.column_names)
    return next((each for each in TEXTS if {name for name in each if name} <= columns), None)


def _feature(data):
    column = next(column for column in LABELS if column in data.column_names)
    feature = data.features[column]
    return feature.get(_INNER) if isinstance(feature, dict) else feature
