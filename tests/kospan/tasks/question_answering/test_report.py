"""The report of question answering: every question once, numbers lead to questions, long texts are folded and whole."""

import json
from collections import Counter

import pytest
from drawing_cases import drawn, texts_of  # noqa: F401

from kospan.cli import main
from kospan.data.jsonl import write_jsonl
from kospan.evaluation.explain import explain
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.report.analysis import analyze
from kospan.report.page import page, write_report
from kospan.tasks.question_answering.breakdown import ANSWER_CLASSES
from kospan.tasks.question_answering.explain import AnswerExplainer
from kospan.tasks.question_answering.question_words import QUESTION_WORDS, question_word
from kospan.tasks.question_answering.report import data, draw
from kospan.tasks.question_answering.task import QuestionAnsweringTask

NASTY = "</script><img src=x onerror=alert(1)> & \u2028 '\" {{ 7*7 }} \u202e ab 😀 이재용"
QUESTIONS = ["회장은 누구인가?", "회의는 어디에서 열렸나?", "언제 찾았나?", "몇 명인가?", "무엇을 올렸나?"]


@pytest.fixture
def analysed(make_qa_model, texts, tmp_path):
    """A reader, questions whose gold answers it partly finds, and the analysis of both."""
    model = make_qa_model(encoder_input="units", exact_match_feature=True)
    model.save_pretrained(tmp_path / "model")
    long = "😀 " + " ".join(texts * 8)
    own = [*texts, NASTY, long, texts[0], *texts]
    asked = [f"{QUESTIONS[at % 5]} <i>{at}</i>" for at in range(len(own))]
    examples = []
    for at, (question, text, [span]) in enumerate(zip(asked, own, model.answer(asked, own))):
        start, end = span.start, span.end
        gold = {
            0: [span],
            1: [span._replace(end=min(len(text), end + 1 + (end == len(text))))],
            2: [span._replace(start=0, end=1), Span(0, 3, "answer"), span._replace(end=start + 1)],
            3: [Span(0, 2, "answer") if start > 3 else Span(len(text) - 2, len(text), "answer")],
            4: [],
        }[at % 5]
        gold = tuple(sorted({each._replace(score=1.0) for each in gold}))
        examples.append(Example(f"<b>{at}</b>", text, gold, question, ["news", "wiki"][at % 2]))
    task = QuestionAnsweringTask.over(model, "korquad")
    return model, examples, analyze(task, str(tmp_path / "model"), examples, examples[:3])


def test_the_examples_hold_every_question_once(analysed):
    model, examples, analysis = analysed
    found = model.answer([each.question for each in examples], [each.text for each in examples])
    assert [[span[:3] for span in spans] for spans in analysis.predicted] == [[s[:3] for s in each] for each in found]
    shown = data(analysis)
    assert [record["id"] for record in shown["examples"]] == [example.id for example in examples]
    assert [shown["texts"][record["text"]] for record in shown["examples"]] == [example.text for example in examples]
    assert len(shown["texts"]) == len({example.text for example in examples}) < len(examples)
    counts = Counter(ANSWER_CLASSES[record["kind"]] for record in shown["examples"])
    assert counts == {kind: count for kind, count in analysis.metrics["errors"]["classes"].items() if count}
    assert len(counts) >= 4, "a model that makes one kind of mistake would prove little"
    for name in ("exact_match", "f1"):
        mean = sum(record["metrics"][name] for record in shown["examples"]) / len(examples)
        assert mean == pytest.approx(analysis.metrics["metrics"][name], abs=1e-4)
    for example, record in zip(examples, shown["examples"]):
        assert record["gold"] == [[span.start, span.end] for span in example.spans]
        assert QUESTION_WORDS[record["word"]] == question_word(example.question)
    assert sum(record["particle"] for record in shown["examples"]) == analysis.metrics["particles"]
    assert analysis.confidence["spans: posterior"]["metrics"]["n"] == len(examples)


def test_what_is_drawn_and_written(analysed, tmp_path):
    analysis = analysed[2]._replace(
        history=[{"epoch": 1.0, "loss": 2.0}, {"epoch": 1.0, "eval_f1": 0.5, "eval_exact_match": 0.25}]
    )
    write_report(tmp_path / "report", "읽기", analysis)
    names = {path.stem for path in (tmp_path / "report").glob("*.png")}
    groups = {f"scores_{name}" for name in ("question_word", "answer_length", "answer", "source")}
    assert names == groups | {"error_classes", "confidence", "learning_curves"}
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["metrics"] == analysis.metrics["metrics"] and metrics["rules"] == "korquad"
    html = page("읽기", analysis, {})
    stored = html.split('<script id="data" type="application/json">')[1].split("</script>")[0]
    assert "<" not in stored and "\u2028" not in stored and NASTY in json.loads(stored)["texts"]
    assert f"{len(analysis.examples)} questions about" in html


