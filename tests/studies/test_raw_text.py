"""Tokens joined as raw text keep their gold spans, and the table holds what the model finds."""

import pytest

from kospan.example import Example
from kospan.modeling.spans import Span
from studies import raw_text

WORDS = ('"', "Oslo", "'s", "mayor", "(", "Berg", ")", "did", "n't", "pay", "$", "5", ",", "5", "%", '"', ".")


def example() -> Example:
    text = " ".join(WORDS)
    places = {word: text.index(word) for word in ("Oslo", "Berg")}
    spans = (Span(places["Oslo"], places["Oslo"] + 4, "LC"), Span(places["Berg"], places["Berg"] + 4, "PS"))
    return Example("a", text, spans, words=WORDS)


@pytest.mark.parametrize(
    ("join", "text"),
    [
        (raw_text.attached, "\" Oslo's mayor ( Berg) did n't pay $ 5, 5% \"."),
        (raw_text.printed, "\"Oslo's mayor (Berg) didn't pay $5, 5%\"."),
    ],
)
def test_words_are_joined_and_spans_keep_their_characters(join, text):
    found = raw_text.joined(example(), join(WORDS))
    assert found.text == text and found.words is None
    assert [(text[span.start : span.end], span.label) for span in found.spans] == [("Oslo", "LC"), ("Berg", "PS")]
    assert raw_text.found_again([example()], [found]) == 1.0
    assert raw_text.touching(example(), join(WORDS)) == 2
    assert raw_text.touching(example(), [False] * len(WORDS)) == 0


def test_the_table_compares_tokens_with_both_ways_to_read_raw_text(make_token_classifier):
    model = make_token_classifier(labels=["LC", "PS"], unit="word", encoder_input="units", word_splitting="punctuation")
    gold = example()
    [found] = model.extract([list(WORDS)])
    gold = Example("a", gold.text, tuple(Span(*span[:3]) for span in found), words=WORDS)
    assert gold.spans
    rows = raw_text.measure(model, [gold], ["LC", "PS"])
    assert [row[:2] for row in rows[1:]] == [
        [name, splitting] for name in ("attached", "printed") for splitting in ("punctuation", "white_space")
    ]
    scores = [float(row[-1]) for row in rows]
    assert scores[0] == scores[1] == scores[3] == 1.0 > max(scores[2], scores[4])
    assert model.config.word_splitting == "punctuation"
