"""Pseudo-labels: thresholds for a precision, and texts of which a model is certain."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.pseudo_labels import Certainty, fit_thresholds, pseudo_labelled

# Spans of texts with their posteriors, as `extract` returns those of at least a threshold.
SPANS = {
    "certain": [Span(0, 1, "PS", 0.99), Span(2, 3, "LC", 0.95)],
    "improbable": [Span(0, 1, "PS", 0.89), Span(2, 3, "LC", 0.95)],
    "unknown label": [Span(0, 1, "OG", 1.0)],
    "doubtful": [Span(0, 1, "PS", 0.99), Span(3, 4, "LC", 0.2)],
    "nearly": [Span(0, 1, "PS", 0.9), Span(3, 4, "LC", 0.19)],
    "none": [],
}
TEXTS = [Example(text, text, None) for text in SPANS]
RULES = Certainty({"PS": 0.9, "LC": 0.9}, doubt=0.2)


class Model:
    """A model whose best path holds the spans above one half."""

    def extract(self, texts, threshold=0.5, batch_size=32, decode="viterbi", overlapping=False):
        assert overlapping == (decode == "posterior")
        return [[span for span in SPANS[text] if span.score >= threshold] for text in texts]


def found(certainty=RULES, **settings) -> dict[str, tuple]:
    return {example.text: example.spans for example in pseudo_labelled(Model(), TEXTS, certainty, **settings)}


def test_texts_with_an_uncertain_span_are_left_out():
    assert found() == {
        "certain": tuple(SPANS["certain"]),
        "nearly": (SPANS["nearly"][0],),
        "none": (),
    }
    assert found(with_spans=True).keys() == {"certain", "nearly"}
    assert found(Certainty(RULES.thresholds, doubt=1)).keys() == {"certain", "nearly", "none", "doubtful"}
    assert found(Certainty({"PS": 0.9}, doubt=0.2)).keys() == {"nearly", "none"}
    assert found(Certainty({})).keys() == {"none"}


def test_the_number_of_texts_is_limited_and_their_choice_depends_on_the_seed():
    chosen = {seed: list(found(most=2, seed=seed)) for seed in range(20)}
    assert all(len(each) == 2 for each in chosen.values())
    assert {text for each in chosen.values() for text in each} == found().keys()
    assert chosen[3] == list(found(most=2, seed=3))


@pytest.mark.parametrize("doubt", [0, 1.1, float("nan")])
def test_doubt_is_a_probability(doubt):
    with pytest.raises(ValueError, match="expected doubt above 0 and at most 1, got"):
        Certainty({}, doubt)


LABELS = ("PS", "LC")
ROWS = st.lists(st.tuples(st.sampled_from(LABELS), st.floats(0, 1), st.booleans()), max_size=120)


@given(ROWS, st.sampled_from([0.5, 0.8, 1.0]))
def test_thresholds_are_the_lowest_with_the_precision(rows, precision):
    gold = [
        Example(str(at), "가나", (Span(0, 1, label),) if right else (Span(0, 2, label),))
        for at, (label, _, right) in enumerate(rows)
    ]
    predictions = [[Span(0, 1, label, score)] for label, score, _ in rows]
    result = fit_thresholds(gold, predictions, LABELS, precision)
    for label in LABELS:
        own = [(score, right) for name, score, right in rows if name == label]
        pool = own if len(own) >= 30 else [(score, right) for _, score, right in rows]
        enough = [t for t, _ in pool if np.mean([right for score, right in pool if score >= t]) >= precision - 1e-9]
        threshold, predicted, kept, share = result[label]
        assert predicted == len(own)
        if not enough:
            assert (threshold, kept, share) == (None, 0, None)
            continue
        assert [score >= threshold for score, _ in pool] == [score >= min(enough) for score, _ in pool]
        right = [right for score, right in own if score >= threshold]
        assert kept == len(right) and share == (pytest.approx(np.mean(right)) if right else None)


def test_spans_are_right_only_with_label_and_both_ends():
    gold = [Example("0", "가나다", (Span(0, 2, "PS"),))]
    for span in (Span(0, 1, "PS", 1.0), Span(1, 2, "PS", 1.0), Span(0, 2, "LC", 1.0)):
        assert fit_thresholds(gold, [[span]], LABELS, 0.9)[span.label].threshold is None
    assert fit_thresholds(gold, [[Span(0, 2, "PS", 0.7)]], LABELS, 0.9)["PS"] == (0.0, 1, 1, 1.0)
