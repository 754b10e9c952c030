"""Documents for tests of masking, all of them synthetic."""

import zipfile
from pathlib import Path

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
DC = "http://purl.org/dc/elements/1.1/"
CP = "http://schemas.openxmlformats.org/package/2006/metadata/core-properties"
HP = "http://www.hancom.co.kr/hwpml/2011/paragraph"
HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
KEY = b"0123456789abcdef" * 2

BODY = (
    "<w:p><w:r><w:t>연락처는 010-</w:t></w:r><w:r><w:rPr><w:b/></w:rPr><w:t>1234-56</w:t></w:r>"
    "<w:r><w:t>78이고</w:t></w:r><w:r><w:tab/><w:t>이메일은 hong</w:t></w:r>"
    "<w:r><w:rPr><w:i/></w:rPr><w:t>@example.com</w:t></w:r></w:p>"
    "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>계좌번호</w:t></w:r></w:p></w:tc>"
    "<w:tc><w:p><w:r><w:t>110-123-456789</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"
    "<w:p><w:r><w:t>02</w:t><w:noBreakHyphen/><w:t>123</w:t><w:noBreakHyphen/><w:t>4567로</w:t></w:r></w:p>"
    '<w:p><w:r><w:instrText>HYPERLINK "mailto:kim@example.org"</w:instrText></w:r></w:p>'
)
SECTION = (
    f'{HEAD}<hs:sec xmlns:hs="http://www.hancom.co.kr/hwpml/2011/section" xmlns:hp="{HP}">'
    '<hp:p id="1"><hp:run charPrIDRef="0"><hp:t>연락처는 010-12</hp:t></hp:run>'
    '<hp:run charPrIDRef="1"><hp:t>34<hp:hyphen/>5678로<hp:tab/>전화</hp:t></hp:run>'
    '<hp:linesegarray><hp:lineseg textpos="0"/></hp:linesegarray></hp:p>'
    "<hp:p><hp:run><hp:tbl><hp:tr><hp:tc><hp:subList><hp:p><hp:run><hp:t>주민등록번호</hp:t></hp:run></hp:p></hp:subList>"
    "</hp:tc><hp:tc><hp:subList><hp:p><hp:run><hp:t>900101-1234567</hp:t></hp:run></hp:p></hp:subList></hp:tc></hp:tr>"
    "</hp:tbl><hp:t>hong@example.com</hp:t></hp:run>"
    '<hp:linesegarray><hp:lineseg textpos="0"/></hp:linesegarray></hp:p></hs:sec>'
)


def write_zip(path: Path, entries: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries.items():
            file.writestr(name, content, zipfile.ZIP_STORED if name == "mimetype" else None)
    return path


def docx_entries(body: str = BODY) -> dict[str, str | bytes]:
    relations = "http://schemas.openxmlformats.org/package/2006/relationships"
    return {
        "[Content_Types].xml": f'{HEAD}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "_rels/.rels": f'{HEAD}<Relationships xmlns="{relations}"><Relationship Id="a" Type="{R}/officeDocument" '
        f'Target="word/document.xml"/><Relationship Id="b" Type="{R}/thumbnail" Target="docProps/thumbnail.jpeg"/>'
        "</Relationships>",
        "word/document.xml": f'{HEAD}<w:document xmlns:w="{W}"><w:body>{body}</w:body></w:document>',
        "word/header1.xml": f'{HEAD}<w:hdr xmlns:w="{W}"><w:p><w:r><w:t>담당 lee@example.com</w:t></w:r></w:p></w:hdr>',
        "word/comments.xml": f'{HEAD}<w:comments xmlns:w="{W}"><w:comment w:id="0" w:author="김하늘" w:initials="KH">'
        "<w:p><w:r><w:t>확인</w:t></w:r></w:p></w:comment></w:comments>",
        "word/_rels/document.xml.rels": f'{HEAD}<Relationships xmlns="{relations}"><Relationship Id="c" '
        f'Type="{R}/hyperlink" Target="mailto:kim@example.org" TargetMode="External"/></Relationships>',
        "docProps/core.xml": f'{HEAD}<cp:coreProperties xmlns:cp="{CP}" xmlns:dc="{DC}">'
        "<dc:title>010-1234-5678</dc:title><dc:creator>김하늘</dc:creator><cp:lastModifiedBy>김하늘</cp:lastModifiedBy></cp:coreProperties>",
        "docProps/thumbnail.jpeg": b"picture",
        "word/media/image1.png": b"picture",
    }


def write_docx(path: Path, body: str = BODY) -> Path:
    return write_zip(path, docx_entries(body))


def hwpx_entries() -> dict[str, str | bytes]:
    return {
        "mimetype": "application/hwp+zip",
        "Contents/section0.xml": SECTION,
        "Contents/content.hpf": f'{HEAD}<opf:package xmlns:opf="http://www.idpf.org/2007/opf/"><opf:metadata>'
        '<opf:title>010-1234-5678</opf:title><opf:meta name="creator" content="text">김하늘</opf:meta></opf:metadata>'
        "</opf:package>",
        "Preview/PrvText.txt": "연락처는 010-1234-5678",
        "Preview/PrvImage.png": b"picture",
        "BinData/image1.png": b"picture",
    }


def write_hwpx(path: Path) -> Path:
    return write_zip(path, hwpx_entries())


def write_pdf(path: Path, pages: list[list[str]]) -> Path:
    """A PDF file in a predefined Korean encoding, so that no font is needed."""
    kids = " ".join(f"{10 + 2 * at} 0 R" for at in range(len(pages)))
    font = "/Type/Font/Subtype/Type0/BaseFont/HYSMyeongJo-Medium/Encoding/UniKS-UCS2-H/DescendantFonts[4 0 R]"
    descendant = "/Type/Font/Subtype/CIDFontType0/BaseFont/HYSMyeongJo-Medium/CIDSystemInfo"
    objects = {
        1: "<</Type/Catalog/Pages 2 0 R>>",
        2: f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}>>",
        3: f"<<{font}>>",
        4: f"<<{descendant}<</Registry(Adobe)/Ordering(Korea1)/Supplement 1>>/FontDescriptor 5 0 R>>",
        5: "<</Type/FontDescriptor/FontName/HYSMyeongJo-Medium/Flags 6/FontBBox[0 -200 1000 900]/ItalicAngle 0"
        "/Ascent 800/Descent -200/CapHeight 700/StemV 80>>",
    }
    for at, lines in enumerate(pages):
        shown = "".join(f"<{line.encode('utf-16-be').hex()}> Tj 0 -20 Td " for line in lines)
        content = f"BT /F1 12 Tf 50 700 Td {shown}ET"
        objects[10 + 2 * at] = (
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Resources<</Font<</F1 3 0 R>>>>"
            f"/Contents {11 + 2 * at} 0 R>>"
        )
        objects[11 + 2 * at] = f"<</Length {len(content)}>>\nstream\n{content}\nendstream"
    data, places = b"%PDF-1.5\n", {}
    for number, body in objects.items():
        places[number] = len(data)
        data += f"{number} 0 obj\n{body}\nendobj\n".encode()
    start = len(data)
    data += b"xref\n0 1\n0000000000 65535 f \n"
    for number, place in places.items():
        data += f"{number} 1\n{place:010} 00000 n \n".encode()
    data += f"trailer\n<</Size {max(objects) + 1}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n".encode()
    path.write_bytes(data)
    return path
