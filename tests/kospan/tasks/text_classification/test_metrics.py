"""Figures of classes and values: by hand, against scikit-learn and scipy, and intervals against a slow bootstrap."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_cases import labelled
from sklearn.metrics import accuracy_score, f1_score

from kospan.evaluation.attention import deletion_test, evidence, posterior_without
from kospan.evaluation.bootstrap import intervals
from kospan.evaluation.explain import view_of
from kospan.evaluation.summary import headline, metrics_and_counts, print_examination
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.tasks.text_classification.breakdown import (
    class_row,
    examine_classes,
    examine_values,
    scored_classes,
    scored_values,
    spread_of,
    text_length,
    value_outcome,
    value_row,
)
from kospan.tasks.text_classification.confidence import ClassClaims, ValueClaims
from kospan.tasks.text_classification.metrics import (
    class_counts,
    class_intervals,
    class_metric_names,
    majority,
    score_classes,
    score_values,
    value_metric_names,
)
from kospan.tasks.token_classification.confidence import calibration_report, fit_temperature

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
    errors = examine_classes(examples, spans, LABELS, samples=20)["errors"]
    assert errors["classes"] == {"correct": 2, "other class": 0, "no class said": 1}
    assert errors["types"]["counts"] == [[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_the_confusion_adds_up_to_gold_and_to_said():
    gold, said = list("aabbccca"), list("abbbcacc")
    found = examine_classes(examples_of(gold), spans_of(said), LABELS, samples=50)
    counts = np.array(found["errors"]["types"]["counts"])
    assert counts.sum(axis=1)[:3].tolist() == [gold.count(label) for label in LABELS]
    assert counts.sum(axis=0)[:3].tolist() == [said.count(label) for label in LABELS]
    assert np.trace(counts) == found["errors"]["classes"]["correct"]
    rows = found["groups"]["class"]
    assert [(row["gold"], row["predicted"], row["correct"]) for row in rows] == [(3, 2, 1), (2, 3, 2), (3, 3, 2)]
    assert set(headline(found)) == {"accuracy", "macro_f1", "f1"}
    assert metrics_and_counts(rows) == (["precision", "recall", "f1"], ["gold", "predicted", "correct"])


def test_intervals_are_those_of_a_slow_bootstrap():
    generator = np.random.default_rng(3)
    gold = generator.choice(LABELS, 120, p=[0.6, 0.3, 0.1]).tolist()
    said = [label if hit else "a" for label, hit in zip(gold, generator.random(120) < 0.7)]
    # A class that never occurs is no part of the mean.
    counts = class_counts(examples_of(gold), spans_of(said), [*LABELS, "d"])
    found = class_intervals(counts, samples=2000)
    assert found["f1 interval"] == pytest.approx(intervals(counts.sum(axis=1), 2000)["f1"], abs=0.02)
    scores = []
    for _ in range(400):
        chosen = generator.integers(120, size=120)
        some = [gold[at] for at in chosen], [said[at] for at in chosen]
        scores.append(f1_score(*some, labels=LABELS, average="macro", zero_division=0))
    assert found["macro_f1 interval"] == pytest.approx(np.quantile(scores, [0.025, 0.975]).tolist(), abs=0.04)
    row = class_row(examples_of(gold), spans_of(said), LABELS)
    for name in ("accuracy", "macro_f1", "f1"):
        assert row[f"{name} interval"][0] < row[name] < row[f"{name} interval"][1]


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


def test_values_by_hand():
    gold, said = [0.0, 1.0, 2.0, 5.0], [0.5, 0.5, 2.5, 4.0]
    row = value_row(gold, said)
    centred = np.array(gold) - 2, np.array(said) - np.mean(said)
    expected = (centred[0] @ centred[1]) / np.sqrt((centred[0] @ centred[0]) * (centred[1] @ centred[1]))
    assert row["pearson"] == pytest.approx(expected) and row["mae"] == pytest.approx(0.625)
    assert row["spearman"] == pytest.approx(np.corrcoef([1, 2, 3, 4], [1.5, 1.5, 3, 4])[0, 1])
    assert row["pearson interval"][0] <= row["pearson"] <= row["pearson interval"][1]
    flat = value_row([1.0, 1.0], [0.0, 2.0])
    assert (flat["pearson"], flat["spearman"], flat["mae"]) == (0.0, 0.0, 1.0)
    examples = [Example(str(at), "글" * 40 * (at + 1), None, source=f"s{at % 2}") for at in range(4)]
    found = examine_values(examples, gold, said, samples=20)
    assert sum(found["errors"]["classes"].values()) == 4 and spread_of([7.0]) == 1.0
    assert [row["documents"] for row in found["groups"]["source"]] == [2, 2]
    assert value_outcome(0.25, 1.0) == "within 0.25 sd" and value_outcome(2.1, 2.0) == "more than 1 sd"
    kept = scored_values(gold, examples, gold, said, [2.0] * 4)
    assert kept["baseline"]["pearson"] == 0.0 and kept["values"]["most"] == 5.0


def test_lengths_and_the_majority():
    assert [text_length(Example("", "글" * count, None)) for count in (0, 32, 33, 5000)] == [
        *("0-32", "0-32"),
        *("33-128", "2049 and more"),
    ]
    assert majority(examples_of(["b", "a", "b", "a", "c"])) == "a"
    kept = scored_classes(*[examples_of(["a", "b"])] * 2, spans_of(["a", "a"]), spans_of(["b", "b"]), LABELS)
    assert kept["labels"]["a"] == {"training": 1, "validation": 1} and kept["overall"]["accuracy"] == 0.5


def test_an_examination_is_printed(capsys):
    print_examination("texts", examine_classes(examples_of(list("abca")), spans_of(list("abbb")), LABELS, samples=20))
    shown = capsys.readouterr().out
    assert "by class" in shown and "other class" in shown and "by length of the text" in shown


# --- confidence -------------------------------------------------------------------------------------------------------


def test_claims_are_what_classify_says_at_every_temperature(make_text_classifier):
    model, examples = make_text_classifier(), labelled(9)
    claims = ClassClaims(model, examples)
    for temperature in (1.0, 2.5):
        model.config.calibration_temperature = temperature
        said = model.classify([example.text for example in examples])
        assert [spans[0] for spans in claims.predicted(temperature)] == [
            span._replace(score=pytest.approx(span.score, abs=1e-6)) for span in said
        ]
    right = [span.label == example.spans[0].label for span, example in zip(said, examples)]
    assert claims.right.tolist() == right and 0 < sum(right) < 9


def test_the_temperature_is_that_of_the_least_loss(make_text_classifier):
    model, examples = make_text_classifier(), labelled(30)
    claims = ClassClaims(model, examples)
    report = calibration_report(claims, claims)
    found = fit_temperature(claims)

    def loss(temperature: float) -> float:
        confidence = claims.spans(temperature).confidence["posterior"]
        return -np.where(claims.right, np.log(confidence), np.log(1 - confidence)).mean()

    grid = np.exp(np.linspace(np.log(0.05), np.log(20), 200))
    assert loss(found) <= min(map(loss, grid)) + 1e-4 and report["temperature"] == found
    assert report["spans"]["posterior"]["after"]["metrics"]["n"] == 30


def test_values_have_no_confidence(make_text_classifier):
    model, examples = make_text_classifier(problem_type="regression"), labelled(4, values=True)
    claims = ValueClaims(model, examples)
    assert not any(claims.found)
    expected = model.classify([example.text for example in examples])
    assert [spans[0].score for spans in claims.predicted(1.0)] == pytest.approx([span.score for span in expected])
    with pytest.raises(ValueError, match="expected a model of classes, whose probabilities have a temperature"):
        fit_temperature(claims)


# --- looking inside ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [{}, {"pairs": True}, {"problem_type": "regression"}, {"pooling": "mean"}], ids=str)
def test_a_look_inside_reads_one_passage_and_explains_its_class(make_text_classifier, texts, asked):
    model = make_text_classifier(encoder_input="units", **asked)
    view, pair = view_of(model), "비가 온다" if asked.get("pairs") else ""
    whole = view.read(Example("a", texts[0], None, text_pair=pair))
    [span] = whole.spans
    expected = model.classify(texts[0], pair or None)
    assert span == Span(0, 0, expected.label, pytest.approx(expected.score, abs=1e-5))
    assert posterior_without(model, whole, span, []) == pytest.approx(span.score, abs=1e-5)
    assert len(whole.subwords) == len(whole.offsets) == whole.attentions.shape[1]
    assert [texts[0][start:end] for start, end in whole.offsets if end] == list(texts[0])
    assert "".join(whole.subwords[at] for at in whole.asked) == pair.replace(" ", "[unused0]")
    found = evidence(model, whole, span)
    assert np.abs(found.attribution).max() > 0 and found.attention.shape == (1, len(whole.subwords))
    long = view.read(Example("b", " ".join(texts * 3), None, text_pair=pair * 4))
    assert len(long.subwords) <= model.config.max_length and view.fits(Example("", "글", None))
    assert view.read(Example("", " ", None, text_pair=pair)) is None
    tested = deletion_test(model, [whole, long])
    assert tested["spans"] == 2 and set(tested["methods"]) == {"gradient times input", "attention", "random"}
    assert view.best([whole, long]) in (whole, long) and len(view.shown(long)) <= 48


def test_a_look_inside_a_long_text_pair_cuts_that_one(make_text_classifier, texts):
    model = make_text_classifier(pairs=True, windowed_field="text_pair")
    view, long = view_of(model), " ".join(texts * 2)
    found = view.read(Example("a", "비가 온다", None, text_pair=long))
    assert (found.question, found.asked_first) == ("비가 온다", True) and long.startswith(found.text)
    assert "".join(found.subwords[at] for at in found.asked) == found.question
    shown = [found.text[start:end] for start, end in found.offsets if end]
    assert shown == list(found.text) and len(found.subwords) <= model.config.max_length
    [span] = found.spans
    assert model.classify("비가 온다", found.text).label == span.label
    assert not view_of(make_text_classifier(pairs=True)).read(Example("a", "글", None, text_pair="비")).asked_first


def test_a_pair_to_look_at_is_one_of_the_data(make_text_classifier):
    view, examples = view_of(make_text_classifier(pairs=True)), labelled(3, pairs=True)
    assert view.one(examples, "text-1") is examples[1] and view.one(examples, examples[2].text) is examples[2]
    with pytest.raises(ValueError, match="expected a text of the data, or its id, to look at"):
        view.one(examples, "다른 글")
    assert view_of(make_text_classifier()).one(examples, "다른 글").text == "다른 글"


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.0, 2.9, 3.0, 3.1, 5.0]), st.floats(0, 5)), min_size=2, max_size=20))
def test_f1_of_klue_sts_is_scikit_learn_s(rows):
    gold, said = zip(*rows)
    names = value_metric_names("klue_sts")
    found = score_values(gold, said, names)
    expected = f1_score([value >= 3 for value in gold], [value >= 3 for value in said], zero_division=0.0)
    assert found["klue_sts_f1"] == pytest.approx(expected) and list(found) == names
    assert {name: found[name] for name in ("pearson", "spearman", "mae")} == score_values(gold, said)


def test_the_metric_names_of_values_and_their_intervals():
    assert value_metric_names("hub:klue/klue:sts") == value_metric_names("klue_sts")
    assert "klue_sts_f1" not in value_metric_names("korsts") + value_metric_names("jsonl")
    generator = np.random.default_rng(0)
    gold = generator.uniform(0, 5, 200)
    said = gold + generator.normal(0, 1, 200)
    row = value_row(gold, said, value_metric_names("klue_sts"))
    low, high = row["klue_sts_f1 interval"]
    assert 0.5 < low < row["klue_sts_f1"] < high < 1.0
    assert score_values([], [], value_metric_names("klue_sts"))["klue_sts_f1"] == 0.0
