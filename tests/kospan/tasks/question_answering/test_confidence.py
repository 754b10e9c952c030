"""Confidence in answers is that of the model at every temperature."""

import numpy as np
import pytest

from kospan.evaluation.confidence import calibration_report, fit_temperature
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.tasks.question_answering.confidence import AnswerConfidence

CONTEXTS = [
    "이재용 회장이 서울에서 회의를 열었다.",
    "김연아는 지난해 3월 5일 부산 사직 체육관을 찾았다.\n\n",
    " \u3000\n",
    "한국은행이 금리를 0.25%포인트 올렸다고 박민수 기자가 전했다. " * 4,
]
ASKED = [
    ("어디에서 회의를 열었나?", 0),
    ("누가 찾았나?", 1),
    ("왜?", 2),
    ("누가 전했나?", 3),
    ("몇 명인가?", 0),
    ("얼마나?", 3),
]


@pytest.fixture(params=[False, True])
def model(request, make_qa_model):
    return make_qa_model(allow_no_answer=request.param, encoder_input="units", exact_match_feature=True)


@pytest.fixture
def examples(model):
    """Every other answer of the model is gold."""
    found = []
    for at, (question, place) in enumerate(ASKED):
        text = CONTEXTS[place]
        spans = [span for span in model.answer(question, text) if span.end]
        wrong = (Span(0, 1, "answer"),) if text.strip() else ()
        gold = tuple(Span(*span[:3]) for span in spans) if at % 2 == 0 else wrong
        found.append(Example(str(at), text, gold, question))
    return found


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_claims_are_what_answer_reports(model, examples, temperature):
    claims = AnswerConfidence(model, examples, "korquad")
    confidence = claims.claims("spans", "posterior", temperature).confidence
    model.config.calibration_temperature = temperature
    answers = [model.answer(example.question, example.text)[0] for example in examples if example.text.strip()]
    assert confidence == pytest.approx([answer.score for answer in answers], abs=1e-6)
    assert claims.places == [tuple(answer[:2]) for answer in answers]
    predicted = claims.predicted(temperature)
    assert len(predicted) == len(examples) and predicted.pop(2) == [] and claims.documents == 5
    for spans, answer in zip(predicted, answers, strict=True):
        assert [span[:3] for span in spans] == ([tuple(answer[:3])] if answer.end else [])
    # In the middle of the widest gap: at a score itself the last bit, which differs between batches, would decide.
    scores = np.sort(confidence)
    below = np.diff(scores).argmax()
    model.config.threshold = float(scores[below : below + 2].mean())
    kept = [answer.end > 0 and answer.score >= model.config.threshold for answer in answers]
    predicted = AnswerConfidence(model, examples, "korquad").predicted(temperature)
    assert list(map(bool, predicted[:2] + predicted[3:])) == kept


def test_right_is_what_the_rules_call_an_exact_match(model, examples):
    claims = AnswerConfidence(model, examples, "korquad")
    asked = [example for example in examples if example.text.strip()]
    for right, example, (start, end) in zip(claims.right, asked, claims.places, strict=True):
        gold = [example.text[span.start : span.end].strip(" .%") for span in example.spans]
        assert right == (example.text[start:end].strip(" .%") in (gold or [""]))


def test_the_product_of_two_softmaxes_by_hand(model, examples):
    claims = AnswerConfidence(model, examples[:1], "korquad")
    _, ([window],) = model.window_scores([examples[0].question], [examples[0].text])
    best = claims.best[0]
    expected = 1.0
    for scores, place in ((window.starts, best.first), (window.ends, best.last - 1)):
        scores = [-np.inf if each == " " else score for each, score in zip(examples[0].text, scores, strict=True)]
        values = [*scores, *([window.null / 2] if model.config.allow_no_answer else [])]
        powers = np.exp(np.array(values, dtype=np.float64) / 2.0)
        expected *= powers[place if best.last else -1] / powers.sum()
    assert claims.claims("spans", "softmax, product", 2.0).confidence[0] == pytest.approx(expected, abs=1e-6)


def test_a_temperature_is_fitted_and_the_report_has_no_tags(model, examples):
    claims = AnswerConfidence(model, examples, "korquad")
    assert 0 < claims.right.sum() < len(claims.right)
    report = calibration_report(claims, claims)
    assert report["tags"] == {} and set(report["spans"]) == {"posterior", "softmax, product"}
    assert report["spans"]["posterior"]["after"]["metrics"]["n"] == 5
    assert report["fitted"] == {"documents": 5, "spans": 5}


@pytest.mark.parametrize("right", [True, False])
def test_a_temperature_needs_right_and_wrong_answers(model, examples, right):
    claims = AnswerConfidence(model, examples, "korquad")
    asked = [example for example in examples if example.text.strip()]
    chosen = [example for example, is_right in zip(asked, claims.right) if is_right == right]
    with pytest.raises(ValueError, match="fit it on more data"):
        fit_temperature(AnswerConfidence(model, chosen, "korquad"))
