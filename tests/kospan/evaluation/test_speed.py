"""What is measured and how it is counted; how fast this machine is belongs to no test."""

import pytest
import torch

from kospan.evaluation.speed import measure


class Recorder:
    device = torch.device("cpu")

    def __init__(self):
        self.calls = []

    def extract(self, texts, batch_size):
        self.calls.append((len(texts), {len(text) for text in texts}, len(set(texts)), batch_size))
        return [[] for _ in texts]


def test_every_setting_is_called_in_turn():
    model = Recorder()
    rows = measure(model, ["이재용 회장이", " ", "서울에서 말했다."], lengths=(4, 50), batches=(1, 3), calls=2)
    round_ = [(1, {4}, 1, 1), (3, {4}, 3, 3), (1, {50}, 1, 1), (3, {50}, 3, 3)]
    assert model.calls == round_ * 3
    assert [(row.length, row.batch) for row in rows] == [(4, 1), (4, 3), (50, 1), (50, 3)]
    for row in rows:
        assert row.texts == pytest.approx(row.batch / row.median) and row.memory > 1_000_000
        assert row.characters == pytest.approx(row.texts * row.length) and row.slowest >= row.median > 0


def test_a_model_is_measured(make_tagger):
    (row,) = measure(make_tagger(encoder_input="units"), ["이재용 회장이 서울에서 말했다."], (16,), (2,), calls=1)
    assert row.median > 0


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"lengths": (0,)}, r"lengths of 1 or more, got \[0\]"),
        ({"batches": ()}, r"batches of 1 or more, got \[\]"),
        ({"calls": 0}, r"calls of 1 or more, got \[0\]"),
        ({"sentences": [" "]}, "expected texts to read, got none"),
    ],
)
def test_what_cannot_be_measured_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        measure(Recorder(), **{"sentences": ["가나"], **settings})
