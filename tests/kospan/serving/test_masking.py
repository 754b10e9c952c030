"""The route `/mask` against the masker."""

import pytest
from serving_cases import of, post

from kospan.masking.labels import NOTICE
from kospan.masking.masker import Masker


@pytest.fixture
def model(make_token_classifier):
    return make_token_classifier(encoder_input="units")


@pytest.mark.parametrize("policy", [None, "partial", {"PS": "alias", "LC": "keep", "default": "partial"}])
def test_texts_are_masked_as_by_the_masker(model, texts, policy):
    body = {"inputs": texts, "parameters": {"policy": policy, "rules": False, "threshold": 0.2}}
    response = post([of(model)], "/mask", body)
    assert response.status_code == 200, response.text
    wanted = Masker(model, policy, rules=False, threshold=0.2).mask(texts)
    assert any(masked.edits for masked in wanted)
    assert [each["text"] for each in response.json()] == [masked.text for masked in wanted]
    for found, masked in zip(response.json(), wanted):
        assert [(span["start"], span["end"], span["label"]) for span in found["spans"]] == [
            span[:3] for span in masked.spans
        ]
        assert found["notice"] == NOTICE
    one = post([of(model)], "/mask", body | {"inputs": texts[0]}).json()
    assert one["text"] == wanted[0].text


@pytest.mark.optional("presidio_analyzer", "mask")
def test_rules(model):
    body = {"inputs": "연락처는 010-1234-5678로 바뀌었다.", "parameters": {"rules": ["PHONE"], "threshold": 1.0}}
    assert post([of(model)], "/mask", body).json()["text"] == "연락처는 [PHONE]로 바뀌었다."


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"policy": "/etc/passwd"}, "expected policy to be one of replace"),
        ({"policy": "PS=alias"}, "expected policy to be one of replace"),
        ({"policy": "hash"}, "expected a secret key for the action hash"),
        ({"policy": {"XX": "alias"}}, "expected the labels of the policy among"),
        ({"operating_point": "recall-0.9"}, "expected an operating point of the model"),
        ({"particles": 1}, "expected particles to be true or false"),
        ({"key": "a"}, "expected only the settings policy"),
        ({"threshold": 2}, "threshold"),
    ],
)
def test_wrong_parameters(model, parameters, message):
    response = post([of(model)], "/mask", {"inputs": "비", "parameters": {"rules": False} | parameters})
    assert response.status_code == 422 and message in response.json()["error"]


def test_words_are_refused(model):
    response = post([of(model)], "/mask", {"inputs": [["비가", "온다"]], "parameters": {"rules": False}})
    assert response.status_code == 422 and "got a list of words" in response.json()["error"]
