"""Scores of answers by question word, answer length and source, and classes of wrong answers."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd

from kospan.evaluation.breakdown import (
    SAMPLES,
    breakdown,
    length_group,
    length_groups,
    means,
    score_row,
    source_groups,
    source_of,
)
from kospan.evaluation.span_matching import material_of
from kospan.example import Example
from kospan.modeling.spans import Span, contains, overlap
from kospan.tasks.question_answering.metrics import (
    gold_answers,
    metric_names,
    metrics_per_question,
    predicted_answer,
)
from kospan.tasks.question_answering.question_words import QUESTION_WORDS, question_word

Answers = Sequence[Sequence[Span]]
# The best answer to a question is of exactly one class.
ANSWER_CLASSES = (
    "exact",
    "too long",
    "too short",
    "overlaps",
    "elsewhere",
    "no answer said",
    "answer where there is none",
)
# Largest lengths of the groups by length, in characters; the last group has none.
ANSWER_LENGTHS = (2, 4, 8, 16)
NO_ANSWER = "no answer"
LENGTH_GROUPS = [*length_groups(ANSWER_LENGTHS), NO_ANSWER]
SEEN_ANSWERS = ("seen in training", "not seen in training", NO_ANSWER)


def answer_rows(
    examples: Sequence[Example], predicted: Answers, rules: str, training: Iterable[Example] | None = None
) -> pd.DataFrame:
    """A row per question.

    Args:
        examples: Questions with gold spans; an empty tuple means that there is no answer.
        predicted: Answers to each, best first; none means "no answer".
        rules: A name of `kospan.tasks.question_answering.metrics.RULES`.
        training: Training questions, for the column `answer`; None leaves it out.

    Returns: The metrics of the question; the groups `question word`, `answer length` (of the first gold answer, in
        characters), `source`, and `answer`; `class`, one of `ANSWER_CLASSES`; `particle`, whether a wrong answer
        differs from a gold one by a Korean particle alone.

    Raises: ValueError as `kospan.tasks.question_answering.metrics.score_answers`.
    """
    rows = metrics_per_question(examples, predicted, rules)
    rows["question word"] = [question_word(example.question) for example in examples]
    rows["answer length"] = [answer_length(example) for example in examples]
    rows["source"] = [source_of(example) for example in examples]
    if training is not None:
        rows["answer"] = list(map(seen_answers(training), examples))
    exact = rows["exact_match"] == 1.0
    rows["class"] = [answer_class(*each) for each in zip(examples, predicted, exact)]
    rows["particle"] = [
        not right and differs_by_particle(predicted_answer(example, spans), gold_answers(example))
        for example, spans, right in zip(examples, predicted, exact)
    ]
    return rows


def counts(task, examples: Sequence[Example], predicted: Answers) -> np.ndarray:
    """F1 of each question, and twice its share of all questions with those left out, `(documents, 1, 3)`.

    The F1 of the sums is then the mean over all questions.
    """
    scores = metrics_per_question(examples, predicted, task.rules)["f1"].to_numpy()
    share = np.full_like(scores, (len(scores) + task.left_out) / max(1, len(scores)))
    return np.stack([scores, share, share], axis=1)[:, None]


def analyze(
    task,
    examples: Sequence[Example],
    predicted: Answers,
    training: Iterable[Example] | None = None,
    samples: int = SAMPLES,
) -> dict:
    """Scores, groups and errors of the best answers.

    Args:
        task: The task, with `metrics` and `rules`.
        examples: Questions with gold spans.
        predicted: Answers to each, best first.
        training: Training questions, to tell seen from unseen answers; None leaves these groups out.
        samples: Resamples of the intervals.

    Returns: `documents`, the number of questions; `rules`; `metrics`; `groups`, tables by "question word", "answer
        length", with training data "answer", and "source" if there are 2 to 30; `errors` with "classes", counts by
        `ANSWER_CLASSES`; `particles`, how many wrong answers differ from a gold one by a Korean particle at the end
        alone. A row of a table has its `group`, `questions`, each metric and its 95 % interval ("f1 interval",
        questions resampled).

    Raises: ValueError as `answer_rows`.
    """
    rows = answer_rows(examples, predicted, task.rules, training)
    return {
        "documents": len(examples),
        "rules": task.rules,
        "metrics": task.metrics(examples, predicted),
        "groups": _groups(rows, examples, task.rules, samples),
        "errors": {"classes": _class_counts(rows)},
        "particles": int(rows["particle"].sum()),
    }


def scores(
    task, training: Sequence[Example], examples: Sequence[Example], predicted: Answers, baseline: Answers
) -> dict:
    """Scores of a run, for its record and model card.

    Args:
        task: The task, with `rules` and `left_out`, the validation questions that the data reader left out; they count
            0 in `overall` and `baseline`.
        training: Training questions.
        examples: Validation questions.
        predicted: The answers of the model.
        baseline: The answers of the baseline.

    Returns: `rules`; `overall`, a row as in the tables of `analyze`, and `baseline`, the same of the baseline;
        `groups`, `errors` (classes) and `particles` as there; `answers`, how many gold answers there are in `training`
        and `validation`.
    """
    rows = answer_rows(examples, predicted, task.rules, training)

    def overall(values: pd.DataFrame) -> dict:
        names = metric_names(task.rules)
        padded = np.concatenate([values[names].to_numpy(), np.zeros((task.left_out, len(names)))])
        return score_row("overall", padded, means(names, "questions"))

    return {
        "rules": task.rules,
        "overall": overall(rows),
        "baseline": overall(metrics_per_question(examples, baseline, task.rules)),
        "groups": _groups(rows, examples, task.rules, SAMPLES),
        "errors": _class_counts(rows),
        "particles": int(rows["particle"].sum()),
        "answers": {
            name: sum(len(example.spans or ()) for example in part)
            for name, part in (("training", training), ("validation", examples))
        },
    }


def _groups(rows: pd.DataFrame, examples: Sequence[Example], rules: str, samples: int) -> dict[str, list[dict]]:
    orders: dict[str, Sequence[str] | None] = {"question word": QUESTION_WORDS, "answer length": LENGTH_GROUPS}
    orders |= {"answer": SEEN_ANSWERS} if "answer" in rows else {}
    orders |= source_groups(examples)
    return breakdown(rows, orders, means(metric_names(rules), "questions"), samples=samples)


def _class_counts(rows: pd.DataFrame) -> dict[str, int]:
    return rows["class"].value_counts().reindex(ANSWER_CLASSES, fill_value=0).to_dict()


def answer_class(example: Example, spans: Sequence[Span], exact: bool) -> str:
    """The class of the best answer, one of `ANSWER_CLASSES`.

    Apart from "exact", places count: an answer is "too long" if it contains a gold answer, "too short" inside one,
    "overlaps" if it shares characters with one, else "elsewhere". The first that holds for any gold answer counts.

    Args:
        example: The question.
        spans: Answers, best first.
        exact: Whether the best one is an exact match by the rules in use.
    """
    if exact:
        return "exact"
    if not spans:
        return "no answer said"
    if not example.spans:
        return "answer where there is none"
    best = spans[0]
    if any(contains(best, gold) for gold in example.spans):
        return "too long"
    if any(contains(gold, best) for gold in example.spans):
        return "too short"
    return "overlaps" if any(overlap(best, gold) for gold in example.spans) else "elsewhere"


def differs_by_particle(answer: str, gold: Sequence[str]) -> bool:
    """Whether an answer and a gold one are equal but for a Korean particle or ending after one of them.

    >>> differs_by_particle("서울에서", ["서울"]), differs_by_particle("서울", ["서울시", "서울은"])
    (True, True)
    """
    for each in gold:
        short, long = sorted((answer, each), key=len)
        rest = long[len(short) :]
        joined = short and rest and long.startswith(short) and not rest[0].isspace()
        if joined and material_of(rest, True) == "particle":
            return True
    return False


def answer_length(example: Example) -> str:
    """The group of the first gold answer's length, one of `LENGTH_GROUPS`."""
    if not example.spans:
        return NO_ANSWER
    return length_group(example.spans[0].end - example.spans[0].start, ANSWER_LENGTHS)


def seen_answers(training: Iterable[Example]) -> Callable[[Example], str]:
    """Return a function that gives a question's group, one of `SEEN_ANSWERS`, by the answers in training."""
    known = {answer for example in training if example.spans for answer in gold_answers(example)}

    def group(example: Example) -> str:
        if not example.spans:
            return NO_ANSWER
        return SEEN_ANSWERS[not known.intersection(gold_answers(example))]

    return group
