"""`kospan evaluate`."""

import json

import pytest
from cli_cases import GOLD, TEXTS, refused

from kospan.cli import main
from kospan.data.jsonl import write_jsonl
from kospan.example import Example
from kospan.modeling.spans import Span


def test_metrics_are_printed_and_written(model_folder, gold_file, tmp_path, capsys):
    output = tmp_path / "metrics.json"
    assert main(["evaluate", model_folder, "--data", gold_file, "--output", str(output)]) == 0
    metrics = json.loads(output.read_text(encoding="utf-8"))
    assert all(name.startswith("eval_") for name in metrics if name != "examination")
    assert 0 <= metrics["eval_f1"] <= 1
    printed = capsys.readouterr().out
    assert "by type" in printed and "klue_entity_f1" in printed and f"{metrics['eval_f1']:.4f}" in printed
    examination = metrics["examination"]
    assert examination["metrics"]["f1"] == metrics["eval_f1"] and examination["documents"] == 3


def test_the_sample_needs_no_file(make_token_classifier, tmp_path, capsys):
    labels = ["PS", "LC", "OG", "DT", "TI", "QT"]
    make_token_classifier(encoder_input="units", labels=labels, max_length=64).save_pretrained(tmp_path / "model")
    words = ["evaluate", str(tmp_path / "model"), "--dataset", "sample", "--data", "validation", "--train", "train"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "by surface" in printed and "unseen" in printed and "classes of errors" in printed


@pytest.mark.parametrize("command", ["evaluate", "analyze"])
def test_unlabelled_texts_are_refused_before_prediction(command, model_folder, tmp_path, capsys):
    write_jsonl(tmp_path / "texts.jsonl", [Example("x", TEXTS[0], None)])
    message = refused([command, model_folder, "--data", str(tmp_path / "texts.jsonl")], capsys)
    assert "texts.jsonl): expected labelled texts, got one without spans; write [] for a text without spans" in message


def test_unknown_labels_and_unlabelled_texts_are_refused(model_folder, tmp_path, capsys):
    path = tmp_path / "data.jsonl"
    write_jsonl(path, [Example("odd", "오후 세 시", (Span(0, 2, "TI"),))])
    message = refused(["evaluate", model_folder, "--data", str(path)], capsys)
    assert "example 'odd'" in message and "got 'TI'" in message
    write_jsonl(path, [GOLD[0], Example("bare", "비가 온다.", None)])
    assert "'bare'" in refused(["evaluate", model_folder, "--data", str(path)], capsys)


def test_ctrl_c_prints_no_traceback(model_folder, gold_file, tmp_path, monkeypatch, capsys):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("kospan.api.readable", interrupted)
    output = tmp_path / "metrics.json"
    assert main(["evaluate", model_folder, "--data", gold_file, "--output", str(output)]) == 130
    assert capsys.readouterr().err.endswith("kospan: stopped by Ctrl-C; run the same command to start again\n")
    assert not output.exists()
