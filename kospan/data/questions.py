"""Questions with answers, converted to examples from any format."""

import os
from collections.abc import Sequence
from typing import NamedTuple
from unicodedata import normalize

from kospan.data.checks import check_encodable, keys_in, shown, typed
from kospan.data.content import loaded
from kospan.data.text import open_text
from kospan.example import Example
from kospan.files import parse_json
from kospan.modeling.spans import Span

ANSWER = "answer"


class Answer(NamedTuple):
    """An answer as given by the source.

    Args:
        text: Its text.
        start: The character of the context at which it begins, from 0.
    """

    text: str
    start: int


def question_example(
    name: str,
    question: str,
    context: str,
    answers: Sequence[Answer] | None,
    place: str,
    impossible: bool = False,
    source: str = "",
) -> Example:
    """Build the example of a question: each answer becomes a span labelled "answer"; several are alternatives.

    Args:
        name: The question's id.
        question: The question.
        context: The text that holds the answer.
        answers: The answers; None if the question is unlabelled.
        place: File and paragraph, as errors name them; the question's id is added.
        impossible: Whether the source marks the question as unanswerable; answers beside such a mark are only plausible
            ones, and are ignored.
        source: The title of the article.

    Raises:
        ValueError: If question or context are empty, an answer is not at its place, or there is none although the
            question is not marked as unanswerable.
        TypeError: If a value is not a string.

    >>> question_example("q1", "수도는?", "수도는 서울이다", [Answer("서울", 4)], "my.json").spans[0][:3]
    (4, 6, 'answer')
    """
    place = f"{place}, question {name!r}"
    for value, what in ((question, "a question"), (context, "a text to find the answer in")):
        if not typed(value, str, place, what).strip():
            raise ValueError(f"{place}: expected {what}, got {value!r}; write it, or drop the question")
    spans: tuple[Span, ...] | None = None
    if impossible:
        spans = ()
    elif answers is not None:
        spans = answer_spans(answers, context, place)
        if not spans:
            raise ValueError(
                f"{place}: expected an answer or more, got none; mark the question with is_impossible: true if the "
                "text has none, or omit 'answers' if the question is unlabelled"
            )
    for value in (name, question, context, source):
        check_encodable(value, place)
    return Example(name, context, spans, question, source)


def answer_spans(answers: Sequence[Answer], context: str, place: str) -> tuple[Span, ...]:
    """The spans of alternative answers, without duplicates.

    Raises:
        ValueError: As `answer_span`.
    """
    return tuple(sorted({answer_span(answer, context, place) for answer in answers}))


def answers_of(value, place: str) -> list[Answer] | None:
    """Read answers from an object with `text` and `answer_start`, an object of lists, or a list of objects.

    The result is None for null.

    Raises:
            ValueError, TypeError: If something else is there.

    >>> answers_of({"text": ["서울"], "answer_start": [4]}, "row 0")
    [Answer(text='서울', start=4)]
    """
    if value is None:
        return None
    if isinstance(value, dict):
        texts, starts = (key_of(value, key, place) for key in ("text", "answer_start"))
        if not isinstance(texts, list) and not isinstance(starts, list):
            return [answer_of(value, place)]
        if not (isinstance(texts, list) and isinstance(starts, list) and len(texts) == len(starts)):
            raise ValueError(
                f"{place}: expected answers with as many answer_start as text, got {shown(value)}; correct one of them"
            )
        value = [{"text": text, "answer_start": start} for text, start in zip(texts, starts)]
    answers = typed(value, list, place, "'answers'")
    return [answer_of(typed(answer, dict, place, "an answer"), place) for answer in answers]


def answer_of(answer: dict, place: str) -> Answer:
    """Read an answer from an object with `text` and `answer_start`.

    Raises:
        ValueError, TypeError: If one is missing.
    """
    return Answer(
        typed(key_of(answer, "text", place), str, place, "'text'"),
        typed(key_of(answer, "answer_start", place), int, place, "'answer_start'"),
    )


def impossible_of(value, place: str) -> bool | None:
    """Return whether a source marks a question as unanswerable; None if it does not say.

    Raises:
        TypeError: If the mark is neither true nor false.
    """
    if value is None or value in (0, 1):
        return value if value is None else bool(value)
    return typed(value, bool, place, "'is_impossible'")


