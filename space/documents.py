"""Checks of input: texts, questions and files against the limits."""

import json
import os

from texts import InputError

DOCUMENT_CHARACTERS = 10_000
FILE_BYTES = 1_000_000
FILE_LINES = 1_000
QUESTION_CHARACTERS = 500
MOST_ANSWERS = 10
# Key of a line of a file -> most characters, and the string for a longer one.
_LIMITS = {
    "text": (DOCUMENT_CHARACTERS, "line_long"),
    "text_pair": (DOCUMENT_CHARACTERS, "line_long"),
    "question": (QUESTION_CHARACTERS, "line_question_long"),
}


def checked_text(text: str | None) -> str:
    """A text within the limit.

    An unpaired surrogate, which UTF-8 cannot encode, becomes U+FFFD, so that offsets stay the same.

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
    """A question within the limit. Raises InputError if it is empty or too long."""
    question = "" if question is None else str(question)
    if not question.strip():
        raise InputError("question_empty")
    if len(question) > QUESTION_CHARACTERS:
        raise InputError("question_long", got=len(question), most=QUESTION_CHARACTERS)
    return paired(question)


def checked_document(text: str | None) -> str:
    """A document to find answers in. Raises InputError if it is empty or too long."""
    text = checked_text(text)
    if not text.strip():
        raise InputError("document_empty")
    return text


def checked_count(count) -> int:
    """A number of answers. Raises InputError unless it is a whole number from 1 to `MOST_ANSWERS`."""
    if isinstance(count, bool) or count not in range(1, MOST_ANSWERS + 1):
        raise InputError("count_wrong", most=MOST_ANSWERS)
    return int(count)


def checked_threshold(threshold) -> float:
    """A threshold. Raises InputError unless it is a number from 0 to 1."""
    if isinstance(threshold, (int, float)) and 0 <= threshold <= 1:
        return float(threshold)
    raise InputError("threshold_wrong")


def paired(text: str) -> str:
    """The text without unpaired surrogates."""
    if text.isascii():
        return text
    return "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text)


def endings(keys: tuple[str, ...]) -> tuple[str, ...]:
    """Allowed endings of files with these keys: a line of plain text holds only one."""
    return (".txt", ".jsonl") if len(keys) == 1 else (".jsonl",)


def form(keys: tuple[str, ...]) -> str:
    """The form of a line of JSON Lines, for messages.

    >>> form(("question", "text"))
    '{"question": "...", "text": "..."}'
    """
    return json.dumps(dict.fromkeys(keys, "..."))


def read_documents(path: str | None, keys: tuple[str, ...] = ("text",)) -> list[dict]:
    """The documents of a file: one text per line, or one JSON object with these keys (and optionally "id") per line.

    Empty lines are skipped.

    Args:
        path: The file.
        keys: "text" alone, "question" and "text", or "text" and "text_pair".

    Returns:
        Dicts with "id" and the keys; the default id is the line number.

    Raises:
        InputError: If the file is missing, of another type, too large, not text, or empty, or a line is invalid.
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
    # str.splitlines would also split at U+2028 and similar characters inside a document.
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
    """Decode UTF-8, with or without a byte order mark, or CP949. Raises InputError for anything else."""
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
    """Split documents into portions that the model processes in one call, small enough for others to get their turn.

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
