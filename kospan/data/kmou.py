"""The KMOU corpus of Korean named entities."""

import io
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

from kospan.data.decompression import check_entries
from kospan.data.records import STRICT, Item, ReadSession
from kospan.data.text import decoded, read_bytes, stem
from kospan.example import Example
from kospan.modeling.spans import Span

CLOSING = re.compile(r":([A-Z]+)>")


def read_kmou(path: str, session: ReadSession = STRICT) -> Iterator[Item]:
    """Read text and spans from the `## ` lines: number, text, text with `<entity:TYPE>`.

    The lines of morphemes under them are not read: they cannot represent an entity that ends inside a morpheme, and do
    not always give the text.

    Args:
        path: The tar.gz, a folder of .txt files (read in the order of their names), or one such file.
        session: Options, and collector of invalid records.

    Raises:
        FileNotFoundError: If there is nothing at `path`.
        ValueError: If a sentence lacks one of its three lines or the two texts differ; the message names file and line.
    """
    for name, data in _files(Path(path)):
        yield from _items(name, decoded(data, name), session)


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    if not path.exists():
        raise FileNotFoundError(f"expected KMOU's corpus (tar.gz, folder or .txt) at {path.absolute()}, found none")
    if path.is_dir():
        found = sorted(path.rglob("*.txt"))
        if not found:
            raise ValueError(f"{path}: expected .txt files in the folder, found none; unpack the corpus there")
        yield from ((str(file), file.read_bytes()) for file in found)
    elif path.suffix == ".txt":
        yield str(path), path.read_bytes()
    else:
        try:
            with tarfile.open(fileobj=io.BytesIO(read_bytes(path)), mode="r:") as archive:
                members = [member for member in _members(archive, path) if member.name.endswith(".txt")]
                for member in sorted(members, key=lambda member: member.name):
                    yield f"{path}/{member.name}", archive.extractfile(member).read()
        except (tarfile.TarError, EOFError, OSError) as error:
            raise ValueError(f"{path}: expected a tar archive, got {error}; fetch the file again") from error


def _members(archive: tarfile.TarFile, path: Path) -> Iterator[tarfile.TarInfo]:
    """Yield the files of an archive; links and devices are skipped."""
    for count, member in enumerate(archive, 1):
        check_entries(count, path)
        if member.issparse():  # Its size is not that of its data.
            raise ValueError(f"{path}: expected files without holes, got {member.name}; pack them again with tar")
        if member.isfile():
            yield member


def _items(name: str, text: str, session: ReadSession) -> Iterator[Item]:
    group = "exobrain" if "EXOBRAIN" in Path(name).name else "kmou"
    heads: list[str] = []
    number, first = 0, 0
    for at, line in enumerate(text.split("\n") + [""], 1):
        line = line.rstrip("\r")
        # "## " opens a line of the sentence; a morpheme's line has tabs.
        if line.startswith("## ") and line.count("\t") != 3:
            first = first or at
            heads.append(line[3:])
        elif not line and heads:
            number += 1
            with session.record():
                yield _item(f"{name}:{first}", heads, f"{stem(Path(name).name)}-{number}", group)
            heads, first = [], 0


def _item(place: str, heads: list[str], name: str, group: str) -> Item:
    """Build a sentence from its three lines."""
    if len(heads) != 3:
        raise ValueError(
            f"{place}: expected three lines that start with `## ` (number, text, text with <entity:TYPE>), got "
            f"{len(heads)}; add what is missing"
        )
    spans = marked_spans(heads[1], heads[2])
    if spans is None:
        raise ValueError(
            f"{place}: expected the marked text to be the text plus <entity:TYPE>, got {heads[2]!r} for "
            f"{heads[1]!r}; correct one of the two"
        )
    return Item(place, Example(name, heads[1], spans, source=group))


def marked_spans(text: str, marked: str) -> tuple[Span, ...] | None:
    """Find the spans of `<entity:TYPE>` marks by aligning them with the plain text, which may contain `<` itself.

    Args:
        text: Without marks.
        marked: With marks.

    Returns:
        The spans, or None if `marked` is not `text` plus marks.

    >>> marked_spans("<2> 서울", "<<2>:NOH> <서울:LOC>")
    (Span(start=0, end=3, label='NOH', score=1.0), Span(start=4, end=6, label='LOC', score=1.0))
    """
    # State: place in text, place in marked, start of the open span (-1: none), spans so far; the last is tried first.
    states: list[tuple[int, int, int, tuple[Span, ...]]] = [(0, 0, -1, ())]
    seen = set()
    while states:
        here, there, start, spans = states.pop()
        if here == len(text) and there == len(marked) and start < 0:
            return spans
        if there == len(marked) or (here, there, start) in seen:
            continue
        seen.add((here, there, start))
        if here < len(text) and text[here] == marked[there]:
            states.append((here + 1, there + 1, start, spans))
        if start < 0 and marked[there] == "<":
            states.append((here, there + 1, here, spans))
        close = CLOSING.match(marked, there) if 0 <= start < here else None
        if close:
            entity = text[start:here]
            # `<<2>:NOH>` marks "<2>", but `<<A:PS>>` marks "A": half a pair of brackets comes last.
            rank = len(states) if entity.count("<") == entity.count(">") else 0
            states.insert(rank, (here, close.end(), -1, (*spans, Span(start, here, close[1]))))
    return None
