"""Calibration metrics against scikit-learn and hand computations; claims and temperature against the model."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from kospan.evaluation.calibration import (
    calibration_errors,
    calibration_metrics,
    ece_by_chance,
    kept_above,
    log_loss,
    reliability,
    risk_coverage,
    threshold_for,
)
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.tasks.token_classification.confidence import (
    SPAN_KINDS,
    TAG_KINDS,
    Claims,
    calibration_report,
    fit_temperature,
)

SCORED = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


def arrays(scored):
    confidence, right = zip(*scored)
    return np.array(confidence), np.array(right)


@given(SCORED, st.sampled_from(["width", "mass"]))
def test_bins_hold_everything_once(scored, equal):
    confidence, right = arrays(scored)
    bins = reliability(confidence, right, equal)
    assert sum(bin.count for bin in bins) == len(confidence)
    assert sum(bin.count * bin.confidence for bin in bins) == pytest.approx(confidence.sum(), abs=1e-9)
    assert sum(bin.count * bin.accuracy for bin in bins) == pytest.approx(right.sum(), abs=1e-9)
    for bin in bins:
        assert not bin.count or bin.low - 1e-12 <= bin.confidence <= bin.high + 1e-12
    if equal == "mass":
        assert all(one.high < other.low for one, other in zip(bins, bins[1:]))
        if len(set(confidence)) == len(confidence):
            assert max(bin.count for bin in bins) - min(bin.count for bin in bins) <= 1
    else:
        assert [bin.low for bin in bins] == pytest.approx(np.arange(15) / 15)


@given(SCORED)
def test_errors_by_a_second_way(scored):
    confidence, right = arrays(scored)
    ece, mce = calibration_errors(reliability(confidence, right))
    gaps = []
    for at in range(15):
        inside = (confidence > at / 15) & (confidence <= (at + 1) / 15) | ((at == 0) & (confidence == 0))
        if inside.any():
            gaps.append((inside.sum(), abs(confidence[inside].mean() - right[inside].mean())))
    assert ece == pytest.approx(sum(count * gap for count, gap in gaps) / len(confidence), abs=1e-6)
    assert mce == pytest.approx(max(gap for _, gap in gaps), abs=1e-6)


@given(SCORED)
def test_brier_and_log_loss_equal_scikit_learn(scored):
    confidence, right = arrays(scored)
    found = calibration_metrics(confidence, right)
    assert found["brier"] == pytest.approx(brier_score_loss(right, confidence))
    kept = np.clip(confidence, 1e-12, 1 - 1e-12)
    assert log_loss(confidence, right) == pytest.approx(sklearn_log_loss(right, kept, labels=[0, 1]), rel=1e-6)


@given(st.lists(st.floats(0, 1), max_size=40))
def test_the_ece_by_chance_is_the_mean_over_drawn_outcomes(confidence):
    confidence = np.array(confidence)
    generator = np.random.default_rng(3)
    drawn = [
        calibration_errors(reliability(confidence, generator.random(len(confidence)) < confidence))[0] for _ in range(5)
    ]
    assert ece_by_chance(confidence, draws=5, seed=3) == pytest.approx(np.mean(drawn), abs=1e-9)


def test_perfect_confidence_has_no_error():
    confidence = np.repeat([0.25, 0.75], 400)
    right = np.tile([1, 0, 0, 0], 100).tolist() + np.tile([1, 1, 1, 0], 100).tolist()
    found = calibration_metrics(confidence, np.array(right))
    assert found["ece"] == found["mce"] == pytest.approx(0) and found["n"] == 800
    assert found["auroc"] == pytest.approx(0.75) and found["accuracy"] == 0.5


def test_overconfidence_is_its_gap():
    found = calibration_metrics(np.full(100, 0.9), np.arange(100) < 60)
    assert found["ece"] == pytest.approx(0.3) and found["ece_mass"] == pytest.approx(0.3)
    assert found["brier"] == pytest.approx(0.6 * 0.01 + 0.4 * 0.81) and found["auroc"] == 0.5


def test_risk_and_coverage():
    coverage, risk = risk_coverage(np.array([0.9, 0.8, 0.8, 0.1]), np.array([1, 0, 1, 0]))
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert risk == pytest.approx([0, 1 / 3, 1 / 3, 1 / 2])


# Confidences that often are equal, and some that differ by hardly anything.
TIED = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.25 + 1e-12, 0.5, 2 / 3, 0.9, 1.0]), st.booleans()),
    min_size=1,
    max_size=30,
)


@given(st.one_of(SCORED, TIED), st.one_of(st.floats(0.01, 1), st.sampled_from([0.5, 0.75, 0.9, 1.0])))
def test_the_threshold_keeps_as_much_as_can_be_by_trying_all(scored, precision):
    confidence, right = arrays(scored)
    # Every set that a threshold can keep, and those that are right often enough.
    sets = [confidence >= each for each in sorted(set(confidence))]
    enough = [kept for kept in sets if right[kept].sum() >= precision * kept.sum() - 1e-9]
    threshold = threshold_for(confidence, right, precision)
    if not enough:
        assert threshold is None
        return
    most = max(enough, key=np.sum)
    assert ((confidence >= threshold) == most).all()
    kept = kept_above(confidence, right, threshold)
    assert (kept["all"], kept["kept"]) == (len(right), most.sum())
    assert kept["coverage"] == pytest.approx(most.mean()) and kept["precision"] == pytest.approx(right[most].mean())


def test_a_threshold_has_few_decimals_and_no_more_than_it_needs():
    confidence, right = np.array([0.91234567, 0.71234567, 0.41234567]), np.array([1, 1, 0])
    assert threshold_for(confidence, right, 1.0) == 0.6
    assert threshold_for(confidence, right, 2 / 3) == 0.0
    assert threshold_for(confidence, ~right.astype(bool), 0.5) is None
    close = np.array([0.5, 0.5 - 1e-9])
    assert 0.5 - 1e-9 < threshold_for(close, np.array([1, 0]), 0.9) <= 0.5
    # Nine of ten are 0.9, whatever 1 - 1 / 10 is in binary.
    assert threshold_for(np.linspace(0.1, 1, 10), np.arange(10) != 4, 0.9) == 0.0
    assert threshold_for(np.zeros(0), np.zeros(0), 0.5) is None
    assert kept_above(close, np.array([1, 0]), 0.9) == {"all": 2, "kept": 0, "coverage": 0.0, "precision": None}


@pytest.mark.parametrize("precision", [0.0, -1.0, 1.5, float("nan")])
def test_a_precision_that_is_no_share_is_refused(precision):
    with pytest.raises(ValueError, match=r"expected a precision above 0 and at most 1, .* got .*; 0\.9 asks for"):
        threshold_for(np.array([0.5]), np.array([1]), precision)


@given(SCORED, st.randoms())
def test_the_order_of_equals_does_not_matter(scored, random):
    confidence, right = arrays(scored)
    order = random.sample(range(len(scored)), len(scored))
    shuffled = risk_coverage(confidence[order], right[order])
    assert np.allclose(shuffled, risk_coverage(confidence, right))


def test_nothing_and_one_sided_have_their_metrics():
    assert calibration_metrics(np.zeros(0), np.zeros(0))["n"] == 0
    assert calibration_metrics(np.zeros(0), np.zeros(0))["ece"] is None
    assert calibration_metrics(np.array([0.5]), np.array([1]))["auroc"] is None


@pytest.mark.parametrize(
    "confidence, right, message",
    [
        ([0.5], [1, 0], "one length"),
        ([1.5], [1], "from 0 to 1, got 1.5"),
        ([[0.5]], [[1]], "one length"),
        ([np.nan], [1], "from 0"),
    ],
)
def test_bad_confidences_are_refused(confidence, right, message):
    with pytest.raises(ValueError, match=message):
        calibration_metrics(np.array(confidence), np.array(right))
    with pytest.raises(ValueError, match="'width' or 'mass', got 'depth'"):
        reliability(np.array([0.5]), np.array([1]), "depth")


# --- claims of a model ------------------------------------------------------------------------------------------------

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
    claims = Claims(model, examples)
    assert model.head.crf.temperature == 1.0
    spans = claims.spans(temperature)
    model.head.crf.temperature = temperature
    found = [span for text in TEXTS for span in model.extract(text)]
    assert spans.confidence["posterior"] == pytest.approx([span.score for span in found], abs=1e-6)
    assert spans.labels.tolist() == [span.label for span in found]
    assert spans.right.sum() == sum(len(example.spans) for example in examples)
    kept = [spans for spans, text in zip(map(model.extract, TEXTS), TEXTS) if text]
    for ours, theirs in zip(claims.predicted(temperature), kept, strict=True):
        assert [span[:3] for span in ours] == [span[:3] for span in theirs]


def test_marginals_are_those_of_inspect(model, examples):
    claims = Claims(model, examples).tags_at(1.0, "marginal")
    inspected = torch.cat([model.inspect(text).marginals for text in TEXTS if text])
    assert claims.confidence == pytest.approx(inspected.max(dim=1).values.numpy(), abs=1e-6)
    assert len(claims.labels) == len(claims.right) == sum(map(len, TEXTS))
    assert 0 < claims.right.mean() < 1


def test_softmax_of_the_emissions_by_hand(model, examples):
    claims = Claims(model, examples).spans(2.0)
    (reading,) = model.token_scores([TEXTS[0]])
    first = model.extract(TEXTS[0])[0]
    names = [f"B-{first.label}", *[f"I-{first.label}"] * (first.end - first.start - 1)]
    if model.config.scheme == "BIOES":
        names = [f"S-{first.label}"] if len(names) == 1 else [*names[:-1], f"E-{first.label}"]
    softmax = (reading.emissions / 2.0).softmax(dim=-1)
    own = [softmax[first.start + at, model.config.tags.index(name)].item() for at, name in enumerate(names)]
    assert claims.confidence["softmax, product"][0] == pytest.approx(np.prod(own), abs=1e-6)
    assert claims.confidence["softmax, mean"][0] == pytest.approx(np.mean(own), abs=1e-6)


def test_the_temperature_fits_best_and_is_found_again(model, examples):
    claims = Claims(model, examples)
    fitted = fit_temperature(claims)
    right = claims.spans(1.0).right

    def loss(temperature):
        return log_loss(claims.spans(temperature).confidence["posterior"], right)

    assert loss(fitted) <= min(loss(fitted * factor) for factor in (0.7, 0.9, 1.1, 1.4)) + 1e-6
    assert fitted != 1.0 and fitted == float(f"{fitted:.4g}")


@pytest.mark.parametrize("gold, state", [("all", "all right"), ("none", "all wrong")])
def test_one_sided_data_fit_no_temperature(model, gold, state):
    found = model.extract(TEXTS)
    spans = found if gold == "all" else [[] for _ in found]
    one_sided = [Example(str(at), text, tuple(row)) for at, (text, row) in enumerate(zip(TEXTS, spans))]
    with pytest.raises(ValueError, match=f"that are {state}; fit it on more data"):
        fit_temperature(Claims(model, one_sided))
    with pytest.raises(ValueError, match="got none; fit it on more data"):
        fit_temperature(Claims(model, [Example("a", "", (Span(0, 1, "PS"),)[:0])]))


def test_the_report_holds_every_kind_before_and_after(model, examples):
    claims = Claims(model, examples)
    report = calibration_report(claims, claims)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["temperature"] == fit_temperature(claims) == report["tags"]["marginal"]["temperature"]
    assert report["fitted"] == {"documents": 5, "spans": sum(map(len, model.extract(TEXTS)))}
    assert list(report["spans"]) == list(SPAN_KINDS) and list(report["tags"]) == list(TAG_KINDS)
    units = sum(map(len, TEXTS))
    for part, count in (("spans", report["fitted"]["spans"]), ("tags", units)):
        for kind in report[part].values():
            for when in ("before", "after"):
                described = kind[when]
                assert described["metrics"]["n"] == count
                assert sum(metrics["n"] for metrics in described["types"].values()) == count
                assert all(sum(each[2] for each in bins) == count for bins in described["bins"].values())
                assert described["risk"][-1] == [1.0, pytest.approx(1 - described["metrics"]["accuracy"])]
    right = claims.spans(1.0).right
    for kind in SPAN_KINDS:
        own = report["spans"][kind]["temperature"]
        before, after = (log_loss(claims.spans(value).confidence[kind], right) for value in (1.0, own))
        assert after <= before + 1e-9, kind
