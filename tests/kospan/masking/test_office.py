"""DOCX and HWPX files: texts across runs, metadata, masked and restored copies."""

import zipfile

import pytest
from masking_cases import docx_entries, hwpx_entries, write_docx, write_hwpx, write_zip

from kospan.masking.aliases import AliasTable
from kospan.masking.files import mask_file, open_document, unmask_file
from kospan.masking.labels import NOTICE
from kospan.masking.masker import Masker

pytestmark = [pytest.mark.optional("lxml", "mask"), pytest.mark.optional("presidio_analyzer", "mask")]


def entry(path, name: str) -> str:
    with zipfile.ZipFile(path) as file:
        return file.read(name).decode()


def masked(path, out, policy="replace", table=None):
    document = open_document(path)
    result = mask_file(Masker(None, policy, aliases=table), document)
    document.write(out, NOTICE)
    return result


def test_texts_of_all_parts_in_order(tmp_path):
    units = open_document(write_docx(tmp_path / "a.docx")).units
    texts = [unit.text for unit in units]
    assert texts[:5] == [
        "연락처는 010-1234-5678이고",
        "이메일은 hong@example.com",
        "계좌번호",
        "110-123-456789",
        "02-123-4567로",
    ]
    assert units[3].context == "계좌번호" and units[0].place == "word/document.xml"
    assert {
        "담당 lee@example.com",
        "mailto:kim@example.org",
        "010-1234-5678",
        'HYPERLINK "mailto:kim@example.org"',
    } <= set(texts)


def test_a_docx_file_is_masked_across_runs_with_its_formatting(tmp_path):
    result = masked(write_docx(tmp_path / "a.docx"), tmp_path / "b.docx")
    body = entry(tmp_path / "b.docx", "word/document.xml")
    assert '<w:t xml:space="preserve">연락처는 [PHONE]</w:t>' in body
    # The particle stays in its own run.
    assert '<w:r><w:t xml:space="preserve">고</w:t></w:r><w:r><w:tab/>' in body
    assert '<w:r><w:rPr><w:b/></w:rPr><w:t xml:space="preserve"></w:t></w:r>' in body
    assert "<w:tab/>" in body and "이메일은 [EMAIL]" in body and "[ACCOUNT]" in body
    assert "noBreakHyphen" not in body and 'HYPERLINK "mailto:[EMAIL]"' in body
    assert dict(result.masked) == {"PHONE": 3, "EMAIL": 4, "ACCOUNT": 1}
    assert result.not_masked == ["word/media/image1.png"]
    with zipfile.ZipFile(tmp_path / "b.docx") as file:
        everything = "".join(file.read(name).decode(errors="replace") for name in file.namelist())
    for secret in ("010", "1234", "hong", "lee@", "kim@", "110-123", "김하늘", "4567", "KH"):
        assert secret not in everything
    assert "thumbnail" not in everything and NOTICE in entry(tmp_path / "b.docx", "docProps/core.xml")


def test_an_hwpx_file_is_masked_without_its_preview(tmp_path):
    result = masked(write_hwpx(tmp_path / "a.hwpx"), tmp_path / "b.hwpx")
    section = entry(tmp_path / "b.hwpx", "Contents/section0.xml")
    assert "연락처는 [PHONE]</hp:t>" in section and "<hp:t>로<hp:tab/>전화</hp:t>" in section
    assert "<hp:t>[RRN]</hp:t>" in section and "<hp:t>[EMAIL]</hp:t>" in section
    # Cached line breaks count characters of the old text.
    assert "linesegarray" not in section
    assert entry(tmp_path / "b.hwpx", "Preview/PrvText.txt") == NOTICE
    metadata = entry(tmp_path / "b.hwpx", "Contents/content.hpf")
    assert "[PHONE]" in metadata and NOTICE in metadata and "김하늘" not in metadata
    with zipfile.ZipFile(tmp_path / "b.hwpx") as file:
        assert file.namelist()[0] == "mimetype" and file.infolist()[0].compress_type == zipfile.ZIP_STORED
        assert file.read("Preview/PrvImage.png").startswith(b"\x89PNG")
    assert dict(result.masked) == {"PHONE": 2, "RRN": 1, "EMAIL": 1} and result.not_masked == ["BinData/image1.png"]


