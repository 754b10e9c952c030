"""brat's standoff: a text and, beside it, an .ann file."""

import os
import re
import shutil
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

from kospan.data.jsonl import located
from kospan.data.text import decoded, read_bytes, write_text
from kospan.example import Example
from modeling.spans import Span

KINDS = {
    "R": "relations",
    "E": "events",
    "A": "attributes",
    "M": "attributes",
    "N": "links",
    "#": "notes",
    "*": "equivalences",
}
# What some file system cannot hold in a name; written as %XX.
UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*%]|^[. ]|[. ]$')
LINE_ENDS = re.compile(r"[\r\n]")


def read_brat(path: str | os.PathLike) -> list[Example]:
    """Examples from a folder (read in the order of names, subfolders too) or from one .txt or .ann file.

    Line ends are left as they are, because offsets count them. A text without an .ann file is unlabelled. Whatever is
    no text-bound annotation is counted in a warning. Fragments that only a line end parts are one span; that is how
    brat writes an annotation that crosses lines.

    Raises: ValueError naming file and line where an annotation is malformed or discontinuous, or its surface is not
        what its offsets cut out; FileNotFoundError where there is no text.
    """
    path = Path(path)
    texts = sorted(path.rglob("*.txt")) if path.is_dir() else [path.with_suffix(".txt")]
    if path.is_dir() and not texts:
        raise FileNotFoundError(f"expected .txt files in {path}, found none; name the folder that holds the texts")
    ignored: Counter[str] = Counter()
    examples = []
    for text_path in texts:
        text = decoded(read_bytes(text_path), text_path, keep_mark=True)
        annotations = text_path.with_suffix(".ann")
        spans = _spans(annotations, text, ignored) if annotations.exists() else None
        name = text_path.relative_to(path if path.is_dir() else path.parent).with_suffix("").as_posix()
        examples.append(Example(unquote(name), text, spans))
    if ignored:
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(ignored.items()))
        warnings.warn(f"{path}: ignored {counts}", stacklevel=2)
    return examples


def _spans(path: Path, text: str, ignored: Counter) -> tuple[Span, ...]:
    spans = []
    for at, line in enumerate(decoded(read_bytes(path), path).split("\n"), 1):
        if not line.strip():
            continue
        if line[0] != "T":
            if line[0] not in KINDS:
                raise ValueError(f"{path}:{at}: expected a line of brat's (T1, R1, ...), got {line!r}; mend the line")
            ignored[KINDS[line[0]]] += 1
            continue
        spans.append(_span(line, text, f"{path}:{at}"))
    return tuple(sorted(spans))


def _span(line: str, text: str, place: str) -> Span:
    columns = line.split("\t", 2)
    head = re.fullmatch(r"(\S+) (\d+ \d+(?:;\d+ \d+)*)", columns[1]) if len(columns) == 3 else None
    if not head:
        raise ValueError(f"{place}: expected `T1<TAB>TYPE start end<TAB>surface`, got {line!r}; mend the line")
    fragments = [tuple(map(int, fragment.split())) for fragment in head[2].split(";")]
    for (_, end), (start, _) in zip(fragments, fragments[1:]):
        gap = text[end:start]
        if start < end or gap.strip("\r\n"):
            raise ValueError(
                f"{place}: expected one stretch of text, got the discontinuous {head[2]!r}, which leaves out "
                f"{gap!r}; a span has one start and one end here, so annotate the whole or its parts"
            )
    span = located(fragments[0][0], fragments[-1][1], head[1], len(text), place)
    surface = LINE_ENDS.sub(" ", text[span.start : span.end])
    joined = LINE_ENDS.sub(" ", " ".join(text[start:end] for start, end in fragments))
    # The last "\r" may belong to the line.
    got = {LINE_ENDS.sub(" ", columns[2]), LINE_ENDS.sub(" ", columns[2].removesuffix("\r"))}
    if not got & {surface, joined}:
        raise ValueError(
            f"{place}: expected the surface {columns[2]!r} at {head[2]}, got {text[span.start : span.end]!r}; offsets "
            f"count characters and every line end (CRLF counts two): keep the .txt as it was annotated"
        )
    return span


def write_brat(path: str | os.PathLike, examples: Iterable[Example]) -> None:
    """Writes a folder with a .txt and an .ann file per example, named after its id.

    The folder is there whole or not at all.

    Raises: FileExistsError where the folder holds something; ValueError where a type holds white space, an id is
        empty, or two ids give one file name.
    """
    path = Path(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FileExistsError(f"expected a new or empty folder for brat's files, got {path}; name another")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".writing-", dir=path.parent))
    names: dict[str, str] = {}
    try:
        for example in examples:
            if not example.id:
                raise ValueError(
                    "expected every example to have an id, the name of its files, got an empty one; add it"
                )
            name = UNSAFE.sub(lambda match: f"%{ord(match[0]):02X}", example.id)
            # Some file systems do not tell A from a.
            if names.setdefault(name.casefold(), example.id) != example.id or (temporary / f"{name}.txt").exists():
                raise ValueError(
                    f"example {example.id!r}: expected ids that differ as file names, got one like "
                    f"{names[name.casefold()]!r}; rename one of the two"
                )
            write_text(temporary / f"{name}.txt", example.text)
            if example.spans is not None:
                write_text(temporary / f"{name}.ann", "".join(_lines(example)))
        if path.exists():
            path.rmdir()
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    path.chmod(0o755)


def _lines(example: Example) -> Iterable[str]:
    for number, span in enumerate(example.spans, 1):
        if not span.label or re.search(r"\s", span.label):
            raise ValueError(
                f"example {example.id!r}: expected a type without white space, which brat cannot hold, got "
                f"{span.label!r}; rename it"
            )
        surface = example.text[span.start : span.end]
        pieces = [(span.start + piece.start(), span.start + piece.end()) for piece in re.finditer(r"[^\r\n]+", surface)]
        if not pieces or (pieces[0][0], pieces[-1][1]) != (span.start, span.end):
            pieces = [(span.start, span.end)]
        offsets = ";".join(f"{start} {end}" for start, end in pieces)
        joined = LINE_ENDS.sub(" ", " ".join(example.text[start:end] for start, end in pieces))
        yield f"T{number}\t{span.label} {offsets}\t{joined}\n"
