"""KorQuAD 2.x: questions about whole pages of the Korean Wikipedia, as HTML.

Tested on the format alone: the reader follows the public description, as the set was not at hand.
"""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

from kospan.data.checks import typed
from kospan.data.html_text import HtmlText
from kospan.data.questions import (
    Answer,
    answer_of,
    answer_span,
    key_of,
    list_of,
    question_example,
    question_name,
    read_articles,
)
from kospan.data.records import STRICT, Item, ReadSession
from kospan.data.text import COMPRESSIONS


def read_korquad2(path: str | os.PathLike, session: ReadSession = STRICT) -> Iterator[Item]:
    """Read the questions of a file, or of all .json files of a folder in the order of their names.

    A page's `context` is HTML, and `answer_start` is an answer's offset in it, tags included. The example's text is the
    readable text of the page (see `kospan.data.html_text`), and its span is the text of the answer's HTML, such as
    that of a table or a list. `raw_html` and its offsets are not read.

    Questions whose answer cannot be mapped are marked as unusable and counted in a warning at the end: the answer has
    no readable text (such as a picture), or it begins or ends inside a tag or an entity. They count 0 in scores, as the
    official evaluation counts questions without a prediction.

    Raises:
        ValueError: If the format is another or an answer is not at its place in the HTML; the message names file and
            question.
        FileNotFoundError: If there is nothing at `path`.
    """
    total, lost = 0, []
    for file in _files(Path(path)):
        for at, page in enumerate(read_articles(file, "KorQuAD 2.x")):
            place = f"{file}, article {at}"
            with session.record():
                page = typed(page, dict, place, "the article")
                html = typed(key_of(page, "context", place), str, place, "'context'")
                title = typed(page.get("title") or "", str, place, "'title'")
                readable = HtmlText(html)
                for question in list_of(page, "qas", place):
                    total += 1
                    with session.record():
                        item = _item(question, html, readable, title, place, session.labelled)
                        if item.left_out:
                            lost.append(f"{place}, question {item.example.id!r}")
                        yield item
    if lost:
        warnings.warn(
            f"{path}: skipped {len(lost):,} of {total:,} questions, whose answers have no readable text or cut a tag "
            f"(the first: {lost[0]})",
            stacklevel=2,
        )


def _item(question, html: str, readable: HtmlText, title: str, place: str, labelled: bool) -> Item:
    """Build the item of a question."""
    name = question_name(typed(question, dict, place, "the question"), place)
    here = f"{place}, question {name!r}"
    asked, answers, left_out = key_of(question, "question", here), None, ""
    if labelled and question.get("answer") is not None:
        answer = answer_of(typed(question["answer"], dict, here, "'answer'"), here)
        mapped = _mapped(answer, html, readable, here)
        answers, left_out = ([mapped], "") if mapped else (None, "its answer cannot be mapped to readable text")
    return Item(place, question_example(name, asked, readable.text, answers, place, source=title), place, left_out)


def _files(path: Path) -> list[Path]:
    if path.suffix == ".zip":
        raise ValueError(f"{path}: expected a .json file or a folder of them, got a zip; unpack it and name the folder")
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if _is_json(file))
    if not found:
        raise ValueError(f"{path}: expected .json files in the folder, found none; unpack the set there")
    return found


def _is_json(file: Path) -> bool:
    name = file.with_suffix("") if file.suffix in COMPRESSIONS else file
    return name.suffix == ".json"


def _mapped(answer: Answer, html: str, readable: HtmlText, place: str) -> Answer | None:
    """Map an answer to the page's readable text; None if that is impossible."""
    first, last, *_ = answer_span(answer, html, place)
    found = readable.span(first, last)
    if found is None:
        return None
    mapped = readable.text[found[0] : found[1]]
    # The answer's own HTML must give the same text; it does not if it begins inside a tag.
    if _bare(HtmlText(html[first:last]).text) != _bare(mapped):
        return None
    return Answer(mapped, found[0])


def _bare(text: str) -> str:
    return "".join(text.split())
