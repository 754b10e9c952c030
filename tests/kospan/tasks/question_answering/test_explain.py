"""Explanations of answers: the score is that of the answer, for gradient and deletion test."""

import numpy as np
import pytest
import torch

from kospan.evaluation.explain import (
    MAX_SHOWN,
    EncodedText,
    deletion_test,
    evidence,
    own_subwords,
    probability_without,
)
from kospan.example import Example
from kospan.tasks.question_answering.explain import AnswerExplainer

QUESTION = "누가 서울에서 회의를 열었나?"


def encode(model, text: str, question: str) -> EncodedText | None:
    return AnswerExplainer(model).encode(Example("", text, None, question))


@pytest.fixture(params=["units", "subwords"])
def model(request, make_qa_model):
    return make_qa_model(
        encoder_input=request.param, exact_match_feature=True, allow_no_answer=True, encoder={"type_vocab_size": 2}
    )


def test_hiding_nothing_gives_the_probability_of_the_answer(model, texts):
    model.config.calibration_temperature = 1.7
    for text in [*texts, " ".join(texts)]:
        encoded = encode(model, text, QUESTION)
        [best] = model.answer(QUESTION, encoded.text, threshold=0.0, allow_no_answer=False)
        assert encoded.spans == [best] and best.score > 0
        assert probability_without(AnswerExplainer(model), encoded, best, []) == pytest.approx(best.score, abs=1e-6)


def test_positions_are_those_of_question_and_text(model, texts):
    encoded = encode(model, texts[0], QUESTION)
    spoken = "".join(encoded.subwords[at] for at in encoded.asked)
    assert len(spoken) >= len(QUESTION.replace(" ", "")) - 4 and encoded.question == QUESTION
    assert all(encoded.offsets[at] == (0, 0) for at in encoded.asked)
    places = [pair for pair in encoded.offsets if pair != (0, 0)]
    assert places == model.aligner.documents([texts[0]])[0].offsets
    assert len(encoded.subwords) == len(encoded.offsets) == encoded.attentions.shape[-1]
    assert np.allclose(encoded.attentions.sum(axis=-1), 1, atol=1e-5)
    shown = AnswerExplainer(model).shown(encoded)
    assert len(shown) <= MAX_SHOWN and set(own_subwords(encoded, encoded.spans[0])) <= set(shown)


def test_of_a_long_text_the_part_around_the_answer_is_encoded(model, texts):
    text = " ".join(texts * 5)
    [best] = model.answer(QUESTION, text, allow_no_answer=False)
    encoded = encode(model, text, QUESTION)
    at = text.index(encoded.text)
    assert len(encoded.text) < len(text) and len(encoded.subwords) <= model.config.max_length
    found = [place for place in range(len(text)) if text.startswith(encoded.text, place)]
    assert any(place <= best.start and best.end <= place + len(encoded.text) for place in found), at
    for blank in ("", " \n\u3000 "):
        assert encode(model, blank, QUESTION) is None and not AnswerExplainer(model).fits(
            Example("a", blank, None, QUESTION)
        )


def test_the_gradient_equals_finite_differences(model, texts):
    encoded = encode(model, texts[0], QUESTION)
    [span] = encoded.spans
    found = evidence(AnswerExplainer(model), encoded, span)
    explainer = AnswerExplainer(model)
    batch, document = explainer.batch(encoded)
    ids = batch.pop("input_ids")
    model.double()
    embedded = model.get_input_embeddings()(ids).detach()
    for at in (0, encoded.asked[2], own_subwords(encoded, span)[0], len(encoded.subwords) - 2):
        step = torch.zeros_like(embedded)
        step[0, at] = 1e-3 * embedded[0, at]
        with torch.no_grad():
            ends = [explainer.score(document, span, inputs_embeds=embedded + way * step, **batch) for way in (1, -1)]
        slope = float(ends[0] - ends[1]) / 2e-3
        assert slope == pytest.approx(float(found.attribution[at]), rel=2e-2, abs=2e-4)


def test_the_deletion_test_hides_subwords_of_the_question_too(model, texts, monkeypatch):
    texts_encoded = [encode(model, text, QUESTION) for text in texts]
    hidden = set()
    batch = AnswerExplainer.batch

    def watched(self, encoded, some=()):
        hidden.update(some)
        return batch(self, encoded, some)

    monkeypatch.setattr(AnswerExplainer, "batch", watched)
    found = deletion_test(AnswerExplainer(model), texts_encoded, most=5)
    assert found["spans"] == 5 and set(found["methods"]) == {"gradient times input", "attention", "random"}
    assert hidden & set(texts_encoded[0].asked) and hidden - set(texts_encoded[0].asked)
    for encoded in texts_encoded:
        own = own_subwords(encoded, encoded.spans[0])
        assert own
    curves = [summary["curve"][0] for summary in found["methods"].values()]
    assert curves == pytest.approx([np.mean([encoded.spans[0].score for encoded in texts_encoded])] * 3, abs=1e-6)


def test_the_model_does_not_change(model, texts):
    before = model.encoder.config._attn_implementation
    model.train()
    encoded = encode(model, texts[0], QUESTION)
    evidence(AnswerExplainer(model), encoded, encoded.spans[0])
    assert model.training and model.encoder.config._attn_implementation == before
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_surest_answer_is_shown_and_a_question_is_found_by_words_or_id(model, texts):
    explainer = AnswerExplainer(model)
    texts_encoded = [encode(model, text, QUESTION) for text in texts]
    assert explainer.best(texts_encoded).spans[0].score == max(encoded.spans[0].score for encoded in texts_encoded)
    examples = [Example("a", texts[0], (), "왜?"), Example("b", texts[1], (), QUESTION)]
    assert explainer.find(examples, QUESTION) == explainer.find(examples, "b") == examples[1]
    assert explainer.fits(examples[0]) and not explainer.fits(Example("c", "", (), "왜?"))
