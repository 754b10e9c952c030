"""Where a reader is wrong: metrics by kind of question and answer, and classes of wrong answers."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from kospan.evaluation.bootstrap import mean_intervals
from kospan.evaluation.span_matching import material_of
from kospan.example import Example
from kospan.modeling.spans import Span, contains, overlap
from kospan.tasks.question_answering.metrics import (
    answer_metrics,
    check_answers,
    gold_answers,
    metric_names,
    said,
    score_answers,
)
from kospan.tasks.question_answering.question_words import QUESTION_WORDS, question_word

# Every question's best answer is of exactly one class.
ANSWER_CLASSES = (
    "exact",
    "too long",
    "too short",
    "overlaps",
    "elsewhere",
    "no answer said",
    "answer where there is none",
)
# Upper ends of the groups by length, in characters; the last group has none.
ANSWER_LENGTHS = (2, 4, 8, 16)
NO_ANSWER = "no answer"
SEEN_ANSWERS = ("seen in training", "not seen in training", NO_ANSWER)
# A table of one source says nothing, one of hundreds of articles is none.
SOURCES = range(2, 31)


def examine_answers(
    examples: Sequence[Example],
    predicted: Sequence[Sequence[Span]],
    rules: str,
    training: Iterable[Example] | None = None,
    samples: int = 2_000,
    left_out: int = 0,
) -> dict:
    """All that is counted about the best answers to some questions, as one JSON value.

    Args:
        examples: Questions with gold spans; an empty tuple means that there is no answer.
        predicted: Answers to each, best first; none means "no answer".
        rules: A name of `kospan.tasks.question_answering.metrics.RULES`.
        training: What the model was trained on, for answers seen there; None leaves them out.
        samples: Resamples of the intervals.
        left_out: Questions that the reader left out; they count 0 in `metrics` and are in no table.

    Returns: `documents`, the number of questions; `rules`; `metrics` as `score_answers` gives them; `groups`, tables by
        "question word", "answer length" (of the first gold answer, in characters), with training data "answer", and
        "source" where there are 2 to 30; `errors` with "classes", counts by `ANSWER_CLASSES`; `particles`, how many
        wrong answers differ from a gold one by a Korean particle at the end alone. A row of a table has its `group`,
        `questions`, each metric and its 95 % interval ("f1 interval", questions resampled); groups that do not occur
        are left out.

    Raises: ValueError as `score_answers` does.

    >>> example = Example("a", "수도는 서울이다", (Span(4, 6, "answer"),), "수도는 어디인가?")
    >>> found = examine_answers([example], [[Span(4, 7, "answer")]], "korquad", samples=10)
    >>> found["errors"]["classes"]["too long"], found["particles"], found["groups"]["question word"][0]["group"]
    (1, 1, '어디')
    """
    names, values = metrics_per_question(examples, predicted, rules)
    exact = values[:, names.index("exact_match")].astype(bool)
    group_of: dict[str, tuple[Callable[[Example], str], Iterable[str]]] = {
        "question word": (lambda example: question_word(example.question), QUESTION_WORDS),
        "answer length": (answer_length, answer_length_groups()),
    }
    if training is not None:
        group_of["answer"] = (seen_answers(training), SEEN_ANSWERS)
    sources = sorted({_source(example) for example in examples})
    if len(sources) in SOURCES:
        group_of["source"] = (_source, sources)
    classes = dict.fromkeys(ANSWER_CLASSES, 0)
    for example, spans, right in zip(examples, predicted, exact):
        classes[answer_class(example, spans, right)] += 1
    return {
        "documents": len(examples),
        "rules": rules,
        "metrics": score_answers(examples, predicted, rules, left_out),
        "groups": {
            title: _table(values, names, [group(example) for example in examples], order, samples)
            for title, (group, order) in group_of.items()
        },
        "errors": {"classes": classes},
        "particles": sum(
            not right and differs_by_particle(said(example, spans), gold_answers(example))
            for example, spans, right in zip(examples, predicted, exact)
        ),
    }


def scored_answers(
    examples: Sequence[Example],
    predicted: Sequence[Sequence[Span]],
    found: Sequence[Sequence[Span]],
    rules: str,
    training: Sequence[Example],
    left_out: int = 0,
) -> dict:
    """What a run keeps of its scores.

    Args:
        examples: Validation questions.
        predicted: The model's answers to each.
        found: The baseline's.
        rules: A name of `kospan.tasks.question_answering.metrics.RULES`.
        training: Training questions.
        left_out: Validation questions that the reader left out; they count 0 in `overall` and `baseline`.

    Returns: `rules`; `overall`, a row as in the tables of `examine_answers`, and `baseline`, the same of the baseline;
        `groups`, `errors` (classes) and `particles` as there; `answers`, how many gold answers there are in `training`
        and `validation`.
    """
    scored = examine_answers(examples, predicted, rules, training)
    return {
        "rules": rules,
        "overall": _overall(examples, predicted, rules, left_out),
        "baseline": _overall(examples, found, rules, left_out),
        "groups": scored["groups"],
        "errors": scored["errors"]["classes"],
        "particles": scored["particles"],
        "answers": {
            name: sum(len(example.spans or ()) for example in part)
            for name, part in (("training", training), ("validation", examples))
        },
    }


def _overall(examples: Sequence[Example], predicted: Sequence[Sequence[Span]], rules: str, left_out: int) -> dict:
    names, values = metrics_per_question(examples, predicted, rules)
    values = np.concatenate([values, np.zeros((left_out, len(names)))])
    return _table(values, names, ["overall"] * len(values), ["overall"], 2_000)[0]


def metrics_per_question(
    examples: Sequence[Example], predicted: Sequence[Sequence[Span]], rules: str
) -> tuple[list[str], np.ndarray]:
    """Names of the metrics, and their values `(questions, metrics)`. Raises: ValueError as `score_answers`."""
    check_answers(examples, predicted)
    names = metric_names(rules)
    rows = [
        answer_metrics(said(example, spans), gold_answers(example), rules)
        for example, spans in zip(examples, predicted)
    ]
    return names, np.array([[row[name] for name in names] for row in rows]).reshape(len(rows), len(names))


def answer_class(example: Example, spans: Sequence[Span], exact: bool) -> str:
    """The class of the best answer, one of `ANSWER_CLASSES`.

    Apart from "exact", places count: an answer is "too long" where it holds a gold answer, "too short" inside one,
    "overlaps" where it shares characters with one, else "elsewhere". The first that fits any gold answer counts.

    Args:
        exact: Whether it is an exact match by the rules in use.
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
    """Whether an answer and a gold one are the same but for a Korean particle or ending behind one of them.

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
    """The group of the first gold answer's length, one of `answer_length_groups`."""
    if not example.spans:
        return NO_ANSWER
    length = example.spans[0].end - example.spans[0].start
    return answer_length_groups()[bisect_left(ANSWER_LENGTHS, length)]


