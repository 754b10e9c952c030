"""Questions with answers in the form of SQuAD: KorQuAD 1.0, SQuAD 1.1 and 2.0, KLUE-MRC."""

import os
from collections.abc import Iterator

from kospan.data.jsonl import typed
from kospan.data.questions import Answer, key_of, list_of, question_example, question_name, read_articles
from kospan.data.source import Item
from kospan.example import Example


def read_squad(path: str | os.PathLike) -> Iterator[Item]:
    """The questions of a file, article by article; all questions of an article have it as their group.

    An answer is a span labelled "answer"; several are alternatives. A question marked `is_impossible` has an empty
    tuple, whatever stands in `answers` or `plausible_answers`; one without the key `answers` is unlabelled. The
    article's title is the example's source.

    Raises: ValueError naming file and question where the form is another, or an answer does not stand at its place.
    """
    for at, article in enumerate(read_articles(path, "SQuAD")):
        group = f"{path}, article {at}"
        article = typed(article, dict, group, "the article")
        title = typed(article.get("title", ""), str, group, "'title'")
        for number, paragraph in enumerate(list_of(article, "paragraphs", group)):
            place = f"{group}, paragraph {number}"
            paragraph = typed(paragraph, dict, place, "the paragraph")
            context = typed(key_of(paragraph, "context", place), str, place, "'context'")
            for question in list_of(paragraph, "qas", place):
                yield Item(place, _example(typed(question, dict, place, "the question"), context, title, place), group)


def _example(question: dict, context: str, title: str, place: str) -> Example:
    name = question_name(question, place)
    here = f"{place}, question {name!r}"
    impossible = question.get("is_impossible", False)
    if not isinstance(impossible, bool):
        raise TypeError(f"{here}: expected 'is_impossible' to be true or false, got {impossible!r}; mend it")
    answers = None
    if "answers" in question:
        answers = [
            _answer(typed(answer, dict, here, "an answer"), here) for answer in list_of(question, "answers", here)
        ]
    return question_example(name, key_of(question, "question", here), context, answers, place, impossible, title)


def _answer(answer: dict, place: str) -> Answer:
    return Answer(
        typed(key_of(answer, "text", place), str, place, "'text'"),
        typed(key_of(answer, "answer_start", place), int, place, "'answer_start'"),
    )
