"""Texts to predict on."""

from kospan.data.content import form_of
from kospan.data.jsonl import text_items
from kospan.data.records import ReadSession
from kospan.data.text import open_text, stem
from kospan.example import Example


def read_texts(path: str, session: ReadSession | None = None) -> list[Example]:
    """Read documents from JSON Lines, or from plain text with one document per line, gzipped or not.

    `kospan.data.content.form_of` determines the format. Empty lines of a plain text are skipped; a document is named
    after its file and line. Labels are not read, since they do not affect predictions.

    Args:
        path: The file.
        session: Whether invalid records are skipped; it counts them.

    Raises:
        ValueError: If there is no document, a record is invalid, or the file is a table.
    """
    session = session or ReadSession(collect=True)
    form = form_of(path)
    if form == "json":
        raise ValueError(
            f"{path}: expected JSON Lines or a document per line, got one JSON value over the whole file; write one "
            "object with the key 'text' per line"
        )
    if form in ("csv", "tsv"):
        separated = ", sep='\\t'" if form == "tsv" else ""
        raise ValueError(
            f"{path}: expected JSON Lines or a document per line, got a {form.upper()} file; name the column of its "
            f"texts text and save it, with pandas: pandas.read_csv({str(path)!r}{separated}).to_json('texts.jsonl', "
            "orient='records', lines=True)"
        )
    if form == "jsonl":
        examples = [item.example for item in text_items(path, session)]
    else:
        lines = ((at, line.rstrip("\n")) for at, line in enumerate(open_text(path), 1))
        examples = [Example(f"{stem(path)}-{at}", line, None) for at, line in lines if line.strip()]
    session.finish()
    if not examples:
        got = session.nothing("an empty file")
        raise ValueError(f"{path}: expected at least one text, got {got}; write a document per line")
    return examples
