"""`kospan export` from the command line."""

import importlib.util
import json
import subprocess
import sys

import pytest
from cli_cases import GOLD, refused

from kospan.cli import main
from kospan.data.jsonl import record
from kospan.runtime import load


@pytest.fixture
def saved(make_token_classifier, tmp_path):
    """A model's folder, and a labelled file."""
    make_token_classifier(encoder_input="units", lstm_hidden_size=4).save_pretrained(tmp_path / "model")
    lines = [json.dumps(record(example), ensure_ascii=False) for example in GOLD]
    (tmp_path / "gold.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path / "model", tmp_path / "gold.jsonl"


def test_scores_before_and_after(saved, tmp_path, capsys):
    folder, data = map(str, saved)
    output = str(tmp_path / "exported")
    assert main(["export", folder, output, "--quantize", "int8", "--data", data]) == 0
    lines = {line[:20].strip(): line[20:].split() for line in capsys.readouterr().out.splitlines()}
    assert lines["exported"][:2] == [output, "(int8,"] and "difference" in lines and lines["instruction set"]
    assert lines["3 documents"] == ["before", "after", "change"]
    before, after, change = map(float, lines["f1"])
    assert after - before == pytest.approx(change, abs=2e-4)
    assert load(output).precision == "int8"


def test_float32_prints_no_instruction_set_and_replaces_only_when_asked(saved, tmp_path, capsys):
    folder, output = str(saved[0]), str(tmp_path / "exported")
    assert main(["export", folder, output, "--format", "onnx"]) == 0
    assert "instruction set" not in capsys.readouterr().out
    assert "pass --overwrite" in refused(["export", folder, output], capsys)
    capsys.readouterr()
    assert main(["export", folder, output, "--overwrite", "--quantize", "int8", "--reduce_range", "true"]) == 0
    assert "(weights of 7 bits)" in capsys.readouterr().out
    assert "expected a folder other than the source" in refused(["export", folder, folder, "--overwrite"], capsys)


def test_mistakes_are_found_before_the_export(saved, tmp_path, capsys, monkeypatch):
    folder, output = str(saved[0]), str(tmp_path / "exported")
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"text": "비", "spans": [{"start": 0, "end": 1, "label": "XX"}]}', encoding="utf-8")
    assert "'XX'" in refused(["export", folder, output, "--data", str(bad)], capsys)
    assert "found none" in refused(["export", str(tmp_path / "missing"), output], capsys)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "onnx" else find(name, *rest))
    message = 'expected the package onnx for kospan export, found none; pip install "kospan[onnx]"'
    assert message in refused(["export", folder, output], capsys)
    assert not (tmp_path / "exported").exists()
    with pytest.raises(SystemExit, match="2"):
        main(["export", folder, output, "--quantize", "int4"])


def test_without_onnxruntime_the_error_names_the_extra(saved, tmp_path):
    code = "import sys; sys.modules['onnxruntime'] = None; from kospan.cli import main; sys.exit(main(sys.argv[1:]))"
    words = ["export", str(saved[0]), str(tmp_path / "exported")]
    ended = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, encoding="utf-8")
    assert ended.returncode == 2
    assert 'expected the package onnxruntime for kospan export, found none; pip install "kospan[onnx]"' in ended.stderr
