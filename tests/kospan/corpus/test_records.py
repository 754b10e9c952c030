"""Records of all formats, the unreadable ones with reason and place."""

import csv
import json

import pyarrow
import pyarrow.parquet
import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from kospan.corpus import records, streams
from kospan.corpus.records import check_columns, raw_records, to_example
from kospan.corpus.sources import find_sources
from kospan.data.texts import read_texts


def read(path, columns=None, quoting="auto", **settings) -> list:
    """Examples of a source, and errors as text."""
    columns = columns or {}
    [source] = find_sources([path], **settings)[0]
    found = []
    for raw in raw_records(source, columns, quoting):
        try:
            found.append(to_example(raw, source, columns))
        except (ValueError, TypeError) as error:
            found.append(str(error))
    return found


@pytest.mark.parametrize(
    "name, content",
    [
        ("a.jsonl", '\ufeff{"id": 3, "text": "가"}\r\n\n{"text": "나", "question": "뭐?", "source": "wiki"}\n \n'),
        ("a.jsonl", '{"words": ["가", "나"]}\n{"question": "뭐?", "context": "나", "spans": 3}'),
        ("a.txt", "비가 온다.\r\n\n\u3000\n  눈이 온다.  \n"),
        ("b.data", '{"text": "가"}\n'),
    ],
)
def test_lines_are_read_as_those_of_a_single_file(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8", newline="")
    assert read(path) == read_texts(str(path))


@pytest.mark.parametrize(
    "line, reason",
    [
        (b"{", "expected one JSON object per line, got Expecting property name enclosed in double quotes at column 2"),
        (b"[1]", "expected the line to be an object, got [1] (list)"),
        (b'{"id": "a"}', "expected the key 'text', got 'id'; add it"),
        (b'{"text": 3}', "expected 'text' to be a string, got 3 (int)"),
        (b'{"text": "\xff"}', "expected utf-8, got byte 0xff at position 10; save the file as UTF-8"),
        (
            "비".encode("cp949"),
            "expected utf-8, got byte 0xba at position 0; looks like CP949 (EUC-KR): convert with `iconv",
        ),
        (b'{"text": "\\ud800"}', "expected whole characters, got the half surrogate pair"),
        (b"[" * 100_000, "expected one JSON object per line, got one that Python does not read"),
        (b'{"text": null}', "expected 'text' to be a string, got None"),
    ],
)
def test_unreadable_line_is_an_error_with_its_place(tmp_path, line, reason):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "one"}\n' + line + b'\n{"text": "two"}\n')
    one, wrong, two = read(path)
    assert (one.text, two.text, two.id) == ("one", "two", "a-3")
    assert wrong.startswith(f"{path}:2: {reason}")


rows = st.lists(st.tuples(st.text("ab,\"\t'가 \n\r", min_size=1), st.text('xy,"\n\r ')), min_size=1, max_size=5)


@given(rows, st.sampled_from(["csv", "tsv"]))
def test_tables_are_read_as_they_were_written(tmp_path_factory, table, ending):
    path = tmp_path_factory.mktemp("table") / f"a.{ending}"
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="," if ending == "csv" else "\t")
        writer.writerows([("label", "text"), *table])
    found = read(path, quoting="minimal")
    assert [example.text for example in found] == [text for _, text in table]
    assert all(example.id.startswith("a-") for example in found)


