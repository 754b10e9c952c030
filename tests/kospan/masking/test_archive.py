"""Zip archives: unsafe paths, bombs, encryption, broken files."""

import zipfile

import pytest
from masking_cases import write_zip

from kospan.masking import archive
from kospan.masking.archive import Archive


def test_an_archive_is_written_with_its_order_and_compressions(tmp_path):
    path = write_zip(tmp_path / "a.hwpx", {"mimetype": "x", "b/c.xml": "<a/>" * 100, "a.bin": b"\0"})
    found = Archive(path, "HWPX")
    found.contents["a.bin"] = b"new"
    found.write(tmp_path / "b.hwpx")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "b.hwpx") as new:
        for one, other in zip(old.infolist(), new.infolist(), strict=True):
            assert (one.filename, one.compress_type, one.date_time) == (
                other.filename,
                other.compress_type,
                other.date_time,
            )
        assert new.read("a.bin") == b"new" and new.read("b/c.xml") == old.read("b/c.xml")
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("name", ["/etc/passwd", "../a.xml", "word/../../a.xml", "a\\b.xml", "C:a.xml"])
def test_paths_outside_the_archive_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="expected entries inside the archive, got the path"):
        Archive(write_zip(tmp_path / "a.docx", {"word/a.xml": "", name: ""}), "DOCX")


def test_decompression_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_BYTES", 2 * 2**20)
    entries = {f"word/{at}.xml": b"\0" * 2**20 for at in range(2)}
    assert len(Archive(write_zip(tmp_path / "a.docx", entries), "DOCX").contents) == 2
    with pytest.raises(ValueError, match="expected at most 2 MiB after decompression, got more"):
        Archive(write_zip(tmp_path / "b.docx", entries | {"c": b"\0"}), "DOCX")
    monkeypatch.setattr(archive, "MAX_ENTRIES", 1)
    with pytest.raises(ValueError, match="expected at most 1 entries, got 2"):
        Archive(tmp_path / "a.docx", "DOCX")


def test_duplicate_entries_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.docx", "w") as file:
        file.writestr("a", "1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("a", "2")
    with pytest.raises(ValueError, match="expected each entry once, got 'a' twice"):
        Archive(tmp_path / "a.docx", "DOCX")


def test_encrypted_and_broken_files_are_refused(tmp_path):
    path = write_zip(tmp_path / "a.docx", {"word/a.xml": "<a/>" * 100})
    data = path.read_bytes()
    encrypted = bytearray(data)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        encrypted[data.index(signature) + offset] |= 1
    for content, message in (
        (bytes(encrypted), "expected a DOCX file without a password"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512, "got an encrypted or an older binary document"),
        (data[:-30], "expected a whole DOCX file"),
        (b"", "expected a whole DOCX file"),
        (data.replace(data[40:60], b"\xff" * 20), "expected a whole DOCX file"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=message):
            Archive(path, "DOCX")
    with pytest.raises(FileNotFoundError, match="expected a DOCX file at"):
        Archive(tmp_path / "missing.docx", "DOCX")
    with pytest.raises(ValueError, match="got a folder"):
        Archive(tmp_path, "DOCX")
