"""Explanations of classes and values, of single texts and of pairs."""

import numpy as np
import pytest
from label_cases import labelled

from kospan.evaluation.explain import deletion_test, evidence, probability_without
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.tasks.text_classification.explain import ClassExplainer


@pytest.mark.parametrize("asked", [{}, {"pairs": True}, {"problem_type": "regression"}, {"pooling": "mean"}], ids=str)
def test_one_window_is_encoded_and_its_class_explained(make_text_classifier, texts, asked):
    model = make_text_classifier(encoder_input="units", **asked)
    explainer, pair = ClassExplainer(model), "비가 온다" if asked.get("pairs") else ""
    whole = explainer.encode(Example("a", texts[0], None, text_pair=pair))
    [span] = whole.spans
    expected = model.classify(texts[0], pair or None)
    assert span == Span(0, 0, expected.label, pytest.approx(expected.score, abs=1e-5))
    assert probability_without(explainer, whole, span, []) == pytest.approx(span.score, abs=1e-5)
    assert len(whole.subwords) == len(whole.offsets) == whole.attentions.shape[1]
    assert [texts[0][start:end] for start, end in whole.offsets if end] == list(texts[0])
    assert "".join(whole.subwords[at] for at in whole.asked) == pair.replace(" ", "[unused0]")
    found = evidence(explainer, whole, span)
    assert np.abs(found.attribution).max() > 0 and found.attention.shape == (1, len(whole.subwords))
    long = explainer.encode(Example("b", " ".join(texts * 3), None, text_pair=pair * 4))
    assert len(long.subwords) <= model.config.max_length and explainer.fits(Example("", "글", None))
    assert explainer.encode(Example("", " ", None, text_pair=pair)) is None
    tested = deletion_test(explainer, [whole, long])
    assert tested["spans"] == 2 and set(tested["methods"]) == {"gradient times input", "attention", "random"}
    assert explainer.best([whole, long]) in (whole, long) and len(explainer.shown(long)) <= 48


def test_a_long_second_text_is_cut_if_windows_run_over_it(make_text_classifier, texts):
    model = make_text_classifier(pairs=True, windowed_field="text_pair")
    explainer, long = ClassExplainer(model), " ".join(texts * 2)
    found = explainer.encode(Example("a", "비가 온다", None, text_pair=long))
    assert (found.question, found.asked_first) == ("비가 온다", True) and long.startswith(found.text)
    assert "".join(found.subwords[at] for at in found.asked) == found.question
    shown = [found.text[start:end] for start, end in found.offsets if end]
    assert shown == list(found.text) and len(found.subwords) <= model.config.max_length
    [span] = found.spans
    assert model.classify("비가 온다", found.text).label == span.label
    assert (
        not ClassExplainer(make_text_classifier(pairs=True))
        .encode(Example("a", "글", None, text_pair="비"))
        .asked_first
    )


def test_an_explained_pair_is_one_of_the_data(make_text_classifier):
    explainer, examples = ClassExplainer(make_text_classifier(pairs=True)), labelled(3, pairs=True)
    assert (
        explainer.find(examples, "text-1") is examples[1] and explainer.find(examples, examples[2].text) is examples[2]
    )
    with pytest.raises(ValueError, match="expected a text of the data, or its id, to explain"):
        explainer.find(examples, "다른 글")
    assert ClassExplainer(make_text_classifier()).find(examples, "다른 글").text == "다른 글"
