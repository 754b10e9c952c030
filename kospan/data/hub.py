"""Sets that the `datasets` library reads: from the Hub, from a folder that it saved, from parquet."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from kospan.data.hub_labels import holds_labels, label_items, label_names
from kospan.data.hub_questions import holds_questions, question_items
from kospan.data.source import Item, Source
from kospan.data.tagged import Sentence, tagged_items
from modeling.tags import labels_of

TAG_COLUMNS = ("ner_tags", "tags")
VALIDATION_NAMES = ("validation", "dev", "valid", "val")


def read_hub(name: str, joiner: str = " ") -> Source:
    """All splits of a set with a column `tokens` and a column `ner_tags` or `tags`, with questions about texts, or
    with labelled texts.

    Tags are integers with ClassLabel names, or strings. Questions have the columns of SQuAD, see
    `kospan.data.hub_questions`; labelled texts those of `kospan.data.hub_labels`.

    Args:
        name: "NAME" or "NAME:CONFIG" on the Hub, a folder written by `save_to_disk`, a folder of parquet or other files
            that `load_dataset` takes, or one parquet file. A path that exists wins over a name on the Hub.
        joiner: What stands between two tokens of the text: " " for words, "" for characters.

    Raises: ValueError where a column is missing or holds something else; OSError where the set cannot be fetched.
    """
    splits = {_split_name(split): data for split, data in _load(name).items()}
    if all(holds_questions(data) for data in splits.values()):
        return Source(
            {split: question_items(data, f"{name}, split {split!r}", split) for split, data in splits.items()}
        )
    if all(holds_labels(data) for data in splits.values()):
        items = {split: label_items(data, f"{name}, split {split!r}", split) for split, data in splits.items()}
        return Source(items, next((names for data in splits.values() if (names := label_names(data))), None))
    labels = None
    for split, data in splits.items():
        names = _tag_names(data, f"{name}, split {split!r}")
        labels = labels or (tuple(labels_of(names)) if names else None)
    items = {split: _items(data, name, split, joiner) for split, data in splits.items()}
    return Source(items, labels)


def _split_name(split: str) -> str:
    return "validation" if split in VALIDATION_NAMES else str(split)


def _load(name: str) -> Mapping:
    import datasets

    path = Path(name)
    try:
        if path.is_file():
            found = datasets.load_dataset("parquet", data_files={"train": name})
        elif path.is_dir() and ((path / "dataset_dict.json").exists() or (path / "state.json").exists()):
            found = datasets.load_from_disk(name)
        elif path.is_dir():
            found = datasets.load_dataset(name)
        else:
            found = datasets.load_dataset(*name.split(":", 1))
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        kind = ValueError if isinstance(error, ValueError) else OSError
        raise kind(
            f"expected a set named {name!r} on the Hub, or a folder of that name, got: {reason}; without a network use "
            f"a local copy (hub:FOLDER), for a set of several configurations name one (hub:NAME:CONFIG)"
        ) from error
    return found if isinstance(found, Mapping) else {"train": found}


def _tag_column(data, place: str) -> str:
    column = next((column for column in TAG_COLUMNS if column in data.column_names), None)
    if column is None or "tokens" not in data.column_names:
        raise ValueError(
            f"{place}: expected a column tokens and a column {' or '.join(TAG_COLUMNS)}, got "
            f"{', '.join(data.column_names)}; rename the columns and save the set with save_to_disk"
        )
    return column


def _tag_names(data, place: str) -> list[str] | None:
    """The names behind integer tags; None where tags are strings."""
    column = _tag_column(data, place)
    inner = getattr(data.features[column], "feature", None)
    names = getattr(inner, "names", None)
    if names is None and getattr(inner, "dtype", None) != "string":
        raise ValueError(
            f"{place}: expected {column} to hold strings or integers with ClassLabel names, got "
            f"{data.features[column]}; cast the column to a sequence of ClassLabel"
        )
    return names


def _items(data, name: str, split: str, joiner: str) -> Iterator[Item]:
    place = f"{name}, split {split!r}"
    column, names = _tag_column(data, place), _tag_names(data, place)
    return tagged_items(_sentences(data, column, names, place, split, joiner), joiner)


def _sentences(data, column: str, names: list[str] | None, place: str, split: str, joiner: str) -> Iterator[Sentence]:
    for row, (tokens, tags) in enumerate(zip(data["tokens"], data[column])):
        sentence = Sentence(f"{split}-{row + 1}", f"{place}, row {row}", list(tokens), list(tags))
        if names is not None:
            for at, tag in enumerate(sentence.tags):
                if not 0 <= tag < len(names):
                    raise ValueError(
                        f"{sentence.place}: expected tags from 0 to {len(names) - 1}, got {tag} at token {at}; "
                        f"mend the row"
                    )
            sentence.tags = [names[tag] for tag in sentence.tags]
        if joiner and " " in sentence.tokens and all(len(token) < 2 for token in sentence.tokens):
            raise ValueError(
                f"{sentence.place}: expected words, got characters (a token is a space); read the set as "
                f"hub-characters:{place.partition(',')[0]}"
            )
        yield sentence
