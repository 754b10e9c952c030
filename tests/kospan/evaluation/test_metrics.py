"""Tables of metrics: names, values, words and direction come from one line each."""

import doctest

import pytest

import kospan.evaluation.metrics
from kospan.evaluation.metrics import Metric, check_metric, compute, find_metric, is_of_label, metric_names

TABLE = {
    "f1": Metric(lambda scores: scores["f1"], "F1"),
    "f1_{label}": Metric(lambda scores, label: scores[label], "F1 of {label}"),
    "support_{label}": Metric(lambda scores, label: 1, "spans of {label}", type="count"),
    "mae": Metric(lambda scores: 2, "error", larger_is_better=False, only="values"),
}
SCORES = {"f1": 0.5, "PS": 1.0, "LC": 0.25}


def test_documented_examples_hold():
    assert doctest.testmod(kospan.evaluation.metrics).failed == 0


def test_names_are_those_of_computed_metrics_label_by_label():
    found = compute(TABLE, SCORES, labels=["LC", "PS"])
    assert found == {"f1": 0.5, "f1_LC": 0.25, "support_LC": 1.0, "f1_PS": 1.0, "support_PS": 1.0}
    assert list(found) == metric_names(TABLE, labels=["LC", "PS"])
    assert all(type(value) is float for value in found.values())
    assert compute(TABLE, SCORES, of="values") == {"f1": 0.5, "mae": 2.0}
    assert metric_names(TABLE, "other") == ["f1"]


def test_a_metric_is_found_by_its_name_with_any_label():
    assert find_metric(TABLE, "mae").larger_is_better is False
    assert find_metric(TABLE, "support_{}").words == "spans of {}" and find_metric(TABLE, "recall") is None
    assert [is_of_label(TABLE, name) for name in ("f1", "f1_PS", "recall")] == [False, True, False]


@pytest.mark.parametrize(
    "name, advice", [("eval_f2", "did you mean f1?"), ("klue_entity_f1_score", "there are f1, mae")]
)
def test_an_unknown_metric_is_refused_with_advice(name, advice):
    check_metric("metric_for_best_model", "eval_f1", ["f1", "mae"])
    with pytest.raises(ValueError, match=f"expected metric_for_best_model to be a metric .* got '{name}'; "):
        check_metric("metric_for_best_model", name, ["f1", "mae"])
    try:
        check_metric("metric", name, ["f1", "mae"])
    except ValueError as error:
        assert advice in str(error)
