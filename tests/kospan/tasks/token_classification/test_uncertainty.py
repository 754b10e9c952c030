"""Uncertainty in tags, against the enumeration of all tag sequences."""

import math
from types import SimpleNamespace

import pytest
from export_cases import exported_folder
from oracles.crf_enumeration import EnumeratedCRF

from kospan.api import task_over
from kospan.evaluation.uncertainty import STRATEGIES, uncertainties
from kospan.example import Example
from kospan.runtime import load
from kospan.tasks.token_classification.uncertainty import uncertainty

SHORT = ["비", "비가", "서울.", "이 말"]
VARIANTS = {
    "crf": {"encoder_input": "units"},
    "temperature": {"encoder_input": "units", "calibration_temperature": 1.7},
    "free": {"encoder_input": "units", "constrain": "none"},
    "linear": {"encoder_input": "units", "head": "linear"},
}


def examples(texts) -> list[Example]:
    return [Example(str(at), text, None) for at, text in enumerate(texts)]


def enumerated(model, text: str, strategy: str) -> float:
    """The summed uncertainty from all tag sequences."""
    [scores] = model.token_scores([text])
    crf, temperature = model.head.crf, model.config.calibration_temperature
    emissions = (scores.emissions.double() / temperature).tolist()
    start, steps, end = ((score.double() / temperature).tolist() for score in crf._scores())
    allowed = (crf.allowed_transitions, crf.allowed_starts, crf.allowed_ends)
    allowed = None if crf.constrained == "none" else [each.tolist() for each in allowed]
    oracle = EnumeratedCRF(start, steps, end, allowed)
    if strategy == "least_confidence":
        return -math.log(max(oracle.probabilities(emissions).values()))
    return sum(uncertainties(row, strategy) for row in oracle.marginals(emissions))


@pytest.fixture(params=VARIANTS)
def model(request, make_token_classifier):
    return make_token_classifier(**VARIANTS[request.param], labels=["PS", "LC"])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_against_enumeration(model, strategy):
    wanted = [enumerated(model, text, strategy) for text in SHORT]
    assert min(wanted) > 1e-4
    task = task_over(model)
    for batch_size in (1, 32):
        found = uncertainty(task, examples(SHORT), strategy, True, batch_size)
        assert found.tolist() == pytest.approx(wanted, rel=1e-5, abs=1e-6)
    lengths = [len(scores.units) for scores in model.token_scores(SHORT)]
    found = uncertainty(task, examples(SHORT), strategy)
    assert found.tolist() == pytest.approx([each / units for each, units in zip(wanted, lengths)], rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_exported_models(model, texts, tmp_path, strategy):
    texts = [*texts, "", " ", " ".join(texts) * 4]
    exported = load(exported_folder(model, tmp_path / "exported"), threads=1)
    for total in (False, True):
        one, other = (uncertainty(task_over(each), examples(texts), strategy, total) for each in (model, exported))
        assert one.tolist() == pytest.approx(other.tolist(), rel=1e-3, abs=1e-4)
        assert one[5] == 0 and min(one[:5]) > 0


def test_words_of_a_document(make_token_classifier):
    task = task_over(make_token_classifier(encoder_input="units"))
    words = Example("a", "비가 온다", None, words=("비가", "온다"))
    assert uncertainty(task, [words])[0] > 0


def test_refusals(make_token_classifier):
    with pytest.raises(ValueError, match="got a stock model of transformers"):
        uncertainty(SimpleNamespace(model=object()), [])
    with pytest.raises(ValueError, match="expected strategy to be one of"):
        uncertainty(task_over(make_token_classifier()), [], "other")