def answer_span(answer: Answer, context: str, place: str) -> Span:
    """Return the span of an answer.

    Text and context may be written in different Unicode forms (macOS writes 각 as three characters): the span is that
    of the context.

    Raises:
        ValueError: If the answer is empty or is not at its place; the message gives the right place.

    >>> answer_span(Answer("서울", 3), "수도는 서울이다", "my.json")
    Traceback (most recent call last):
    ...
    ValueError: my.json: expected the answer '서울' at character 3 of its context, got ' 서'; it is at 4 (offsets count characters, not bytes)
    """  # noqa: E501
    text, start = answer
    if not text.strip():
        raise ValueError(f"{place}: expected the text of an answer, got {text!r}; write it, or drop the answer")
    end = _end(context, start, text)
    if end is None:
        got = context[max(0, start) : max(0, start) + len(text)]
        raise ValueError(
            f"{place}: expected the answer {shown(text)} at character {start} of its context, got {shown(got)}; "
            f"{_actual_place(context, start, text)} (offsets count characters, not bytes)"
        )
    return Span(start, end, ANSWER)


def _end(context: str, start: int, text: str) -> int | None:
    """End of the answer that begins at `start`; None if it does not begin there."""
    if start < 0:
        return None
    if context.startswith(text, start):
        return start + len(text)
    same = normalize("NFC", text)
    last = min(len(context), start + len(normalize("NFD", text)))
    if not normalize("NFC", context[start:last]).startswith(same):
        return None
    for end in range(last, start, -1):
        # A following letter that belongs to the last syllable would change the syllable.
        whole = end == len(context) or len(normalize("NFC", context[start : end + 1])) > len(same)
        if whole and normalize("NFC", context[start:end]) == same:
            return end
    return None


def _actual_place(context: str, start: int, text: str) -> str:
    """Description of an answer's actual position, for an error."""
    places = []
    at = context.find(text)
    while at >= 0:
        places.append(at)
        at = context.find(text, at + 1)
    if places:
        nearest = min(places, key=lambda place: abs(place - start))
        return f"it is at {nearest}" + (f", the nearest of {len(places):,} places" if len(places) > 1 else "")
    if normalize("NFC", text) in normalize("NFC", context):
        return "it is elsewhere in the text, in another Unicode form (NFC and NFD): write both in one form"
    return "it is not in the text"


def question_name(question: dict, place: str) -> str:
    """The id of a question, called `guid` in KLUE-MRC.

    Raises:
        ValueError: If it has none.
        TypeError: If it is neither a string nor a whole number.
    """
    name = question["guid"] if "id" not in question and "guid" in question else key_of(question, "id", place)
    if not isinstance(name, (str, int)) or isinstance(name, bool):
        raise TypeError(
            f"{place}: expected 'id' to be a string or a whole number, got {name!r}; give every question one"
        )
    return str(name)


def read_articles(path: str | os.PathLike, form: str) -> list:
    """Read the articles of a JSON file: the list under its key "data".

    Args:
        path: The file.
        form: Expected format, for errors.

    Raises:
        ValueError: If the file is not JSON, has another format, or holds no article.
    """
    text = open_text(path).read()
    try:
        document = parse_json(text)
    except ValueError as error:  # Also a number of thousands of digits.
        reason = str(error).partition(";")[0]
        raise ValueError(f"{path}: expected JSON in the form of {form}, got {_no_json(text, reason)}") from error
    if isinstance(document, list):
        rows = document and all(isinstance(each, dict) and "question" in each for each in document)
        hint = "write one object per line, and set dataset: jsonl" if rows else 'write {"data": ARTICLES}'
        raise TypeError(f"{path}: expected the file to be an object, got {shown(document)} (list); {hint}")
    if isinstance(document, dict) and "data" not in document and "question" in document:
        raise ValueError(f"{path}: expected articles under 'data', got JSON Lines; set dataset: jsonl")
    articles = list_of(typed(document, dict, str(path), "the file"), "data", str(path))
    if not articles:
        raise ValueError(f"{path}: expected at least one article in 'data', got none; name another file")
    return articles


def _no_json(text: str, reason: str) -> str:
    """Description of a file that is not JSON, with the fix."""
    first = next((line for line in text.split("\n") if line.strip()), "")
    if isinstance(loaded(first), dict):
        return "JSON Lines, an object per line; set dataset: jsonl"
    if not first:
        return f"invalid JSON ({reason}); the file is empty, name another file"
    if text.lstrip()[0] not in "{[":
        return f"invalid JSON, which begins with {shown(first.strip())}; set dataset to the file's form"
    return f"invalid JSON ({reason}); the file is truncated or malformed: correct it, or download it again"


def key_of(value: dict, key: str, place: str):
    """Return the value of a required key.

    Raises:
        ValueError: If it is missing.
    """
    if key not in value:
        raise ValueError(f"{place}: expected the key {key!r}, got {keys_in(value)}; add it")
    return value[key]


def list_of(value: dict, key: str, place: str) -> list:
    """Return the list of a required key."""
    return typed(key_of(value, key, place), list, place, repr(key))
