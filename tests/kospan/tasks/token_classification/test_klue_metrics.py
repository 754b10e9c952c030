import doctest

import evaluate
import numpy as np

import kospan.tasks.token_classification.klue_metrics
from kospan.tasks.token_classification.klue_metrics import CHUNK, KlueCharF1, KlueEntityF1, safe_cuts


def test_documented_examples_hold():
    assert doctest.testmod(kospan.tasks.token_classification.klue_metrics).failed == 0


def test_metrics_are_evaluate_metrics_and_need_no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("opened a connection")

    monkeypatch.setattr("socket.socket.connect", refuse)
    for metric in (KlueEntityF1(keep_in_memory=True), KlueCharF1(keep_in_memory=True)):
        assert isinstance(metric, evaluate.Metric)
        metric.add_batch(predictions=[1, 2], references=[1, 2])
        metric.add_batch(predictions=[0, 0], references=[0, 1])
        scores = metric.compute(labels=["LC"])
        assert all(0 < value < 1 for value in scores.values())


def test_cuts_never_stand_before_an_inner_tag():
    generator = np.random.default_rng(0)
    guesses, truths = generator.integers(0, 7, size=(2, 5000))
    cuts = safe_cuts(guesses, truths)
    assert cuts[0] == 0
    assert cuts[-1] == 5000
    for cut in cuts[1:-1]:
        assert not {int(guesses[cut]), int(truths[cut])} & {2, 4, 6}
    assert all(end - start >= CHUNK for start, end in zip(cuts[:-2], cuts[1:-1]))
    assert len(cuts) > 5000 / CHUNK / 2
