"""Labelled texts and pairs of texts from sets read with the `datasets` library."""

from collections.abc import Iterator

from kospan.data.hub_spans import IDS, accepted_rows, holds_structs, row_id
from kospan.data.labelled import labelled_item
from kospan.data.records import STRICT, Item, ReadSession
from kospan.example import clean_label

# Names of (text, text_pair) in data sets; the first pair that is present counts.
TEXTS = (
    ("text", "text_pair"),
    ("premise", "hypothesis"),
    ("sentence1", "sentence2"),
    ("text", None),
    ("sentence", None),
    ("title", None),
)
LABELS = ("label", "labels")
# Field of a struct of labels; KLUE-STS rounds its real label to one digit and calls that the label.
_INNER = "label"


def holds_labels(data, column: str | None = None) -> bool:
    """Return whether a split has the columns of labelled texts; `column` is the label column named by the user."""
    found = label_column(data) if column is None else column
    return found is not None and "tokens" not in data.column_names and _texts(data) is not None


def label_column(data) -> str | None:
    """The column of the labels; None if there is none."""
    return next((name for name in LABELS if name in data.column_names and not holds_structs(data, name)), None)


def label_names(data, column: str | None = None) -> tuple[str, ...] | None:
    """The classes in the order of the set; None if it names none."""
    names = getattr(_feature(data, column), "names", None)
    return tuple(dict.fromkeys(map(clean_label, names))) if names else None


def label_items(
    data, place: str, split: str, session: ReadSession = STRICT, column: str | None = None
) -> Iterator[Item]:
    """Read the rows of a split with a text, or a pair of texts, and a label.

    Texts are the columns `text` and, if there is one, `text_pair`; or those of a known task: `premise` and
    `hypothesis`, `sentence1` and `sentence2`, `sentence` or `title` alone. `label` (or `labels`) holds a ClassLabel, a
    class's name, a number, or a struct with such a `label` (KLUE-STS). A class of -1 means none.

    Args:
        data: The split.
        place: The set and the split, as errors name them.
        split: The split's name, for ids.
        session: Takes the rows that cannot be read.
        column: The column of the labels, if the user has named it.

    Raises:
        ValueError, TypeError: If there is another kind of value; the message names the row.
    """
    text, pair = _texts(data)
    label = column or label_column(data)
    names = getattr(_feature(data, column), "names", None)
    wanted = (*IDS, "source", text, pair, label, "answer", "question", "_task_hash")
    for where, values in accepted_rows(data, wanted, place):
        with session.record():
            found = values[label]
            found = found.get(_INNER) if isinstance(found, dict) else found
            if names is not None and found is not None:
                if not -1 <= found < len(names):
                    raise ValueError(
                        f"{where}: expected a class from 0 to {len(names) - 1}, got {found}; correct the row"
                    )
                found = None if found == -1 else names[found]
            if pair is not None and not str(values[pair] or "").strip():
                raise ValueError(f"{where}: expected a {pair} beside {text}, got {values[pair]!r}; correct the row")
            source = values.get("source")
            source = source if isinstance(source, str) else ""
            yield labelled_item(
                where, row_id(values, where, split), values[text], found, values[pair] if pair else "", source
            )


def _texts(data) -> tuple[str, str | None] | None:
    columns = set(data.column_names)
    return next((each for each in TEXTS if {name for name in each if name} <= columns), None)


def _feature(data, column: str | None):
    feature = data.features[column or label_column(data)]
    return feature.get(_INNER) if isinstance(feature, dict) else feature
