"""Bombs in every compressed or packed format that is read."""

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kospan.data import decompression
from kospan.data.decompression import check_parquet, largest_size, read_bounded
from kospan.data.gmb import read_gmb
from kospan.data.hub import load_splits
from kospan.data.kmou import read_kmou
from kospan.data.text import COMPRESSIONS, open_text, read_bytes, write_text

ZEROS = b"0" * 3 * 2**20


@pytest.fixture
def small(monkeypatch):
    """Limits that a bomb of a few MiB exceeds."""
    monkeypatch.setattr(decompression, "FREE_BYTES", 2**20)
    monkeypatch.setattr(decompression, "MAX_RATIO", 10)


@given(st.binary(max_size=3000), st.sampled_from(sorted(COMPRESSIONS)), st.integers(1, 3))
def test_what_is_compressed_is_read(tmp_path_factory, data, suffix, parts):
    path = tmp_path_factory.getbasetemp() / f"a{suffix}"
    # Several streams in one file, as `cat a.gz b.gz` gives.
    path.write_bytes(COMPRESSIONS[suffix].compress(data) * parts)
    assert read_bytes(path) == data * parts


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_bombs_are_refused_by_content_and_by_name(tmp_path, small, compress, name):
    path = tmp_path / (name.replace(".gz", {gzip: ".gz", bz2: ".bz2", lzma: ".xz"}[_module(compress)]))
    path.write_bytes(compress(ZEROS))
    with pytest.raises(ValueError, match=r"a.jsonl.*: expected at most 1 MiB after decompression .*unpack it yourself"):
        open_text(path)


def _module(compress):
    return {gzip.compress: gzip, bz2.compress: bz2, lzma.compress: lzma}[compress]


def test_no_more_than_the_limit_is_read(small):
    class Endless(io.RawIOBase):
        given = 0

        def read(self, size=-1):
            self.given += size
            return b"\0" * size

    stream = Endless()
    with pytest.raises(ValueError, match="after decompression"):
        read_bounded(stream, 10, "x")
    assert stream.given <= largest_size(10) + 2**20


def test_a_ratio_of_text_is_allowed(tmp_path, small, monkeypatch):
    monkeypatch.setattr(decompression, "FREE_BYTES", 1000)
    monkeypatch.setattr(decompression, "MAX_RATIO", 100)
    text = "".join(f"{at} 서울에서 회의를 열었다.\n" for at in range(20_000))
    write_text(tmp_path / "a.txt.gz", text)
    assert open_text(tmp_path / "a.txt.gz").read() == text


def test_a_bomb_in_a_zip_whose_header_lies(tmp_path, small):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ner.csv", ZEROS)
    with pytest.raises(ValueError, match=r"a.zip, ner.csv: expected at most 1 MiB after decompression"):
        list(read_gmb(str(path)))
    data = path.read_bytes()
    size = len(ZEROS).to_bytes(4, "little")
    assert data.count(size) == 2
    path.write_bytes(data.replace(size, (100).to_bytes(4, "little")))
    with pytest.raises(ValueError, match=r"expected a whole zip archive|after decompression"):
        list(read_gmb(str(path)))


def test_a_broken_or_encrypted_zip_is_one_error(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../etc/ner.csv", "Sentence #,Word,POS,Tag\n")
    assert list(read_gmb(str(path))) == []  # Only its content is read; nothing is unpacked.
    assert [each.name for each in tmp_path.iterdir()] == ["a.zip"]
    data = bytearray(path.read_bytes())
    path.write_bytes(data[:-30])
    with pytest.raises(ValueError, match=r"a.zip: expected a whole zip archive, got .*fetch the file again"):
        list(read_gmb(str(path)))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"a.zip: expected a whole zip archive, got .*encrypted"):
        list(read_gmb(str(path)))


