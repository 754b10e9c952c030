"""The report of text classification: every text once, numbers lead to texts, and no text becomes markup."""

import json
from collections import Counter

import numpy as np
import pytest
from drawing_cases import drawn, texts_of  # noqa: F401
from label_cases import labelled

from kospan.evaluation.explain import explain
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.report.analysis import analyze
from kospan.report.page import page, write_report
from kospan.tasks.text_classification.breakdown import CLASS_OUTCOMES, VALUE_OUTCOMES
from kospan.tasks.text_classification.explain import ClassExplainer
from kospan.tasks.text_classification.report import data, draw
from kospan.tasks.text_classification.task import TextClassificationTask

NASTY = "</script><img src=x onerror=alert(1)> & \u2028 {{ 7*7 }} 이재용"


def analysed(make_text_classifier, tmp_path, values: bool = False, pairs: bool = False):
    problem = "regression" if values else "single_label_classification"
    model = make_text_classifier(encoder_input="units", problem_type=problem, pairs=pairs)
    model.save_pretrained(tmp_path / "model")
    examples = labelled(11, pairs, values)
    gold = Span(0, len(NASTY), "value", 1.0) if values else Span(0, len(NASTY), "사회")
    examples.append(Example("<b>nasty</b>", NASTY, (gold,), text_pair="<i>pair</i>" if pairs else ""))
    task = TextClassificationTask.over(model, "jsonl")
    return model, examples, analyze(task, str(tmp_path / "model"), examples, examples[:3])


@pytest.mark.parametrize("pairs", [False, True])
def test_every_text_is_shown_once_with_its_class(make_text_classifier, tmp_path, pairs):
    model, examples, analysis = analysed(make_text_classifier, tmp_path, pairs=pairs)
    found = model.classify([each.text for each in examples], [each.text_pair for each in examples] if pairs else None)
    records = data(analysis)["examples"]
    assert [(each["id"], each["text"], each["pair"]) for each in records] == [
        (example.id, example.text, example.text_pair) for example in examples
    ]
    assert [each["found"][0] for each in records] == [span.label for span in found]
    counts = Counter(CLASS_OUTCOMES[each["kind"]] for each in records)
    assert counts == {kind: count for kind, count in analysis.metrics["errors"]["classes"].items() if count}
    assert 0 < counts["correct"] < len(examples)
    shown = page("title", analysis, {})
    assert "<img src=x" not in shown and "<b>nasty" not in shown and "<i>pair" not in shown
    lead = f"{len(examples)} {'pairs of texts' if pairs else 'texts'}, 3 classes."
    assert lead in shown
    for gold, row in zip(analysis.labels, analysis.metrics["errors"]["types"]["counts"]):
        for said, count in zip(analysis.labels, row):
            hits = sum(each["gold"] == gold and each["found"][0] == said for each in records)
            assert hits == count and (not count or f'"gold": "{gold}", "predicted": "{said}"' in unescaped(shown))


def unescaped(shown: str) -> str:
    """The page with what its buttons ask for as it was written."""
    return json.loads(f'"{shown.replace(chr(34), chr(92) + chr(34))}"', strict=False).replace("&#34;", '"')


def test_values_are_shown_by_their_distance(make_text_classifier, tmp_path):
    model, examples, analysis = analysed(make_text_classifier, tmp_path, values=True)
    assert analysis.confidence == {}
    shown = data(analysis)
    assert shown["values"] and shown["kinds"] == list(VALUE_OUTCOMES)
    for each, example in zip(shown["examples"], examples):
        assert each["error"] == pytest.approx(abs(each["found"][1] - example.spans[0].score), abs=2e-4)
    folder = tmp_path / "report"
    write_report(folder, "values", analysis._replace(explanation=explain(ClassExplainer(model), examples)))
    shown = (folder / "index.html").read_text(encoding="utf-8")
    assert "standard deviations" in shown and 'id="confidence"' not in shown and "largest error first" in shown
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert set(metrics["metrics"]) == {"pearson", "spearman", "mae"}


def test_a_text_without_a_class_is_shown_so(make_text_classifier, tmp_path):
    _, examples, analysis = analysed(make_text_classifier, tmp_path)
    silent = [[], *analysis.predicted[1:]]
    task = TextClassificationTask(None, make_text_classifier())
    analysis = analysis._replace(predicted=silent, metrics=task.spec.analyze(task, examples, silent, None))
    record = data(analysis)["examples"][0]
    assert record["found"] is None and CLASS_OUTCOMES[record["kind"]] == "no class said"
    assert "<th>none</th>" in page("title", analysis, {})


def test_the_confusion_of_classes_has_gold_down(make_text_classifier, tmp_path, drawn):  # noqa: F811
    _, examples, analysis = analysed(make_text_classifier, tmp_path)
    counted = Counter((example.spans[0].label, spans[0].label) for example, spans in zip(examples, analysis.predicted))
    expected = np.array([[counted[gold, said] for said in analysis.labels] for gold in analysis.labels], dtype=float)
    assert not np.array_equal(expected, expected.T), "a symmetric confusion would show nothing"
    assert list(draw(analysis)) == ["types"]
    axes = drawn[0].axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), expected / np.maximum(1, expected.sum(axis=1))[:, None])
    assert texts_of(axes.get_yticklabels()) == texts_of(axes.get_xticklabels()) == list(analysis.labels)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "gold")
    # Where nothing was said of a text it stands in a column of its own.
    silent = [[], *analysis.predicted[1:]]
    task = TextClassificationTask(None, make_text_classifier())
    draw(analysis._replace(predicted=silent, metrics=task.spec.analyze(task, examples, silent, None)))
    axes = drawn[1].axes[0]
    assert texts_of(axes.get_xticklabels()) == [*analysis.labels, "none"]
    gold = analysis.labels.index(examples[0].spans[0].label)
    column = axes.images[0].get_array()[:, -1]
    assert column[gold] > 0 and np.count_nonzero(column) == 1


def test_distances_of_values_are_drawn_by_their_classes(make_text_classifier, tmp_path, drawn):  # noqa: F811
    _, _, analysis = analysed(make_text_classifier, tmp_path, values=True)
    assert list(draw(analysis)) == ["error_classes"]
    [axes] = drawn[0].axes
    counts = analysis.metrics["errors"]["classes"]
    assert list(counts) == list(VALUE_OUTCOMES) and texts_of(axes.get_legend().get_texts()) == list(counts)
    total = sum(counts.values())
    assert [bar.get_width() for bar in axes.patches] == [pytest.approx(count / total) for count in counts.values()]
