"""Files of predicted records: JSON Lines, plain or compressed, and Parquet."""

import contextlib
import gzip
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow
import pyarrow.parquet

_ROW_GROUP = 8192
_SPAN = pyarrow.struct(
    [("start", pyarrow.int64()), ("end", pyarrow.int64()), ("label", pyarrow.string()), ("score", pyarrow.float64())]
)
SCHEMA = pyarrow.schema(
    [
        *((name, pyarrow.string()) for name in ("id", "text", "question", "text_pair", "source")),
        ("words", pyarrow.list_(pyarrow.string())),
        ("spans", pyarrow.list_(_SPAN)),
    ]
)


class _RecordWriter:
    """A file, and the stream of its format that writes to it."""

    def __init__(self, path: Path):
        self._file = self._stream = path.open("wb")

    def close(self) -> None:
        """Finish the file."""
        self._stream.close()
        self._file.close()

    def abort(self) -> None:
        """Close the file, which may be incomplete, after an error."""
        with contextlib.suppress(Exception):
            self._stream.close()
        with contextlib.suppress(OSError):
            self._file.close()


class JsonLinesWriter(_RecordWriter):
    """JSON Lines; equal records give equal bytes.

    Args:
        path: The file.
        compression: "", ".gz" or ".zst".
    """

    def __init__(self, path: Path, compression: str = ""):
        super().__init__(path)
        if compression == ".gz":
            # Neither the time nor the temporary name becomes part of the file.
            self._stream = gzip.GzipFile("", "wb", 6, self._file, mtime=0)
        elif compression == ".zst":
            self._stream = pyarrow.CompressedOutputStream(self._file, "zstd")

    def write(self, records: Sequence[Mapping]) -> None:
        """Append records."""
        self._stream.write("".join(json.dumps(each, ensure_ascii=False) + "\n" for each in records).encode())


class ParquetFileWriter(_RecordWriter):
    """Parquet with the columns of `SCHEMA`, so that all shards of a run form one data set.

    Args:
        path: The file.
    """

    def __init__(self, path: Path):
        super().__init__(path)
        self._stream = pyarrow.parquet.ParquetWriter(self._file, SCHEMA, compression="zstd")
        self._records: list[Mapping] = []

    def write(self, records: Sequence[Mapping]) -> None:
        """Append records."""
        self._records += records
        if len(self._records) >= _ROW_GROUP:
            self._flush()

    def close(self) -> None:
        """Finish the file."""
        self._flush()
        super().close()

    def _flush(self) -> None:
        if self._records:
            self._stream.write_table(pyarrow.Table.from_pylist(self._records, SCHEMA))
            self._records = []


def open_writer(path: Path, output_format: str) -> JsonLinesWriter | ParquetFileWriter:
    """Open a file for records in one of `kospan.corpus.settings.OUTPUT_FORMATS`."""
    return (
        ParquetFileWriter(path) if output_format == "parquet" else JsonLinesWriter(path, output_format[len("jsonl") :])
    )


def synced_digest(path: Path) -> tuple[int, str]:
    """Flush a file to disk, and return its size and SHA-256."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest


def write_durably(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file under a temporary name, flush it to disk, and rename it."""
    temporary = path.with_name(f".{path.name}.tmp")
    write(temporary)
    synced_digest(temporary)
    os.replace(temporary, path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush the names of the files in a folder to disk, on systems that can."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
