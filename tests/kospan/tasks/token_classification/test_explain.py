"""Evidence for spans: attention rows, gradients against finite differences, and a deletion test that can tell."""

import numpy as np
import pytest
import torch

from kospan.evaluation.explain import (
    DELETIONS,
    METHODS,
    EncodedText,
    deletion_test,
    entity_mass,
    evidence,
    own_subwords,
    probability_without,
)
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.tasks.token_classification.explain import SpanExplainer


def encode(model, text: str) -> EncodedText | None:
    return SpanExplainer(model).encode(Example("", text, None))


@pytest.fixture(params=["units", "subwords"])
def model(request, make_token_classifier):
    return make_token_classifier(encoder_input=request.param, encoder={"num_hidden_layers": 2})


def test_attention_is_that_of_inspect_averaged(model, texts):
    encoded = encode(model, texts[0])
    view = model.inspect(texts[0]).windows[0]
    assert encoded.attentions.shape == (2, len(view.subwords), len(view.subwords))
    for layer in range(2):
        assert np.allclose(encoded.attentions[layer], view.attentions[layer].mean(dim=0))
    assert not np.allclose(*encoded.attentions), "layers that see the same would show nothing"
    span = encoded.spans[0]
    found = evidence(SpanExplainer(model), encoded, span)
    rows = [at for at, (start, end) in enumerate(view.offsets) if start < span.end and end > span.start]
    assert own_subwords(encoded, span) == rows and rows
    assert np.allclose(found.attention, encoded.attentions[:, rows].mean(axis=1))
    assert np.allclose(found.attention.sum(axis=1), 1, atol=1e-5)


def test_words_of_a_document_are_encoded_as_they_are(make_token_classifier, texts):
    model = make_token_classifier(unit="word", encoder_input="units", word_splitting="punctuation")
    words = tuple(texts[0].split())
    example = Example("a", texts[0], None, words=words)
    explainer = SpanExplainer(model)
    assert explainer.fits(example)
    encoded = explainer.encode(example)
    _, document = explainer.batch(encoded)
    assert (encoded.words, len(document.units)) == (words, len(words))
    [expected] = model.extract([words])
    assert [span[:3] for span in encoded.spans] == [span[:3] for span in expected] and encoded.spans
    span = encoded.spans[0]
    assert probability_without(SpanExplainer(model), encoded, span, []) == pytest.approx(span.score, abs=1e-5)
    assert len(explainer.batch(explainer.encode(Example("a", texts[0], None)))[1].units) == len(words) + 1


def test_the_gradient_equals_finite_differences(model, texts):
    encoded = encode(model, texts[0])
    span = next(span for span in encoded.spans if span.end - span.start >= 1)
    found = evidence(SpanExplainer(model), encoded, span)
    batch = model.collate(
        [model.features(each) for each in model.aligner.windows(model.aligner.documents([texts[0]])[0])]
    )
    ids = batch.pop("input_ids")
    model.double()
    embedded = model.get_input_embeddings()(ids).detach()
    tags = [f"B-{span.label}", *[f"I-{span.label}"] * (span.end - span.start - 1)]
    wanted = torch.tensor([model.config.tags.index(tag) for tag in tags])

    @torch.no_grad()
    def score(values):
        emissions = model(inputs_embeds=values, decode=False, **batch).emissions[0, span.start : span.end].double()
        return emissions.log_softmax(-1).gather(1, wanted.unsqueeze(1)).mean().item()

    # Along the input itself: scaling one subword's vector changes the score by its attribution.
    for at in (0, 2, encoded.subwords.index(encoded.subwords[-2])):
        step = torch.zeros_like(embedded)
        step[0, at] = embedded[0, at]
        slope = (score(embedded + 1e-3 * step) - score(embedded - 1e-3 * step)) / 2e-3
        assert slope == pytest.approx(float(found.attribution[at]), rel=2e-2, abs=2e-4)


def apart_from_spaces(encoded: EncodedText) -> EncodedText:
    """Without the spans beside a space: the score of a trimmed span is that of its tags, on the space too."""
    beside = [f".{encoded.text}."[span.start] + f".{encoded.text}."[span.end + 1] for span in encoded.spans]
    return encoded._replace(spans=[span for span, ends in zip(encoded.spans, beside) if " " not in ends])


def test_hiding_nothing_gives_the_posterior(model, texts):
    encoded = apart_from_spaces(encode(model, texts[1]))
    assert encoded.spans
    for span in encoded.spans:
        assert probability_without(SpanExplainer(model), encoded, span, []) == pytest.approx(span.score, abs=1e-6)


