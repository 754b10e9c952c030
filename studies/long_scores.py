"""Scores in long documents by position: rows of each item, differences of variants, baselines."""

from collections.abc import Sequence

import numpy as np

from kospan.evaluation.bootstrap import Difference, paired
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.tasks.question_answering.baseline import nearest_answers
from kospan.tasks.question_answering.metrics import metrics_per_question
from kospan.tasks.token_classification.baseline import DictionaryBaseline
from studies.joined_text import Subwords

WIDTH, BUCKETS = 128, 8


def bucket(place: int) -> int:
    """Number of the stretch of 128 subwords that holds a subword; the last one holds all others.

    >>> bucket(127), bucket(128), bucket(5000)
    (0, 1, 7)
    """
    return min(place // WIDTH, BUCKETS - 1)


def entity_rows(examples: Sequence[Example], predicted: Sequence[Sequence[Span]], subwords: Subwords) -> np.ndarray:
    """Right, said and gold spans of each document by where they begin `(documents, buckets, 3)`."""
    found = np.zeros((len(examples), BUCKETS, 3), dtype=np.int64)
    for counts, example, spans in zip(found, examples, predicted, strict=True):
        gold = {span[:3] for span in example.spans}
        for span, at in zip(spans, subwords.places(example.text, spans)):
            counts[bucket(at)] += (span[:3] in gold, 1, 0)
        for at in subwords.places(example.text, example.spans):
            counts[bucket(at), 2] += 1
    return found


def answer_rows(examples: Sequence[Example], predicted: Sequence[Sequence[Span]], subwords: Subwords) -> np.ndarray:
    """F1 of each question in the bucket where its answer begins, and a 1 twice `(questions, buckets, 3)`, so that
    2 * right / (said + gold) is the mean over questions."""
    return _question_rows(examples, predicted, subwords, "f1")


def exact_rows(examples: Sequence[Example], predicted: Sequence[Sequence[Span]], subwords: Subwords) -> np.ndarray:
    """`answer_rows` of exact match."""
    return _question_rows(examples, predicted, subwords, "exact_match")


def _question_rows(examples, predicted, subwords: Subwords, name: str) -> np.ndarray:
    scores = metrics_per_question(examples, predicted, "korquad")[name]
    found = np.zeros((len(examples), BUCKETS, 3))
    for row, example, score in zip(found, examples, scores, strict=True):
        row[bucket(subwords.places(example.text, example.spans[:1])[0])] = (score, 1, 1)
    return found


def pair_rows(examples: Sequence[Example], predicted: Sequence[Sequence[Span]], subwords: Subwords) -> np.ndarray:
    """Correctness of each pair's class, and a 1 twice, in one bucket `(pairs, 1, 3)`."""
    right = [each.spans[0].label == spans[0].label for each, spans in zip(examples, predicted, strict=True)]
    return np.array([[[each, 1, 1]] for each in right], dtype=np.int64)


# The rows that are kept of each task, by the name of the metric.
ROWS = {
    "entities": {"f1": entity_rows},
    "answers": {"f1": answer_rows, "exact_match": exact_rows},
    "pairs": {"accuracy": pair_rows},
}


def more_digits(training: Sequence[Example], documents: Sequence[Example]) -> list[list[Span]]:
    """The text of a pair with more digits; of as many, the first."""

    def digits(text: str) -> int:
        return sum(character.isdigit() for character in text)

    labels = ["second" if digits(each.text_pair) > digits(each.text) else "first" for each in documents]
    return [[Span(0, len(each.text), label)] for each, label in zip(documents, labels)]


BASELINES = {
    "entities": lambda training, documents: DictionaryBaseline(training).extract([each.text for each in documents]),
    "answers": lambda training, documents: nearest_answers(documents, "answer"),
    "pairs": more_digits,
}


def score(rows: np.ndarray) -> float:
    """Micro F1 of rows `(..., 3)`, of questions and pairs the mean; nan where there is nothing."""
    right, said, gold = rows.reshape(-1, 3).sum(axis=0)
    return float(2 * right / (said + gold)) if said + gold else float("nan")


def by_bucket(rows: np.ndarray) -> list[float]:
    """Scores of rows `(items, buckets, 3)` at each place."""
    return [score(rows[:, at]) for at in range(rows.shape[1])]


def apart(
    one: Sequence[np.ndarray], other: Sequence[np.ndarray], first: int = 0, last: int | None = None
) -> Difference:
    """Difference of two variants between two buckets, items resampled in pairs, seeds kept together.

    Args:
        one: Rows `(items, buckets, 3)` of an variant, a seed each.
        other: Of another variant on the same items.
        first: The first bucket.
        last: One past the last; None takes all.
    """
    totals = [np.sum(rows, axis=0)[:, first:last].sum(axis=1) for rows in (one, other)]
    # Of as many seeds a question's score is a mean, and its gold counts the same in both.
    return paired(totals[0] / len(one), totals[1] / len(other))
