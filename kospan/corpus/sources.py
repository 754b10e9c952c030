"""Sources of a corpus: files, folders and globs of files, and data sets of the library `datasets`."""

import glob
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from kospan.corpus.streams import START_BYTES, STREAMS, start_of
from kospan.data.checks import check_encodable
from kospan.data.content import form_of_name, form_of_start
from kospan.data.hub import load_splits
from kospan.data.text import read_bytes, signed_kind, stem, visible_files

FORMATS = ("jsonl", "text", "csv", "tsv", "parquet")
_HUB = "hub:"


class Source(NamedTuple):
    """A file or a split of a data set.

    Args:
        name: Its path, or "hub:NAME", as errors and the manifest name it.
        form: One of `FORMATS`, or "dataset".
        prefix: Beginning of the ids of records without one.
        size: Bytes of a file, rows of a data set.
        split: Split of a data set.
    """

    name: str
    form: str
    prefix: str
    size: int
    split: str = ""

    @property
    def rows(self) -> bool:
        """Whether places are rows, not lines."""
        return self.form in ("parquet", "dataset")

    def place(self, at: int) -> str:
        """Return the place of a line (from 1) or row (from 0), as errors name it."""
        return f"{self.name}, row {at}" if self.rows else f"{self.name}:{at}"

    def identity(self) -> dict:
        """Return the description in the manifest."""
        return {"name": self.name, "format": self.form, "size": self.size} | (
            {"split": self.split} if self.split else {}
        )


def find_sources(
    inputs: Sequence[str | os.PathLike], input_format: str = "auto", split: str | None = None
) -> tuple[list[Source], list[str]]:
    """Find the sources that inputs name, in the order of the inputs; files of folders and globs are sorted.

    Args:
        inputs: Files, folders (with their subfolders; hidden files are skipped), globs, or `hub:NAME[:CONFIG]` for a
            data set on the Hub or saved with `save_to_disk`.
        input_format: Format of all files, one of `FORMATS`; "auto" detects it by name or else by content.
        split: Split of a data set; None takes the only one.

    Returns:
        The sources, and the files of folders that are skipped because of their ending.

    Raises:
        FileNotFoundError: If there is no such file, or a folder or glob is empty.
        ValueError: If a format is unknown or a split has to be named.
    """
    if not inputs:
        raise ValueError("expected at least one input, got none; name a file, a folder or hub:NAME")
    paths: dict[str, bool] = {}
    found, skipped = [], []
    for each in map(os.fspath, inputs):
        if each.startswith(_HUB):
            found.append(_dataset(each, split))
        else:
            for path in _files(each, input_format, skipped):
                paths[os.path.normpath(path)] = True
    if split is not None and not found:
        raise ValueError(f"expected hub:NAME for split {split!r}, got files alone; leave the split out")
    if found and paths:
        raise ValueError("expected either files or a data set, got both; predict them in two runs")
    names = _prefixes(list(paths))
    for path in paths:
        check_encodable(path, repr(path))
        found.append(Source(path, _form(path, input_format), names[path], os.path.getsize(path)))
    return found, skipped


def _files(name: str, input_format: str, skipped: list[str]) -> list[str]:
    path = Path(name)
    if path.is_dir():
        if (path / "dataset_dict.json").exists() or (path / "state.json").exists():
            raise ValueError(f"expected a folder of text files, got a saved data set in {name}; name it {_HUB}{name}")
        files = list(map(os.fspath, visible_files(path)))
        taken = [file for file in files if input_format != "auto" or _form_by_name(file) is not None]
        skipped += sorted({*files} - {*taken})
        if not taken:
            raise FileNotFoundError(f"expected files of texts in {name}, found none; name a folder with some")
        return taken
    if glob.has_magic(name) and not path.exists():
        taken = sorted(file for file in glob.glob(name, recursive=True) if os.path.isfile(file))
        if not taken:
            raise FileNotFoundError(f"expected files that match {name}, found none; check the pattern")
        return taken
    if not path.is_file():
        read_bytes(path)  # Raises the error about a missing file, with near names.
    return [name]


def _form_by_name(path: str) -> str | None:
    name = Path(path)
    name = name.with_suffix("") if name.suffix.lower() in STREAMS else name
    if name.suffix.lower() in (".txt", ".text"):
        return "text"
    return "parquet" if name.suffix.lower() in (".parquet", ".pq") else form_of_name(name)


def _form(path: str, input_format: str) -> str:
    """Return the format of a file.

    Raises:
        ValueError: If it is one JSON value, or no text.
    """
    if input_format != "auto":
        return input_format
    form = _form_by_name(path)
    if form not in (None, "text"):
        return form
    start = start_of(path)
    if start.startswith(b"PAR1"):
        return "parquet"
    kind = signed_kind(start, path)
    if kind:
        raise ValueError(f"{path}: expected one of {', '.join(FORMATS)}, got {kind}")
    form = form_of_start(start.decode("utf-8-sig", "replace"), whole=len(start) < START_BYTES)
    if form == "json":
        raise ValueError(
            f"{path}: expected JSON Lines or a document per line, got one JSON value over the whole file; write one "
            "object with the key 'text' per line"
        )
    return form


def _prefixes(paths: Sequence[str]) -> dict[str, str]:
    """Return the beginning of ids of each file: its stem, or its path where several files have this stem."""
    stems = {path: stem(path) for path in paths}
    counts = Counter(stems.values())
    return {path: name if counts[name] == 1 else path for path, name in stems.items()}


def _dataset(name: str, split: str | None) -> Source:
    splits = load_splits(name.removeprefix(_HUB))
    names = list(map(str, splits))
    if split is None and len(names) > 1:
        raise ValueError(f"{name}: expected a split, got none; pass --split with one of {', '.join(names)}")
    split = split or names[0]
    if split not in names:
        raise ValueError(f"{name}: expected a split out of {', '.join(names)}, got {split!r}; name one of them")
    return Source(name, "dataset", split, len(splits[split]), split)


def dataset_of(source: Source):
    """Load the rows of a source of the form "dataset"."""
    return load_splits(source.name.removeprefix(_HUB))[source.split]
