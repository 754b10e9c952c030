"""KorQuAD 2.x: questions about whole pages of the Korean Wikipedia, as HTML. Format-tested only: the set was not at
hand, the form is that of its public description.
"""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

from kospan.data.html_text import HtmlText
from kospan.data.jsonl import typed
from kospan.data.questions import Answer, answer_span, key_of, list_of, question_example, question_name, read_articles
from kospan.data.source import Item


def read_korquad2(path: str | os.PathLike) -> Iterator[Item]:
    """The questions of a file, or of all .json files of a folder in the order of their names, page by page.

    A page's `context` is HTML, and an answer stands in it at `answer_start`, tags included. The example's text is what
    can be read of the page (see `kospan.data.html_text`), its span the part of that text that the answer's HTML makes:
    a table or a list is answered by its text. `raw_html` and the places in it are not read.

    Left out, and counted in a warning at the end, are questions whose answer cannot be mapped: it holds nothing that
    can be read (a picture, say), or it begins or ends inside a tag or an entity.

    Raises: ValueError naming file and question where the form is another or an answer does not stand at its place in
        the HTML; FileNotFoundError where there is nothing at `path`.
    """
    total, lost = 0, []
    for file in _files(Path(path)):
        for at, page in enumerate(read_articles(file, "KorQuAD 2.x")):
            place = f"{file}, article {at}"
            page = typed(page, dict, place, "the article")
            html = typed(key_of(page, "context", place), str, place, "'context'")
            title = typed(page.get("title", ""), str, place, "'title'")
            readable = HtmlText(html)
            for question in list_of(page, "qas", place):
                question = typed(question, dict, place, "the question")
                name = question_name(question, place)
                here = f"{place}, question {name!r}"
                total += 1
                answers = None
                if "answer" in question:
                    answer = _answer(typed(question["answer"], dict, here, "'answer'"), html, readable, here)
                    if answer is None:
                        lost.append(here)
                        continue
                    answers = [answer]
                asked = key_of(question, "question", here)
                yield Item(place, question_example(name, asked, readable.text, answers, place, source=title), place)
    if lost:
        warnings.warn(
            f"{path}: left out {len(lost):,} of {total:,} questions, whose answers hold nothing that can be read "
            f"or cut a tag (the first: {lost[0]})",
            stacklevel=2,
        )


def _files(path: Path) -> list[Path]:
    if path.suffix == ".zip":
        raise ValueError(f"{path}: expected a .json file or a folder of them, got a zip; unpack it and name the folder")
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.name.removesuffix(".gz").endswith(".json"))
    if not found:
        raise ValueError(f"{path}: expected .json files in the folder, found none; unpack the set there")
    return found


def _answer(answer: dict, html: str, readable: HtmlText, place: str) -> Answer | None:
    """The answer in the page's readable text; None where it cannot be mapped."""
    text = typed(key_of(answer, "text", place), str, place, "'text'")
    start = typed(key_of(answer, "answer_start", place), int, place, "'answer_start'")
    first, last, *_ = answer_span(Answer(text, start), html, place)
    found = readable.span(first, last)
    if found is None:
        return None
    mapped = readable.text[found[0] : found[1]]
    # Read by itself the answer must say the same: one that begins inside a tag does not.
    if _bare(HtmlText(html[first:last]).text) != _bare(mapped):
        return None
    return Answer(mapped, found[0])


def _bare(text: str) -> str:
    return "".join(text.split())