def write_tar(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for member, data in members:
            archive.addfile(member, io.BytesIO(data))
    return str(path)


def member(name, size=0, kind=tarfile.REGTYPE, target=""):
    found = tarfile.TarInfo(name)
    found.size, found.type, found.linkname = size, kind, target
    return found


SENTENCE = "## 1\n## 양측\n## <양:NOH>측\n\n".encode()


def test_bombs_and_many_entries_of_a_tar_are_refused(tmp_path, small, monkeypatch):
    path = write_tar(tmp_path / "a.tar.gz", [(member("a.txt", len(ZEROS)), ZEROS)])
    with pytest.raises(ValueError, match=r"a.tar.gz: expected at most 1 MiB after decompression"):
        list(read_kmou(path))
    monkeypatch.setattr(decompression, "MAX_ENTRIES", 2)
    path = write_tar(tmp_path / "b.tar", [(member(f"{at}.txt"), b"") for at in range(3)], "w")
    with pytest.raises(ValueError, match="expected at most 2 entries, got 3"):
        list(read_kmou(path))


def test_names_and_links_of_a_tar_reach_no_other_file(tmp_path):
    (tmp_path / "secret.txt").write_bytes(SENTENCE.replace("양측".encode(), "비밀".encode()))
    members = [
        (member("../../outside.txt", len(SENTENCE)), SENTENCE),
        (member("/absolute.txt", len(SENTENCE)), SENTENCE),
        (member("soft.txt", kind=tarfile.SYMTYPE, target=str(tmp_path / "secret.txt")), b""),
        (member("hard.txt", kind=tarfile.LNKTYPE, target=str(tmp_path / "secret.txt")), b""),
    ]
    (tmp_path / "in").mkdir()
    found = list(read_kmou(write_tar(tmp_path / "in" / "a.tar.gz", members)))
    assert [item.example.text for item in found] == ["양측", "양측"]
    assert {each.name for each in tmp_path.iterdir()} == {"secret.txt", "in"}


def test_a_sparse_member_whose_size_is_not_that_of_its_data_is_refused(tmp_path):
    sparse = member("a.txt", 0)
    sparse.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.size": str(2**50), "GNU.sparse.map": "0,0"}
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(sparse, io.BytesIO(b""))
    with pytest.raises(ValueError, match=r"a.tar: expected files without holes, got a.txt"):
        list(read_kmou(str(tmp_path / "a.tar")))


def write_parquet(path, texts):
    import pyarrow
    from pyarrow.parquet import write_table

    write_table(pyarrow.table({"text": texts}), path, compression="zstd")


def test_parquet_is_bounded_after_decoding(tmp_path, small):
    write_parquet(tmp_path / "a.parquet", ["서울", "부산"])
    check_parquet(tmp_path / "a.parquet")
    # A dictionary of a single text: the file and its declared sizes are small.
    write_parquet(tmp_path / "b.parquet", ["0" * 10_000] * 1_000)
    assert (tmp_path / "b.parquet").stat().st_size < 5_000
    for path in (tmp_path / "b.parquet", tmp_path):
        with pytest.raises(ValueError, match=r"b.parquet: expected at most 1 MiB after decompression"):
            load_splits(str(path))
    # A broken file before it, which datasets need not read.
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"b.parquet: expected at most 1 MiB after decompression"):
        check_parquet(tmp_path)


def test_a_bomb_in_a_document_is_refused(tmp_path, small):
    from kospan.masking.archive import Archive

    with zipfile.ZipFile(tmp_path / "a.docx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", ZEROS)
    with pytest.raises(ValueError, match=r"a.docx: expected at most 1 MiB after decompression"):
        Archive(tmp_path / "a.docx", "DOCX")


def test_links_in_a_document_are_refused(tmp_path):
    from kospan.masking.archive import Archive

    link = zipfile.ZipInfo("word/document.xml")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.docx", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(ValueError, match=r"expected files alone, got the link 'word/document.xml'"):
        Archive(tmp_path / "a.docx", "DOCX")
