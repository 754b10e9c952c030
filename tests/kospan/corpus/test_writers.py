"""Files of predicted records."""

import gc
import gzip
import json

import pyarrow
import pyarrow.parquet
import pytest

from kospan.corpus.settings import OUTPUT_FORMATS
from kospan.corpus.writers import open_writer, synced_digest, write_durably

RECORDS = [
    {"id": "a", "text": "가", "spans": [{"start": 0, "end": 1, "label": "PS", "score": 0.25}]},
    {"id": "b", "text": "나\n다", "spans": [], "question": "왜?"},
    {"id": "c", "text": "라 마", "words": ["라", "마"], "spans": []},
]


def written(path, output_format: str, parts) -> bytes:
    writer = open_writer(path, output_format)
    for part in parts:
        writer.write(part)
    writer.close()
    return path.read_bytes()


def read(data: bytes, output_format: str) -> list[dict]:
    if output_format == "parquet":
        rows = pyarrow.parquet.read_table(pyarrow.BufferReader(data)).to_pylist()
        return [{key: value for key, value in row.items() if value is not None} for row in rows]
    if output_format == "jsonl.gz":
        data = gzip.decompress(data)
    if output_format == "jsonl.zst":
        data = pyarrow.CompressedInputStream(pyarrow.BufferReader(data), "zstd").read()
    return [json.loads(line) for line in data.decode().splitlines()]


@pytest.mark.parametrize("output_format", OUTPUT_FORMATS)
def test_records_are_written_with_the_same_bytes_each_time(tmp_path, output_format):
    one = written(tmp_path / ".one.tmp", output_format, [RECORDS])
    assert read(one, output_format) == RECORDS
    assert written(tmp_path / ".other.tmp", output_format, [RECORDS[:1], [], RECORDS[1:]]) == one or (
        # A compressor may end a block where it is called.
        output_format == "jsonl.zst"
    )
    assert written(tmp_path / ".one.tmp", output_format, [RECORDS]) == one
    # Neither a name nor a time.
    assert output_format != "jsonl.gz" or one[3:8] == bytes(5)
    assert read(written(tmp_path / ".none.tmp", output_format, []), output_format) == []


def test_parquet_has_one_schema_and_large_row_groups(tmp_path):
    written(tmp_path / "a.parquet", "parquet", [RECORDS[:1]] * 9000)
    written(tmp_path / "b.parquet", "parquet", [RECORDS[2:]])
    assert pyarrow.parquet.read_table([tmp_path / "a.parquet", tmp_path / "b.parquet"]).num_rows == 9001
    assert pyarrow.parquet.ParquetFile(tmp_path / "a.parquet").num_row_groups == 2


def test_failed_write_keeps_the_file_before_it(tmp_path):
    path = tmp_path / "a"
    write_durably(path, lambda temporary: temporary.write_text("one", encoding="utf-8"))

    def fail(temporary):
        temporary.write_text("tw", encoding="utf-8")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_durably(path, fail)
    assert path.read_text(encoding="utf-8") == "one"
    # The checksum is that of `sha256sum`.
    assert synced_digest(path) == (3, "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed")


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("output_format", OUTPUT_FORMATS)
def test_aborted_file_is_closed_without_another_error(tmp_path, output_format, capfd):
    writer = open_writer(tmp_path / "a", output_format)
    writer.write(RECORDS * 3000)
    writer.abort()
    (tmp_path / "a").unlink()
    del writer
    gc.collect()
    assert capfd.readouterr().err == ""
