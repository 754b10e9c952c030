"""A reader looked into: its score is that of its answers, and gradient and deletion speak of that score."""

import numpy as np
import pytest
import torch

from kospan.evaluation.attention import deletion_test, evidence, own_subwords, posterior_without, read
from kospan.evaluation.explain import MOST_PIECES, view_of
from kospan.example import Example

QUESTION = "누가 서울에서 회의를 열었나?"


@pytest.fixture(params=["units", "subwords"])
def model(request, make_qa_model):
    return make_qa_model(
        encoder_input=request.param, exact_match_feature=True, allow_no_answer=True, encoder={"type_vocab_size": 2}
    )


def test_hiding_nothing_leaves_the_answer_s_probability(model, texts):
    model.config.calibration_temperature = 1.7
    for text in [*texts, " ".join(texts)]:
        reading = read(model, text, QUESTION)
        [best] = model.answer(QUESTION, reading.text, threshold=0.0, allow_no_answer=False)
        assert reading.spans == [best] and best.score > 0
        assert posterior_without(model, reading, best, []) == pytest.approx(best.score, abs=1e-6)


def test_positions_are_those_of_question_and_text(model, texts):
    reading = read(model, texts[0], QUESTION)
    spoken = "".join(reading.subwords[at] for at in reading.asked)
    assert len(spoken) >= len(QUESTION.replace(" ", "")) - 4 and reading.question == QUESTION
    assert all(reading.offsets[at] == (0, 0) for at in reading.asked)
    places = [pair for pair in reading.offsets if pair != (0, 0)]
    assert places == model.aligner.documents([texts[0]])[0].offsets
    assert len(reading.subwords) == len(reading.offsets) == reading.attentions.shape[-1]
    assert np.allclose(reading.attentions.sum(axis=-1), 1, atol=1e-5)
    shown = view_of(model).shown(reading)
    assert len(shown) <= MOST_PIECES and set(own_subwords(reading, reading.spans[0])) <= set(shown)


def test_of_a_long_text_the_part_around_the_answer_is_read(model, texts):
    text = " ".join(texts * 5)
    [best] = model.answer(QUESTION, text, allow_no_answer=False)
    reading = read(model, text, QUESTION)
    at = text.index(reading.text)
    assert len(reading.text) < len(text) and len(reading.subwords) <= model.config.max_length
    found = [place for place in range(len(text)) if text.startswith(reading.text, place)]
    assert any(place <= best.start and best.end <= place + len(reading.text) for place in found), at
    for blank in ("", " \n\u3000 "):
        assert read(model, blank, QUESTION) is None and not view_of(model).fits(Example("a", blank, None, QUESTION))


def test_the_gradient_equals_finite_differences(model, texts):
    reading = read(model, texts[0], QUESTION)
    [span] = reading.spans
    found = evidence(model, reading, span)
    view = view_of(model)
    batch, document = view.batch(reading)
    ids = batch.pop("input_ids")
    model.double()
    embedded = model.get_input_embeddings()(ids).detach()
    for at in (0, reading.asked[2], own_subwords(reading, span)[0], len(reading.subwords) - 2):
        step = torch.zeros_like(embedded)
        step[0, at] = 1e-3 * embedded[0, at]
        with torch.no_grad():
            ends = [view.score(document, span, inputs_embeds=embedded + way * step, **batch) for way in (1, -1)]
        slope = float(ends[0] - ends[1]) / 2e-3
        assert slope == pytest.approx(float(found.attribution[at]), rel=2e-2, abs=2e-4)


def test_the_deletion_test_hides_subwords_of_the_question_too(model, texts, monkeypatch):
    readings = [read(model, text, QUESTION) for text in texts]
    hidden = set()
    view = type(view_of(model))
    batch = view.batch
    monkeypatch.setattr(
        view, "batch", lambda self, reading, some=(): (hidden.update(some), batch(self, reading, some))[1]
    )
    found = deletion_test(model, readings, most=5)
    assert found["spans"] == 5 and set(found["methods"]) == {"gradient times input", "attention", "random"}
    assert hidden & set(readings[0].asked) and hidden - set(readings[0].asked)
    for reading in readings:
        own = own_subwords(reading, reading.spans[0])
        assert own
    curves = [summary["curve"][0] for summary in found["methods"].values()]
    assert curves == pytest.approx([np.mean([reading.spans[0].score for reading in readings])] * 3, abs=1e-6)


def test_the_model_is_left_as_it_was(model, texts):
    before = model.encoder.config._attn_implementation
    model.train()
    reading = read(model, texts[0], QUESTION)
    evidence(model, reading, reading.spans[0])
    assert model.training and model.encoder.config._attn_implementation == before
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_surest_answer_is_shown_and_a_question_is_found_by_words_or_id(model, texts):
    view = view_of(model)
    readings = [read(model, text, QUESTION) for text in texts]
    assert view.best(readings).spans[0].score == max(reading.spans[0].score for reading in readings)
    examples = [Example("a", texts[0], (), "왜?"), Example("b", texts[1], (), QUESTION)]
    assert view.one(examples, QUESTION) == view.one(examples, "b") == examples[1]
    assert view.fits(examples[0]) and not view.fits(Example("c", "", (), "왜?"))


def test_each_layer_shows_what_it_attends_to(make_token_classifier, make_qa_model, make_text_classifier, texts):
    """Against the encoder itself, read layer by layer without the view."""
    for make, question in ((make_token_classifier, ""), (make_qa_model, QUESTION), (make_text_classifier, "")):
        model = make(encoder={"num_hidden_layers": 3, "type_vocab_size": 2})
        view = view_of(model)
        reading = view.read(Example("", texts[0], None, question))
        features, _ = view.batch(reading)
        names = ("input_ids", "attention_mask", "token_type_ids")
        inputs = {name: features[name] for name in names if name in features}
        model.encoder.set_attn_implementation("eager")
        with torch.no_grad():
            layers = model.encoder(**inputs, output_attentions=True).attentions
        assert len(reading.attentions) == len(layers) == 3
        for shown, layer in zip(reading.attentions, layers):
            np.testing.assert_allclose(shown, layer[0].mean(dim=0).numpy(), atol=1e-6)
        one, two, three = reading.attentions
        assert not np.allclose(one, two) and not np.allclose(two, three)
