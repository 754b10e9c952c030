"""`kospan analyze` and `kospan benchmark`."""

import json
from pathlib import Path

from cli_cases import refused

from kospan.cli import main


def test_folder_without_a_tokenizer_is_refused(model_folder, gold_file, capsys):
    for path in [*Path(model_folder).glob("tokenizer*"), *Path(model_folder).glob("special_tokens*")]:
        path.unlink()
    config = {"model_type": "electra", "vocab_size": 9}
    (Path(model_folder) / "config.json").write_text(json.dumps(config), encoding="utf-8")
    # transformers makes up one to which every word is unknown.
    message = refused(["analyze", "--tokenizer", model_folder, "--data", gold_file], capsys)
    assert "expected a tokenizer beside the encoder" in message and "found none" in message


def test_tokenizer_is_analyzed_without_a_model(model_folder, gold_file, tmp_path, capsys):
    words = ["analyze", "--tokenizer", model_folder, "--data", gold_file, "--output", str(tmp_path / "report")]
    assert main(words) == 0
    assert "subwords per word" in capsys.readouterr().out
    assert json.loads((tmp_path / "report" / "subwords.json").read_text(encoding="utf-8"))["documents"] == 3
    for extra, given in (([model_folder, "--tokenizer", model_folder], "both"), ([], "neither")):
        assert main(["analyze", *extra, "--data", gold_file]) == 2
        assert f"expected a model or --tokenizer NAME to analyze, got {given}" in capsys.readouterr().err


def test_message_of_a_library_is_joined_to_one_line(gold_file, tmp_path, capsys):
    (tmp_path / "nothing").mkdir()
    refused(["analyze", "--tokenizer", str(tmp_path / "nothing"), "--data", gold_file], capsys)


def test_sentence_too_long_for_attention_is_refused_before_the_analysis(model_folder, gold_file, capsys, monkeypatch):
    monkeypatch.setattr("kospan.report.analysis.analyze", None)
    message = refused(["analyze", model_folder, "--data", gold_file, "--attention", "가나" * 400], capsys)
    assert "got one of 800 characters; pass a shorter sentence with --attention" in message and "가나" not in message


def test_benchmark_prints_a_table_and_writes_a_plot(model_folder, tmp_path, capsys):
    words = ["benchmark", model_folder, "--lengths", "8", "16", "--batches", "2", "--calls", "1"]
    assert main([*words, "--output", str(tmp_path / "speed")]) == 0
    assert "characters/s" in capsys.readouterr().out
    found = json.loads((tmp_path / "speed" / "speed.json").read_text(encoding="utf-8"))
    assert [(row["length"], row["batch"]) for row in found["rows"]] == [(8, 2), (16, 2)]
    assert (tmp_path / "speed" / "speed.png").read_bytes().startswith(b"\x89PNG")