def answer_length_groups() -> list[str]:
    """Names of the groups by length, shortest first.

    >>> answer_length_groups()
    ['1-2', '3-4', '5-8', '9-16', '17 and more', 'no answer']
    """
    lows = [1, *(top + 1 for top in ANSWER_LENGTHS)]
    return [*(f"{low}-{top}" for low, top in zip(lows, ANSWER_LENGTHS)), f"{lows[-1]} and more", NO_ANSWER]


def _source(example: Example) -> str:
    return example.source or "unnamed"


def seen_answers(training: Iterable[Example]) -> Callable[[Example], str]:
    """Gives a question's group, one of `SEEN_ANSWERS`: whether any of its answers was one in training."""
    known = {answer for example in training if example.spans for answer in gold_answers(example)}

    def group(example: Example) -> str:
        if not example.spans:
            return NO_ANSWER
        return SEEN_ANSWERS[not known.intersection(gold_answers(example))]

    return group


def _table(
    values: np.ndarray, names: Sequence[str], groups: Sequence[str], order: Iterable[str], samples: int
) -> list[dict]:
    """A row for each group that occurs.

    Args:
        values: Figures `(questions, names)`.
        groups: The group of each question.
        order: All groups in the order they are shown.
    """
    found, rows = np.array(groups), []
    for group in order:
        own = values[found == group]
        if len(own):
            ends = mean_intervals(own, samples)
            row = {"group": group, "questions": len(own)} | dict(zip(names, own.mean(axis=0).tolist()))
            rows.append(row | {f"{name} interval": list(pair) for name, pair in zip(names, ends)})
    return rows
