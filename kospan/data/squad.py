"""Questions with answers in SQuAD's format: KorQuAD 1.0, SQuAD 1.1 and 2.0, KLUE-MRC."""

import os
from collections.abc import Iterator

from kospan.data.checks import typed
from kospan.data.questions import (
    answers_of,
    impossible_of,
    key_of,
    list_of,
    question_example,
    question_name,
    read_articles,
)
from kospan.data.records import STRICT, Item, ReadSession
from kospan.example import Example


def read_squad(path: str | os.PathLike, session: ReadSession = STRICT) -> Iterator[Item]:
    """Read the questions of a file, grouped by article.

    An answer is a span labelled "answer"; several are alternatives. A question marked `is_impossible` has an empty
    tuple, whatever `answers` or `plausible_answers` contain; one without `answers` is unlabelled. The article's title
    is the example's source.

    Raises:
        ValueError: If the format is another, or an answer is not at its place; the message names file and question.
    """
    for at, article in enumerate(read_articles(path, "SQuAD")):
        group = f"{path}, article {at}"
        with session.record():
            article = typed(article, dict, group, "the article")
            title = typed(article.get("title") or "", str, group, "'title'")
            for number, paragraph in enumerate(list_of(article, "paragraphs", group)):
                place = f"{group}, paragraph {number}"
                with session.record():
                    paragraph = typed(paragraph, dict, place, "the paragraph")
                    context = typed(key_of(paragraph, "context", place), str, place, "'context'")
                    for question in list_of(paragraph, "qas", place):
                        with session.record():
                            yield Item(place, _example(question, context, title, place), group)


def _example(question, context: str, title: str, place: str) -> Example:
    name = question_name(typed(question, dict, place, "the question"), place)
    here = f"{place}, question {name!r}"
    impossible = impossible_of(question.get("is_impossible"), here)
    answers = answers_of(question.get("answers"), here)
    return question_example(name, key_of(question, "question", here), context, answers, place, bool(impossible), title)
