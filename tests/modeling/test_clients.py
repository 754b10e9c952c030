"""The Hub's own client asks an endpoint of every kind of model, over HTTP, with every parameter that it knows."""

import dataclasses
import typing

import numpy as np
import pytest
from endpoint_cases import post, served
from generative_cases import make_generative_model
from huggingface_hub import (
    QuestionAnsweringOutputElement,
    QuestionAnsweringParameters,
    TextClassificationOutputElement,
    TextClassificationParameters,
    TokenClassificationOutputElement,
    TokenClassificationParameters,
)
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.inference._generated.types.text_classification import TextClassificationOutputTransform
from huggingface_hub.inference._generated.types.token_classification import TokenClassificationAggregationStrategy

QUESTION = "회장이 어디서 회의를 열었는가?"


def values_of(kind) -> tuple[str, ...]:
    """Values that a `Literal` of the client allows."""
    return typing.get_args(kind)


# A value or several for each field of the client's dataclasses; a field that is missing here fails a test.
TOKENS = {
    "aggregation_strategy": values_of(TokenClassificationAggregationStrategy),
    "ignore_labels": (["LC"], ["O"], ["O", "PS"], []),
    "stride": (0, 16),
}
QUESTIONS = {
    "align_to_words": (True, False),
    "doc_stride": (3,),
    "handle_impossible_answer": (True, False),
    "max_answer_len": (2,),
    "max_question_len": (5,),
    "max_seq_len": (30,),
    "top_k": (1, 3),
}
CLASSES = {"function_to_apply": values_of(TextClassificationOutputTransform), "top_k": (1, 2, 50)}


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        (TokenClassificationParameters, TOKENS),
        (QuestionAnsweringParameters, QUESTIONS),
        (TextClassificationParameters, CLASSES),
    ],
)
def test_every_parameter_of_the_client_is_tried(kind, known):
    assert {field.name for field in dataclasses.fields(kind)} == set(known)


def every(known: dict) -> list[dict]:
    """Each parameter by itself with each of its values, and all of them at once."""
    return [
        *({name: value} for name, values in known.items() for value in values),
        {name: values[0] for name, values in known.items()},
        dict.fromkeys(known),
    ]


def rounded(found) -> list:
    """Scores without their last digits, which depend on what is read in one batch."""
    return [{key: round(value, 5) if key == "score" else value for key, value in dict(each).items()} for each in found]


# --- spans ------------------------------------------------------------------------------------------------------------


def plain(found: list[TokenClassificationOutputElement]) -> list[dict]:
    """Result in the client, without keys that were not sent."""
    assert all(isinstance(each, TokenClassificationOutputElement) for each in found)
    return rounded({key: value for key, value in dict(each).items() if value is not None} for each in found)


def test_client_of_a_token_classifier(make_token_classifier, tmp_path, texts):
    ner_model = make_token_classifier(encoder_input="units", lstm_hidden_size=8, max_length=32, stride=4)
    ner_model.save_pretrained(tmp_path)
    pipe, text = ner_model.pipeline(), " ".join(texts)
    with served(tmp_path) as client:
        for given in every(TOKENS):
            found = plain(client.token_classification(text, **given))
            settings = {name: value for name, value in given.items() if value is not None}
            assert found == rounded(pipe(text, **settings)), given
            spans = [each for each in found if "entity_group" in each]
            assert len(spans) == len(found) or given["aggregation_strategy"] == "none", given
            for each in found:
                assert each["word"] == text[each["start"] : each["end"]]
        plain_spans = plain(client.token_classification(text))
        assert any(each["entity_group"] == "LC" for each in plain_spans)
        without = plain(client.token_classification(text, ignore_labels=["LC"]))
        assert without == [each for each in plain_spans if each["entity_group"] != "LC"]
        tags = client.token_classification(text, aggregation_strategy="none")
        assert {each.entity[:2] for each in tags} == {"B-", "I-"} and all(len(each.word) == 1 for each in tags)
        assert client.token_classification("") == []
        assert [plain(each) for each in client.token_classification(texts)] == [rounded(each) for each in pipe(texts)]
        with pytest.raises(HfHubHTTPError) as caught:
            client.token_classification(text, aggregation_strategy="mean")
        assert caught.value.response.status_code == 400 and "one of none, simple" in str(caught.value)
    assert {"inputs": text, "parameters": {"aggregation_strategy": "max"}} in client.bodies


def test_client_of_a_generative_model(tmp_path, texts):
    """A model that writes its spans out is served like a token classifier."""
    generator, text = make_generative_model("characters", unit="word", max_new_tokens=12), texts[3]
    generator.save_pretrained(tmp_path)
    expected = generator.extract(text)
    with served(tmp_path) as client:
        for given in every(TOKENS):
            ignored = given.get("ignore_labels") or []
            found = client.token_classification(text, **given)
            assert [(each.entity_group, each.word, each.start, each.end) for each in found] == [
                (span.label, text[span.start : span.end], span.start, span.end)
                for span in expected
                if span.label not in ignored
            ], given
        assert expected and client.token_classification(text, ignore_labels=["LC", "PS"]) == []


# --- answers ----------------------------------------------------------------------------------------------------------


