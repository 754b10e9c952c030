"""Lines of files of any size, plain or compressed."""

import bz2
import gzip
import io
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pyarrow

# Bytes of a record after decompression; longer ones are errors, so that a broken file does not exhaust the memory.
MAX_RECORD_BYTES = 16 * 2**20
# Compressions by ending: the first bytes of a file, its name in errors, and its reader.
_OPENERS: dict[str, tuple[bytes, str, Callable[[BinaryIO], BinaryIO]]] = {
    ".gz": (b"\x1f\x8b", "gzip", lambda file: gzip.GzipFile(fileobj=file)),
    ".bz2": (b"BZh91AY&SY", "bzip2", bz2.BZ2File),
    ".xz": (b"\xfd7zXZ\x00", "xz", lzma.LZMAFile),
    ".zst": (b"\x28\xb5\x2f\xfd", "Zstandard", lambda file: pyarrow.CompressedInputStream(file, "zstd")),
}
COMPRESSED = frozenset(_OPENERS)
_MARK = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """A line of a file.

    Args:
        number: Its number, from 1.
        data: Its bytes without the line end; empty if there is an error.
        error: Reason why it cannot be read; None if it can.
        position: Bytes of the file, before decompression, that have been read.
        end: The line end, for fields of tables that hold line ends.
    """

    number: int
    data: bytes
    error: str | None
    position: int
    end: bytes = b""


def file_lines(path: str | os.PathLike) -> Iterator[Line]:
    """Yield the lines of a file, decompressed by its ending or its first bytes; memory is independent of its size.

    A byte order mark in front of the first line is dropped. A line of more than `MAX_RECORD_BYTES` and the end of a
    damaged compressed file are lines with an error.

    Raises:
        OSError: If the file cannot be opened, or the disk fails.
    """
    with open(path, "rb") as file:
        stream, kind = _decompressed(file, path)
        number = 0
        while True:
            number += 1
            try:
                data, error = _next_line(stream)
            except (OSError, EOFError, zlib.error, lzma.LZMAError) as problem:
                if kind is None or (isinstance(problem, OSError) and problem.errno):
                    raise
                reason = f"expected a whole {kind} file, got {problem}; fetch the file again"
                yield Line(number, b"", reason, file.tell())
                return
            if not data:
                return
            if number == 1:
                data = data.removeprefix(_MARK)
            content = b"" if error else _content(data)
            yield Line(number, content, error, file.tell(), b"" if error else data[len(content) :])


def start_of(path: str | os.PathLike, size: int = 2**20) -> bytes:
    """Return the first bytes of a file after decompression, as far as they can be read.

    >>> _ = Path("a.txt").write_bytes(b"abc")
    >>> start_of("a.txt", 2)
    b'ab'
    """
    with open(path, "rb") as file:
        try:
            return _decompressed(file, path)[0].read(size)
        except (OSError, EOFError, zlib.error, lzma.LZMAError):
            return b""


def _decompressed(file: BinaryIO, path: str | os.PathLike) -> tuple[BinaryIO, str | None]:
    """Return a buffered reader of the content, and the compression in words."""
    start = file.read(16)
    file.seek(0)
    for ending, (magic, kind, opener) in _OPENERS.items():
        if start.startswith(magic) or (Path(path).suffix.lower() == ending and start):
            return io.BufferedReader(opener(file), 2**18), kind
    return file, None


def _next_line(stream: BinaryIO) -> tuple[bytes, str | None]:
    """Return the next line with its end, and the reason why it is too long; no bytes at the end of the file."""
    data = stream.readline(MAX_RECORD_BYTES + 2)
    if len(_content(data)) <= MAX_RECORD_BYTES:
        return data, None
    length, rest = len(data), data
    while not rest.endswith(b"\n") and (rest := stream.readline(2**20)):
        length += len(rest)
    length -= rest.endswith(b"\n")
    return data[:1], f"expected a line of at most {MAX_RECORD_BYTES:,} bytes, got {length:,}; split the text"


def _content(line: bytes) -> bytes:
    return line.removesuffix(b"\n").removesuffix(b"\r")
