"""XML and PDF that would fill the memory or read other files."""

import resource
import subprocess
import sys
import textwrap
import zlib

import pytest
from masking_cases import docx_entries, hwpx_entries, write_pdf, write_zip
from time_limits import SECONDS

LAUGHS = "<!DOCTYPE a [<!ENTITY x0 'lol'>{}]>".format(
    "".join(f"<!ENTITY x{at} '{f'&x{at - 1};' * 10}'>" for at in range(1, 10))
)
QUADRATIC = f"<!DOCTYPE a [<!ENTITY x '{'a' * 100_000}'>]><a>{'&x;' * 20_000}</a>"
DOCUMENTS = {
    "billion laughs": f"{LAUGHS}<a>&x9;</a>",
    "billion laughs in an attribute": f"{LAUGHS}<a b='&x9;'/>",
    "quadratic": QUADRATIC,
    "external file": "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>",
    "parameter entity": "<!DOCTYPE a [<!ENTITY % x SYSTEM 'file:///etc/passwd'> %x;]><a/>",
    "external subset": "<!DOCTYPE a SYSTEM 'http://127.0.0.1:9/a.dtd'><a/>",
    "deep": "<a>" * 100_000 + "</a>" * 100_000,
}


@pytest.mark.optional("lxml", "mask")
@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("ending", ["docx", "hwpx"])
def test_xml(tmp_path, ending, name):
    from kospan.masking.files import open_document

    part = {"docx": "word/document.xml", "hwpx": "Contents/section0.xml"}[ending]
    entries = (docx_entries() if ending == "docx" else hwpx_entries()) | {part: DOCUMENTS[name]}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=r"expected XML( without a document type)?, got") as caught:
        open_document(write_zip(tmp_path / f"a.{ending}", entries))
    assert "root:" not in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * 2**10  # KiB


def flate_pdf(path, size: int, pages: int):
    """A PDF whose pages share one content stream of zeros."""
    stream = zlib.compress(b"(a) Tj " * (size // 7), 9)
    kids = " ".join(f"{at + 4} 0 R" for at in range(pages))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>",
        None,
        *["<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 3 0 R >>"] * pages,
    ]
    data = b"%PDF-1.5\n"
    for at, text in enumerate(objects, 1):
        head = f"<< /Length {len(stream)} /Filter /FlateDecode >>\nstream\n".encode()
        body = head + stream + b"\nendstream" if text is None else text.encode()
        data += f"{at} 0 obj\n".encode() + body + b"\nendobj\n"
    path.write_bytes(data + b"trailer << /Root 1 0 R >>\n%%EOF\n")
    return path


@pytest.mark.optional("pypdf", "mask")
def test_a_pdf_whose_stream_inflates(tmp_path):
    """In a process of its own: the memory that it may use is limited."""
    path = flate_pdf(tmp_path / "a.pdf", 4 * 2**30 // 10, 1)
    assert path.stat().st_size < 2 * 2**20
    program = """
        import resource, sys
        from kospan.masking.pdf import PdfDocument
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            PdfDocument(sys.argv[1])
        except ValueError as error:
            print(error)
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used) // 2**10)
    """
    words = [sys.executable, "-c", textwrap.dedent(program), str(path)]
    done = subprocess.run(words, capture_output=True, encoding="utf-8", timeout=SECONDS)
    *messages, used = done.stdout.splitlines()
    assert "expected a whole PDF file, got an error of pypdf" in messages[-1] or "got pictures alone" in messages[-1]
    assert int(used) < 400, done.stdout


@pytest.mark.optional("pypdf", "mask")
def test_the_text_of_all_pages_is_bounded(tmp_path, monkeypatch):
    from kospan.masking import pdf

    path = write_pdf(tmp_path / "a.pdf", [["abcdef"]] * 3)
    monkeypatch.setattr(pdf, "MAX_CHARACTERS", 40)
    pdf.PdfDocument(path)
    monkeypatch.setattr(pdf, "MAX_CHARACTERS", 13)
    with pytest.raises(ValueError, match=r"more than 13 characters"):
        pdf.PdfDocument(path)
