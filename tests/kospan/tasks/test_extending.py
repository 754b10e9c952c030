"""A metric is one function and one line in its task's `metrics.py`: names, scores and refusals follow from it."""

import json
from types import SimpleNamespace

import pytest
from label_cases import labelled
from question_cases import questions

from kospan.cli import main
from kospan.data.jsonl import write_jsonl
from kospan.evaluation.metrics import Metric, check_metric, find_metric
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.tasks.question_answering import metrics as answers
from kospan.tasks.question_answering.task import QuestionAnsweringTask
from kospan.tasks.registry import TASKS
from kospan.tasks.text_classification import metrics as texts
from kospan.tasks.text_classification.task import TextClassificationTask
from kospan.tasks.token_classification import metrics as spans
from kospan.tasks.token_classification.task import TokenClassificationTask


def predicted_spans(scored) -> float:
    """The toy metric of spans."""
    return sum(map(len, scored.predicted))


def test_a_metric_of_spans_is_one_line(make_token_classifier, monkeypatch, tmp_path):
    toy = Metric(predicted_spans, "predicted spans, a number", larger_is_better=False, type="count")
    monkeypatch.setitem(spans.METRICS, "toy", toy)
    model = make_token_classifier(encoder_input="units")
    model.save_pretrained(tmp_path / "model")
    examples = [Example("a", "이재용 회장이 서울에서", (Span(0, 3, "PS"),))]
    task = TokenClassificationTask.over(model, "jsonl")
    predicted = task.predict(examples)
    assert task.metrics(examples, predicted)["toy"] == len(predicted[0])
    assert "toy" in task.spec.metric_names(task)
    check_metric("metric_for_best_model", "eval_toy", task.spec.metric_names(task))
    assert find_metric(task.spec.metrics, "toy") == toy
    # `kospan evaluate` prints and writes it.
    write_jsonl(tmp_path / "gold.jsonl", examples)
    words = [str(tmp_path / "model"), "--data", str(tmp_path / "gold.jsonl"), "--output", str(tmp_path / "out.json")]
    assert main(["evaluate", *words]) == 0
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["eval_toy"] == len(predicted[0])


def test_a_metric_of_answers_is_one_line_and_has_groups(make_qa_model, monkeypatch):
    toy = Metric(lambda answer: float(len(answer.predicted)), "characters of the answer")
    monkeypatch.setitem(answers.METRICS, "toy", toy)
    task = QuestionAnsweringTask.over(make_qa_model(), "korquad")
    examples = questions(6)
    predicted = [[example.spans[0]] for example in examples]
    metrics = task.metrics(examples, predicted)
    assert list(metrics) == answers.metric_names("korquad") and metrics["toy"] > 1
    rows = task.spec.analyze(task, examples, predicted, None)["groups"]["question word"]
    assert all(row["toy interval"][0] <= row["toy"] <= row["toy interval"][1] for row in rows)


@pytest.mark.parametrize("values", [False, True])
def test_a_metric_of_texts_is_one_line(make_text_classifier, monkeypatch, values):
    if values:
        toy = Metric(lambda gold, predicted: ((gold - predicted) ** 2).mean(axis=-1), "squared error")
        monkeypatch.setitem(texts.VALUE_METRICS, "toy", toy)
    else:
        monkeypatch.setitem(texts.CLASS_METRICS, "toy", Metric(lambda scored: scored.totals[:, 1].sum(), "predictions"))
    problem = "regression" if values else "single_label_classification"
    task = TextClassificationTask.over(make_text_classifier(problem_type=problem), "labelled")
    examples = labelled(6, values=values)
    predicted = task.predict(examples)
    metrics = task.metrics(examples, predicted)
    assert "toy" in metrics and list(metrics) == task.spec.metric_names(task)
    assert task.spec.analyze(task, examples, predicted, None)["metrics"] == metrics
    if values:
        task.corpus = SimpleNamespace(splits={"train": examples})
        assert len(task.spec.scores(task, examples, examples, predicted, predicted)["overall"]["toy interval"]) == 2


def test_every_metric_has_words_and_a_type():
    for spec in TASKS.values():
        for name, metric in spec.metrics.items():
            assert metric.words and metric.type, name
    assert not TASKS["text-classification"].metrics["mae"].larger_is_better
