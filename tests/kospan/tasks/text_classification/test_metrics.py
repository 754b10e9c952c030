"""Metrics of classes and values: by hand, against scikit-learn, and intervals against a slow bootstrap."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from kospan.evaluation.bootstrap import intervals
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.tasks.text_classification.baseline import majority
from kospan.tasks.text_classification.metrics import (
    class_counts,
    class_intervals,
    class_metric_names,
    score_classes,
    score_values,
    value_intervals,
    value_metric_names,
)

LABELS = ["a", "b", "c"]
CLASS = st.sampled_from(LABELS)


def examples_of(gold: list[str]) -> list[Example]:
    return [Example(str(at), "글" * (at + 1), (Span(0, at + 1, label),)) for at, label in enumerate(gold)]


def spans_of(said: list[str | None]) -> list[list[Span]]:
    return [[Span(0, at + 1, label, 0.5)] if label else [] for at, label in enumerate(said)]


@settings(deadline=None)
@given(st.lists(st.tuples(CLASS, CLASS), min_size=1, max_size=30))
def test_metrics_are_scikit_learns(pairs):
    gold, said = map(list, zip(*pairs))
    found = score_classes(examples_of(gold), spans_of(said), LABELS)
    assert list(found) == class_metric_names(LABELS)
    assert found["accuracy"] == found["f1"] == pytest.approx(accuracy_score(gold, said))
    assert found["macro_f1"] == pytest.approx(f1_score(gold, said, average="macro", zero_division=0))
    for label in LABELS:
        assert found[f"f1_{label}"] == pytest.approx(
            f1_score(gold, said, labels=[label], average="macro", zero_division=0)
        )
        assert found[f"support_{label}"] == gold.count(label)
    counts = class_counts(examples_of(gold), spans_of(said), LABELS).sum(axis=(0, 1))
    assert 2 * counts[0] / (counts[1] + counts[2]) == pytest.approx(found["f1"])


def test_what_is_not_said_is_a_mistake():
    examples, spans = examples_of(["a", "a", "b"]), spans_of(["a", None, "b"])
    found = score_classes(examples, spans, LABELS)
    assert found["accuracy"] == pytest.approx(2 / 3) and found["f1"] == pytest.approx(4 / 5)


def test_intervals_are_those_of_a_slow_bootstrap():
    generator = np.random.default_rng(3)
    gold = generator.choice(LABELS, 120, p=[0.6, 0.3, 0.1]).tolist()
    said = [label if hit else "a" for label, hit in zip(gold, generator.random(120) < 0.7)]
    # A class that never occurs is no part of the mean.
    counts = class_counts(examples_of(gold), spans_of(said), [*LABELS, "d"])
    found = class_intervals(counts, samples=2000)
    assert found["f1"] == pytest.approx(intervals(counts.sum(axis=1), samples=2000)["f1"], abs=0.02)
    scores = []
    for _ in range(400):
        chosen = generator.integers(120, size=120)
        some = [gold[at] for at in chosen], [said[at] for at in chosen]
        scores.append(f1_score(*some, labels=LABELS, average="macro", zero_division=0))
    assert found["macro_f1"] == pytest.approx(np.quantile(scores, [0.025, 0.975]).tolist(), abs=0.04)
    metrics = score_classes(examples_of(gold), spans_of(said), LABELS)
    for name, (low, high) in found.items():
        assert low < metrics[name] < high


@pytest.mark.parametrize(
    ("examples", "said", "words"),
    [
        (examples_of(["a"]), [], "expected a prediction for each text, got 0 for 1"),
        ([Example("x", "글", ())], spans_of(["a"]), "example 'x': expected one label over the whole text, got none"),
        ([Example("x", "글", (Span(0, 1, "a"), Span(0, 1, "b")))], spans_of(["a"]), "got 2; label it"),
        (examples_of(["d"]), spans_of(["a"]), "example '0': expected labels that the model knows (a, b, c), got 'd'"),
        (examples_of(["a"]), spans_of(["e"]), "got 'e'"),
    ],
)
def test_what_cannot_be_scored_is_refused(examples, said, words):
    with pytest.raises(ValueError) as error:
        score_classes(examples, said, LABELS)
    assert words in str(error.value)


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.0, 2.9, 3.0, 3.1, 5.0]), st.floats(0, 5)), min_size=2, max_size=20))
def test_f1_of_klue_sts_is_scikit_learn_s(rows):
    gold, said = zip(*rows)
    names = value_metric_names("klue_sts")
    found = score_values(gold, said, "klue_sts")
    expected = f1_score([value >= 3 for value in gold], [value >= 3 for value in said], zero_division=0.0)
    assert found["klue_sts_f1"] == pytest.approx(expected) and list(found) == names
    assert {name: found[name] for name in ("pearson", "spearman", "mae")} == score_values(gold, said)


def test_the_metric_names_of_values_and_their_intervals():
    assert value_metric_names("hub:klue/klue:sts") == value_metric_names("klue_sts")
    assert "klue_sts_f1" not in value_metric_names("korsts") + value_metric_names("jsonl")
    generator = np.random.default_rng(0)
    gold = generator.uniform(0, 5, 200)
    said = gold + generator.normal(0, 1, 200)
    found = score_values(gold, said, "klue_sts")
    low, high = value_intervals(gold, said, "klue_sts")["klue_sts_f1"]
    assert 0.5 < low < found["klue_sts_f1"] < high < 1.0
    assert score_values([], [], "klue_sts")["klue_sts_f1"] == 0.0


def test_the_majority_class_of_equally_frequent_ones_is_the_first():
    assert majority(examples_of(["b", "a", "b", "a", "c"])) == "a"
