"""The form of a file, by name and by contents, and what a model is given of it."""

import gzip

import pytest

from kospan.data.content import form_of
from kospan.data.records import ReadOptions, ReadSession
from kospan.data.texts import read_texts
from kospan.example import Example

LINES = '{"id": "a", "text": "가", "label": "경제"}\n{"text": "나", "spans": [[0, 9, "X"]]}\n'


def write(folder, name, text):
    path = folder / name
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data) if name.lower().endswith(".gz") else data)
    return str(path)


@pytest.mark.parametrize(
    "name",
    [
        "a.jsonl",
        "a.ndjson",
        "A.JSONL",
        "a.json",
        "a.jsonlines",
        "a.txt",
        "a.dat",
        "a",
        "a.jsonl.gz",
        "a.txt.gz",
        "A.GZ",
    ],
)
def test_json_lines_under_any_name(tmp_path, name):
    examples = read_texts(write(tmp_path, name, LINES))
    assert [(example.text, example.spans) for example in examples] == [("가", None), ("나", None)]
    assert examples[0].id == "a"
    assert read_texts(write(tmp_path, name, "\ufeff" + LINES)) == examples


@pytest.mark.parametrize(
    ("name", "text", "form"),
    [
        ("a.txt", "서울에 간다\n[사진] 글\n", "text"),
        ("a.txt", "[사진] 글\n", "text"),
        ("a.txt", '{"a": 1}\n이어지는 글\n', "text"),
        ("a.txt", "{이름} 님께\n", "text"),
        ("a.txt", "", "text"),
        ("a.txt", "text, label\n", "text"),
        ("a.txt", "a text, a label\nno comma here\n", "text"),
        ("a.txt", '{"a": 1}\n\n{"a": 2}\n', "jsonl"),
        ("a.txt", '{"text": "a"}\n{"text": \n', "jsonl"),
        ("a.txt", '[{"text": "a"}]\n', "json"),
        ("a.txt", '{\n  "text": "a"\n}\n', "json"),
        ("a.txt", "id,text\n1,a\n", "csv"),
        ("a.txt", "text\tlabel\na\tx\n", "tsv"),
        ("a.csv", '{"text": "a"}\n', "csv"),
        ("a.TSV.gz", "x\n", "tsv"),
        ("a.txt", "[" * 100_000, "text"),
    ],
)
def test_forms(tmp_path, name, text, form):
    assert form_of(write(tmp_path, name, text)) == form


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "x\n", r"got a CSV file; name the column of its texts text and save it, .*read_csv\('.*a\.csv'\)"),
        ("a.txt", "text\tlabel\na\tx\n", r"got a TSV file; .*sep='\\t'"),
        ("a.txt", '[{"text": "a"}]', "got one JSON value over the whole file; write one object with the key 'text'"),
        ("a.txt", '{"a": 1}\n', r"a\.txt:1: expected the key 'text', got 'a'"),
        ("a.txt", "\n \n", "expected at least one text, got an empty file"),
        ("a.parquet", b"PAR1\xff", "looks like a Parquet file: save it as JSON Lines"),
        ("a.txt", b"PK\x03\x04\xff", "looks like a zip archive"),
        ("a.txt", b"\xfd7zXZ\x00\xff", "expected a whole xz file, got "),
    ],
)
def test_files_that_hold_no_texts(tmp_path, name, text, message):
    with pytest.raises(ValueError, match=message):
        read_texts(write(tmp_path, name, text))


def test_invalid_texts_are_counted_or_skipped(tmp_path):
    path = write(tmp_path, "a.ndjson", '{"text": 1}\n{"text": "a"}\n{"id": "x"}\n{\n')
    with pytest.raises(TypeError, match=r"a\.ndjson:1: expected 'text' to be a string, .* \(2 more records are inv"):
        read_texts(path, ReadSession(collect=True))
    session = ReadSession(ReadOptions(skip_invalid=True), collect=True)
    assert read_texts(path, session) == [Example("a-2", "a", None)] and session.invalid == 3
    with pytest.raises(ValueError, match=r"got 1 invalid record, the first: .*a\.ndjson:1: expected the key 'text'"):
        read_texts(write(tmp_path, "a.ndjson", "{}\n"), ReadSession(ReadOptions(skip_invalid=True), collect=True))
