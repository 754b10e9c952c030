"""Dispatch: help, exit status, and places that cannot be written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_cases import GOLD, ROOT, TINY, refused

from kospan.cli import main
from kospan.data.jsonl import read_jsonl


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_unwritable_output_is_refused_before_any_text_is_read(command, tmp_path, capsys):
    words = {"predict": ["nowhere", "nothing.txt"], "evaluate": ["nowhere", "--data", "nothing.jsonl"]}[command]
    message = refused([command, *words, "--output", str(tmp_path / "no" / "x.jsonl")], capsys)
    assert f"expected a folder at {tmp_path / 'no'} to write x.jsonl to, found none; create it first" in message
    message = refused([command, *words, "--output", str(tmp_path)], capsys)
    assert f"expected a file to write to at {tmp_path}, got a folder" in message
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["predict", "evaluate", "analyze", "benchmark", "subwords"])
def test_unwritable_output_is_refused_before_the_model_is_opened(command, gold_file, tmp_path, monkeypatch, capsys):
    # There is no such model: whoever opened it first would say so.
    words = {
        "predict": ["predict", "nowhere", gold_file],
        "benchmark": ["benchmark", "nowhere"],
        "subwords": ["analyze", "--tokenizer", "nowhere", "--data", gold_file],
    }.get(command, [command, "nowhere", "--data", gold_file])
    if command in ("predict", "evaluate"):
        message = refused([*words, "--output", str(tmp_path / "no" / "such" / "file.json")], capsys)
        missing = tmp_path / "no" / "such"
        assert f"expected a folder at {missing} to write file.json to, found none; create it first" in message
        message = refused([*words, "--output", str(tmp_path)], capsys)
        assert f"expected a file to write to at {tmp_path}, got a folder; name a file inside it" in message
    message = refused([*words, "--output", str(Path(gold_file) / "inside")], capsys)
    assert f"expected a folder to write to at {gold_file}, got a file; name another path" in message
    monkeypatch.setattr(os, "access", lambda place, mode: Path(place) != tmp_path)
    message = refused([*words, "--output", str(tmp_path / "new")], capsys)
    assert f"expected a folder that may be written to, got {tmp_path}; name another path" in message


@pytest.mark.skipif(os.name == "nt", reason="pipes")
@pytest.mark.parametrize("words", [["train.py", "--help"], ["-m", "kospan", "predict", "--help"]])
def test_closed_pipe_is_not_an_error(words):
    """As in `train.py --help | head -0`: the pipe is closed before a word is written."""
    reader, writer = os.pipe()
    os.close(reader)
    # Unbuffered, argparse itself meets the closed pipe and passes over it.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    done = subprocess.run([sys.executable, *words], stdout=writer, stderr=subprocess.PIPE, cwd=ROOT, env=environment)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("form", ["doccano", "label-studio", "brat"])
def test_data_converts_there_and_back(gold_file, tmp_path, capsys, form):
    other, back = str(tmp_path / ("there.json" if form == "label-studio" else "there")), str(tmp_path / "back.jsonl")
    other += ".jsonl" if form == "doccano" else ""
    assert main(["convert", "data", gold_file, other, "--to", form]) == 0
    assert main(["convert", "data", other, back, "--from", form]) == 0
    assert capsys.readouterr().out.count("\n") >= 2
    found = {example.text: [span[:3] for span in example.spans] for example in read_jsonl(back)}
    assert found == {example.text: [span[:3] for span in example.spans] for example in GOLD}


def test_file_for_a_folder_and_folder_for_a_file_are_refused(model_folder, gold_file, tmp_path, capsys):
    message = refused(["predict", gold_file, gold_file], capsys)
    assert f"expected a model's folder or its name on the Hub, got the file {gold_file}; name" in message
    message = refused(["train", *TINY, "--train_file", gold_file, "--encoder", gold_file], capsys)
    assert f"expected a model's folder or its name on the Hub, got the file {gold_file}; name" in message
    message = refused(["train", *TINY, "--train_file", gold_file, "--output_dir", gold_file], capsys)
    assert f"expected a folder to write to at {gold_file}, got a file; name another path" in message
    message = refused(["convert", "data", gold_file, str(tmp_path)], capsys)
    assert f"expected a file to write to, got the folder {tmp_path}; name a file inside it" in message


def test_missing_file_is_reported(model_folder, tmp_path, capsys):
    missing = str(tmp_path / "nowhere.jsonl")
    assert "nowhere.jsonl" in refused(["predict", model_folder, missing], capsys)
    assert "nowhere.jsonl" in refused(["evaluate", model_folder, "--data", missing], capsys)
    assert "nowhere.jsonl" in refused(["convert", "data", missing, str(tmp_path / "out"), "--to", "brat"], capsys)


@pytest.mark.parametrize("words", [[], ["predict"], ["dance"], ["convert"], ["evaluate", "model"]])
def test_incomplete_command_shows_its_usage_and_status_2(words, capsys):
    with pytest.raises(SystemExit) as error:
        main(words)
    assert error.value.code == 2
    assert "usage: kospan" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--help"], ["predict", "--help"], ["convert", "data", "--help"]])
def test_help_has_status_0(words, capsys):
    with pytest.raises(SystemExit) as error:
        main(words)
    assert error.value.code == 0
    assert "usage: kospan" in capsys.readouterr().out


def test_status_reaches_the_shell():
    command = [sys.executable, "-m", "kospan", "train", "nowhere.yaml"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert found.returncode == 2
    assert found.stderr.startswith("kospan: expected a recipe at nowhere.yaml") and found.stdout == ""
