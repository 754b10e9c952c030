"""The classifier's pipeline and endpoint: the forms of the stock pipeline, the scores of `classify`."""

import pytest
import torch
from transformers import ElectraForSequenceClassification, TextClassificationPipeline

from kospan.modeling import KospanTextClassificationPipeline
from kospan.modeling.handler import EndpointHandler


@pytest.fixture
def pipe(make_text_classifier):
    return KospanTextClassificationPipeline(model=make_text_classifier())


@pytest.fixture
def pair_pipe(make_text_classifier):
    return KospanTextClassificationPipeline(model=make_text_classifier(pairs=True))


def form(value):
    """Structure of a result, without its values."""
    if isinstance(value, list):
        return [form(each) for each in value]
    return {key: type(each) for key, each in value.items()}


def test_every_form_is_that_of_the_stock_pipeline(make_text_classifier, pipe, pair_pipe):
    model = make_text_classifier()
    config = model.config.encoder_config
    config.num_labels = 3
    torch.manual_seed(0)
    stock = TextClassificationPipeline(model=ElectraForSequenceClassification(config), tokenizer=model.tokenizer)
    pair = {"text": "비가 온다.", "text_pair": "비"}
    for given in ("비가 온다.", ["비가 온다.", "서울"], ["비가 온다."]):
        for asked in ({}, {"top_k": 1}, {"top_k": 2}, {"top_k": None}):
            assert form(pipe(given, **asked)) == form(stock(given, **asked)), (given, asked)
    for given in (pair, [pair, pair], [pair]):
        for asked in ({}, {"top_k": 2}):
            assert form(pair_pipe(given, **asked)) == form(stock(given, **asked)), (given, asked)
    assert pipe("비가 온다.", truncation=True, function_to_apply=None)[0]["label"] in model.config.classes


def test_it_says_what_classify_says(pipe, pair_pipe, texts):
    expected = pipe.model.classify(texts)
    assert pipe(texts) == [{"label": span.label, "score": span.score} for span in expected]
    everything = pipe(texts[0], top_k=None)
    assert sum(each["score"] for each in everything) == pytest.approx(1)
    assert everything[0] == pipe(texts[0])[0] and everything[:2] == pipe(texts[0], top_k=2)
    paired = pair_pipe([{"text": text, "text_pair": "비"} for text in texts], batch_size=2)
    spans = pair_pipe.model.classify(texts, ["비"] * len(texts))
    assert [each["score"] for each in paired] == pytest.approx([span.score for span in spans], abs=1e-6)


def test_a_stream_is_read_no_further_than_it_must(pipe, texts):
    read = []

    def stream():
        for text in texts:
            read.append(text)
            yield text

    found = pipe(stream(), batch_size=2)
    first = next(iter(found))
    assert len(read) == 2 and first["label"] == pipe(texts[0])[0]["label"]


def test_a_threshold_leaves_out(pipe, texts):
    best = pipe(texts[0])[0]
    assert pipe(texts[0], threshold=1.0) == [{"label": None, "score": best["score"]}]
    assert pipe(texts[0], threshold=best["score"] - 1e-6, top_k=None) == [best]


def test_every_function_is_applied(make_text_classifier, texts):
    """Against the definitions, computed here from the model's logits."""
    model = make_text_classifier(calibration_temperature=2.0)
    pipe, names = KospanTextClassificationPipeline(model=model), model.config.classes
    [logits] = torch.tensor(model.logits(texts[:1]))
    wanted = {
        "none": logits,
        "softmax": (logits / 2).softmax(0),
        "sigmoid": (logits / 2).sigmoid(),
        "default": (logits / 2).softmax(0),
    }
    for name, values in wanted.items():
        for asked in (name, name.upper()):
            found = {each["label"]: each["score"] for each in pipe(texts[0], top_k=None, function_to_apply=asked)}
            assert found == pytest.approx(dict(zip(names, values.tolist())))
    best = max(wanted["sigmoid"].tolist())
    assert pipe(texts[0], function_to_apply="sigmoid")[0]["score"] == pytest.approx(best)
    assert len(pipe(texts[0], function_to_apply="sigmoid", threshold=best - 1e-6, top_k=None)) == 1


