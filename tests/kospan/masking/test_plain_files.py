"""Text, JSON Lines, CSV and TSV files."""

import json

import pytest

from kospan.masking.aliases import Change
from kospan.masking.files import document_text, open_document
from kospan.masking.labels import NOTICE, NOTICE_KEY
from kospan.masking.masker import Edit


def replace_all(document, old: str, new: str) -> None:
    for at, unit in enumerate(document.units):
        starts = [place for place in range(len(unit.text)) if unit.text.startswith(old, place)]
        document.change(at, [Change(place, place + len(old), new) for place in starts])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("가 나\n\n가\n", "X 나\n\nX\n"),
        ("가\r\n나\r\n", "X\r\n나\r\n"),
        ("\ufeff가", "\ufeffX"),
        ("나\r\n\r\n가", "나\r\n\r\nX"),
        ("\n\n", "\n\n"),
        ("", ""),
    ],
)
def test_lines_of_a_text(tmp_path, text, expected):
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode())
    document = open_document(path)
    replace_all(document, "가", "X")
    document.write(tmp_path / "b.txt", NOTICE)
    end = "\r\n" if "\r\n" in text else "\n"
    whole = not text or text.endswith("\n")
    assert (tmp_path / "b.txt").read_bytes().decode() == expected + (NOTICE + end if whole else end + NOTICE)
    again = open_document(tmp_path / "b.txt")
    again.write(tmp_path / "c.txt", None)
    assert (tmp_path / "c.txt").read_bytes().decode() == expected


def test_strings_of_records_at_any_depth(tmp_path):
    path = tmp_path / "a.jsonl"
    record = {"id": "가", "text": "가 나", "spans": [{"start": 0, "end": 1, "label": "PS", "text": "가"}], "n": 3}
    record |= {"meta": {"이름": ["가", {"a": "가나"}], "ok": True, "none": None}}
    path.write_text(json.dumps(record, ensure_ascii=False) + "\n", encoding="utf-8")
    document = open_document(path)
    assert [(unit.text, unit.context) for unit in document.units] == [("가 나", "text"), ("가", "이름"), ("가나", "a")]
    document.change(0, [Edit(0, 1, 1, "[PS]", "PS", 0.9, "replace", 0, 4)])
    document.change(1, [Change(0, 1, "X")])
    document.write(tmp_path / "b.jsonl", NOTICE)
    assert json.loads((tmp_path / "b.jsonl").read_text(encoding="utf-8")) == {
        "id": "가",
        "text": "[PS] 나",
        "n": 3,
        "meta": {"이름": ["X", {"a": "가나"}], "ok": True, "none": None},
        "spans": [{"start": 0, "end": 4, "label": "PS", "score": 0.9}],
        NOTICE_KEY: NOTICE,
    }
    again = open_document(tmp_path / "b.jsonl")
    assert NOTICE not in [unit.text for unit in again.units]
    replace_all(again, "[PS]", "가")
    again.write(tmp_path / "c.jsonl", None)
    assert set(json.loads((tmp_path / "c.jsonl").read_text(encoding="utf-8"))) == {"id", "text", "n", "meta"}


def test_spans_of_a_text_that_is_not_masked_are_kept(tmp_path):
    record = {"question": "가?", "text": "가 나", "spans": [{"start": 0, "end": 1, "label": "PS"}]}
    (tmp_path / "a.jsonl").write_text(json.dumps(record, ensure_ascii=False) + "\n", encoding="utf-8")
    document = open_document(tmp_path / "a.jsonl", ["question"])
    replace_all(document, "가", "X")
    document.write(tmp_path / "b.jsonl", NOTICE)
    expected = record | {"question": "X?"}
    assert json.loads((tmp_path / "b.jsonl").read_text(encoding="utf-8")) == expected | {NOTICE_KEY: NOTICE}
    again = open_document(tmp_path / "b.jsonl")
    replace_all(again, "X", "가")
    again.write(tmp_path / "c.jsonl", None)
    assert json.loads((tmp_path / "c.jsonl").read_text(encoding="utf-8")) == record


@pytest.mark.parametrize(("ending", "delimiter"), [("csv", ","), ("tsv", "\t")])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_fields_of_a_table(tmp_path, ending, delimiter, end, mark):
    path = tmp_path / f"a.{ending}"
    rows = [["이름", "메모"], ["가", f'"쉼표{delimiter} ""있음"""'], ["나", "가"]]
    text = mark + "".join(delimiter.join(row) + end for row in rows)
    path.write_bytes(text.encode())
    document = open_document(path)
    assert [unit.context for unit in document.units] == ["이름", "메모"] * 2
    replace_all(document, "가", "X")
    document.write(tmp_path / f"b.{ending}", NOTICE)
    lines = (tmp_path / f"b.{ending}").read_bytes().decode().split(end)
    assert lines[0] == f"{mark}이름{delimiter}메모{delimiter}{NOTICE_KEY}"
    assert lines[1] == f'X{delimiter}"쉼표{delimiter} ""있음"""{delimiter}{NOTICE}'
    again = open_document(tmp_path / f"b.{ending}")
    replace_all(again, "X", "가")
    again.write(tmp_path / f"c.{ending}", None)
    assert (tmp_path / f"c.{ending}").read_bytes().decode() == text


