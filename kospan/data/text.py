"""Reading and writing of text files: UTF-8 with or without a byte order mark, plain or compressed."""

import bz2
import gzip
import io
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

from kospan.data.decompression import read_bounded

SUFFIXES = {".gz", ".bz2", ".xz", ".zip", ".tar", ".tgz", ".jsonl", ".json", ".ndjson", ".jsonlines", ".txt", ".tsv"}
SUFFIXES |= {".csv", ".conll", ".conllu", ".conllup", ".bio", ".iob", ".ann", ".parquet", ".pq", ".zst"}
# Compressions that are not supported; an uncompressed file of such a name could not be opened.
_UNWRITTEN = {".zst", ".zstd", ".lz4", ".lzma", ".lz", ".lzo", ".br", ".sz", ".snappy", ".z", ".zip", ".7z", ".rar"}
_UNWRITTEN |= {".tar", ".tgz", ".tbz2", ".txz"}
# The first bytes of files that are not text, and how to convert them.
_SIGNATURES = {
    b"PK\x03\x04": "a zip archive (or an Excel or Word file): unpack it, or save it as text",
    b"PAR1": "a Parquet file: save it as JSON Lines, or name it as the data set hub:FILE",
    b"(\xb5/\xfd": "a Zstandard file: unpack it with `zstd -d FILE`",
    b"%PDF": "a PDF file: save its text as a .txt file",
    b"\x89HDF": "an HDF5 file: save its texts as JSON Lines",
}


class Compression(NamedTuple):
    """A compression of Python's standard library.

    Args:
        name: Its name in errors.
        magic: The first bytes of a file.
        compress: Equal data give equal bytes.
        open: Opens a compressed file for reading.
    """

    name: str
    magic: bytes
    compress: Callable[[bytes], bytes]
    open: Callable[[BinaryIO], BinaryIO]


COMPRESSIONS = {
    ".gz": Compression("gzip", b"\x1f\x8b", partial(gzip.compress, mtime=0), gzip.open),
    ".bz2": Compression("bzip2", b"BZh91AY&SY", bz2.compress, bz2.open),
    ".xz": Compression("xz", b"\xfd7zXZ\x00", lzma.compress, lzma.open),
}


def open_text(path: str | os.PathLike, encoding: str = "utf-8", newline: str | None = None) -> io.StringIO:
    """Open a text file for reading and decode it at once, so that wrong bytes are found before any line is used.

    Args:
        path: The file; one that is compressed (gzip, bzip2, xz) is unpacked.
        encoding: Of the bytes. A byte order mark in front of UTF-8 is dropped.
        newline: As in `open`: None turns CRLF into LF, "" keeps line ends.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If its bytes are not in `encoding`.
    """
    return io.StringIO(decoded(read_bytes(path), path, encoding), newline=newline)


