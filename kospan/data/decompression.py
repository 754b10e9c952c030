"""Bounded decompression: a small file of an unknown author cannot fill the memory or the disk."""

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

# A file may inflate to this many times its size, or to the free amount if that is more. Text reaches 5 to 30 times.
MAX_RATIO, FREE_BYTES = 100, 256 * 2**20
# Entries of an archive.
MAX_ENTRIES = 100_000
_CHUNK = 2**20
_ROWS = 256


def largest_size(packed: int) -> int:
    """Bytes that a file may have after decompression.

    Args:
        packed: Its bytes before.
    """
    return max(FREE_BYTES, MAX_RATIO * packed)


def read_bounded(stream: BinaryIO, packed: int, name: str | os.PathLike) -> bytes:
    """Read a stream that decompresses.

    Args:
        stream: The stream.
        packed: Bytes of the compressed file.
        name: The file, as errors name it.

    Raises:
        ValueError: If it holds more than `largest_size` bytes.
    """
    limit = left = largest_size(packed)
    chunks = []
    while chunk := stream.read(_CHUNK):
        left -= len(chunk)
        if left < 0:
            raise _too_large(name, limit)
        chunks.append(chunk)
    return b"".join(chunks)


def read_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo, packed: int, name: str | os.PathLike) -> bytes:
    """Read an entry of a zip archive, whose header may state a wrong size; see `read_bounded`."""
    with archive.open(info) as stream:
        return read_bounded(stream, packed, f"{name}, {info.filename}")


def check_entries(count: int, name: str | os.PathLike) -> None:
    """Check the number of entries of an archive.

    Raises:
        ValueError: If there are more than `MAX_ENTRIES`.
    """
    if count > MAX_ENTRIES:
        raise ValueError(f"{name}: expected at most {MAX_ENTRIES:,} entries, got {count:,}; use another file")


def check_parquet(path: Path) -> None:
    """Check the size of a Parquet file, or of those in a folder, after decoding, batch by batch.

    Raises:
        ValueError: If a file holds more than `largest_size` bytes.
    """
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    for file in _parquet_files(path):
        limit = left = largest_size(file.stat().st_size)
        try:
            for batch in ParquetFile(file).iter_batches(_ROWS):
                left -= batch.nbytes
                if left < 0:
                    raise _too_large(file, limit)
        except (ArrowException, OSError):
            continue  # No Parquet, or a broken file: the reader says so.


def _parquet_files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    elif path.is_dir():
        yield from sorted(each for each in path.rglob("*.parquet") if each.is_file())


def _too_large(name: str | os.PathLike, limit: int) -> ValueError:
    return ValueError(
        f"{name}: expected at most {limit // 2**20:,} MiB after decompression ({MAX_RATIO} times the size of the "
        f"file, or {FREE_BYTES // 2**20} MiB), got more; if you trust the file, unpack it yourself and name the result"
    )
