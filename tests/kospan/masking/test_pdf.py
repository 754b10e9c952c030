"""Text of PDF files."""

import pytest
from masking_cases import write_pdf

from kospan.masking.files import document_text, mask_file, open_document
from kospan.masking.labels import NOTICE
from kospan.masking.masker import Masker

pytestmark = pytest.mark.optional("pypdf", "mask")
PAGES = [["연락처는 010-1234-5678입니다.", "계좌번호"], ["110-123-456789"]]


def test_text_with_places(tmp_path):
    found = document_text(write_pdf(tmp_path / "a.pdf", PAGES))
    assert [unit.text.split() for unit in found.units] == [
        ["연락처는", "010-1234-5678입니다.", "계좌번호"],
        ["110-123-456789"],
    ]
    assert [unit.place for unit in found.units] == ["page 1", "page 2"]
    for unit, start in zip(found.units, found.starts):
        assert found.text[start:][: len(unit.text)] == unit.text


@pytest.mark.optional("presidio_analyzer", "mask")
def test_the_masked_copy_is_a_text_with_a_form_feed_between_pages(tmp_path):
    document = open_document(write_pdf(tmp_path / "a.pdf", PAGES))
    mask_file(Masker(None), document)
    document.write(tmp_path / "a.txt", NOTICE)
    text = (tmp_path / "a.txt").read_text(encoding="utf-8")
    assert text.split("\f")[0].split("\n")[0] == "연락처는 [PHONE]입니다."
    assert text.count("\f") == 1 and text.endswith(f"\n{NOTICE}\n")


def test_encrypted_empty_and_broken_files_are_refused(tmp_path):
    import pypdf

    path = write_pdf(tmp_path / "a.pdf", PAGES)
    for password, message in (("secret", "expected a PDF file without a password, got an encrypted one"), ("", None)):
        writer = pypdf.PdfWriter(clone_from=path)
        writer.encrypt(password, "owner", algorithm="RC4-128")
        writer.write(tmp_path / "b.pdf")
        if message:
            with pytest.raises(ValueError, match=message):
                open_document(tmp_path / "b.pdf")
        else:
            assert "010-1234-5678" in document_text(tmp_path / "b.pdf").text
    with pytest.raises(ValueError, match=r"got pictures alone; recognise its text \(OCR\) first"):
        open_document(write_pdf(tmp_path / "c.pdf", [[]]))
    (tmp_path / "d.pdf").write_bytes(path.read_bytes()[:100])
    (tmp_path / "e.pdf").write_bytes(b"no PDF")
    for name in ("d.pdf", "e.pdf"):
        with pytest.raises(ValueError, match="expected a whole PDF file"):
            open_document(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="expected a PDF file at"):
        open_document(tmp_path / "missing.pdf")