def read_bytes(path: str | os.PathLike) -> bytes:
    """Read the bytes of a file, decompressed if they are in one of `COMPRESSIONS`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is a folder or broken, or inflates to more than `kospan.data.decompression` allows.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"expected a file at {path}, got a folder; name a file inside it")
    if not path.exists():
        raise FileNotFoundError(f"expected a file at {path} ({path.absolute()}), found none{_nearest(path)}")
    data = path.read_bytes()
    for suffix, compression in COMPRESSIONS.items():
        if path.suffix.lower() == suffix or data.startswith(compression.magic):
            return _decompressed(data, path, compression)
    return data


def _decompressed(data: bytes, path: Path, compression: Compression) -> bytes:
    try:
        with compression.open(io.BytesIO(data)) as stream:
            return read_bounded(stream, len(data), path)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise ValueError(
            f"{path}: expected a whole {compression.name} file, got {error}; fetch the file again"
        ) from error


def decoded(data: bytes, name: str | os.PathLike, encoding: str = "utf-8", keep_mark: bool = False) -> str:
    """Decode bytes.

    Args:
        data: The bytes.
        name: The file, as errors name it.
        encoding: Encoding of the bytes.
        keep_mark: Keep a byte order mark at the start as a character, for offsets that count it.

    Raises:
        ValueError: If the bytes are invalid; the message names file, line, byte, and the likely encoding.

    >>> decoded("서울".encode("cp949"), "list.txt")
    Traceback (most recent call last):
    ...
    ValueError: list.txt:1: expected utf-8, got byte 0xbc at position 0; looks like CP949 (EUC-KR): convert with `iconv -f cp949 -t utf-8 list.txt > list.utf8.txt`
    """  # noqa: E501
    is_utf8 = encoding.lower().replace("_", "-") in ("utf-8", "utf8")
    try:
        return data.decode("utf-8-sig" if is_utf8 and not keep_mark else encoding)
    except UnicodeDecodeError as error:
        # The decoder that drops a mark counts from after it.
        at = error.start + (len(data) - len(error.object))
        line = data.count(b"\n", 0, at) + 1
        raise ValueError(
            f"{name}:{line}: expected {encoding}, got byte 0x{data[at]:02x} at position {at}; {looks_like(data, name)}"
        ) from error


def signed_kind(data: bytes, name: str | os.PathLike) -> str | None:
    """Return the kind of a file that is not text by its first bytes, and how to convert it; None for others."""
    hints = (hint for signature, hint in _SIGNATURES.items() if data.startswith(signature))
    return next((hint.replace("FILE", str(name)) for hint in hints), None)


def looks_like(data: bytes, name: str | os.PathLike) -> str:
    """Return the likely kind of data that are not UTF-8, and how to convert the file, as errors end."""
    kind = signed_kind(data, name)
    if kind:
        return f"looks like {kind}"
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        code, title = "utf-16", "UTF-16"
    else:
        try:
            data.decode("cp949")
        except UnicodeDecodeError:
            return "save the file as UTF-8"
        code, title = "cp949", "CP949 (EUC-KR)"
    path = Path(name)
    target = path.with_suffix(f".utf8{path.suffix}")
    return f"looks like {title}: convert with `iconv -f {code} -t utf-8 {path} > {target}`"


def _nearest(path: Path) -> str:
    if not path.parent.is_dir():
        return f"; there is no folder {path.parent} either"
    near = get_close_matches(path.name, [entry.name for entry in path.parent.iterdir()], n=1)
    return f"; did you mean {path.parent / near[0]}?" if near else f"; check the name and the folder {path.parent}"


def visible_files(folder: Path) -> list[Path]:
    """Return the files of a folder and its subfolders, sorted; hidden ones are skipped."""
    found = (each for each in folder.rglob("*") if each.is_file())
    return sorted(each for each in found if not any(part.startswith(".") for part in each.relative_to(folder).parts))


def check_compression(path: str | os.PathLike) -> None:
    """Check that a file name does not ask for a compression that is not supported for writing.

    Raises:
        ValueError: If a name promises a compression that is not written.
    """
    suffix = Path(path).suffix.lower()
    if suffix in _UNWRITTEN:
        raise ValueError(
            f"expected a file name without compression or with {', '.join(COMPRESSIONS)} to write to, got {path}; end "
            "it in .gz"
        )


@contextmanager
def replaced_whole(path: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary file beside a file, and rename it to that name after the block; an error removes it."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write UTF-8 to a temporary file and rename it; line ends are kept.

    A file whose name ends in .gz, .bz2 or .xz is compressed; equal texts give equal files.

    Raises:
        ValueError: If the name promises another compression.
    """
    path = Path(path)
    check_compression(path)
    data = text.encode("utf-8")
    compression = COMPRESSIONS.get(path.suffix.lower())
    if compression:
        data = compression.compress(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced_whole(path) as temporary:
        temporary.write_bytes(data)


def stem(path: str | os.PathLike) -> str:
    """A file's name without the endings that only state its format; bytes that are not UTF-8 become U+FFFD.

    >>> stem("data/eng.train.gz"), stem("wnut17train.conll")
    ('eng.train', 'wnut17train')
    """
    name = Path(path)
    while name.suffix.lower() in SUFFIXES and name.stem:
        name = name.with_suffix("")
    return os.fsencode(name.name).decode("utf-8", "replace")


def line_id(path: str | os.PathLike, place: str) -> str:
    """Id of a record without one, from its file and its place `file:line`.

    >>> line_id("data/train.jsonl", "data/train.jsonl:7")
    'train-7'
    """
    return f"{stem(path)}-{place.rpartition(':')[2]}"
