"""brat's standoff format: a text with an .ann file beside it."""

import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import unquote

from kospan.data.checks import located
from kospan.data.formats.keys import warn_ignored
from kospan.data.formats.offsets import UNITS, Fragments, RawSpan, counted, resolve
from kospan.data.records import STRICT, ReadSession
from kospan.data.text import decoded, read_bytes, write_text
from kospan.example import Example
from kospan.modeling.spans import Span

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
# What parts the columns and lines of an .ann file, so that no surface there can hold it.
LINE_END = re.compile(r"[\t\r\n]")
# The files that brat reads where there is no .ann file; those of the BioNLP shared tasks.
PARTS = (".a1", ".a2", ".rel", ".co")


def read_brat(path: str | os.PathLike, units: Sequence[str] = UNITS, session: ReadSession = STRICT) -> list[Example]:
    """Read examples from a folder (in the order of names, with subfolders) or from one .txt or .ann file.

    Line ends are kept. Offsets usually count characters, CRLF as two; other countings (brat's own count of CRLF as one,
    UTF-16) are recognised by the surfaces beside them. A text without annotation files is unlabelled. Annotations that
    are not text-bound are counted in a warning. Fragments separated only by line ends and indentation are one span;
    that is how brat writes an annotation that crosses lines.

    Args:
        path: Folder, or one .txt or .ann file.
        units: Possible units of the offsets; see `kospan.data.formats.offsets`.
        session: Takes the texts that cannot be read.

    Raises:
        ValueError: If an annotation is malformed or discontinuous, or its surface is not what its offsets cut out; the
            message names file and line.
        FileNotFoundError: If there is no text, or a file of annotations has none.
    """
    path = Path(path)
    texts = sorted(path.rglob("*.txt")) if path.is_dir() else [path.with_suffix(".txt")]
    if path.is_dir():
        _check_texts(path, texts)
    ignored: Counter[str] = Counter()
    examples = []
    for text_path in texts:
        with session.record():
            text = decoded(read_bytes(text_path), text_path, keep_mark=True)
            files = _annotation_files(text_path)
            spans = _spans(files, text, units, ignored) if files else None
            name = text_path.relative_to(path if path.is_dir() else path.parent).with_suffix("").as_posix()
            name = unquote(os.fsencode(name).decode("utf-8", "replace"))  # A file's name may be in another encoding.
            examples.append(Example(name, text, spans))
    warn_ignored(path, ignored)
    return examples


def _check_texts(path: Path, texts: list[Path]) -> None:
    if not texts:
        raise FileNotFoundError(f"expected .txt files in {path}, found none; name the folder that holds the texts")
    names = {text.with_suffix("") for text in texts}
    alone = next((file for file in sorted(path.rglob("*.ann")) if file.with_suffix("") not in names), None)
    if alone:
        raise FileNotFoundError(
            f"{alone}: expected its text beside it, {alone.with_suffix('.txt').name}, found none; add the text or "
            "remove the annotations"
        )


def _annotation_files(text_path: Path) -> list[Path]:
    """The files with a text's annotations: one .ann file, or else the parts that brat reads instead."""
    whole = text_path.with_suffix(".ann")
    if whole.exists():
        return [whole]
    return [part for suffix in PARTS if (part := text_path.with_suffix(suffix)).exists()]


def _spans(files: list[Path], text: str, units: Sequence[str], ignored: Counter) -> tuple[Span, ...]:
    raw_spans, labels = [], []
    for path in files:
        for at, line in enumerate(decoded(read_bytes(path), path).split("\n"), 1):
            if not line.strip():
                continue
            if line[0] != "T":
                if line[0] not in KINDS:
                    raise ValueError(f"{path}:{at}: expected a line of brat's (T1, R1), got {line!r}; fix the line")
                ignored[KINDS[line[0]]] += 1
                continue
            label, raw_span = _raw_span(line, f"{path}:{at}")
            labels.append(label)
            raw_spans.append(raw_span)
    found = resolve(text, raw_spans, units, str(files[0]))
    return tuple(
        sorted(
            _span(label, fragments, text, raw_span.place)
            for label, fragments, raw_span in zip(labels, found, raw_spans)
        )
    )


