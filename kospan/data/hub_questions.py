"""Questions with answers from sets read with the `datasets` library, in SQuAD's columns."""

from collections.abc import Iterator

from kospan.data.checks import typed
from kospan.data.questions import answers_of, impossible_of, question_example
from kospan.data.records import STRICT, Item, ReadSession

COLUMNS = ("id", "guid", "title", "context", "question", "answers", "is_impossible")


def holds_questions(data) -> bool:
    """Return whether a split has the columns of questions about texts."""
    return {"question", "context"} <= set(data.column_names)


def question_items(data, place: str, split: str, session: ReadSession = STRICT) -> Iterator[Item]:
    """Read the questions of a split with the columns `question`, `context` and `answers` (`text`, `answer_start`).

    `id` or `guid` names a question, else its row. Questions of one `title` stay together when the split is cut; without
    such a column, questions about one text do. A row without answers is unanswerable; a column `is_impossible`, if
    present, decides (the Hub's KLUE-MRC stores plausible answers in `answers`). Without `answers` the questions are
    unlabelled.

    Args:
        data: The split.
        place: The set and the split, as errors name them.
        split: The split's name, for ids.
        session: Takes the questions that cannot be read.

    Raises:
        ValueError: If an answer is not at its place; the message names row and question.
    """
    columns = [name for name in COLUMNS if name in data.column_names]
    if "answers" not in columns and "answer" in data.column_names:
        raise ValueError(
            f"{place}: expected a column answers with text and answer_start, got a column answer; KorQuAD 2.x is "
            "read from its JSON files (dataset: korquad2), of another set rename the column"
        )
    contexts: dict[str, str] = {}
    for row, values in enumerate(data.select_columns(columns)):
        where = f"{place}, row {row}"
        with session.record():
            names = (values[key] for key in ("id", "guid") if values.get(key) is not None)
            name = str(next(names, f"{split}-{row + 1}"))
            here = f"{where}, question {name!r}"
            context = typed(values["context"], str, here, "'context'")
            title = typed(values.get("title") or "", str, here, "'title'")
            # A text is stored once, however many questions it has.
            context = contexts.setdefault(context, context)
            answers = answers_of(values.get("answers"), here)
            marked = impossible_of(values.get("is_impossible"), here)
            impossible = answers == [] if marked is None else marked
            example = question_example(name, values["question"], context, answers, where, impossible, title)
            yield Item(where, example, title or context)