@pytest.mark.parametrize(("name", "write"), [("a.docx", write_docx), ("a.hwpx", write_hwpx)])
def test_unmask_restores_the_texts(tmp_path, name, write):
    path, table = write(tmp_path / name), AliasTable()
    before = [unit.text for unit in open_document(path).units]
    masked(path, tmp_path / f"m{name}", "alias", table)
    table.save(tmp_path / "aliases.json")
    document = open_document(tmp_path / f"m{name}")
    assert all("010" not in unit.text for unit in document.units)
    result = unmask_file(AliasTable.load(tmp_path / "aliases.json"), document)
    document.write(tmp_path / f"b{name}", None)
    after = [unit.text for unit in open_document(tmp_path / f"b{name}").units]
    # The authors are lost, the notice is a description.
    assert [text for text in after if text != NOTICE] == before and result.masked["aliases"] >= 4


def test_a_file_without_personal_data_keeps_its_texts(tmp_path):
    path = write_docx(tmp_path / "a.docx", "<w:p><w:r><w:t>안녕하세요.</w:t></w:r></w:p>")
    masked(path, tmp_path / "b.docx")
    assert "<w:p><w:r><w:t>안녕하세요.</w:t></w:r></w:p>" in entry(tmp_path / "b.docx", "word/document.xml")


@pytest.mark.optional("docx", "mask")
def test_python_docx_reads_the_masked_copy(tmp_path):
    import docx

    original = docx.Document()
    paragraph = original.add_paragraph("연락처는 010-")
    paragraph.add_run("1234-5678").bold = True
    paragraph.add_run("입니다.").italic = True
    original.add_table(1, 2).cell(0, 1).text = "hong@example.com"
    original.sections[0].footer.paragraphs[0].text = "대표번호 02-123-4567"
    original.core_properties.author = "김하늘"
    original.save(tmp_path / "a.docx")
    masked(tmp_path / "a.docx", tmp_path / "b.docx")
    copy = docx.Document(tmp_path / "b.docx")
    runs = copy.paragraphs[0].runs
    assert copy.paragraphs[0].text == "연락처는 [PHONE]입니다."
    assert (runs[1].bold, runs[2].italic, runs[2].text) == (True, True, "입니다.")
    assert copy.tables[0].cell(0, 1).text == "[EMAIL]"
    assert copy.sections[0].footer.paragraphs[0].text == "대표번호 [PHONE]"
    assert copy.core_properties.author == "" and copy.core_properties.comments == NOTICE


BOMB = '<!DOCTYPE a [<!ENTITY x "010-1234-5678"><!ENTITY y "&x;&x;&x;">]>'


@pytest.mark.parametrize(
    ("ending", "entries", "message"),
    [
        ("docx", {"a.txt": "x"}, "expected a DOCX file, got a zip archive without its parts"),
        ("hwpx", {"a.txt": "x"}, "expected a HWPX file, got a zip archive without its parts"),
        ("docx", docx_entries() | {"word/document.xml": "<w:document>"}, "word/document.xml: expected XML"),
        ("docx", docx_entries() | {"word/document.xml": f"{BOMB}<a>&y;</a>"}, "without a document type"),
        (
            "hwpx",
            hwpx_entries() | {"META-INF/manifest.xml": "<encryption-data/>"},
            "expected an HWPX file without a password",
        ),
    ],
)
def test_broken_files_are_refused(tmp_path, ending, entries, message):
    with pytest.raises(ValueError, match=message):
        open_document(write_zip(tmp_path / f"a.{ending}", entries))


def test_nested_paragraphs_are_texts_of_their_own(tmp_path):
    inner = "<w:p><w:r><w:t>안쪽</w:t></w:r></w:p>"
    body = f"<w:p><w:r><w:t>010-1234-</w:t><w:box>{inner}</w:box></w:r><w:r><w:t>5678</w:t></w:r></w:p>"
    document = open_document(write_docx(tmp_path / "a.docx", body))
    assert [unit.text for unit in document.units[:2]] == ["010-1234-5678", "안쪽"]


def test_a_particle_that_does_not_agree_is_restored_in_its_run(tmp_path):
    body = "<w:p><w:r><w:t>010-1234-5678</w:t></w:r><w:r><w:t>는 02-123-4568을</w:t></w:r></w:p>"
    path, table = write_docx(tmp_path / "a.docx", body), AliasTable()
    masked(path, tmp_path / "b.docx", "alias", table)
    document = open_document(tmp_path / "b.docx")
    assert document.units[0].text == "[PHONE_1]\u2060는 [PHONE_2]를"
    unmask_file(table, document)
    document.write(tmp_path / "c.docx", None)
    assert '<w:t xml:space="preserve">는 02-123-4568을</w:t>' in entry(tmp_path / "c.docx", "word/document.xml")


