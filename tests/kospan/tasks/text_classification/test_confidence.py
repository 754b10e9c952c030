"""Confidence in classes is that of the model at every temperature."""

import numpy as np
import pytest
from label_cases import labelled

from kospan.evaluation.confidence import calibration_report, confidence_tables, fit_temperature
from kospan.tasks.text_classification.confidence import ClassConfidence, ValueConfidence


def test_confidence_is_what_classify_gives_at_every_temperature(make_text_classifier):
    model, examples = make_text_classifier(), labelled(9)
    claims = ClassConfidence(model, examples)
    for temperature in (1.0, 2.5):
        model.config.calibration_temperature = temperature
        said = model.classify([example.text for example in examples])
        assert [spans[0] for spans in claims.predicted(temperature)] == [
            span._replace(score=pytest.approx(span.score, abs=1e-6)) for span in said
        ]
    right = [span.label == example.spans[0].label for span, example in zip(said, examples)]
    assert claims.right.tolist() == right and 0 < sum(right) < 9


def test_the_temperature_is_that_of_the_least_loss(make_text_classifier):
    model, examples = make_text_classifier(), labelled(30)
    claims = ClassConfidence(model, examples)
    report = calibration_report(claims, claims)
    found = fit_temperature(claims)

    def loss(temperature: float) -> float:
        confidence = claims.claims("spans", "posterior", temperature).confidence
        return -np.where(claims.right, np.log(confidence), np.log(1 - confidence)).mean()

    grid = np.exp(np.linspace(np.log(0.05), np.log(20), 200))
    assert loss(found) <= min(map(loss, grid)) + 1e-4 and report["temperature"] == found
    assert report["spans"]["posterior"]["after"]["metrics"]["n"] == 30


def test_values_have_no_confidence(make_text_classifier):
    model, examples = make_text_classifier(problem_type="regression"), labelled(4, values=True)
    claims = ValueConfidence(model, examples)
    assert not claims.kinds and confidence_tables(claims, 1.0) == {}
    expected = model.classify([example.text for example in examples])
    assert [spans[0].score for spans in claims.predicted(1.0)] == pytest.approx([span.score for span in expected])
    with pytest.raises(ValueError, match="expected a model of classes, whose probabilities have a temperature"):
        fit_temperature(claims)
