"""`kospan predict --output_dir`: corpora."""

import json
from pathlib import Path

import pyarrow.parquet
import pytest
from cli_cases import GOLD, TEXTS, refused

from kospan.cli import main
from kospan.data.jsonl import read_jsonl


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """A folder with a table whose texts are in the column `body`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    rows = [f"k{at},{text},q{at}" for at, text in enumerate(TEXTS)]
    (tmp_path / "data" / "a.csv").write_text("\n".join(["key,body,other", *rows]), encoding="utf-8")


COLUMNS = ["--text_column", "body", "--id_column", "key"]


def test_corpus_has_the_predictions_of_the_single_file(model_folder, gold_file, tmp_path, capsys):
    assert main(["predict", model_folder, gold_file, "--output_dir", str(tmp_path / "out")]) == 0
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.splitlines() == [
        captured.err.splitlines()[0],
        f"3 records, 0 errors, 1 shards -> {tmp_path / 'out'}",
    ]
    assert main(["predict", model_folder, gold_file, "--output", str(tmp_path / "found.jsonl")]) == 0
    assert (tmp_path / "out" / "part-00000-00000.jsonl").read_bytes() == (tmp_path / "found.jsonl").read_bytes()
    assert len(read_jsonl(tmp_path / "found.jsonl")) == len(GOLD)


def test_flags_reach_the_run(model_folder, corpus, tmp_path):
    words = ["predict", model_folder, "data", "--output_dir", "out", *COLUMNS, "--output_format", "parquet"]
    words += ["--shard_size", "2", "--threshold", "0.3", "--decode", "posterior", "--batch_size", "2"]
    words += ["--quoting", "minimal", "--input_format", "csv", "--max_errors", "0", "--engine", "local"]
    assert main(words) == 0
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["settings"] == {
        "input_format": "csv",
        "columns": {"text": "body", "id": "key"},
        "quoting": "minimal",
        "output_format": "parquet",
        "threshold": 0.3,
        "decoding": {"decode": "posterior"},
        "batch_size": 2,
        "shard_size": 2,
    }
    table = pyarrow.parquet.read_table([tmp_path / "out" / f"part-00000-{at:05d}.parquet" for at in range(2)])
    assert table["id"].to_pylist() == ["k0", "k1", "k2"] and table["text"].to_pylist() == TEXTS


def test_status_shows_unreadable_records(model_folder, tmp_path, capsys):
    (tmp_path / "a.jsonl").write_text('{"text": "가"}\n{\n', encoding="utf-8")
    words = ["predict", model_folder, str(tmp_path / "a.jsonl"), "--output_dir", str(tmp_path / "out")]
    assert main(words) == 3
    assert capsys.readouterr().err.endswith(f"1 records, 1 errors, 1 shards -> {tmp_path / 'out'}\n")
    assert main(words) == 3
    assert main([*words, "--max_errors", "0"]) == 2
    assert "kospan: expected at most 0 unreadable records, got 1; see the files" in capsys.readouterr().err


def test_folder_of_another_run_is_refused_until_overwrite(model_folder, corpus, tmp_path, capsys):
    words = ["predict", model_folder, "data", "--output_dir", "out", *COLUMNS]
    assert main(words) == 0
    capsys.readouterr()
    assert "threshold None in place of 0.5; name another --output_dir" in refused(
        [*words, "--threshold", "0.5"], capsys
    )
    assert main([*words, "--threshold", "0.5", "--overwrite"]) == 0


@pytest.mark.parametrize(
    "words, message",
    [
        (["a.jsonl", "b.jsonl"], "expected --output_dir FOLDER for 2 files, got none"),
        (["a.jsonl", "--num_processes", "2"], "expected --output_dir FOLDER for --num_processes, got none"),
        (["a.jsonl", "--text_column", "body"], "expected --output_dir FOLDER for --text_column, got none"),
        (["a.jsonl", "--overwrite"], "expected --output_dir FOLDER for --overwrite, got none"),
        (
            ["a.jsonl", "--output_dir", "out", "--output", "b"],
            "expected no --output with --output_dir, got b; remove it",
        ),
        (["a.jsonl", "--output_dir", "out", "--skip_invalid"], "expected no --skip_invalid with --output_dir"),
        (
            ["a.conll", "--output_dir", "out", "--dataset", "conll"],
            "expected no --dataset with --output_dir, got conll;",
        ),
        (["data", "--output_dir", "out"], "data/a.csv: expected a column 'text', got key, body, other; name it with"),
        (["missing.jsonl", "--output_dir", "out"], "expected a file at missing.jsonl"),
        (["data", "--output_dir", "a.txt"], "expected a folder to write to at a.txt, got a file"),
    ],
)
def test_wrong_flags_are_refused(model_folder, corpus, capsys, words, message):
    flags = COLUMNS if words[-1] == "a.txt" else []
    Path("a.txt").touch()
    assert message in refused(["predict", model_folder, *words, *flags], capsys)


def test_interrupted_run_says_how_to_continue(model_folder, gold_file, tmp_path, monkeypatch, capsys):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("kospan.corpus.folder.OutputFolder.commit", interrupt)
    assert main(["predict", model_folder, gold_file, "--output_dir", str(tmp_path / "out")]) == 130
    assert "kospan: stopped by Ctrl-C; run the same command to continue" in capsys.readouterr().err
