"""Raw texts for pretraining, from several sources: text files, JSON Lines, Parquet, and data sets on the Hub."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from unicodedata import normalize

from kospan.data.checks import check_encodable, typed
from kospan.data.content import form_of
from kospan.data.corpus import VALIDATION_EVERY, first_items
from kospan.data.hub import is_local, load_splits
from kospan.data.jsonl import json_lines
from kospan.data.text import COMPRESSIONS, open_text, stem, visible_files
from kospan.setting import suggestion

# About as many texts are held out for validation where no file is named.
HELD_OUT = 2000


class Source(NamedTuple):
    """A source of raw texts.

    Args:
        name: Its name.
        path: A file, a folder of files, or `hub:NAME`.
        text_column: The column of the texts, in JSON Lines, Parquet and sets on the Hub.
        repeats: How many times each of its texts is used per epoch.
        licence: The licence of the texts, for the model card; None if it is not stated.
    """

    name: str
    path: str
    text_column: str = "text"
    repeats: int = 1
    licence: str | None = None

    @property
    def on_hub(self) -> bool:
        """Whether the path is a name on the Hub, not a folder."""
        return self.path.startswith("hub:") and not is_local(self.path.removeprefix("hub:"))


@dataclass(frozen=True)
class RawCorpus:
    """Raw texts in memory, each once.

    Args:
        sources: Their sources.
        splits: Texts by split, "train" and "validation".
        repeats: How many times each training text is used per epoch.
        counts: Texts and characters of each source, without repeated texts.
        repeated: Texts that occurred before, in the same source or another one, and were dropped.
    """

    sources: tuple[Source, ...]
    splits: dict[str, list[str]]
    repeats: list[int]
    counts: dict[str, tuple[int, int]]
    repeated: int

    def remarks(self) -> list[str]:
        """Return a line about each source."""
        lines = [
            f"source              {each.name}: {self.counts[each.name][0]:,} texts, "
            f"{self.counts[each.name][1]:,} characters, used {each.repeats} times per epoch, licence "
            f"{each.licence or 'not stated'}"
            for each in self.sources
        ]
        if self.repeated:
            lines.append(f"repeated texts      {self.repeated:,} occurred before and were dropped")
        return lines


def parse_sources(settings: Mapping, train_file: str | None = None) -> tuple[Source, ...]:
    """Return the sources of a recipe.

    Args:
        settings: The setting `sources`.
        train_file: The only source, where `settings` is empty.

    Raises:
        ValueError: If there is none, a key is unknown, or a value is of the wrong kind.

    >>> parse_sources({"news": {"path": "news.txt", "repeats": 2}})
    (Source(name='news', path='news.txt', text_column='text', repeats=2, licence=None),)
    """
    if bool(settings) == (train_file is not None):
        raise ValueError(
            "expected raw texts, got "
            + ("both sources and train_file; remove one" if settings else "neither train_file nor sources; name a file")
        )
    if not settings:
        return (Source(stem(train_file), train_file),)
    return tuple(_source(str(name), value) for name, value in settings.items())


def _source(name: str, value) -> Source:
    value = {"path": value} if isinstance(value, str) else value
    if not isinstance(value, Mapping) or not isinstance(value.get("path"), str):
        raise ValueError(
            f"expected sources[{name!r}] to be a path, or a mapping with a path, got {value!r}; correct it"
        )
    for key, each in value.items():
        if key not in Source._fields[1:]:
            raise ValueError(
                f"expected sources[{name!r}] with {', '.join(Source._fields[1:])}, got {key!r}; "
                f"{suggestion(key, Source._fields[1:], 'remove it')}"
            )
        kind = int if key == "repeats" else str
        if not isinstance(each, kind) or isinstance(each, bool) or (key == "repeats" and each < 1):
            wanted = "a whole number of 1 or more" if key == "repeats" else "text"
            raise ValueError(f"expected {key} of sources[{name!r}] to be {wanted}, got {each!r}; correct it")
    return Source(name, **value)


def load_raw_corpus(
    sources: Sequence[Source],
    validation_file: str | None = None,
    max_train_samples: int | None = None,
    max_eval_samples: int | None = None,
) -> RawCorpus:
    """Read raw texts, drop repeated ones, and hold out some for validation.

    Args:
        sources: The sources.
        validation_file: Texts for validation; without it texts at equal distances of all sources are, at most every
            eighth and about 2,000.
        max_train_samples: Number of training texts, from the first; None keeps all.
        max_eval_samples: The same of validation.

    Raises:
        ValueError: If a source is empty, or there are fewer texts than are to be kept.
    """
    held_out = list(_unique(read_raw(Source("validation", validation_file)), set())) if validation_file else []
    seen = set(held_out)
    texts, repeats, counts, read = [], [], {}, 0
    for source in sources:
        found = read_raw(source)
        own = list(_unique(found, seen))
        read += len(found) - len(own)
        counts[source.name] = (len(own), sum(map(len, own)))
        texts += own
        repeats += [source.repeats] * len(own)
    if not held_out:
        step = max(VALIDATION_EVERY, len(texts) // HELD_OUT)
        held_out = texts[::step]
        kept = [at for at in range(len(texts)) if at % step]
        texts, repeats = [texts[at] for at in kept], [repeats[at] for at in kept]
    splits = {"train": texts, "validation": held_out}
    for split, asked in (("train", max_train_samples), ("validation", max_eval_samples)):
        if not splits[split]:
            raise ValueError(f"expected texts for {split}, got none; name more texts")
        splits[split] = first_items(splits[split], split, asked)
    return RawCorpus(tuple(sources), splits, repeats[: len(splits["train"])], counts, read)


def _unique(texts: Iterable[str], seen: set[str]) -> Iterator[str]:
    for text in texts:
        if text not in seen:
            seen.add(text)
            yield text


def read_raw(source: Source) -> list[str]:
    """Read the texts of a source in NFC, without white space at their ends; empty ones are skipped.

    Raises:
        FileNotFoundError: If there is no such file.
        TypeError: If a column holds something else than text.
        ValueError: If it holds no text, or one that UTF-8 cannot hold.
    """
    if not source.path.strip():
        raise FileNotFoundError("expected the path of a file or folder of texts, got an empty one; name the file")
    if source.path.startswith("hub:"):
        found = _hub_texts(source)
    else:
        path = Path(source.path)
        files = visible_files(path) if path.is_dir() else [path]
        found = (text for file in files for text in _file_texts(source, file))
    texts = [normalize("NFC", text).strip() for text in found]
    texts = [text for text in texts if text]
    if not texts:
        raise ValueError(f"{source.path}: expected at least one text, got none; write a text per line")
    return texts


def _file_texts(source: Source, path: Path) -> Iterator[str]:
    if path.suffix.lower() == ".parquet":
        yield from _hub_texts(source._replace(path=f"hub:{path}"))
        return
    name = path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path
    # Detection reads the whole file, which may be large.
    form = "text" if name.suffix.lower() == ".txt" else form_of(path)
    if form == "text":
        yield from (line.rstrip("\n") for line in open_text(path))
        return
    if form != "jsonl":
        raise ValueError(f"{path}: expected text, JSON Lines or Parquet, got {form}; save it as JSON Lines")
    for place, line in json_lines(path):
        if not isinstance(line, dict) or source.text_column not in line:
            names = ", ".join(map(str, line)) if isinstance(line, dict) else type(line).__name__
            raise ValueError(
                f"{place}: expected a text under {source.text_column!r}, got {names}; set text_column of the source"
            )
        yield from _text_of(line[source.text_column], place, source)


def _hub_texts(source: Source) -> Iterator[str]:
    splits = load_splits(source.path.removeprefix("hub:"))
    if "train" not in splits:
        raise ValueError(
            f"{source.path}: expected a split 'train', got {', '.join(map(str, splits))}; save the texts to train on "
            "as a split of that name"
        )
    data = splits["train"]
    if source.text_column not in data.column_names:
        raise ValueError(
            f"{source.path}: expected a column {source.text_column!r}, got {', '.join(data.column_names)}; set "
            "text_column of the source"
        )
    for row, text in enumerate(data[source.text_column]):
        yield from _text_of(text, f"{source.path}, row {row}", source)


def _text_of(value, place: str, source: Source) -> Iterator[str]:
    """Yield the text of a record; none for a missing value."""
    if value is not None:
        text = typed(value, str, place, repr(source.text_column))
        check_encodable(text, place)
        yield text
