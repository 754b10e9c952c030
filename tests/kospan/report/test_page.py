"""The report: one page without other files, safe for any text, whose numbers lead to their examples."""

import base64
import html
import json
import re
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from drawing_cases import drawn, lines_of, texts_of  # noqa: F401

from kospan.cli import main
from kospan.data.jsonl import write_jsonl
from kospan.evaluation.explain import explain
from kospan.evaluation.span_matching import CLASSES, match_spans
from kospan.evaluation.summary import ERROR_COUNTS, GROUP_TITLES
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.report.analysis import analyze, explainer_of
from kospan.report.page import draw, page, write_report
from kospan.tasks.registry import TASKS
from kospan.tasks.token_classification.explain import SpanExplainer
from kospan.tasks.token_classification.report import records
from kospan.tasks.token_classification.task import TokenClassificationTask

NASTY = "</script><img src=x onerror=alert(1)> & \u2028 '\" {{ 7*7 }} \u202e ab 😀 이재용"


@pytest.fixture
def analysed(make_token_classifier, texts, tmp_path):
    """A model's folder, gold that it partly finds, and the analysis of both."""
    model = make_token_classifier(encoder_input="units")
    model.save_pretrained(tmp_path / "model")
    own = [*texts, NASTY, "", *(text[2:] for text in texts)]
    examples = []
    for at, (text, spans) in enumerate(zip(own, model.extract(own))):
        gold = [
            span._replace(label="PS" if turn % 3 == 0 else span.label) for turn, span in enumerate(spans) if turn % 4
        ]
        examples.append(Example(f"<b>{at}</b>", text, tuple(gold), source=["news", "wiki"][at % 2]))
    task = TokenClassificationTask.over(model, "jsonl")
    return model, examples, analyze(task, str(tmp_path / "model"), examples, examples[:3])


def test_the_examples_hold_every_span_and_match_once(analysed):
    model, examples, analysis = analysed
    assert analysis.predicted == model.extract([example.text for example in examples])
    shown = records(analysis)
    counts = dict.fromkeys(CLASSES, 0)
    for example, found, record in zip(examples, analysis.predicted, shown, strict=True):
        assert [tuple(span[:3]) for span in record["gold"]] == [span[:3] for span in example.spans]
        assert [tuple(span[:3]) for span in record["found"]] == [span[:3] for span in found]
        golds = sorted(match[1] for match in record["matches"] if match[1] >= 0)
        assert golds == list(range(len(record["gold"])))
        for match in record["matches"]:
            counts[CLASSES[match[0]]] += 1
    assert counts == analysis.metrics["errors"]["classes"]
    assert sum(counts[kind] > 0 for kind in CLASSES) >= 3, "a model that makes one kind of mistake would prove little"
    assert analysis.confidence["spans: posterior"]["metrics"]["n"] == sum(map(len, analysis.predicted))


def test_files_of_the_folder(analysed, tmp_path):
    _, _, analysis = analysed
    written = write_report(tmp_path / "report", "a <title>", analysis)
    names = {path.name for path in (tmp_path / "report").iterdir()}
    assert written.name == "index.html" and names >= {"index.html", "metrics.json", "types.png", "confidence.png"}
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["metrics"] == analysis.metrics["metrics"] and metrics["title"] == "a <title>"
    for path in (tmp_path / "report").glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")
    # The same analysis gives the same bytes.
    before = {path.name: path.read_bytes() for path in (tmp_path / "report").iterdir()}
    write_report(tmp_path / "report", "a <title>", analysis)
    assert {path.name: path.read_bytes() for path in (tmp_path / "report").iterdir()} == before


def test_the_page_needs_nothing_and_runs_nothing_of_the_data(analysed):
    shown = page("a <title>", analysed[2], {})
    assert "<title>a &lt;title&gt;</title>" in shown
    body = shown.split('<script id="data"')[0]
    assert not re.search(r"""(?:src|href)=(?!["']?(?:data:|#))""", body), "a link leads outside"
    data = shown.split('<script id="data" type="application/json">')[1].split("</script>")[0]
    assert "<" not in data and "\u2028" not in data
    assert json.loads(data)["examples"][5]["text"] == NASTY