def test_client_of_a_question_answering_model(make_qa_model, tmp_path, texts):
    qa_model = make_qa_model(encoder_input="units", exact_match_feature=True)
    qa_model.save_pretrained(tmp_path)
    pipe, context = qa_model.pipeline(), " ".join(texts)
    with served(tmp_path) as client:
        for given in every(QUESTIONS):
            found = client.question_answering(QUESTION, context, **given)
            settings = {name: value for name, value in given.items() if value is not None}
            expected = pipe(question=QUESTION, context=context, **settings)
            several = settings.get("top_k", 1) > 1
            assert isinstance(found, list) == several
            assert rounded(found if several else [found]) == rounded(expected if several else [expected]), given
        # The parameters do something: each changes one of the best answers.
        best = {"top_k": 20}
        usual = rounded(client.question_answering(QUESTION, context, **best))
        for name in ("align_to_words", "doc_stride", "handle_impossible_answer", "max_answer_len", "max_seq_len"):
            changed = client.question_answering(QUESTION, context, **best, **{name: QUESTIONS[name][0]})
            assert rounded(changed) != usual, name
        one = client.question_answering(QUESTION, context)
        assert isinstance(one, QuestionAnsweringOutputElement) and one.answer == context[one.start : one.end]
        with pytest.raises(HfHubHTTPError) as caught:
            client.question_answering(QUESTION, context, top_k=0)
        assert caught.value.response.status_code == 400 and "top_k of 1 or more, got 0" in str(caught.value)


def test_the_client_asks_several_questions(make_qa_model, tmp_path, texts):
    qa_model = make_qa_model(encoder_input="units")
    qa_model.save_pretrained(tmp_path)
    expected = rounded(qa_model.pipeline()(question=[QUESTION] * len(texts), context=texts))
    with served(tmp_path) as client:
        assert rounded(client.question_answering([QUESTION] * len(texts), texts)) == expected
        assert rounded(client.question_answering([QUESTION], texts[:1])) == expected[:1]
        assert rounded(client.question_answering([QUESTION] * 2, texts[0])) == expected[:1] * 2
        two = client.question_answering([QUESTION] * 2, texts[:2], top_k=2)
        assert [len(each) for each in two] == [2, 2] and rounded(each[0] for each in two) == expected[:2]
        # Rows of a data set have further keys.
        rows = [{"question": QUESTION, "context": text, "id": at, "title": None} for at, text in enumerate(texts)]
        assert rounded(post(client, {"inputs": rows, "parameters": None})) == expected
        assert rounded(post(client, {"inputs": rows[:1], "parameters": {}})) == expected[:1]
        assert rounded([post(client, {"inputs": rows[0], "options": {"use_cache": False}})]) == expected[:1]


# --- classes ----------------------------------------------------------------------------------------------------------


def test_the_client_asks_a_classifier(make_text_classifier, tmp_path, texts):
    classifier = make_text_classifier(encoder_input="units", calibration_temperature=1.5)
    classifier.save_pretrained(tmp_path)
    names = classifier.config.classes
    with served(tmp_path) as client:
        for given in every(CLASSES):
            found = client.text_classification(texts[0], **given)
            assert all(isinstance(each, TextClassificationOutputElement) for each in found)
            settings = {"top_k": None} | {name: value for name, value in given.items() if value is not None}
            assert rounded(found) == rounded(classifier.pipeline()(texts[0], **settings)), given
            assert len(found) == min(given.get("top_k") or 3, 3)
        everything = client.text_classification(texts[0])
        assert {each.label for each in everything} == set(names)
        assert sum(each.score for each in everything) == pytest.approx(1)
        assert everything[0].label == classifier.classify(texts[0]).label
        [logits] = classifier.logits(texts[:1])
        raw = {each.label: each.score for each in client.text_classification(texts[0], function_to_apply="none")}
        assert [raw[name] for name in names] == pytest.approx(logits.tolist(), abs=1e-5)
        alone = {each.label: each.score for each in client.text_classification(texts[0], function_to_apply="sigmoid")}
        assert [alone[name] for name in names] == pytest.approx((1 / (1 + np.exp(-logits / 1.5))).tolist(), abs=1e-6)
        assert client.text_classification("")[0].label in names
        with pytest.raises(HfHubHTTPError) as caught:
            client.text_classification(texts[0], top_k=0)
        assert caught.value.response.status_code == 400 and "top_k of 1 or more, or None for all" in str(caught.value)


def test_the_client_asks_for_pairs_and_for_values(make_text_classifier, tmp_path):
    pairs, values = make_text_classifier(pairs=True), make_text_classifier(problem_type="regression", value_mean=-3.0)
    for name, model in (("pairs", pairs), ("values", values)):
        model.save_pretrained(tmp_path / name)
    with served(tmp_path / "pairs") as client:
        found = client.text_classification({"text": "비가 온다.", "text_pair": "눈", "id": 7}, top_k=1)
        assert found[0].label == pairs.classify("비가 온다.", "눈").label and len(found) == 1
        with pytest.raises(HfHubHTTPError, match="expected a text_pair beside the text"):
            client.text_classification("비가 온다.")
    with served(tmp_path / "values") as client:
        for given in every(CLASSES):
            [found] = client.text_classification("비가 온다.", **given)
            assert (found.label, found.score) == ("value", pytest.approx(values.classify("비가 온다.").score))