def test_a_value_is_the_score(make_text_classifier, texts):
    pipe = KospanTextClassificationPipeline(model=make_text_classifier(problem_type="regression", value_mean=-3.0))
    values = [span.score for span in pipe.model.classify(texts)]
    assert pipe(texts) == [{"label": "value", "score": value} for value in values] and min(values) < 0
    for name in ("none", "sigmoid", "softmax"):  # Values are no logits, so these mean nothing.
        assert pipe(texts, function_to_apply=name) == pipe(texts)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda pipe, _: pipe(3), TypeError, 'to be a str, {"text": ..., "text_pair": ...}, a list or a stream'),
        (lambda pipe, _: pipe([3]), ValueError, "got int at index 0"),
        (lambda pipe, _: pipe({"texts": "a"}), ValueError, "got the keys texts at index 0"),
        (lambda pipe, _: pipe({"text": None}), TypeError, "expected text to be a str, got NoneType at index 0"),
        (lambda pipe, _: pipe({"text": "a", "text_pair": "b"}), ValueError, "expected a text alone, as the model was"),
        (lambda _, pair: pair("a"), ValueError, "expected a text_pair beside the text, as the model was trained on"),
        (lambda pipe, _: pipe("a", top_k=0), ValueError, "expected top_k of 1 or more, or None for all classes, got 0"),
        (lambda pipe, _: pipe("a", threshold=2), ValueError, "threshold to be a number from 0 to 1, got 2"),
        (lambda pipe, _: pipe("a", batch_size=0), ValueError, "batch_size to be 1 or more"),
        (lambda pipe, _: pipe("a", colour=1), TypeError, "expected only the settings top_k, function_to_apply, thre"),
        (lambda pipe, _: pipe("a", function_to_apply="tanh"), ValueError, "one of softmax, sigmoid, none, got 'tanh'"),
        (lambda pipe, _: pipe("a", function_to_apply=3), ValueError, "one of softmax, sigmoid, none, got 3"),
        (
            lambda pipe, _: pipe("a", function_to_apply="none", threshold=0.5),
            ValueError,
            "threshold 0 with function_to_apply none, which gives no probabilities, got 0.5",
        ),
        (lambda pipe, _: pipe("a", num_workers=2), ValueError, "expected num_workers to be 0"),
    ],
)
def test_bad_input_is_refused(pipe, pair_pipe, call, error, words):
    with pytest.raises(error) as found:
        call(pipe, pair_pipe)
    assert words in str(found.value)


# --- endpoint ---------------------------------------------------------------------------------------------------------


def test_the_endpoint_says_the_same(make_text_classifier, tmp_path, texts):
    model = make_text_classifier(pairs=True)
    model.save_pretrained(tmp_path)
    handler = EndpointHandler(tmp_path)
    items = [{"text": text, "text_pair": "비"} for text in texts]
    spans = model.classify(texts, ["비"] * len(texts))
    found = handler({"inputs": items, "parameters": {"batch_size": 2}})
    assert [each[0]["label"] for each in found] == [span.label for span in spans]
    assert [each[0]["score"] for each in found] == pytest.approx([span.score for span in spans], abs=1e-6)
    for each in found:
        assert {one["label"] for one in each} == set(model.config.classes)
        assert sum(one["score"] for one in each) == pytest.approx(1)
    # One text has the form of a list of one, which clients take apart.
    [alone], [first] = (handler({"inputs": inputs}) for inputs in (items[0], items[:1]))
    assert alone == first and [one["label"] for one in alone] == [one["label"] for one in found[0]]
    assert [len(each) for each in handler({"inputs": items, "parameters": {"top_k": 2}})] == [2] * len(texts)
    assert handler({"inputs": items[:1], "parameters": {"threshold": 1.0}}) == [[]]
    assert handler({"inputs": {**items[0], "id": 3, "label": None}, "parameters": {"top_k": None}}) == [alone]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"inputs": 3}, 'expected inputs to be a str, {"text": ..., "text_pair": ...}, a list or a stream of them'),
        ({"inputs": [{"text": "a", "question": "b"}]}, "expected a text_pair beside the text, as the model was"),
        ({"inputs": "a"}, "expected a text_pair beside the text, as the model was trained on, got none at index 0"),
        (
            {"inputs": {"text": "a", "text_pair": "b"}, "parameters": {"top_k": 1000}},
            "expected top_k to be 100 or less",
        ),
        ({"inputs": {"text": "a", "text_pair": "b"}, "parameters": {"top_k": 0}}, "expected top_k of 1 or more, or"),
        (
            {"inputs": {"text": "a", "text_pair": "b"}, "parameters": {"threshold": 3}},
            "threshold to be a number from 0",
        ),
        ({"inputs": {"text": "a", "text_pair": "b"}, "parameters": {"labels": 3}}, "got labels; leave it out"),
    ],
)
def test_the_endpoint_refuses_in_a_sentence(make_text_classifier, tmp_path, body, words):
    make_text_classifier(pairs=True).save_pretrained(tmp_path)
    with pytest.raises(ValueError) as error:
        EndpointHandler(tmp_path)(body)
    assert words in str(error.value)
