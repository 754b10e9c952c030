"""Input of visitors, and refusals."""

import json

import pytest
from documents import (
    DOCUMENT_CHARACTERS,
    FILE_BYTES,
    FILE_LINES,
    checked_text,
    portions,
    read_documents,
)
from texts import LANGUAGES, InputError


@pytest.fixture
def write(tmp_path):
    def write(name: str, data: bytes | str) -> str:
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8"))
        return str(path)

    return write


def refusal(call, *arguments) -> InputError:
    with pytest.raises(InputError) as caught:
        call(*arguments)
    for language in LANGUAGES:
        message = caught.value.message(language)
        assert message and "{key" not in message
    return caught.value


def test_a_text_keeps_its_offsets_or_is_refused():
    assert checked_text(None) == ""
    assert checked_text("가\ud800나") == "가\ufffd나"
    assert checked_text("👨\u200d👩") == "👨\u200d👩"
    assert len(checked_text("😀" * DOCUMENT_CHARACTERS)) == DOCUMENT_CHARACTERS
    refused = refusal(checked_text, "😀" * 262_144)
    assert refused.key == "too_long" and refused.values["got"] == 262_144


def test_lines_of_plain_text(write):
    path = write("a.txt", "\ufeff서울\r\n\n  \n부산\u2028에서\n")
    assert read_documents(path) == [{"id": "1", "text": "서울"}, {"id": "4", "text": "부산\u2028에서"}]
    assert read_documents(write("b.TXT", "대구에서".encode("cp949"))) == [{"id": "1", "text": "대구에서"}]


def test_json_lines_with_and_without_ids(write):
    lines = [{"id": "a-1", "text": "서울"}, {"text": "부산\ud800"}, {"id": 7, "text": "", "spans": []}]
    path = write("a.jsonl", "\n".join(json.dumps(line) for line in lines))
    assert read_documents(path) == [
        {"id": "a-1", "text": "서울"},
        {"id": "2", "text": "부산\ufffd"},
        {"id": "7", "text": ""},
    ]


@pytest.mark.parametrize(
    "name, data, key",
    [
        ("a.pdf", b"%PDF", "file_kind"),
        ("a", b"text", "file_kind"),
        ("a.txt", b"", "file_empty"),
        ("a.txt", b" \n\r\n", "file_empty"),
        ("a.txt", b"\xff\xff\xff\x81", "file_encoding"),
        ("a.txt", b"x" * (FILE_BYTES + 1), "file_large"),
        ("a.txt", b"x\n" * (FILE_LINES + 1), "file_many"),
        ("a.txt", b"x\n" + b"y" * (DOCUMENT_CHARACTERS + 1), "line_long"),
        ("a.jsonl", b'{"text": "a"}\n{"text"', "line_json"),
        ("a.jsonl", b"[" * 100_000, "line_json"),
        ("a.jsonl", b'{"text": "a"}\n["a"]', "line_text"),
        ("a.jsonl", b'{"text": 3}', "line_text"),
        ("a.jsonl", b'{"id": "a"}', "line_text"),
    ],
)
def test_a_wrong_file_is_refused(write, name, data, key):
    refused = refusal(read_documents, write(name, data))
    assert refused.key == key
    if key.startswith("line_"):
        assert refused.values["line"] == data.count(b"\n") + 1


def test_no_file_is_refused():
    assert refusal(read_documents, None).key == "no_file"


def test_the_largest_file_is_read(write):
    assert len(read_documents(write("a.txt", "가\n" * FILE_LINES))) == FILE_LINES


def test_portions_are_small_and_whole():
    documents = [{"text": "가" * length} for length in [9000, 2000, 10_000, *[1] * 40, 0]]
    made = portions(documents)
    assert [document for portion in made for document in portion] == documents
    assert [len(portion) for portion in made[:3]] == [1, 1, 1]
    for portion in made:
        assert len(portion) <= 16 and sum(len(document["text"]) for document in portion) <= DOCUMENT_CHARACTERS
    assert portions([]) == []