def test_the_deletion_test_counts_and_repeats(model, texts):
    texts_encoded = [encode(model, text) for text in texts]
    found = deletion_test(SpanExplainer(model), texts_encoded, most=6)
    assert found == deletion_test(SpanExplainer(model), texts_encoded, most=6)
    assert found["spans"] == 6 and set(found["methods"]) == set(METHODS)
    for summary in found["methods"].values():
        assert len(summary["curve"]) == DELETIONS + 1
        assert summary["drop"] == pytest.approx(summary["curve"][0] - np.mean(summary["curve"][1:]), abs=1e-6)
        assert summary["interval"][0] <= summary["drop"] <= summary["interval"][1]
    starts = {round(summary["curve"][0], 6) for summary in found["methods"].values()}
    assert len(starts) == 1, "all methods begin with nothing hidden"


def test_a_faithful_method_falls_faster_than_chance(make_token_classifier, texts):
    # Bigger steps of the weights make single subwords matter.
    model = make_token_classifier(seed=3, encoder_input="units", encoder={"num_hidden_layers": 1})
    found = deletion_test(SpanExplainer(model), [apart_from_spaces(encode(model, text)) for text in texts], most=60)
    methods = found["methods"]
    assert methods["gradient times input"]["drop"] > methods["random"]["drop"]


def test_without_layers_there_is_no_attention(make_token_classifier, texts):
    model = make_token_classifier(encoder_input="units", encoder={"num_hidden_layers": 0}, lstm_hidden_size=8)
    texts_encoded = [encode(model, text) for text in texts]
    assert texts_encoded[0].attentions.shape[0] == 0
    assert set(deletion_test(SpanExplainer(model), texts_encoded, most=4)["methods"]) == {
        "gradient times input",
        "random",
    }


def test_texts_of_no_window_or_several_are_not_encoded(make_token_classifier):
    model = make_token_classifier(encoder_input="units", max_length=16, stride=4)
    assert encode(model, "") is None and encode(model, "가나다라" * 20) is None and encode(model, "가나") is not None
    assert deletion_test(SpanExplainer(model), []) == {"spans": 0, "methods": {}}


def test_the_model_does_not_change(model, texts):
    encoded = encode(model, texts[0])
    model.train()
    evidence(SpanExplainer(model), encoded, Span(*encoded.spans[0]))
    assert model.training and all(parameter.grad is None for parameter in model.parameters())


def test_mass_on_entities_worked_by_hand():
    """Two words, of which the second is an entity; and a text without any."""
    attention = np.array([[0.9, 0.1], [0.2, 0.8]], dtype=np.float32)
    one = EncodedText("a b", [], [], np.zeros((0, 0, 0)), [], units=[(0, 1), (2, 3)], head_attention=attention)
    other = one._replace(head_attention=np.full((2, 2), 0.5, dtype=np.float32))
    found = entity_mass([one, other], [[Span(2, 3, "PS")], []])
    assert found["all units"] == {"units": 4, "mass": pytest.approx((0.1 + 0.8) / 4), "even": 0.25}
    assert found["units in entities"] == {"units": 1, "mass": pytest.approx(0.8), "even": 0.5}
    assert entity_mass([other], [[]]) == {"all units": {"units": 2, "mass": 0.0, "even": 0.0}}
    assert entity_mass([one._replace(head_attention=None)], [[Span(2, 3, "PS")]]) == entity_mass([], []) == {}


def test_mass_on_entities_is_that_of_inspect(make_token_classifier, texts, model):
    assert entity_mass([encode(model, texts[0])], [[Span(0, 3, "PS")]]) == {}, "a head without attention has none"
    positional = make_token_classifier(head="positional", encoder_input="units")
    encoded, rows = encode(positional, texts[0]), positional.inspect(texts[0]).windows[0].head_attention.mean(dim=0)
    assert encoded.units == [(at, at + 1) for at in range(len(texts[0]))]
    found = entity_mass([encoded], [[Span(8, 10, "LC"), Span(0, 3, "PS")]])
    inside = [0, 1, 2, 8, 9]
    assert found["all units"]["mass"] == pytest.approx(float(rows[:, inside].sum(dim=1).mean()), abs=1e-5)
    assert found["units in entities"]["mass"] == pytest.approx(
        float(rows[inside][:, inside].sum(dim=1).mean()), abs=1e-5
    )
    assert found["all units"]["even"] == found["units in entities"]["even"] == pytest.approx(5 / len(texts[0]))
