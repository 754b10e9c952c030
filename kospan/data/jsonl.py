"""JSON Lines, the project's own format for input and output."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence

from kospan.data.annotations import annotated_spans
from kospan.data.checks import check_encodable, id_of, keys_in, typed
from kospan.data.content import loaded
from kospan.data.prodigy import accepted_lines, span_record
from kospan.data.records import STRICT, Item, ReadSession
from kospan.data.text import line_id, open_text, write_text
from kospan.example import Example, check_words
from kospan.files import parse_json
from kospan.modeling.spans import Span

# Keys of the text in other tools.
_TEXTS = ("context", "passage", "sentence", "document", "content", "data", "body", "paragraph")


def record(example: Example, spans: Sequence[Span] | None = None) -> dict:
    """Convert an example to a JSON object.

    Args:
        example: The example.
        spans: Predicted spans in place of the gold ones, written with their scores. Gold spans (None here) have a
            score only if it is not 1.

    >>> record(Example("a", "서울에 간다", (Span(0, 2, "LC"),)))
    {'id': 'a', 'text': '서울에 간다', 'spans': [{'start': 0, 'end': 2, 'label': 'LC'}]}
    """
    line: dict = {"id": example.id, "text": example.text}
    if example.words is not None:
        line["words"] = list(example.words)
    found = example.spans if spans is None else spans
    if found is not None:
        line["spans"] = [
            {"start": int(start), "end": int(end), "label": label}
            | ({"score": float(score)} if spans is not None or score != 1.0 else {})
            for start, end, label, score in found
        ]
    return line | {key: value for key in ("question", "text_pair", "source") if (value := getattr(example, key))}


def from_record(line: dict, place: str = "record", default_id: str | None = None, annotated: bool = True) -> Example:
    """Convert a JSON object to an example; keys without annotations are ignored.

    Spans are under `spans`; see `kospan.data.annotations` for other keys that are read. The text of a question may be
    under `context`.

    `words` holds the words of a document that is given as words; `text` may then be missing, as it is the words joined
    by spaces.

    Args:
        line: The JSON object.
        place: "file:line", as errors name it.
        default_id: The id of a line without one.
        annotated: Whether annotations are read; otherwise the example is unlabelled.

    Raises:
        ValueError: If a key is missing, a span is outside the text or annotations are under an unknown key.
        TypeError: If a value has the wrong type.

    >>> from_record({"id": "a", "text": "서울에 간다"}).spans is None
    True
    """
    line = typed(line, dict, place, "the line")
    words = None
    if line.get("words") is not None:
        words = tuple(typed(word, str, place, "a word") for word in typed(line["words"], list, place, "'words'"))
        line = {"text": " ".join(words)} | line
    values = {key: value for key, value in line.items() if value is not None}
    if default_id is None and "id" not in values:
        raise ValueError(f"{place}: expected the key 'id', got {keys_in(line)}; add it")
    key = "context" if "text" not in line and values.get("question") and "context" in values else "text"
    if key not in line:
        raise ValueError(f"{place}: expected the key 'text', got {keys_in(line)}; {_text_hint(line)}")
    text = typed(line[key], str, place, repr(key))
    name = id_of(values.get("id", default_id), place)
    question, text_pair, source = (
        typed(values.get(key, ""), str, place, repr(key)) for key in ("question", "text_pair", "source")
    )
    spans = annotated_spans(line, text, place) if annotated else None
    for value in (name, text, question, text_pair, source, *(span.label for span in spans or ())):
        check_encodable(value, place)
    example = Example(name, text, spans, question, source, text_pair, words)
    try:
        check_words(example)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error
    return example


def _text_hint(line: dict) -> str:
    """Hint for the error about a record without a text."""
    data = line.get("data")
    if isinstance(data, dict):
        return "convert the file with `kospan convert data FILE train.jsonl --from label-studio`"
    if isinstance(data, list):
        return "the file looks like questions in the form of SQuAD: set dataset: squad, squad_v2, korquad or klue_mrc"
    if isinstance(line.get("tokens"), list):
        return "join the tokens to a text with spans, or save them as columns for dataset: conll"
    found = next((key for key in _TEXTS if isinstance(line.get(key), str)), None)
    return f"rename {found!r} to 'text'" if found else "add it"


def json_lines(path: str | os.PathLike, session: ReadSession = STRICT) -> Iterator[tuple[str, object]]:
    """Yield place and value of each line that is not empty.

    Raises:
        ValueError: If a line is not JSON; the message names file and line.
    """
    text = open_text(path).read()
    first = True
    for at, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = f"{path}:{at}"
        try:
            value = json_value(line, place)
        except ValueError as error:
            form = _other_form(text) if first else None
            if form:
                raise ValueError(f"{place}: expected one JSON object per line, got {form}") from error
            session.reject(error)
        else:
            yield place, value
        first = False


def json_value(line: str, place: str) -> object:
    """Return the value of a line of JSON Lines.

    Raises:
        ValueError: If it is not JSON; the message begins with its place.
    """
    try:
        return parse_json(line)
    except ValueError as error:  # Also a number of thousands of digits.
        if isinstance(error, json.JSONDecodeError):
            reason = f"{error.msg} at column {error.colno}"
        else:
            reason = f"one that Python does not read ({str(error).partition(';')[0]})"
        whole = line.strip() in ("[", "{") or line.startswith("[{")
        hint = "the file looks like one JSON value: write one object per line" if whole else "correct the line"
        raise ValueError(f"{place}: expected one JSON object per line, got {reason}; {hint}") from error


def _other_form(text: str) -> str | None:
    """Description of a file that is not JSON Lines; None if some line is JSON, or the format is unknown."""
    if loaded(text) is None:
        lines = (line for line in text.split("\n") if line.lstrip().startswith("{"))
        if text.lstrip()[0] in "{[" or any(isinstance(loaded(line), dict) for line in lines):
            return None
        return "a file of another form; set dataset to its form, such as labelled for CSV and TSV, or conll for columns"
    if '"paragraphs"' in text or '"qas"' in text:
        return "one JSON value in the form of SQuAD; set dataset: squad, squad_v2, korquad, korquad2 or klue_mrc"
    return "a file that looks like one JSON value; write one object per line"


def jsonl_items(path: str | os.PathLike, session: ReadSession = STRICT) -> Iterator[Item]:
    """Read the examples of a file; a line without an id is named after its file and line.

    Questions about one text have it as their group: they stay together when a split is cut. Lines that Prodigy's
    annotators have rejected or ignored are skipped, see `kospan.data.prodigy`.
    """
    for place, line in accepted_lines(json_lines(path, session), path):
        with session.record():
            yield _item(span_record(line, place), place, path)


def text_items(path: str | os.PathLike, session: ReadSession = STRICT) -> Iterator[Item]:
    """Read a file as `jsonl_items` does, without annotations."""
    for place, line in json_lines(path, session):
        with session.record():
            yield _item(line, place, path, annotated=False)


def _item(line, place: str, path: str | os.PathLike, annotated: bool = True) -> Item:
    example = from_record(line, place, line_id(path, place), annotated)
    return Item(place, example, example.text if example.question else "")


def read_jsonl(path: str | os.PathLike, session: ReadSession | None = None) -> list[Example]:
    """Read the examples of a file, plain or gzipped; overlapping spans are kept.

    Args:
        path: The file.
        session: Takes the lines that cannot be read; None raises their errors.

    Raises:
        Exception: The first error, with the number of other records that cannot be read.
    """
    reading = ReadSession(collect=True) if session is None else session
    examples = [item.example for item in jsonl_items(path, reading)]
    if session is None:
        reading.finish()
    return examples


def write_jsonl(path: str | os.PathLike, examples: Iterable[Example]) -> None:
    """Write examples to a temporary file and rename it, so that no partial file is ever visible."""
    write_lines(path, map(record, examples))


def write_lines(path: str | os.PathLike, lines: Iterable[dict]) -> None:
    """Write one JSON object per line, as `write_jsonl` does."""
    write_text(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
