"""Groups and errors of classes and values: they add up, and values are worked by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from kospan.evaluation.breakdown import length_group
from kospan.evaluation.summary import headline, metrics_and_counts, print_examination
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.tasks.text_classification.breakdown import (
    LENGTH_GROUPS,
    TEXT_LENGTHS,
    analyze,
    overall_row,
    scores,
    spread_of,
    text_rows,
)
from kospan.tasks.text_classification.metrics import score_classes, score_values, values_of

LABELS = ["a", "b", "c"]


def examples_of(gold: list[str]) -> list[Example]:
    return [Example(str(at), "글" * (at + 1), (Span(0, at + 1, label),)) for at, label in enumerate(gold)]


def spans_of(predicted: list[str | None]) -> list[list[Span]]:
    return [[Span(0, at + 1, label, 0.5)] if label else [] for at, label in enumerate(predicted)]


def task_of(values: bool = False) -> SimpleNamespace:
    """The part of a task that a breakdown needs."""

    def metrics(examples, predicted):
        if values:
            return score_values(*values_of(examples, predicted))
        return score_classes(examples, predicted, LABELS)

    return SimpleNamespace(values=values, labels=LABELS, dataset="labelled", metrics=metrics)


def test_a_text_without_a_class_is_an_error():
    examples, spans = examples_of(["a", "a", "b"]), spans_of(["a", None, "b"])
    errors = analyze(task_of(), examples, spans, samples=20)["errors"]
    assert errors["classes"] == {"correct": 2, "other class": 0, "no class said": 1}
    assert errors["types"]["counts"] == [[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_the_confusion_adds_up_to_gold_and_to_predicted():
    gold, said = list("aabbccca"), list("abbbcacc")
    found = analyze(task_of(), examples_of(gold), spans_of(said), samples=50)
    counts = np.array(found["errors"]["types"]["counts"])
    assert counts.sum(axis=1)[:3].tolist() == [gold.count(label) for label in LABELS]
    assert counts.sum(axis=0)[:3].tolist() == [said.count(label) for label in LABELS]
    assert np.trace(counts) == found["errors"]["classes"]["correct"]
    rows = found["groups"]["class"]
    assert [(row["gold"], row["predicted"], row["correct"]) for row in rows] == [(3, 2, 1), (2, 3, 2), (3, 3, 2)]
    assert set(headline(found)) == {"accuracy", "macro_f1", "f1"}
    assert metrics_and_counts(rows) == (["precision", "recall", "f1"], ["gold", "predicted", "correct"])


def valued(values: list[float], sources: int = 1) -> list[Example]:
    return [
        Example(str(at), "글" * 40 * (at + 1), (Span(0, 40 * (at + 1), "value", value),), source=f"s{at % sources}")
        for at, value in enumerate(values)
    ]


def test_values_by_hand():
    gold, predicted = [0.0, 1.0, 2.0, 5.0], [0.5, 0.5, 2.5, 4.0]
    examples, spans = valued(gold, 2), [[Span(0, 40, "value", value)] for value in predicted]
    row = overall_row(task_of(True), examples, spans)
    centred = np.array(gold) - 2, np.array(predicted) - np.mean(predicted)
    expected = (centred[0] @ centred[1]) / np.sqrt((centred[0] @ centred[0]) * (centred[1] @ centred[1]))
    assert row["pearson"] == pytest.approx(expected) and row["mae"] == pytest.approx(0.625)
    assert row["spearman"] == pytest.approx(np.corrcoef([1, 2, 3, 4], [1.5, 1.5, 3, 4])[0, 1])
    assert row["pearson interval"][0] <= row["pearson"] <= row["pearson interval"][1]
    flat = overall_row(task_of(True), valued([1.0, 1.0]), [[Span(0, 40, "value", value)] for value in (0.0, 2.0)])
    assert (flat["pearson"], flat["spearman"], flat["mae"]) == (0.0, 0.0, 1.0)
    found = analyze(task_of(True), examples, spans, samples=20)
    assert sum(found["errors"]["classes"].values()) == 4 and spread_of([7.0]) == 1.0
    assert [row["documents"] for row in found["groups"]["source"]] == [2, 2]
    kept = scores(task_of(True), examples, examples, spans, [[Span(0, 40, "value", 2.0)]] * 4)
    assert kept["baseline"]["pearson"] == 0.0 and kept["values"]["most"] == 5.0


def test_errors_of_values_are_in_standard_deviations():
    """The gold values have a standard deviation of 1."""
    errors = (0.25, 0.3, 1.0, 1.05)
    spans = [[Span(0, 40, "value", value + error)] for value, error in zip((0.0, 2.0, 0.0, 2.0), errors)]
    rows = text_rows(task_of(True), valued([0.0, 2.0, 0.0, 2.0]), spans)
    assert rows["outcome"].tolist() == ["within 0.25 sd", "0.25 to 0.5 sd", "0.5 to 1 sd", "more than 1 sd"]


def test_text_lengths_and_kept_scores():
    groups = [length_group(count, TEXT_LENGTHS, 0) for count in (0, 32, 33, 5000)]
    assert groups == ["0-32", "0-32", "33-128", "2049 and more"] and set(groups) < set(LENGTH_GROUPS)
    kept = scores(task_of(), *[examples_of(["a", "b"])] * 2, spans_of(["a", "a"]), spans_of(["b", "b"]))
    assert kept["labels"]["a"] == {"training": 1, "validation": 1} and kept["overall"]["accuracy"] == 0.5


def test_an_analysis_is_printed(capsys):
    print_examination("texts", analyze(task_of(), examples_of(list("abca")), spans_of(list("abbb")), samples=20))
    shown = capsys.readouterr().out
    assert "by class" in shown and "other class" in shown and "by length of the text" in shown
