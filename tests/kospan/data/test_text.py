import bz2
import gzip
import lzma

import pytest

from kospan.data.text import open_text, stem, write_text


def test_reads_utf8_with_and_without_a_mark_plain_and_gzipped(tmp_path):
    for name, data in [
        ("plain.txt", "서울 😀\n".encode()),
        ("mark.txt", "서울 😀\n".encode("utf-8-sig")),
        ("packed.txt.gz", gzip.compress("서울 😀\n".encode())),
        ("packed_without_suffix", gzip.compress("서울 😀\n".encode())),
        ("windows.txt", "서울 😀\r\n".encode()),
    ]:
        (tmp_path / name).write_bytes(data)
        assert open_text(tmp_path / name).read() == "서울 😀\n", name
    assert open_text(tmp_path / "windows.txt", newline="").read() == "서울 😀\r\n"


def test_other_line_separators_of_unicode_end_no_line(tmp_path):
    (tmp_path / "a.txt").write_text("a\u2028b\x85c\x1cd\n", encoding="utf-8", newline="")
    assert list(open_text(tmp_path / "a.txt")) == ["a\u2028b\x85c\x1cd\n"]


def test_missing_file_says_what_was_looked_for(tmp_path):
    (tmp_path / "train.jsonl").write_text("{}", encoding="utf-8")
    with pytest.raises(FileNotFoundError, match=r"expected a file at .*trian\.jsonl.*did you mean .*train\.jsonl\?"):
        open_text(tmp_path / "trian.jsonl")
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere either"):
        open_text(tmp_path / "nowhere" / "a.txt")
    with pytest.raises(ValueError, match="got a folder"):
        open_text(tmp_path)


def test_cp949_is_recognised(tmp_path):
    path = tmp_path / "list.tsv"
    path.write_bytes("a\n서울\tB-LC\n".encode("cp949"))
    with pytest.raises(ValueError) as caught:
        open_text(path)
    assert f"{path}:2: expected utf-8, got byte 0xbc at position 2; looks like CP949 (EUC-KR)" in str(caught.value)
    assert f"`iconv -f cp949 -t utf-8 {path} > {tmp_path / 'list.utf8.tsv'}`" in str(caught.value)


def test_other_wrong_bytes_are_located(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfok\nfine\n\xff")
    with pytest.raises(
        ValueError, match=r"a\.txt:3: expected utf-8, got byte 0xff at position 11; save the file as UTF-8"
    ):
        open_text(path)
    path.write_bytes("서울".encode("utf-16"))
    with pytest.raises(ValueError, match="looks like UTF-16"):
        open_text(path)


def test_cut_gzip(tmp_path):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(b"text" * 100)[:-9])
    with pytest.raises(ValueError, match="expected a whole gzip file"):
        open_text(path)
    path.write_bytes(b"no gzip")
    with pytest.raises(ValueError, match="expected a whole gzip file"):
        open_text(path)


def test_write_is_whole_or_nothing(tmp_path):
    path = tmp_path / "new" / "a.txt"
    write_text(path, "서울\r\n")
    assert path.read_bytes() == "서울\r\n".encode()
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "\ud83d")
    assert path.read_bytes() == "서울\r\n".encode()
    assert [entry.name for entry in path.parent.iterdir()] == ["a.txt"]


def test_stem():
    assert stem("a/eng.testa") == "eng.testa"
    assert stem("corpus.tar.gz") == "corpus"
    assert stem(".jsonl") == ".jsonl"
    assert stem("\udcb0a.jsonl") == "\ufffda"


@pytest.mark.parametrize("name", ["a.jsonl.gz", "A.GZ"])
def test_a_name_that_ends_in_gz_is_compressed(tmp_path, name):
    write_text(tmp_path / name, "서울\n")
    data = (tmp_path / name).read_bytes()
    assert gzip.decompress(data) == "서울\n".encode() and data[4:8] == bytes(4)
    assert open_text(tmp_path / name).read() == "서울\n"
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.jsonl.lz4", "a.zst", "a.JSONL.7Z", "a.zip", "a.br", "a.jsonl.lzma"])
def test_compressions_that_are_not_written(tmp_path, name):
    with pytest.raises(
        ValueError, match=r"expected a file name without compression or with \.gz, \.bz2, \.xz to write to, got"
    ):
        write_text(tmp_path / name, "x")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "decompress"), [("a.jsonl.bz2", bz2.decompress), ("B.XZ", lzma.decompress)])
def test_names_of_other_compressions_of_the_standard_library(tmp_path, name, decompress):
    for _ in range(2):
        write_text(tmp_path / name, "부산\r\n" * 50)
        assert decompress((tmp_path / name).read_bytes()) == "부산\r\n".encode() * 50
    assert open_text(tmp_path / name, newline="").read() == "부산\r\n" * 50
    # Its contents are recognised under another name, too, and half of it is an error.
    data = (tmp_path / name).read_bytes()
    (tmp_path / "plain.txt").write_bytes(data)
    assert open_text(tmp_path / "plain.txt", newline="").read() == "부산\r\n" * 50
    (tmp_path / name).write_bytes(data[:-9])
    with pytest.raises(ValueError, match=r"expected a whole (bzip2|xz) file, got "):
        open_text(tmp_path / name)
    assert stem("묶음.jsonl.xz") == "묶음"
