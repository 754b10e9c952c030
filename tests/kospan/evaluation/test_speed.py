"""Measurements of speed and their counts, without the speed of this machine."""

import pytest
import torch

from kospan.evaluation.speed import QUESTION, measure
from kospan.example import Example
from kospan.tasks.token_classification.task import TokenClassificationTask


def texts(*found: str, question: str = "") -> list[Example]:
    return [Example(str(at), text, None, question and f"{question} {at}") for at, text in enumerate(found)]


class Recorder:
    model = torch.nn.Linear(1, 1)

    def __init__(self):
        self.calls, self.asked = [], []

    def predict(self, documents, threshold=None, batch_size=32, model=None):
        assert model is None and threshold is None
        own = [document.text for document in documents]
        self.calls.append((len(own), {len(text) for text in own}, len(set(own)), batch_size))
        self.asked.append([document.question for document in documents])
        return [[] for _ in documents]


def test_every_setting_is_called_in_turn():
    task = Recorder()
    rows = measure(task, texts("이재용 회장이", " ", "서울에서 말했다."), lengths=(4, 50), batches=(1, 3), calls=2)
    round_ = [(1, {4}, 1, 1), (3, {4}, 3, 3), (1, {50}, 1, 1), (3, {50}, 3, 3)]
    assert task.calls == round_ * 3
    assert [(row.length, row.batch) for row in rows] == [(4, 1), (4, 3), (50, 1), (50, 3)]
    for row in rows:
        assert row.texts == pytest.approx(row.batch / row.median) and row.memory > 1_000_000
        assert row.characters == pytest.approx(row.texts * row.length) and row.slowest >= row.median > 0


def test_questions_are_asked_in_turn_and_a_neutral_one_where_there_is_none():
    task = Recorder()
    measure(task, texts("가나다", "라마바", question="무엇"), (4,), (3,), calls=1)
    assert task.asked == [["무엇 0", "무엇 1", "무엇 0"]] * 2
    task = Recorder()
    measure(task, texts("가나다"), (4,), (2,), calls=1)
    assert task.asked == [[QUESTION] * 2] * 2


def test_a_model_is_measured(make_token_classifier):
    task = TokenClassificationTask.over(make_token_classifier(encoder_input="units"), "jsonl")
    (row,) = measure(task, texts("이재용 회장이 서울에서 말했다."), (16,), (2,), calls=1)
    assert row.median > 0


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"lengths": (0,)}, r"lengths of 1 or more, got \[0\]"),
        ({"batches": ()}, r"batches of 1 or more, got \[\]"),
        ({"calls": 0}, r"calls of 1 or more, got \[0\]"),
        ({"examples": texts(" ")}, "expected texts to measure, got none"),
    ],
)
def test_what_cannot_be_measured_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        measure(Recorder(), **{"examples": texts("가나"), **settings})
