"""What visitors send: one text or a file of them, checked against the limits before the model sees it."""

import json
import os

from texts import Refused

DOCUMENT_CHARACTERS = 10_000
FILE_BYTES = 1_000_000
FILE_LINES = 1_000
ENDINGS = (".txt", ".jsonl")


def checked_text(text: str | None) -> str:
    """A text that the model may read.

    A surrogate without its partner, which no UTF-8 can hold, becomes U+FFFD, so offsets stay as they are.

    Raises: Refused where it is too long.

    >>> checked_text("서울\\ud800")
    '서울\\ufffd'
    """
    text = "" if text is None else str(text)
    if len(text) > DOCUMENT_CHARACTERS:
        raise Refused("too_long", got=len(text), most=DOCUMENT_CHARACTERS)
    return paired(text)


def checked_threshold(threshold) -> float:
    """A threshold as a number. Raises: Refused where it is none from 0 to 1."""
    if isinstance(threshold, (int, float)) and 0 <= threshold <= 1:
        return float(threshold)
    raise Refused("threshold_wrong")


def paired(text: str) -> str:
    """A text without half surrogates."""
    if text.isascii():
        return text
    return "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text)


def read_documents(path: str | None) -> list[dict]:
    """The documents of a file: a text per line, or a JSON object with "text" (and perhaps "id") per line.

    Empty lines are no documents.

    Returns: `{"id", "text"}` each; a document without an id is named after its line.

    Raises: Refused where the file is missing, of another kind, too large, not text, empty, or a line of it is wrong.
    """
    if not path:
        raise Refused("no_file")
    ending = os.path.splitext(path)[1].lower()
    if ending not in ENDINGS:
        raise Refused("file_kind")
    size = os.path.getsize(path)
    if size > FILE_BYTES:
        raise Refused("file_large", got=f"{size / 1e6:.1f}", most=f"{FILE_BYTES / 1e6:g}")
    with open(path, "rb") as file:
        text = decoded(file.read())
    # Only these end a line: str.splitlines would also cut at U+2028 and its like, inside a document.
    lines = [(number, line.removesuffix("\r")) for number, line in enumerate(text.split("\n"), 1)]
    lines = [(number, line) for number, line in lines if line.strip()]
    if not lines:
        raise Refused("file_empty")
    if len(lines) > FILE_LINES:
        raise Refused("file_many", got=len(lines), most=FILE_LINES)
    found = [_from_json(line, number) if ending == ".jsonl" else (str(number), line) for number, line in lines]
    for (number, _), (_, document) in zip(lines, found):
        if len(document) > DOCUMENT_CHARACTERS:
            raise Refused("line_long", line=number, got=len(document), most=DOCUMENT_CHARACTERS)
    return [{"id": name, "text": paired(document)} for name, document in found]


def decoded(data: bytes) -> str:
    """Bytes as text: UTF-8 with or without a byte order mark, else CP949. Raises: Refused where they are neither."""
    for encoding in ("utf-8-sig", "cp949"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Refused("file_encoding")


def _from_json(line: str, number: int) -> tuple[str, str]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        raise Refused("line_json", line=number) from None
    if not isinstance(record, dict) or not isinstance(record.get("text"), str):
        raise Refused("line_text", line=number)
    name = record.get("id", number)
    return paired(name if isinstance(name, str) else json.dumps(name, ensure_ascii=False)), record["text"]


def portions(documents: list[dict], most: int = 16) -> list[list[dict]]:
    """Documents in portions that the model reads between two visitors: few, and no more text than one may send.

    >>> [len(portion) for portion in portions([{"text": "가"}] * 20)]
    [16, 4]
    """
    found: list[list[dict]] = []
    characters = 0
    for document in documents:
        length = len(document["text"])
        if not found or len(found[-1]) == most or characters + length > DOCUMENT_CHARACTERS:
            found.append([])
            characters = 0
        found[-1].append(document)
        characters += length
    return found
