"""Metrics of replies, worked by hand."""

import doctest

import pytest
from ablation_generative_cases import labelled

import kospan.tasks.generative_ner.metrics
from kospan.evaluation.metrics import compute
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.task import NotedSpans
from kospan.tasks.generative_ner.metrics import METRICS, REPLY_METRICS
from kospan.tasks.token_classification.metrics import ScoredSpans, metric_names, score_spans


def reply_scores(examples, predicted) -> dict[str, float]:
    return compute(REPLY_METRICS, ScoredSpans(examples, predicted, "word", ["LC", "PS"]))


def test_documented_examples_hold():
    assert doctest.testmod(kospan.tasks.generative_ner.metrics).failed == 0


def test_replies_are_scored_by_their_notes():
    gold = [labelled(0, "이재용은 서울에"), labelled(1, "비"), labelled(2, "서울 부산 사직")]
    right = [NotedSpans(each.spans, (0, 0, 1)) for each in gold]
    perfect = {"exact_reply": 1.0, "unparsed": 0.0, "dropped": 0.0, "unmatched": 0.0}
    assert reply_scores(gold, right) == reply_scores(gold, [list(each.spans) for each in gold]) == perfect
    # The same spans, but the reply named more than the text holds, or in another order.
    wrong = [
        NotedSpans(gold[0].spans, (0, 1, 0)),
        NotedSpans([], (2, 0, -1)),
        NotedSpans(gold[2].spans, (0, 0, 0)),
    ]
    found = reply_scores(gold, wrong)
    assert found == {"exact_reply": 0.0, "unparsed": pytest.approx(1 / 3), "dropped": 2.0, "unmatched": 1.0}
    # The surface is right at another place: the reply is exact, the span is wrong.
    again = Example("a", "서울 서울", (Span(3, 5, "LC"),))
    assert reply_scores([again], [[Span(0, 2, "LC")]])["exact_reply"] == 1.0


def test_metrics_are_those_of_spans_and_of_replies():
    gold = [labelled(0, "이재용은 서울에")]
    found = score_spans(gold, [list(gold[0].spans)], "character", ["LC", "PS"], METRICS)
    assert list(found) == metric_names("character", ["LC", "PS"], METRICS)
    assert found == score_spans(gold, [list(gold[0].spans)], "character", ["LC", "PS"]) | reply_scores(
        gold, [list(gold[0].spans)]
    )