def test_in_a_browser(analysed, browser, tmp_path):
    _, examples, analysis = analysed
    path = write_report(tmp_path / "report", "한국어 보고서", analysis)
    tab, said = browser.new_page(), []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("dialog", lambda dialog: said.append("a dialog"))
    tab.on(
        "request", lambda request: said.append(request.url) if not request.url.startswith(("file:", "data:")) else None
    )
    tab.goto(path.as_uri())
    total = sum(analysis.metrics["errors"]["classes"].values())
    assert tab.inner_text("#chosen").startswith(f"{total} spans in {len(examples)} of {len(examples)} documents")
    widths = tab.eval_on_selector_all("figure img", "images => images.map((image) => image.naturalWidth)")
    assert len(widths) >= 6 and all(width > 100 for width in widths)
    # Every number leads to as many spans as it says.
    buttons = tab.query_selector_all("button.number")
    assert len(buttons) > 20
    for button in buttons:
        button.click()
        assert tab.inner_text("#chosen").split(" spans")[0].replace(",", "") == button.inner_text().replace(",", "")
        assert tab.query_selector_all("#list .example")
    tab.click("#all")
    # What is coloured is what the span says, also behind characters of two UTF-16 units.
    tab.fill("#search", "이재용")
    marks = tab.eval_on_selector_all("#list mark", "marks => marks.map((mark) => mark.firstChild.textContent)")
    shown = [at for at, example in enumerate(examples) if "이재용" in example.text]
    expected = []
    for at in shown:
        text = examples[at].text
        expected += [
            text[span.start : span.end] for spans in (examples[at].spans, analysis.predicted[at]) for span in spans
        ]
    assert marks == expected and marks
    tab.fill("#search", "")
    tab.select_option("#order", "errors")
    tab.select_option("#kind", "missed")
    assert f"{analysis.metrics['errors']['classes']['missed']} spans" in tab.inner_text("#chosen")
    assert not said, said
    tab.close()


def test_spans_are_explained(analysed, tmp_path):
    model, examples, analysis = analysed
    explainer = SpanExplainer(model)
    explanation = explain(explainer, examples, examples[0].text)
    assert explanation.encoded.text == examples[0].text
    assert [each.span for each in explanation.evidence] == explanation.encoded.spans[:6] and explanation.evidence
    write_report(tmp_path / "report", "explained", analysis._replace(explanation=explanation))
    names = {path.name for path in (tmp_path / "report").iterdir()}
    assert {"attention_layers.png", "evidence_0.png", "deletion.png"} <= names
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["attention"] == {"text": examples[0].text, "deletion test": explanation.deletion}
    assert explain(explainer, examples).encoded.text in [example.text for example in examples]
    with pytest.raises(ValueError, match=r"fits into one window of the model .*, got one of 800 characters; pass"):
        explain(explainer, examples, "가나" * 400)


@pytest.mark.parametrize(
    "task, model_type, got",
    [("token-classification", "bert", "a stock one")]
    + [("generative-ner", "kospan-generative-ner", "a generative one")],
)
def test_only_models_with_an_encoder_of_ours_are_explained(task, model_type, got):
    task = SimpleNamespace(spec=TASKS[task], model=SimpleNamespace(config=SimpleNamespace(model_type=model_type)))
    with pytest.raises(ValueError, match=f"got {got}; remove --attention"):
        explainer_of(task)


def test_from_the_shell(make_token_classifier, tmp_path, capsys):
    make_token_classifier(encoder_input="units").save_pretrained(tmp_path / "model")
    write_jsonl(
        tmp_path / "gold.jsonl", [Example("a", "이재용 회장", (Span(0, 3, "PS"),)), Example("b", "비가 온다", ())]
    )
    assert main(["analyze", str(tmp_path / "model"), "--data", str(tmp_path / "gold.jsonl")]) == 0
    assert (
        capsys.readouterr().out.splitlines()[-1]
        == f"report              {tmp_path / 'model' / 'report' / 'index.html'}"
    )
    assert (tmp_path / "model" / "report" / "index.html").is_file()


def test_confusions_have_gold_down_in_figure_and_table(analysed, drawn):  # noqa: F811
    _, examples, analysis = analysed
    names, counted = [*analysis.labels, "none"], Counter()
    for example, predicted in zip(examples, analysis.predicted):
        for match in match_spans([example], [predicted]):
            gold, found = (span.label if span else "none" for span in (match.gold, match.predicted))
            counted[gold, found] += 1
    pictures = draw(analysis)
    [types] = [canvas.axes[0] for canvas in drawn if canvas.axes[0].get_title(loc="left") == "types"]
    expected = np.array([[counted[gold, found] for found in names] for gold in names], dtype=float)
    assert not np.array_equal(expected, expected.T), "a symmetric confusion would show nothing"
    np.testing.assert_allclose(types.images[0].get_array(), expected / np.maximum(1, expected.sum(axis=1))[:, None])
    assert texts_of(types.get_yticklabels()) == names
    table = re.search(r'<table id="types">(.*?)</table>', page("title", analysis, pictures), re.DOTALL)[1]
    rows = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in table.split("<tr>")[1:]]
    assert rows[0] == ["", *names]
    for gold, row in zip(names, rows[1:], strict=True):
        cells = [re.sub("<[^>]*>", "", cell) for cell in row]
        assert cells == [gold, *(str(counted[gold, found] or "·") for found in names)]
        for found, cell in zip(names, row[1:]):
            asked = re.search("data-tests='([^']*)'", cell)
            assert (json.loads(html.unescape(asked[1])) if asked else None) == (
                {"gold": gold, "predicted": found} if counted[gold, found] else None
            )