def test_columns_of_a_table_are_renamed_and_unreadable_rows_are_errors(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(
        'key,body,question,note\n1,"가\n나",,x\n\n2,다,왜?,y\n3,라\n4,"마" 바,,\n,사,,\n'.encode() + b"5,\xff,,\n6,,,\n"
    )
    found = read(path, {"text": "body", "id": "key"})
    assert [(each.id, each.text, each.question) for each in found if not isinstance(each, str)] == [
        ("1", "가\n나", ""),
        ("2", "다", "왜?"),
        ("a-8", "사", ""),
        ("6", "", ""),
    ]
    assert [each for each in found if isinstance(each, str)] == [
        f"{path}:6: expected 4 fields (key, body, question, note), got 2; put a field that holds a comma or a line "
        "end into quotation marks",
        f"{path}:7: expected rows of fields, quotation marks inside a quoted field doubled, got: ',' expected after "
        "'\"' (lines 7 to 7); correct the row that begins here, or pass --quoting none where the marks belong to the "
        "text",
        f"{path}:9: expected utf-8, got byte 0xff at position 2; save the file as UTF-8",
    ]


def test_quoting_is_decided_by_the_start_of_the_file_or_named(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text('text\tx\n"가" 나\t1\n"다\t2\n라\t3\n', encoding="utf-8")
    assert [each.text for each in read(path)] == ['"가" 나', '"다', "라"]
    assert len(read(path, quoting="minimal")) == 2
    path.write_text('text\tx\n"가"\t1\n', encoding="utf-8")
    with pytest.raises(ValueError, match="expected quotation marks that can be read in one way"):
        read(path)
    assert [each.text for each in read(path, quoting="none")] == ['"가"']


def test_field_that_is_too_long_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "MAX_RECORD_BYTES", 40)
    monkeypatch.setattr(streams, "MAX_RECORD_BYTES", 40)
    path = tmp_path / "a.csv"
    path.write_text('text\n"' + "가\n" * 50 + f"\n{'b' * 60}\nc\n", encoding="utf-8")
    found = read(path, quoting="minimal")
    assert "field larger than field limit" in found[0]
    assert any(str(each).startswith(f"{path}:53: expected a line of at most 40 bytes, got 60") for each in found)
    assert found[-1].text == "c"


def test_row_of_another_width_has_the_advice_of_its_quoting(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('text,x\n"가,나",1\n다\n', encoding="utf-8")
    marks, plain = read(path, quoting="none")
    assert "got 3; take a comma out of the fields, or pass --quoting minimal" in marks
    assert "got 1; put a field that holds a comma or a line end into quotation marks" in plain


def test_header_that_names_a_column_twice_makes_every_row_an_error(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,text \n가,나\n", encoding="utf-8")
    first, second = read(path)
    assert first == f"{path}:1: expected a header that names every column once, got text, text; correct it"
    assert second.startswith(f"{path}:2: expected a header that can be read above this row")


def test_header_that_cannot_be_read_makes_every_row_an_error(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"x\xfftext,x\n1,2\n")
    first, second = read(path)
    assert first.startswith(f"{path}:1: expected utf-8") and second.startswith(f"{path}:2: expected a header")


def test_rows_of_parquet_and_of_data_sets_are_read_alike(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = {"text": ["가", None, "다"], "id": [7, 8, None], "source": [1, 2, 3], "other": [[1], [2], [3]]}
    pyarrow.parquet.write_table(pyarrow.table(values), "a.parquet")
    Dataset.from_dict(values).save_to_disk("saved")
    for path, stem in (("a.parquet", "a"), ("hub:saved", "train")):
        one, two, three = read(path)
        assert (one.id, one.text, three.id, three.text) == ("7", "가", f"{stem}-3", "다")
        assert two == f"{path}, row 1: expected a text, got null; write one, or remove the row"
        wrong = read(path, {"text": "other"})
        assert wrong[0] == f"{path}, row 0: expected 'text' to be a string, got [1] (list); correct it"


def test_damaged_parquet_file_is_an_error(tmp_path):
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1 and nothing else")
    [wrong] = read(path)
    assert wrong.startswith(f"{path}, row 0: expected a whole Parquet file, got: ")


def test_keys_of_json_are_renamed_and_have_to_exist(tmp_path):
    path = tmp_path / "a.jsonl"
    lines = [{"body": "가", "text": 3, "key": "k"}, {"text": "나", "key": "k"}, {"body": "다"}]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    first, second, third = read(path, {"text": "body", "id": "key"})
    assert (first.id, first.text) == ("k", "가")
    assert second == f"{path}:2: expected the key 'body', got 'text', 'key'; add it"
    assert third == f"{path}:3: expected the key 'key', got 'body'; add it"


@pytest.mark.parametrize(
    "columns, message",
    [
        ({}, r"a\.csv: expected a column 'text', got key, body; name it with --text_column"),
        ({"text": "bodytext"}, r"expected a column 'bodytext', got key, body; name it with --text_column"),
        ({"text": "body", "id": "ky"}, r"expected a column 'ky', got key, body; name it with --id_column"),
    ],
)
def test_tables_without_the_columns_are_refused(tmp_path, columns, message):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("key,body\n1,가\n", encoding="utf-8")
    sources, _ = find_sources([tmp_path])
    with pytest.raises(ValueError, match=message):
        check_columns(sources, columns, "auto")
    check_columns(sources, {"text": "body", "id": "key"}, "auto")
    (tmp_path / "b.csv").write_text("text\n가\n", encoding="utf-8")
    check_columns(sources, {}, "auto")


@given(st.lists(st.sampled_from([b'{"text": "a"}', b"{", b"", b"\xff", b"  ", b"null", b'{"text": 1}']), max_size=12))
def test_every_line_that_is_not_empty_is_a_record_or_an_error(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("lines") / "a.jsonl"
    path.write_bytes(b"\n".join(lines))
    [source] = find_sources([path])[0]
    found = list(raw_records(source, {}))
    assert [raw.at for raw in found] == [at for at, line in enumerate(lines, 1) if line.strip()]
    assert len(read(path)) == len(found)
