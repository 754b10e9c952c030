"""Questions with answers from sets that the `datasets` library reads, in the columns that SQuAD has there."""

from collections.abc import Iterator

from kospan.data.questions import Answer, question_example
from kospan.data.source import Item

COLUMNS = ("id", "guid", "title", "context", "question", "answers", "is_impossible")


def holds_questions(data) -> bool:
    """Whether a split has the columns of questions about texts."""
    return {"question", "context"} <= set(data.column_names)


def question_items(data, place: str, split: str) -> Iterator[Item]:
    """The questions of a split with the columns `question`, `context` and `answers` (`text` and `answer_start`).

    `id` or `guid` names a question, else its row. Questions of one `title` stay together where the split is cut; where
    there is no such column, questions about one text do. No answer in a row means that the text holds none; a column
    `is_impossible` decides where there is one (the Hub's KLUE-MRC keeps what only looks like an answer in `answers`).
    Without `answers` the questions are unlabelled.

    Args:
        place: The set and the split, as errors name them.
        split: The split's name, for ids.

    Raises: ValueError naming row and question where an answer does not stand at its place.
    """
    columns = [name for name in COLUMNS if name in data.column_names]
    if "answers" not in columns and "answer" in data.column_names:
        raise ValueError(
            f"{place}: expected a column answers with text and answer_start, got a column answer; KorQuAD 2.x is read "
            "from its JSON files (dataset: korquad2), of another set rename the column"
        )
    contexts: dict[str, str] = {}
    for row, values in enumerate(data.select_columns(columns)):
        where = f"{place}, row {row}"
        name = str(next((values[key] for key in ("id", "guid") if values.get(key) is not None), f"{split}-{row + 1}"))
        context, title = values["context"], values.get("title") or ""
        # A text is kept once, however many questions it has.
        context = contexts.setdefault(context, context)
        answers = _answers(values["answers"], f"{where}, question {name!r}") if "answers" in columns else None
        marked = values.get("is_impossible")
        impossible = answers == [] if marked is None else bool(marked)
        example = question_example(name, values["question"], context, answers, where, impossible, title)
        yield Item(where, example, title or context)


def _answers(value, place: str) -> list[Answer] | None:
    """Answers from a struct of lists or a list of structs; None where the row says nothing."""
    if value is None:
        return None
    if isinstance(value, dict) and {"text", "answer_start"} <= set(value):
        texts, starts = value["text"], value["answer_start"]
        if isinstance(texts, list) and isinstance(starts, list) and len(texts) == len(starts):
            return [_answer(text, start, place) for text, start in zip(texts, starts)]
    elif isinstance(value, list) and all(isinstance(each, dict) for each in value):
        return [_answer(each.get("text"), each.get("answer_start"), place) for each in value]
    raise ValueError(
        f"{place}: expected answers with as many answer_start as text, got {str(value)[:60]}; mend the row, or rename "
        "the columns and save the set with save_to_disk"
    )


def _answer(text, start, place: str) -> Answer:
    if not isinstance(text, str) or not isinstance(start, int):
        raise ValueError(f"{place}: expected an answer's text and its answer_start, got {text!r} and {start!r}; add it")
    return Answer(text, start)
