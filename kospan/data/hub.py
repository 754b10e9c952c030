"""Data sets read with the `datasets` library: from the Hub, a saved folder, or Parquet files."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from kospan.data.checks import typed
from kospan.data.decompression import check_parquet
from kospan.data.hub_labels import holds_labels, label_column, label_items, label_names
from kospan.data.hub_questions import holds_questions, question_items
from kospan.data.hub_spans import holds_offsets, holds_structs, span_columns, span_items, span_labels
from kospan.data.records import STRICT, HubSplit, RawDataset, ReadSession
from kospan.data.tagged import Sentence, clean_tag, tag_problem, tagged_items
from kospan.modeling.tags import labels_of

TAG_COLUMNS = ("ner_tags", "tags")
VALIDATION_NAMES = ("validation", "dev", "valid", "val")
# In the library's cache, a set of the Hub is stored in a folder named after its commit.
_COMMIT = re.compile(r"[\\/]([0-9a-f]{40})[\\/]")
# Other names of the columns, for errors.
_CONTEXTS = ("passage", "document", "paragraph", "text")
_TEXTS = ("sentence", "content", "document", "passage", "context", "paragraph", "body", "sentence1", "title")
_TOKENS = ("words", "word", "token", "sentence")
_TAGS = ("ner", "labels", "tag", "ner_labels", "label", "pos_tags")
_OTHER_FORMS = (
    "Other forms are text with spans or entities (structs of start, end and label), question with context and "
    "answers, and text with label"
)


def read_hub(name: str, joiner: str = " ", session: ReadSession = STRICT) -> RawDataset:
    """Read all splits of a set of tagged tokens, texts with spans, questions about texts, or labelled texts.

    Tokens are in a column `tokens`, their tags in `ner_tags` or `tags`, as integers with ClassLabel names or strings;
    names that are not tags are ignored if no row uses them. For spans see `kospan.data.hub_spans`, for questions,
    which have the columns of SQuAD, `kospan.data.hub_questions`, for labelled texts `kospan.data.hub_labels`. The
    options `token_column` and `tag_column` name the columns of tokens, and of tags, spans or labels.

    Args:
        name: "NAME" or "NAME:CONFIG" on the Hub, a folder written by `save_to_disk`, a folder of parquet or other files
            that `load_dataset` takes, or one parquet file. A path that exists wins over a name on the Hub.
        joiner: Separator between two tokens of the text: " " for words, "" for characters.
        session: Options, and collector of invalid rows.

    Raises:
        ValueError: If a column is missing or holds something else.
        OSError: If the set cannot be fetched.
    """
    loaded = load_splits(name)
    splits = {_split_name(split): data for split, data in loaded.items()}
    hub = {}
    if not is_local(name):
        hub = {_split_name(split): _hub_split(name, split, data) for split, data in loaded.items()}
    places = {split: f"{name}, split {split!r}" for split in splits}
    kind, columns = _form(splits, places, session)
    items, names = {}, []
    for split, data in splits.items():
        place, column = places[split], columns[split]
        if kind == "questions":
            items[split] = question_items(data, place, split, session)
        elif kind == "spans":
            items[split] = span_items(data, column, place, split, session)
        elif kind == "labels":
            items[split] = label_items(data, place, split, session, column)
            names += label_names(data, column) or ()
        else:
            items[split] = tagged_items(_sentences(data, place, split, joiner, session), joiner, session=session)
            tags = map(clean_tag, _tag_names(data, place, session) or ())
            names += labels_of([tag for tag in tags if tag_problem(tag) is None])
    if kind == "spans":
        names = span_labels((places[split], data, columns[split]) for split, data in splits.items()) or ()
    # The first split that names labels gives their order.
    return RawDataset(items, tuple(dict.fromkeys(names)) or None, hub)


def _form(splits: Mapping, places: Mapping[str, str], session: ReadSession) -> tuple[str, dict[str, str | None]]:
    """Return the kind of the splits ("questions", "spans", "labels", "tags") and the column of each split.

    The column is that of spans, or the one that the user named.

    Raises:
        ValueError: If a column can be read in two ways, or the named one is missing.
    """
    asked, tokens = session.options.tag_column, session.options.token_column
    datas, named = list(splits.values()), dict.fromkeys(splits, asked)
    if asked is None and tokens is None:
        if all(map(holds_questions, datas)):
            return "questions", named
        labelled = all(map(holds_labels, datas))
        tagged = any("tokens" in data.column_names for data in datas)
        columns = None if tagged else span_columns(splits, places)
        if columns:
            if labelled:
                spans, label = next(iter(columns.values())), label_column(datas[0])
                raise ValueError(
                    f"{next(iter(places.values()))}: expected spans or labels of texts, got the columns {spans} and "
                    f"{label}; pass --tag_column {spans} or --tag_column {label}"
                )
            return "spans", columns
        return ("labels" if labelled else "tags"), named
    for split, data in splits.items():
        for option, column in (("tag_column", asked), ("token_column", tokens)):
            if column is not None and column not in data.column_names:
                raise ValueError(
                    f"{places[split]}: expected {option} to be one of the columns {', '.join(data.column_names)}, "
                    f"got {column!r}; name one of them"
                )
    if tokens is None and all(holds_offsets(data, asked) for data in datas):
        return "spans", named
    if tokens is None and all(holds_labels(data, asked) for data in datas):
        return "labels", named
    return "tags", named


def is_local(name: str) -> bool:
    """Return whether a name is a path; `load_dataset`, too, prefers a folder of that name to the Hub."""
    return Path(name).exists() or Path(name.split(":", 1)[0]).exists()


def _hub_split(name: str, split: str, data) -> HubSplit:
    repository, _, config = name.partition(":")
    paths = [str(file["filename"]) for file in getattr(data, "cache_files", [])]
    commits = {match[1] for path in paths if (match := _COMMIT.search(path))}
    return HubSplit(repository, config or None, str(split), commits.pop() if len(commits) == 1 else None, len(data))


def _split_name(split: str) -> str:
    return "validation" if split in VALIDATION_NAMES else str(split)


def load_splits(name: str) -> Mapping:
    """Load all splits of a set on the Hub, of a saved folder or of Parquet files with `datasets`."""
    import datasets

    if not name.strip(":"):
        raise ValueError(f"expected the name of a set after hub:, got {name!r}; name one on the Hub, or a folder")
    path = Path(name)
    check_parquet(path)
    try:
        if path.is_file():
            found = datasets.load_dataset("parquet", data_files={"train": name})
        elif path.is_dir() and ((path / "dataset_dict.json").exists() or (path / "state.json").exists()):
            found = datasets.load_from_disk(name)
        elif path.is_dir():
            found = datasets.load_dataset(name)
        else:
            found = datasets.load_dataset(*name.split(":", 1))
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        # The error about a broken file says so in its cause alone.
        error = error.__cause__ or error if isinstance(error, datasets.exceptions.DatasetsError) else error
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        kind = ValueError if isinstance(error, ValueError) else OSError
        raise kind(
            f"expected a set named {name!r} on the Hub, or a folder of that name, got: {reason}; without a network "
            "use a local copy (hub:FOLDER), for a set of several configurations name one (hub:NAME:CONFIG)"
        ) from error
    return found if isinstance(found, Mapping) else {"train": found}


def _tag_columns(data, place: str, session: ReadSession) -> tuple[str, str]:
    """The columns of tokens and tags.

    Raises:
        ValueError: If there are none.
    """
    tokens = session.options.token_column or "tokens"
    tags = session.options.tag_column or next((name for name in TAG_COLUMNS if name in data.column_names), None)
    if tags is None or tokens not in data.column_names:
        raise ValueError(
            f"{place}: expected a column {tokens} and a column {' or '.join(TAG_COLUMNS)}, got "
            f"{', '.join(data.column_names)}; {_hint(data)}. {_OTHER_FORMS}"
        )
    return tokens, tags


def _hint(data) -> str:
    """Hint for the error about a split without the columns of any format."""
    names = data.column_names
    if "question" in names:
        context = next((name for name in _CONTEXTS if name in names), None)
        return f"rename {context or 'the column of the texts'} to context, and save the set with save_to_disk"
    if "text" in names and (spans := next((name for name in names if holds_offsets(data, name)), None)):
        return f"pass --tag_column {spans}"
    other = next((name for name in _TEXTS if name in names), None)
    if "text" not in names and other and any(holds_structs(data, name) for name in names):
        return f"rename the column {other} to text, and save the set with save_to_disk"
    flags = [("token_column", "tokens", _TOKENS), ("tag_column", "ner_tags", _TAGS)]
    found = [
        f"--{flag} {name}"
        for flag, usual, others in flags
        if usual not in names and (name := next((name for name in others if name in names), None))
    ]
    return f"pass {' '.join(found)}" if found else "rename the columns and save the set with save_to_disk"


def _tag_names(data, place: str, session: ReadSession) -> list[str] | None:
    """The names behind integer tags; None if tags are strings."""
    _, column = _tag_columns(data, place, session)
    inner = getattr(data.features[column], "feature", None)
    names = getattr(inner, "names", None)
    if names is None and getattr(inner, "dtype", None) not in ("string", "large_string"):
        raise ValueError(
            f"{place}: expected {column} to hold strings or integers with ClassLabel names, got "
            f"{data.features[column]}; cast the column to a sequence of ClassLabel"
        )
    return names


def _sentences(data, place: str, split: str, joiner: str, session: ReadSession) -> Iterator[Sentence]:
    (words, column), names = _tag_columns(data, place, session), _tag_names(data, place, session)
    for row, (tokens, tags) in enumerate(zip(data[words], data[column])):
        where = f"{place}, row {row}"
        with session.record():
            sentence = Sentence(f"{split}-{row + 1}", where)
            sentence.tokens = [typed(token, str, where, "a token") for token in typed(tokens, list, where, repr(words))]
            sentence.tags = list(typed(tags, list, where, repr(column)))
            for at, tag in enumerate(sentence.tags):
                if names is None:
                    typed(tag, str, where, "a tag")
                elif not isinstance(tag, int) or not 0 <= tag < len(names):
                    raise ValueError(
                        f"{where}: expected tags from 0 to {len(names) - 1}, got {tag} at token {at}; correct the row"
                    )
                else:
                    sentence.tags[at] = names[tag]
            if joiner and " " in sentence.tokens and all(len(token) < 2 for token in sentence.tokens):
                raise ValueError(
                    f"{where}: expected words, got characters (a token is a space); read the set as "
                    f"hub-characters:{place.partition(',')[0]}"
                )
            yield sentence