def test_every_figure_is_drawn_from_its_own_numbers(analysed, drawn):  # noqa: F811
    """Each table of groups, each confidence and the log has its figure, and each figure its place on the page."""
    analysis = analysed[2]
    before, after = ({"bins": {"mass": [[0.0, 1.0, 4, place, 0.5]]}, "risk": [[1.0, place]]} for place in (0.25, 0.75))
    calibration = {
        "temperature": 1.5,
        "fitted": {"documents": 3},
        "reported": {"documents": 4},
        "spans": {"posterior": {"before": before, "after": after}},
    }
    history = [{"epoch": 1.0, "loss": 2.0}, {"epoch": 1.0, "eval_f1": 0.5}]
    pictures = draw(analysis._replace(calibration=calibration, history=history))
    names = list(pictures)
    assert len(names) == len(drawn)
    axes = {name: canvas.axes for name, canvas in zip(names, drawn)}
    for group, rows in analysis.metrics["groups"].items():
        shown = [row for row in rows if row["gold"] or row["predicted"]]
        [panel] = axes[f"scores_{group}"]
        assert panel.get_title(loc="left") == GROUP_TITLES[group]
        assert texts_of(panel.get_yticklabels()) == [f"{row['group']}  ({row['gold']:,})" for row in shown]
        assert [bar.get_width() for bar in panel.patches] == [pytest.approx(row["f1"]) for row in shown]
    errors = analysis.metrics["errors"]
    assert texts_of(axes["error_classes"][0].get_yticklabels()) == list(ERROR_COUNTS.values())
    assert texts_of(axes["tags"][0].get_yticklabels()) == errors["tags"]["tags"]
    sums = np.maximum(1, np.array(errors["tags"]["counts"]).sum(axis=1))[:, None]
    np.testing.assert_allclose(axes["tags"][0].images[0].get_array(), errors["tags"]["counts"] / sums)
    spans = {name.removeprefix("spans: "): each for name, each in analysis.confidence.items() if "spans" in name}
    assert set(lines_of(axes["confidence"][0])) == set(spans) and len(spans) > 1
    for name, each in spans.items():
        assert lines_of(axes["confidence"][1])[name] == [pytest.approx(tuple(pair)) for pair in each["risk"]]
    assert lines_of(axes["calibration"][0]) == {"before": [(0.25, 0.5)], "after": [(0.75, 0.5)]}
    assert lines_of(axes["learning_curves"][0]) == {"loss": [(1.0, 2.0)]}
    assert lines_of(axes["learning_curves"][1]) == {"f1": [(1.0, 0.5)]}
    shown = page("title", analysis._replace(calibration=calibration, history=history), pictures)
    for name, png in pictures.items():
        assert f'id="figure-{name}"' in shown and base64.b64encode(png).decode("ascii") in shown
    assert "learning_curves" not in draw(analysis)
    assert "learning_curves" in draw(analysis._replace(history=[{"epoch": 1.0, "eval_spearman": 0.5}]))


def test_guaranteed_recall_is_on_the_page(analysed):
    row = {"document_recall": 0.91, "document_recall interval": [0.87, 0.95], "recall": 0.9, "precision": None}
    found = {
        "guarantee": {"documents": {"all": 1234}, "wording": {"en": "not for each document, not under shift"}},
        "report": {"all": row | {"spans_per_document": 3.25}},
    }
    calibration = {
        "temperature": 1.5,
        "fitted": {"documents": 3},
        "reported": {"documents": 4},
        "recall": {"recall-0.9": found},
    }
    shown = page("title", analysed[2]._replace(calibration=calibration), {"calibration": b"", "confidence": b""})
    table = re.search('<table id="recall">.*?</table>', shown, re.DOTALL)[0]
    cells = re.findall("<td>(.*?)</td>", table)
    assert cells == ["recall-0.9", "all", "1,234", "0.9100", "0.870–0.950", "0.9000", "", "3.2"]
    assert "recall-0.9: not for each document, not under shift" in shown
    assert '<table id="recall">' not in page("title", analysed[2], {"confidence": b""})