@pytest.mark.parametrize(
    ("name", "text", "quoting", "expected"),
    [
        ("a.tsv", 'a\tb\nsay "hi" 가\tx\n', "auto", 'a\tb\nsay "hi" X\tx\n'),
        ("a.csv", 'a,b\n"say ""hi"", 가",x\n', "minimal", 'a,b\n"say ""hi"", X",x\n'),
        # Quotation marks around the header state that they quote: the file can be read in one way.
        ("a.csv", 'a,b\n"say ""hi"" 가",x\n', "minimal", '"a","b"\n"say ""hi"" X","x"\n'),
        ("a.csv", 'a,b\n"say ""hi"" 가",x\n', "none", 'a,b\n"say ""hi"" X",x\n'),
    ],
)
def test_quotation_marks_are_written_so_that_they_are_read_again(tmp_path, name, text, quoting, expected):
    (tmp_path / name).write_text(text, encoding="utf-8")
    document = open_document(tmp_path / name, quoting=quoting)
    replace_all(document, "가", "X")
    document.write(tmp_path / f"b{name}", None)
    assert (tmp_path / f"b{name}").read_text(encoding="utf-8") == expected
    again = open_document(tmp_path / f"b{name}", quoting="none" if quoting == "none" else "auto")
    assert [unit.text for unit in again.units] == [
        unit.text.replace("가", "X") for unit in open_document(tmp_path / name, quoting=quoting).units
    ]


def test_a_field_that_needs_quotation_marks_is_refused_without_quoting(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n가,x\n", encoding="utf-8")
    document = open_document(tmp_path / "a.csv", quoting="none")
    replace_all(document, "가", "[x,y]")
    with pytest.raises(ValueError, match=r"expected fields without delimiters .*--quoting minimal"):
        document.content(NOTICE)


def test_columns_can_be_chosen(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n가,가\n", encoding="utf-8")
    (tmp_path / "a.jsonl").write_text('{"a": "가", "b": "가"}\n{"b": "가"}\n', encoding="utf-8")
    (tmp_path / "a.txt").write_text("가\n", encoding="utf-8")
    for name, count in (("a.csv", 1), ("a.jsonl", 1)):
        assert len(open_document(tmp_path / name, ["a"]).units) == count
        with pytest.raises(ValueError, match="expected a column or key 'c', got a, b"):
            open_document(tmp_path / name, ["c"])
    for name in ("a.txt", "a.pdf"):
        with pytest.raises(ValueError, match="expected columns for JSON Lines, CSV or TSV alone"):
            open_document(tmp_path / name, ["a"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", "[1]\n", r"a.jsonl:1: expected a JSON object, got list"),
        ("a.jsonl", '{"text": "가"}\n{', r"a.jsonl:2: expected one JSON object per line"),
        ("a.jsonl", '{"text": "가"}\n{"text": ["\\ud800"]}\n', r"a.jsonl:2: expected whole characters, got the half"),
        ("a.csv", "a,b\n1\n", r"a.csv:2: expected 2 fields"),
        ("a.csv", "a,b\n", r"expected a header and at least one row, got none"),
        ("a.txt.gz", "", r"expected a file without compression, got .*; unpack it"),
        ("a.hwp", "", r"expected DOCX, HWPX, PDF, .* got .*a.hwp; save it as HWPX"),
        ("a.xlsx", "", r"save it as CSV"),
        ("a.other", '{"a":\n 1}\n', r"got one JSON value over the whole file"),
    ],
)
def test_broken_files_are_refused(tmp_path, name, content, message):
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        open_document(tmp_path / name)


def test_a_text_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "a.txt").write_bytes("서울".encode("cp949"))
    with pytest.raises(ValueError, match=r"expected utf-8, .*CP949"):
        open_document(tmp_path / "a.txt")
    with pytest.raises(FileNotFoundError, match="expected a file at"):
        open_document(tmp_path / "b.txt")


def test_offsets_of_a_text(tmp_path):
    (tmp_path / "a.txt").write_text("서울\n\n부산까지\n", encoding="utf-8")
    found = document_text(tmp_path / "a.txt")
    assert (found.text, found.starts) == ("서울\n\n부산까지", [0, 3, 4])