def test_descriptions_and_charts_are_masked(tmp_path):
    chart = "http://schemas.openxmlformats.org/drawingml/2006/chart"
    values = "<c:strCache><c:pt><c:v>{}</c:v></c:pt></c:strCache><c:numCache><c:pt><c:v>{}</c:v></c:pt></c:numCache>"
    phone = "010-1234-5678"
    entries = docx_entries() | {
        "word/charts/chart1.xml": f'<c:chart xmlns:c="{chart}">{values.format(phone, phone)}</c:chart>',
        "customXml/item1.xml": f"<a><b>{phone}</b></a>",
    }
    masked(write_zip(tmp_path / "a.docx", entries), tmp_path / "b.docx")
    assert values.format("[PHONE]", phone) in entry(tmp_path / "b.docx", "word/charts/chart1.xml")
    assert "<b>[PHONE]</b>" in entry(tmp_path / "b.docx", "customXml/item1.xml")
    section = hwpx_entries()["Contents/section0.xml"].replace(
        "<hp:tbl>", f"<hp:shapeComment>{phone}</hp:shapeComment><hp:tbl>"
    )
    path = write_zip(tmp_path / "a.hwpx", hwpx_entries() | {"Contents/section0.xml": section})
    masked(path, tmp_path / "b.hwpx")
    assert "<hp:shapeComment>[PHONE]<" in entry(tmp_path / "b.hwpx", "Contents/section0.xml")


V = "urn:schemas-microsoft-com:vml"


@pytest.mark.parametrize(
    "body",
    [
        '<w:p><w:fldSimple w:instr="HYPERLINK &quot;tel:{}&quot;"><w:r><w:t>가</w:t></w:r></w:fldSimple></w:p>',
        '<w:p><w:hyperlink w:tooltip="전화 {}"><w:r><w:t>가</w:t></w:r></w:hyperlink></w:p>',
        f'<w:pict><v:shape xmlns:v="{V}" alt="사진 {{}}"><v:textpath string="워터마크 {{}}"/></v:shape></w:pict>',
        '<w:sdt><w:sdtPr><w:alias w:val="담당 {}"/></w:sdtPr></w:sdt>',
        '<w:docVars><w:docVar w:name="a" w:val="{}"/></w:docVars>',
        '<w:p><w:r><w:drawing><a:docPr xmlns:a="drawingml" id="1" descr="{}" title="{}"/></w:drawing></w:r></w:p>',
    ],
)
def test_attributes_with_free_text_are_masked(tmp_path, body):
    path, table = write_docx(tmp_path / "a.docx", body.replace("{}", "010-1234-5678")), AliasTable()
    masked(path, tmp_path / "b.docx", "alias", table)
    found = entry(tmp_path / "b.docx", "word/document.xml")
    assert "010" not in found and found.count("[PHONE_1]") == body.count("{}")
    document = open_document(tmp_path / "b.docx")
    unmask_file(table, document)
    document.write(tmp_path / "c.docx", None)
    assert entry(tmp_path / "c.docx", "word/document.xml").count("010-1234-5678") == body.count("{}")


def test_properties_with_free_text_are_masked(tmp_path):
    phone = "010-1234-5678"
    types = "http://schemas.openxmlformats.org/officeDocument/2006/docPropsVTypes"
    core = docx_entries()["docProps/core.xml"].replace(
        "<dc:title>", f'<dc:description xml:lang="ko">{phone}</dc:description><dc:title>'
    )
    app = f'<Properties xmlns:vt="{types}"><TitlesOfParts><vt:lpstr>{phone}</vt:lpstr></TitlesOfParts></Properties>'
    entries = docx_entries() | {"docProps/core.xml": core, "docProps/app.xml": app}
    masked(write_zip(tmp_path / "a.docx", entries), tmp_path / "b.docx")
    described = entry(tmp_path / "b.docx", "docProps/core.xml")
    assert phone not in described and described.count("<dc:description") == 1
    assert f'<dc:description xml:lang="ko">{NOTICE}</dc:description>' in described
    assert "<vt:lpstr>[PHONE]</vt:lpstr>" in entry(tmp_path / "b.docx", "docProps/app.xml")
    content = hwpx_entries()["Contents/content.hpf"].replace(
        "</opf:metadata>", f'<opf:meta name="description" content="text">{phone}</opf:meta></opf:metadata>'
    )
    masked(write_zip(tmp_path / "a.hwpx", hwpx_entries() | {"Contents/content.hpf": content}), tmp_path / "b.hwpx")
    metadata = entry(tmp_path / "b.hwpx", "Contents/content.hpf")
    assert '<opf:meta name="description" content="text">[PHONE]</opf:meta>' in metadata and NOTICE in metadata
