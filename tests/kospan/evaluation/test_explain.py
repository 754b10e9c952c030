"""Attention of every task's explainer is that of its encoder."""

import numpy as np
import torch

from kospan.example import Example
from kospan.tasks.question_answering.explain import AnswerExplainer
from kospan.tasks.text_classification.explain import ClassExplainer
from kospan.tasks.token_classification.explain import SpanExplainer


def test_each_layer_shows_its_own_attention(make_token_classifier, make_qa_model, make_text_classifier, texts):
    """Against the encoder itself, run layer by layer without the explainer."""
    for make, kind, question in (
        (make_token_classifier, SpanExplainer, ""),
        (make_qa_model, AnswerExplainer, "누가 서울에서 회의를 열었나?"),
        (make_text_classifier, ClassExplainer, ""),
    ):
        model = make(encoder={"num_hidden_layers": 3, "type_vocab_size": 2})
        explainer = kind(model)
        encoded = explainer.encode(Example("", texts[0], None, question))
        features, _ = explainer.batch(encoded)
        names = ("input_ids", "attention_mask", "token_type_ids")
        inputs = {name: features[name] for name in names if name in features}
        model.encoder.set_attn_implementation("eager")
        with torch.no_grad():
            layers = model.encoder(**inputs, output_attentions=True).attentions
        assert len(encoded.attentions) == len(layers) == 3
        for shown, layer in zip(encoded.attentions, layers):
            np.testing.assert_allclose(shown, layer[0].mean(dim=0).numpy(), atol=1e-6)
        one, two, three = encoded.attentions
        assert not np.allclose(one, two) and not np.allclose(two, three)
