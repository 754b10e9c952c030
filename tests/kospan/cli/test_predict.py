"""`kospan predict`."""

import json

import pytest
from cli_cases import GOLD, TEXTS, TINY, refused

from kospan.api import predict
from kospan.cli import main
from kospan.data.jsonl import read_jsonl
from kospan.example import Example
from kospan.modeling.spans import Span


def test_predictions_equal_the_models_own(model_folder, make_token_classifier, gold_file, tmp_path, capsys):
    output = tmp_path / "found.jsonl"
    assert main(["predict", model_folder, gold_file, "--output", str(output)]) == 0
    found = read_jsonl(output)
    assert [(each.id, each.text) for each in found] == [(each.id, each.text) for each in GOLD]
    expected = make_token_classifier(encoder_input="units").extract(TEXTS)
    assert any(expected)
    for example, spans in zip(found, expected):
        assert [span[:3] for span in example.spans] == [span[:3] for span in spans]
        assert [span.score for span in example.spans] == pytest.approx([span.score for span in spans], abs=1e-5)
    assert capsys.readouterr().out == f"3 documents, {sum(map(len, expected))} spans -> {output}\n"
    assert not list(tmp_path.glob("*.tmp"))


def test_plain_text_has_one_document_per_line(model_folder, tmp_path, capsys):
    path = tmp_path / "texts.txt"
    path.write_text(f"{TEXTS[0]}\n\n{TEXTS[1]}\n", encoding="utf-8")
    assert main(["predict", model_folder, str(path)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["text"] for line in lines] == TEXTS[:2]
    assert all(set(span) == {"start", "end", "label", "score"} for line in lines for span in line["spans"])


def test_threshold_is_passed_to_the_model(model_folder, gold_file, tmp_path):
    output = tmp_path / "found.jsonl"
    assert main(["predict", model_folder, gold_file, "--output", str(output), "--threshold", "1"]) == 0
    assert [example.spans for example in read_jsonl(output)] == [(), (), ()]


def test_invalid_threshold_is_refused(model_folder, gold_file, capsys):
    assert main(["predict", model_folder, gold_file, "--threshold", "1.1"]) == 2
    assert capsys.readouterr().err.startswith("kospan: expected threshold to be a number from 0 to 1, got 1.1;")


def test_predictions_can_be_trained_on(model_folder, gold_file, tmp_path, capsys):
    predicted = tmp_path / "predicted.jsonl"
    assert main(["predict", model_folder, gold_file, "--output", str(predicted)]) == 0
    files = ["--train_file", str(predicted), "--validation_file", str(predicted)]
    assert main(["train", *TINY, *files, "--output_dir", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "model.safetensors").is_file()
    assert main(["evaluate", str(tmp_path / "again"), "--data", str(predicted)]) == 0
    assert main(["evaluate", model_folder, "--data", str(predicted), "--output", str(tmp_path / "f.json")]) == 0
    capsys.readouterr()
    # The model agrees with itself.
    assert json.loads((tmp_path / "f.json").read_text(encoding="utf-8"))["eval_f1"] == 1.0


@pytest.mark.parametrize(
    "content, named",
    [
        ('{"id": "a", "text": "서울"}\n{"id": "b"\n', "texts.jsonl:2: expected one JSON object per line"),
        ('{"id": "a", "text": 3}\n', "texts.jsonl:1: expected 'text' to be a string, got 3"),
        ("", "expected at least one text, got an empty file"),
    ],
)
def test_invalid_texts_are_reported_with_file_and_line(model_folder, tmp_path, capsys, content, named):
    path = tmp_path / "texts.jsonl"
    path.write_text(content, encoding="utf-8")
    output = tmp_path / "found.jsonl"
    assert named in refused(["predict", model_folder, str(path), "--output", str(output)], capsys)
    assert not output.exists()


def test_missing_model_is_reported(gold_file, tmp_path, capsys):
    for command in (["predict", "no/such/model", gold_file], ["evaluate", "no/such/model", "--data", gold_file]):
        assert "expected a model on the Hub or in a folder under the name 'no/such/model'" in refused(command, capsys)


def test_model_without_a_head_is_refused(make_token_classifier, gold_file, tmp_path, capsys):
    make_token_classifier().encoder.save_pretrained(tmp_path / "encoder")
    message = refused(["predict", str(tmp_path / "encoder"), gold_file], capsys)
    assert "got ElectraModel; train one with kospan train" in message


def test_model_without_tokenizer_is_refused(make_token_classifier, gold_file, tmp_path, capsys):
    model = make_token_classifier()
    model.tokenizer = None
    model.save_pretrained(tmp_path / "bare")
    assert "expected a tokenizer beside the model" in refused(["predict", str(tmp_path / "bare"), gold_file], capsys)


@pytest.mark.parametrize(
    ("dataset", "name", "content"),
    [
        ("conll", "a.conll", "송하늘\tB-ANIMAL\n기자\tO\n\n군산에\tB-SHIP\n비\tO\n"),
        ("conll", "a.txt", "# 두 문장\n송하늘\n기자\n\n군산에\n비\n"),
        (
            "jsonl",
            "a.jsonl",
            '{"text": "송하늘 기자", "spans": [{"start": 0, "end": 3, "label": "X"}]}\n{"text": "군산에 비"}',
        ),
        ("labelled", "a.csv", "text,label\n송하늘 기자,사회\n군산에 비,날씨\n"),
        ("labelled", "a.tsv", "id\ttext\n1\t송하늘 기자\n2\t군산에 비\n"),
    ],
)
def test_labels_of_the_file_are_neither_needed_nor_used(model_folder, tmp_path, capsys, dataset, name, content):
    path, plain = tmp_path / name, tmp_path / "plain.txt"
    path.write_text(content, encoding="utf-8")
    plain.write_text("송하늘 기자\n군산에 비\n", encoding="utf-8")
    assert main(["predict", model_folder, str(path), "--dataset", dataset]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert main(["predict", model_folder, str(plain)]) == 0
    expected = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["text"], each["spans"]) for each in found] == [(each["text"], each["spans"]) for each in expected]


def test_examples_with_labels_that_the_model_does_not_know_are_predicted(model_folder):
    document = Example("a", "송하늘 기자", (Span(0, 3, "ANIMAL"),))
    [found] = predict(model_folder, [document])
    assert {span.label for span in found.spans} <= {"PS", "LC", "OG"}
    assert found.spans == predict(model_folder, [document.text])[0].spans


def test_tokens_without_tags_are_refused_for_evaluation_and_beside_longer_lines(model_folder, tmp_path, capsys):
    path = tmp_path / "a.conll"
    path.write_text("송하늘\n기자\n", encoding="utf-8")
    words = ["evaluate", model_folder, "--data", str(path), "--dataset", "conll"]
    assert "a.conll:1: expected a token and its tag" in refused(words, capsys)
    path.write_text("송하늘\n기자 O\n", encoding="utf-8")
    words = ["predict", model_folder, str(path), "--dataset", "conll"]
    assert "a.conll:2: expected one token as in line 1" in refused(words, capsys)
