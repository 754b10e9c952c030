"""Lines of plain and compressed files."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kospan.corpus import streams
from kospan.corpus.streams import STREAMS, file_lines, start_of

COMPRESS = {"": bytes} | {ending: compression.compress for ending, compression in STREAMS.items()}


def read(path) -> list[tuple[int, bytes, str | None]]:
    return [line[:3] for line in file_lines(path)]


@pytest.mark.parametrize("ending", COMPRESS)
@pytest.mark.parametrize("named", [True, False])
def test_lines_are_decompressed_by_ending_or_content(tmp_path, ending, named):
    path = tmp_path / (f"a.jsonl{ending}" if named else "a")
    path.write_bytes(COMPRESS[ending]("\ufeff가\r\n\n나".encode()))
    assert read(path) == [(1, "가".encode(), None), (2, b"", None), (3, "나".encode(), None)]
    assert list(file_lines(path))[-1].position == path.stat().st_size


@given(st.lists(st.binary(max_size=8), max_size=8), st.sampled_from([".gz", ".zst", ""]))
def test_lines_are_those_of_the_bytes(tmp_path_factory, parts, ending):
    data = b"\n".join(parts)
    path = tmp_path_factory.mktemp("lines") / f"a{ending or '.txt'}"
    path.write_bytes(COMPRESS[ending](data) if ending else data)
    if not ending and any(data.startswith(magic) for _, magic, *_ in STREAMS.values()):
        return
    expected = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if data[-1:] in (b"", b"\n"):
        expected.pop()
    assert [line.data for line in file_lines(path)] == [line.removesuffix(b"\r") for line in expected]


@pytest.mark.parametrize("compress", [COMPRESS[".gz"], COMPRESS[".zst"]])
def test_several_members_are_one_file(tmp_path, compress):
    path = tmp_path / "a.jsonl"
    path.write_bytes(compress(b"one\n") + compress(b"two\n"))
    assert [line.data for line in file_lines(path)] == [b"one", b"two"]


@pytest.mark.parametrize("ending, kind", [(".gz", "gzip"), (".xz", "xz"), (".bz2", "bzip2"), (".zst", "Zstandard")])
def test_damaged_file_ends_with_an_error(tmp_path, ending, kind):
    path = tmp_path / f"a.txt{ending}"
    path.write_bytes(COMPRESS[ending](b"".join(b"%d\n" % at for at in range(100_000)))[:-9])
    lines = read(path)
    assert lines[-1][2].startswith(f"expected a whole {kind} file, got ")
    assert all(error is None for *_, error in lines[:-1])
    assert [number for number, *_ in lines] == list(range(1, len(lines) + 1))


def test_long_line_is_an_error_and_its_neighbours_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "MAX_RECORD_BYTES", 5)
    path = tmp_path / "a.txt"
    path.write_bytes(b"1234\n12345\r\n123456\n1\n" + b"x" * 50)
    assert [(number, data, error is not None) for number, data, error in read(path)] == [
        (1, b"1234", False),
        (2, b"12345", False),
        (3, b"", True),
        (4, b"1", False),
        (5, b"", True),
    ]
    assert "expected a line of at most 5 bytes, got 50" in read(path)[-1][2]


def test_start_is_decompressed_and_bounded(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"abcdef"))
    assert start_of(path, 3) == b"abc"
    path.write_bytes(b"not gzip")
    assert start_of(path) == b""
