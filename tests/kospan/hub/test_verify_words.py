"""A release of a word model is checked with the tokens that its predictions were made of."""

import json

import pytest

from kospan.data.jsonl import record
from kospan.example import Example
from kospan.hub.verify import verify
from kospan.tasks.token_classification.spec import SPEC


def test_words_are_passed_as_words(make_token_classifier, tmp_path):
    model = make_token_classifier(unit="word", encoder_input="units", word_splitting="punctuation", labels=["LC", "PS"])
    model.save_pretrained(tmp_path / "model")
    words = ("이재용이", "(서울.", "it's", "3%", "부산에서")
    examples = [Example("raw", " ".join(words), None), Example("tokens", " ".join(words), None, words=words)]
    found = model.extract([example.document for example in examples])
    assert found[0] and found[1] and [span[:2] for span in found[0]] != [span[:2] for span in found[1]]
    stored = tmp_path / "predictions.jsonl"

    def write(*lines: dict) -> None:
        stored.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")

    raw, tokens = (record(example, spans=spans) for example, spans in zip(examples, found))
    write(raw, tokens)
    assert verify(tmp_path / "model", stored, SPEC) == 2
    # As a raw text the tokens have other spans, and the check would have failed.
    write(raw, {key: value for key, value in tokens.items() if key != "words"})
    with pytest.raises(ValueError, match="got other ones through AutoModel in example 'tokens'"):
        verify(tmp_path / "model", stored, SPEC)
    write(raw, tokens | {"spans": tokens["spans"][:-1]})
    with pytest.raises(ValueError, match=r"example 'tokens': .* spans are stored, .* were predicted"):
        verify(tmp_path / "model", stored, SPEC)
