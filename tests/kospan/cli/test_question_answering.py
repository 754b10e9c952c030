"""The commands with a question answering model: only the model and its data differ."""

import json
from pathlib import Path

import pytest

from kospan.ablation.plan import load_study
from kospan.cli import main
from kospan.data.jsonl import read_jsonl, write_jsonl
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.tasks.question_answering.metrics import score_answers

STUDY = Path(__file__).parents[3] / "recipes" / "studies" / "korquad_scratch.yaml"
TEXTS = ["이재용 회장이 서울에서 회의를 열었다.", "김연아는 부산 사직 체육관을 찾았다."]
# Alternatives overlap.
GOLD = [
    Example("a", TEXTS[0], (Span(0, 3, "answer"), Span(0, 6, "answer")), "누가 회의를 열었나?"),
    Example("b", TEXTS[0], (Span(8, 10, "answer"),), "회의는 어디에서 열렸나?"),
    Example("c", TEXTS[1], (Span(5, 14, "answer"),), "무엇을 찾았나?"),
]


@pytest.fixture
def reader(make_qa_model, tmp_path):
    model = make_qa_model(encoder_input="units", exact_match_feature=True)
    model.save_pretrained(tmp_path / "model")
    return model


@pytest.fixture
def words(reader, tmp_path):
    """A command's first words: model and data."""
    write_jsonl(tmp_path / "gold.jsonl", GOLD)
    return [str(tmp_path / "model"), "--data", str(tmp_path / "gold.jsonl")]


def test_answers_are_predicted_and_plain_text_is_refused(reader, words, tmp_path, capsys):
    model, _, gold = words
    output = tmp_path / "found.jsonl"
    assert main(["predict", model, gold, "--output", str(output)]) == 0
    found = read_jsonl(output)
    expected = reader.answer([example.question for example in GOLD], [example.text for example in GOLD])
    assert [(each.id, each.text, each.question) for each in found] == [
        (each.id, each.text, each.question) for each in GOLD
    ]
    assert [[span[:3] for span in each.spans] for each in found] == [[span[:3] for span in spans] for spans in expected]
    # What was predicted can be scored, and agrees with itself.
    assert main(["evaluate", model, "--data", str(output), "--output", str(tmp_path / "metrics.json")]) == 0
    assert json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))["eval_exact_match"] == 1.0
    plain = tmp_path / "texts.txt"
    plain.write_text(TEXTS[0] + "\n", encoding="utf-8")
    capsys.readouterr()
    assert main(["predict", model, str(plain)]) == 2
    assert (
        "expected a question beside its text, got ''; a model for question answering takes JSON Lines with"
        in capsys.readouterr().err
    )


def test_evaluating_prints_and_writes_metrics_groups_and_errors(reader, words, tmp_path, capsys):
    output = tmp_path / "metrics.json"
    assert main(["evaluate", *words, "--train", words[-1], "--output", str(output)]) == 0
    printed = capsys.readouterr().out
    written = json.loads(output.read_text(encoding="utf-8"))
    found = reader.answer([example.question for example in GOLD], [example.text for example in GOLD])
    scores = score_answers(GOLD, found, "korquad")
    assert {name: written[f"eval_{name}"] for name in scores} == scores == written["examination"]["metrics"]
    assert "3 questions" in printed and "by question word" in printed and "particle alone" in printed
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed.splitlines() if line.startswith("│")]
    table = {row[0]: row for row in rows}
    [seen] = written["examination"]["groups"]["answer"]
    low, high = seen["f1 interval"]
    assert table["seen in training"][2:] == [f"{seen['f1']:.4f}  [{low:.3f}, {high:.3f}]", "3"]
    classes = written["examination"]["errors"]["classes"]
    wrong = sum(classes.values()) - classes["exact"]
    assert table["exact"][1:] == [str(classes["exact"]), ""]
    assert table["elsewhere"][1:] == [str(classes["elsewhere"]), f"{classes['elsewhere'] / wrong:.1%}"]


def test_reading_is_measured_with_questions(words, tmp_path, capsys):
    sizes = ["--lengths", "16", "--batches", "2", "--calls", "1"]
    assert main(["benchmark", *words, *sizes, "--output", str(tmp_path / "speed")]) == 0
    assert main(["benchmark", words[0], *sizes]) == 0
    assert capsys.readouterr().out.count("characters/s") == 2
    [row] = json.loads((tmp_path / "speed" / "speed.json").read_text(encoding="utf-8"))["rows"]
    assert (row["length"], row["batch"]) == (16, 2)


def test_the_study_of_readers_tells_its_variants_apart():
    [experiment] = load_study(STUDY)
    variants = {name: variant.recipe for name, variant in experiment.variants.items()}
    assert experiment.baseline == "plain" and len(variants) == 10
    assert (variants["plain"].exact_match_feature, variants["plain"].lstm_hidden_size) == (False, 0)
    assert (
        variants["matches"].exact_match_feature
        and variants["lstm"].lstm_hidden_size
        and not variants["lstm"].exact_match_feature
    )
    full = variants["full"]
    assert (
        full.exact_match_feature
        and full.lstm_hidden_size
        and full.fgm_epsilon
        and full.rdrop_alpha
        and full.subword_dropout
    )
