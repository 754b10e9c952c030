"""Lines of files of any size, plain or compressed."""

import io
import lzma
import os
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pyarrow

from kospan.data.text import COMPRESSIONS, Compression

# Bytes of a record after decompression; longer ones are errors, so that a broken file does not exhaust the memory.
MAX_RECORD_BYTES = 16 * 2**20
# Bytes of a file's start, by which its format is detected.
START_BYTES = 2**20
STREAMS = COMPRESSIONS | {
    ".zst": Compression(
        "Zstandard",
        b"\x28\xb5\x2f\xfd",
        partial(pyarrow.compress, codec="zstd", asbytes=True),
        partial(pyarrow.CompressedInputStream, compression="zstd"),
    )
}
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


def start_of(path: str | os.PathLike, size: int = START_BYTES) -> bytes:
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
    for ending, compression in STREAMS.items():
        if start.startswith(compression.magic) or (Path(path).suffix.lower() == ending and start):
            return io.BufferedReader(compression.open(file), 2**18), compression.name
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