def _raw_span(line: str, place: str) -> tuple[str, RawSpan]:
    """Type and offsets of a line."""
    columns = line.split("\t", 2)
    head = re.fullmatch(r"(\S+) (\d+ \d+(?:;\d+ \d+)*) *", columns[1]) if len(columns) == 3 else None
    if not head:
        raise ValueError(f"{place}: expected `T1<TAB>TYPE start end<TAB>surface`, got {line!r}; fix the line")
    fragments = tuple(tuple(map(int, fragment.split())) for fragment in head[2].split(";"))
    # The last "\r" belongs to the line, and no span ends in white space.
    return head[1], RawSpan(place, fragments, columns[2].removesuffix("\r"))


def _span(label: str, fragments: Fragments, text: str, place: str) -> Span:
    for (_, end), (start, _) in zip(fragments, fragments[1:]):
        gap = text[end:start]
        if start < end or gap.strip() or (start > end and not LINE_END.search(gap)):
            offsets = ";".join(f"{start} {end}" for start, end in fragments)
            raise ValueError(
                f"{place}: expected one stretch of text, got the discontinuous {offsets!r}, which skips {gap!r}; a "
                "span has one start and one end here, so annotate the whole or its parts"
            )
    return located(fragments[0][0], fragments[-1][1], label, len(text), place)


def write_brat(path: str | os.PathLike, examples: Iterable[Example], unit: str = "characters") -> None:
    """Write a folder with a .txt and an .ann file per example, named after its id.

    The folder is there whole or not at all.

    Args:
        path: The new folder.
        examples: The examples.
        unit: Unit of the offsets; brat itself counts characters.

    Raises:
        FileExistsError: If the folder holds something.
        ValueError: If a type holds white space, an id is empty, or two ids give one file name.
    """
    path = Path(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FileExistsError(f"expected a new or empty folder for brat's files, got {path}; name another")
    path.parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix=".writing-", dir=path.parent))
    # A subfolder: that of mkdtemp is private whatever the umask is.
    temporary = place / path.name
    temporary.mkdir()
    names: dict[str, str] = {}
    try:
        for example in examples:
            if not example.id:
                raise ValueError(
                    "expected every example to have an id, the name of its files, got an empty one; add it"
                )
            name = UNSAFE.sub(lambda match: f"%{ord(match[0]):02X}", example.id)
            # Some file systems are case-insensitive.
            if names.setdefault(name.casefold(), example.id) != example.id or (temporary / f"{name}.txt").exists():
                raise ValueError(
                    f"example {example.id!r}: expected ids that differ as file names, got one like "
                    f"{names[name.casefold()]!r}; rename one of the two"
                )
            write_text(temporary / f"{name}.txt", example.text)
            if example.spans is not None:
                write_text(temporary / f"{name}.ann", "".join(_lines(example, unit)))
        if path.exists():
            path.rmdir()
        os.replace(temporary, path)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _lines(example: Example, unit: str) -> Iterable[str]:
    for number, span in enumerate(example.spans, 1):
        if not span.label or re.search(r"\s", span.label):
            raise ValueError(
                f"example {example.id!r}: expected a type without white space, which brat cannot hold, got "
                f"{span.label!r}; rename it"
            )
        surface = example.text[span.start : span.end]
        subwords = [
            (span.start + subword.start(), span.start + subword.end()) for subword in re.finditer(r"[^\r\n]+", surface)
        ]
        if not subwords or (subwords[0][0], subwords[-1][1]) != (span.start, span.end):
            subwords = [(span.start, span.end)]
        pairs = counted(example.text, subwords, unit, f"example {example.id!r}")
        offsets = ";".join(f"{start} {end}" for start, end in pairs)
        joined = LINE_END.sub(" ", " ".join(example.text[start:end] for start, end in subwords))
        yield f"T{number}\t{span.label} {offsets}\t{joined}\n"
