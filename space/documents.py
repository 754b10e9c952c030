"""What visitors send: a text, a question, or a file of them, checked against the limits before the model sees it."""

import json
import os

from texts import InputError

DOCUMENT_CHARACTERS = 10_000
FILE_BYTES = 1_000_000
FILE_LINES = 1_000
QUESTION_CHARACTERS = 500
MOST_ANSWERS = 10
# What a line of a file holds -> its most characters, and the refusal of a longer one.
_LIMITS = {
    "text": (DOCUMENT_CHARACTERS, "line_long"),
    "text_pair": (DOCUMENT_CHARACTERS, "line_long"),
    "question": (QUESTION_CHARACTERS, "line_question_long"),
}


def checked_text(text: str | None) -> str:
    r"""A text that the model may read.

    A surrogate without its partner, which no UTF-8 can hold, becomes U+FFFD, so offsets stay as they are.

    Raises:
        InputError: If it is too long.

    >>> checked_text("서울\ud800")
    '서울\ufffd'
    """
    text = "" if text is None else str(text)
    if len(text) > DOCUMENT_CHARACTERS:
        raise InputError("too_long", got=len(text), most=DOCUMENT_CHARACTERS)
    return paired(text)


def checked_question(question: str | None) -> str:
    """A question that the model may read. Raises: InputError where it is empty or too long."""
    question = "" if question is None else str(question)
    if not question.strip():
        raise InputError("question_empty")
    if len(question) > QUESTION_CHARACTERS:
        raise InputError("question_long", got=len(question), most=QUESTION_CHARACTERS)
    return paired(question)


def checked_document(text: str | None) -> str:
    """A text to find answers in. Raises: InputError where it is empty or too long."""
    text = checked_text(text)
    if not text.strip():
        raise InputError("document_empty")
    return text


def checked_count(count) -> int:
    """How many answers are asked for. Raises: InputError where it is no whole number from 1 to `MOST_ANSWERS`."""
    if isinstance(count, bool) or count not in range(1, MOST_ANSWERS + 1):
        raise InputError("count_wrong", most=MOST_ANSWERS)
    return int(count)


def checked_threshold(threshold) -> float:
    """A threshold as a number. Raises: InputError where it is none from 0 to 1."""
    if isinstance(threshold, (int, float)) and 0 <= threshold <= 1:
        return float(threshold)
    raise InputError("threshold_wrong")


def paired(text: str) -> str:
    """A text without half surrogates."""
    if text.isascii():
        return text
    return "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text)


def endings(keys: tuple[str, ...]) -> tuple[str, ...]:
    """How the names of files may end whose documents hold these; a line of plain text can hold but one thing."""
    return (".txt", ".jsonl") if len(keys) == 1 else (".jsonl",)


def form(keys: tuple[str, ...]) -> str:
    """A line of JSON Lines, as people are told to write it.

    >>> form(("question", "text"))
    '{"question": "...", "text": "..."}'
    """
    return json.dumps(dict.fromkeys(keys, "..."))


def read_documents(path: str | None, keys: tuple[str, ...] = ("text",)) -> list[dict]:
    """The documents of a file: a text per line, or a JSON object with these keys (and perhaps "id") per line.

    Empty lines are no documents.

    Args:
        path: The file.
        keys: "text" alone, "question" and "text", or "text" and "text_pair".

    Returns: "id" and the keys each; a document without an id is named after its line.

    Raises: InputError where the file is missing, of another kind, too large, not text, empty, or a line of it is wrong.
    """
    if not path:
        raise InputError("no_file")
    ending = os.path.splitext(path)[1].lower()
    if ending not in endings(keys):
        raise InputError("file_kind", endings=", ".join(endings(keys)))
    size = os.path.getsize(path)
    if size > FILE_BYTES:
        raise InputError("file_large", got=f"{size / 1e6:.1f}", most=f"{FILE_BYTES / 1e6:g}")
    with open(path, "rb") as file:
        text = decoded(file.read())
    # Only these end a line: str.splitlines would also cut at U+2028 and its like, inside a document.
    lines = [(number, line.removesuffix("\r")) for number, line in enumerate(text.split("\n"), 1)]
    lines = [(number, line) for number, line in lines if line.strip()]
    if not lines:
        raise InputError("file_empty")
    if len(lines) > FILE_LINES:
        raise InputError("file_many", got=len(lines), most=FILE_LINES)
    if ending == ".txt":
        found = [{"id": str(number), "text": line} for number, line in lines]
    else:
        found = [_from_json(line, number, keys) for number, line in lines]
    for (number, _), document in zip(lines, found):
        for key in keys:
            most, refusal = _LIMITS[key]
            if len(document[key]) > most:
                raise InputError(refusal, line=number, got=len(document[key]), most=most)
        for key, refusal in (("question", "line_question"), ("text_pair", "line_pair")):
            if not document.get(key, "?").strip():
                raise InputError(refusal, line=number)
    return [{key: paired(value) for key, value in document.items()} for document in found]


def decoded(data: bytes) -> str:
    """Bytes as text: UTF-8 with or without a byte order mark, else CP949. Raises: InputError where they are neither."""
    for encoding in ("utf-8-sig", "cp949"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InputError("file_encoding")


def _from_json(line: str, number: int, keys: tuple[str, ...]) -> dict:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        raise InputError("line_json", line=number, form=form(keys)) from None
    for key in keys:
        if not isinstance(record, dict) or not isinstance(record.get(key), str):
            raise InputError("line_text", line=number, name=key, form=form(keys))
    name = record.get("id", number)
    name = name if isinstance(name, str) else json.dumps(name, ensure_ascii=False)
    return {"id": name} | {key: record[key] for key in keys}


def portions(documents: list[dict], most: int = 16) -> list[list[dict]]:
    """Documents in portions that the model reads between two visitors: few, and no more text than one may send.

    >>> [len(portion) for portion in portions([{"text": "가"}] * 20)]
    [16, 4]
    """
    found: list[list[dict]] = []
    characters = 0
    for document in documents:
        length = len(document["text"]) + len(document.get("text_pair", ""))
        if not found or len(found[-1]) == most or characters + length > DOCUMENT_CHARACTERS:
            found.append([])
            characters = 0
        found[-1].append(document)
        characters += length
    return found
