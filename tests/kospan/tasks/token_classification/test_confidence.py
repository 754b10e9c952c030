"""Confidence in spans and tags is that of the model at every temperature."""

import json

import numpy as np
import pytest
import torch

from kospan.evaluation.calibration import log_loss
from kospan.evaluation.confidence import calibration_report, fit_temperature
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.tasks.token_classification.confidence import SpanConfidence

TEXTS = [
    "이재용 회장이 서울에서 말했다",
    "",
    "부산은 넓다",
    "국회 의원이 오후 3시에 왔다",
    "   ",
    "가나다라마바사아자차카타파하" * 8,
]


@pytest.fixture(params=["BIO", "BIOES"])
def model(request, make_token_classifier):
    return make_token_classifier(scheme=request.param, head="crf", encoder_input="units", max_length=32)


@pytest.fixture
def examples(model):
    """Half of what the model finds is gold, so that some claims are right."""
    found = model.extract(TEXTS)
    assert sum(map(len, found)) > 10
    return [Example(str(at), text, tuple(spans[::2])) for at, (text, spans) in enumerate(zip(TEXTS, found))]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_claims_are_what_extract_reports(model, examples, temperature):
    claims = SpanConfidence(model, examples)
    assert model.head.crf.temperature == 1.0
    spans = claims.claims("spans", "posterior", temperature)
    model.head.crf.temperature = temperature
    found = [span for text in TEXTS for span in model.extract(text)]
    assert spans.confidence == pytest.approx([span.score for span in found], abs=1e-6)
    assert spans.labels.tolist() == [span.label for span in found]
    assert spans.right.sum() == sum(len(example.spans) for example in examples)
    for ours, theirs in zip(claims.predicted(temperature), map(model.extract, TEXTS), strict=True):
        assert [span[:3] for span in ours] == [span[:3] for span in theirs]


def test_marginals_are_those_of_inspect(model, examples):
    claims = SpanConfidence(model, examples).claims("tags", "marginal", 1.0)
    inspected = torch.cat([model.inspect(text).marginals for text in TEXTS if text])
    assert claims.confidence == pytest.approx(inspected.max(dim=1).values.numpy(), abs=1e-6)
    assert len(claims.labels) == len(claims.right) == sum(map(len, TEXTS))
    assert 0 < claims.right.mean() < 1


def test_softmax_of_the_emissions_by_hand(model, examples):
    confidence = SpanConfidence(model, examples)
    (reading,) = model.token_scores([TEXTS[0]])
    first = model.extract(TEXTS[0])[0]
    names = [f"B-{first.label}", *[f"I-{first.label}"] * (first.end - first.start - 1)]
    if model.config.scheme == "BIOES":
        names = [f"S-{first.label}"] if len(names) == 1 else [*names[:-1], f"E-{first.label}"]
    softmax = (reading.emissions / 2.0).softmax(dim=-1)
    own = [softmax[first.start + at, model.config.tags.index(name)].item() for at, name in enumerate(names)]
    assert confidence.claims("spans", "softmax, product", 2.0).confidence[0] == pytest.approx(np.prod(own), abs=1e-6)
    assert confidence.claims("spans", "softmax, mean", 2.0).confidence[0] == pytest.approx(np.mean(own), abs=1e-6)


def test_the_temperature_fits_best_and_is_found_again(model, examples):
    claims = SpanConfidence(model, examples)
    fitted = fit_temperature(claims)
    right = claims.claims("spans", "posterior", 1.0).right

    def loss(temperature):
        return log_loss(claims.claims("spans", "posterior", temperature).confidence, right)

    assert loss(fitted) <= min(loss(fitted * factor) for factor in (0.7, 0.9, 1.1, 1.4)) + 1e-6
    assert fitted != 1.0 and fitted == float(f"{fitted:.4g}")


@pytest.mark.parametrize("gold, state", [("all", "all right"), ("none", "all wrong")])
def test_one_sided_data_fit_no_temperature(model, gold, state):
    found = model.extract(TEXTS)
    spans = found if gold == "all" else [[] for _ in found]
    one_sided = [Example(str(at), text, tuple(row)) for at, (text, row) in enumerate(zip(TEXTS, spans))]
    with pytest.raises(ValueError, match=f"that are {state}; fit it on more data"):
        fit_temperature(SpanConfidence(model, one_sided))
    with pytest.raises(ValueError, match="got none; fit it on more data"):
        fit_temperature(SpanConfidence(model, [Example("a", "", (Span(0, 1, "PS"),)[:0])]))


def test_the_report_holds_every_kind_before_and_after(model, examples):
    claims = SpanConfidence(model, examples)
    report = calibration_report(claims, claims)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["temperature"] == fit_temperature(claims) == report["tags"]["marginal"]["temperature"]
    assert report["fitted"] == {"documents": 5, "spans": sum(map(len, model.extract(TEXTS)))}
    assert {part: tuple(report[part]) for part in ("spans", "tags")} == SpanConfidence.kinds
    units = sum(map(len, TEXTS))
    for part, count in (("spans", report["fitted"]["spans"]), ("tags", units)):
        for kind in report[part].values():
            for when in ("before", "after"):
                described = kind[when]
                assert described["metrics"]["n"] == count
                assert sum(metrics["n"] for metrics in described["types"].values()) == count
                assert all(sum(each[2] for each in bins) == count for bins in described["bins"].values())
                assert described["risk"][-1] == [1.0, pytest.approx(1 - described["metrics"]["accuracy"])]
    right = claims.claims("spans", "posterior", 1.0).right
    for kind in SpanConfidence.kinds["spans"]:
        own = report["spans"][kind]["temperature"]
        before, after = (log_loss(claims.claims("spans", kind, value).confidence, right) for value in (1.0, own))
        assert after <= before + 1e-9, kind