def test_attention_of_the_head_on_entities_is_on_the_page(make_token_classifier, texts, tmp_path):
    model = make_token_classifier(head="positional", encoder_input="units")
    model.prepare()
    examples = [Example("0", texts[3], (Span(0, 2, "PS"),))]
    analysis = analyze(TokenClassificationTask.over(model, "jsonl"), str(tmp_path), examples)
    analysis = analysis._replace(explanation=explain(SpanExplainer(model), examples))
    mass = analysis.explanation.mass["units in entities"]
    assert mass["units"] == 2 and 0 < mass["mass"] < 1
    shown = write_report(tmp_path / "report", "title", analysis).read_text(encoding="utf-8")
    assert f"<td>{mass['mass']:.4f}</td><td>{mass['even']:.4f}</td>" in shown
    stored = json.loads((tmp_path / "report" / "metrics.json").read_text(encoding="utf-8"))
    assert stored["attention"]["mass on entities"] == analysis.explanation.mass


def rows_under(shown: str, heading: str) -> list[list[str]]:
    """The rows of the first table behind a heading, without markup."""
    table = re.search(r"<table[^>]*>(.*?)</table>", shown[shown.index(heading) :], re.DOTALL)[1]
    rows = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in table.split("<tr>")[1:]]
    return [[html.unescape(re.sub("<[^>]*>", "", cell)) for cell in row] for row in rows]


def test_the_tables_hold_the_numbers_of_the_analysis(analysed):
    model, examples, analysis = analysed
    metrics, confidence = analysis.metrics, analysis.confidence
    shown = page("title", analysis._replace(explanation=explain(SpanExplainer(model), examples, examples[0].text)), {})
    for name, value in metrics["metrics"].items():
        if "_PS" not in name and not name.startswith(("f1_", "support_")):
            assert f'<b>{value:.4f}</b><span class="soft">{name}</span>' in shown
    for group, rows in metrics["groups"].items():
        head, *cells = rows_under(shown, f"<h3>{GROUP_TITLES[group]}</h3>")
        assert head == ["", "precision", "recall", "F1", "95 %", "gold", "predicted", "correct"]
        assert cells == [
            [
                row["group"],
                *(f"{row[name]:.3f}" for name in ("precision", "recall", "f1")),
                "{:.3f}–{:.3f}".format(*row["f1 interval"]),
                *(f"{row[name]:,}" for name in ("gold", "predicted", "correct")),
            ]
            for row in rows
            if row["gold"] or row["predicted"]
        ]
    errors = metrics["errors"]
    wrong = sum(count for kind, count in errors["classes"].items() if kind != "correct")
    head, *cells = rows_under(shown, '<section id="errors">')
    others = [name for name in ERROR_COUNTS if name != "classes"]
    assert head == ["", "spans", "of the errors", *(ERROR_COUNTS[name] for name in others)]
    assert cells == [
        [
            kind,
            str(count),
            "" if kind == "correct" else f"{100 * count / wrong:.1f} %",
            *(str(errors[name][kind]) for name in others),
        ]
        for kind, count in errors["classes"].items()
    ]
    head, *cells = rows_under(shown, '<section id="confidence">')
    keys = ("accuracy", "confidence", "ece", "ece_mass", "mce", "brier", "auroc")
    expected = []
    for name, each in confidence.items():
        values = ("" if each["metrics"][key] is None else f"{each['metrics'][key]:.4f}" for key in keys)
        expected.append([name, f"{each['metrics']['n']:,}", *values])
    assert cells == expected and len(expected) > 2
    assert head[1:] == ["n", "right", "mean confidence", "ECE", "ECE, equal mass", "MCE", "Brier", "AUROC"]
    for heading, name, words in (("Boundary errors", "shape", "spans"), ("between the ends", "material", "ends")):
        head, *cells = rows_under(shown, heading)
        assert head == ["", words]
        assert cells == [[kind, str(count)] for kind, count in errors["boundaries"][name].items() if count]


def test_the_deletion_test_is_on_the_page(analysed):
    model, examples, analysis = analysed
    explanation = explain(SpanExplainer(model), examples, examples[0].text)
    shown = page("title", analysis._replace(explanation=explanation), {})
    head, *cells = rows_under(shown, '<section id="attention">')
    assert head == [f"{explanation.deletion['spans']} spans", "mean fall", "95 %"]
    assert cells == [
        [method, f"{each['drop']:.4f}", "{:.4f} to {:.4f}".format(*each["interval"])]
        for method, each in explanation.deletion["methods"].items()
    ]