def test_in_a_browser(analysed, browser, tmp_path):
    _, examples, analysis = analysed
    path = write_report(tmp_path / "report", "한국어 보고서", analysis)
    tab, said = browser.new_page(), []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("dialog", lambda dialog: said.append("a dialog"))
    tab.goto(path.as_uri())
    chosen = lambda: tab.inner_text("#chosen")  # noqa: E731
    assert chosen() == f"{len(examples)} of {len(examples)} questions"
    # Every number leads to as many questions as it says.
    buttons = tab.query_selector_all("button.number")
    assert len(buttons) > 15
    for button in buttons:
        button.click()
        assert chosen().split(" of ")[0] == button.inner_text()
        assert len(tab.query_selector_all("#list .example")) == int(button.inner_text())
    tab.click("#all")
    # Filters narrow each other down.
    kind, word = "exact", question_word(examples[0].question)
    tab.select_option("#kind", kind)
    tab.select_option("#question-word", word)
    records = data(analysis)["examples"]
    both = [
        example.question
        for example, record in zip(examples, records)
        if ANSWER_CLASSES[record["kind"]] == kind and question_word(example.question) == word
    ]
    assert both and tab.eval_on_selector_all("#list .question", "all => all.map((each) => each.textContent)") == both
    tab.click("#all")
    # A search finds the long text; it is folded, its answers are marked, and unfolded it is whole.
    place = next(at for at, example in enumerate(examples) if example.text.startswith("😀"))
    tab.fill("#search", examples[place].id)
    assert len(tab.query_selector_all("#list .example")) == 1
    long, best = examples[place], analysis.predicted[place][0]
    marks = "all => all.map((each) => each.textContent).join('')"
    wrong = tab.eval_on_selector_all("#list .context mark.miss, #list .context mark.hit", marks)
    assert wrong == long.text[best.start : best.end]
    gold = tab.eval_on_selector_all("#list .context mark.gold", marks)
    covered = sorted({at for span in long.spans for at in range(span.start, span.end)})
    assert gold == "".join(long.text[at] for at in covered) and gold
    assert len(tab.inner_text("#list .context")) < 900 < len(long.text)
    while fold := tab.query_selector("#list button.fold"):
        fold.click()
    assert tab.text_content("#list .context") == long.text
    tab.fill("#search", "")
    tab.select_option("#order", "worst")
    assert not said, said
    tab.close()


def test_an_answer_is_explained(analysed, tmp_path):
    model, examples, analysis = analysed
    explainer = AnswerExplainer(model)
    explanation = explain(explainer, examples, examples[0].question)
    assert (explanation.encoded.text, explanation.encoded.question) == (examples[0].text, examples[0].question)
    assert explain(explainer, examples, examples[1].id).encoded.question == examples[1].question
    write_report(tmp_path / "report", "explained", analysis._replace(explanation=explanation))
    names = {path.name for path in (tmp_path / "report").iterdir()}
    assert {"attention_layers.png", "evidence_0.png", "deletion.png"} <= names
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["attention"]["question"] == examples[0].question
    with pytest.raises(
        ValueError, match="expected a question of the data or its id to explain, got '아무 말'; copy one"
    ):
        explain(explainer, examples, "아무 말")


def test_from_the_shell(make_qa_model, tmp_path, capsys):
    make_qa_model(encoder_input="units").save_pretrained(tmp_path / "model")
    text = "이재용 회장이 서울에서 회의를 열었다."
    write_jsonl(tmp_path / "gold.jsonl", [Example("a", text, (Span(0, 3, "answer"),), "누가 열었나?")])
    words = ["analyze", str(tmp_path / "model"), "--data", str(tmp_path / "gold.jsonl")]
    assert main([*words, "--attention"]) == 0
    assert (tmp_path / "model" / "report" / "deletion.png").is_file()
    assert capsys.readouterr().out.splitlines()[-1].startswith("report  ")
    assert main([*words, "--attention", "누가?"]) == 2
    assert "expected a question of the data or its id to explain, got '누가?'" in capsys.readouterr().err


def test_classes_of_wrong_answers_are_drawn_as_shares(analysed, drawn):  # noqa: F811
    analysis = analysed[2]
    assert list(draw(analysis)) == ["error_classes"]
    [axes] = drawn[0].axes
    wrong = {kind: count for kind, count in analysis.metrics["errors"]["classes"].items() if kind != "exact"}
    assert texts_of(axes.get_legend().get_texts()) == list(wrong)
    total = sum(wrong.values())
    assert [bar.get_width() for bar in axes.patches] == [pytest.approx(count / total) for count in wrong.values()]
    assert texts_of(axes.get_yticklabels()) == ["wrong answers"]
