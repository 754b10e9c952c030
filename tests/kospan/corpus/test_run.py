"""Runs over corpora: continuation, errors, refusals, progress."""

import os
import signal
import subprocess
import sys

import pytest
from corpus_cases import contents, errors, records, write_lines

import kospan
from kospan.corpus.folder import OutputFolder
from kospan.corpus.identity import model_identity
from kospan.corpus.run import predict_corpus
from kospan.corpus.settings import OUTPUT_FORMATS


@pytest.fixture
def run(model_folder, tmp_path, monkeypatch):
    """Predicts `data` in the working folder; keyword arguments are those of `predict_corpus`."""
    monkeypatch.chdir(tmp_path)

    def call(inputs="data", output="out", **settings):
        return predict_corpus(model_folder, inputs, output, **{"shard_size": 4, "say": lambda line: None, **settings})

    return call


def test_every_document_is_predicted_once_and_in_order(run, tmp_path):
    for at, name in enumerate(("b", "a")):
        write_lines(tmp_path / "data" / f"{name}.jsonl", 10, 100 * at)
    (tmp_path / "data" / "empty.jsonl").touch()
    manifest = run()
    assert [each["id"] for each in records(tmp_path / "out")] == [f"t{at}" for at in [*range(100, 110), *range(10)]]
    assert [(each["input"], each["first"], each["records"]) for each in manifest["shards"]] == [
        (f"data/{name}.jsonl", first, count) for name in "ab" for first, count in ((1, 4), (5, 4), (9, 2))
    ]
    assert [each["name"] for each in manifest["inputs"]] == ["data/a.jsonl", "data/b.jsonl", "data/empty.jsonl"]
    assert manifest["kospan"] == kospan.__version__ and manifest["settings"]["shard_size"] == 4


@pytest.mark.parametrize("output_format", OUTPUT_FORMATS)
def test_interrupted_run_continues_to_the_same_bytes(run, tmp_path, monkeypatch, output_format):
    write_lines(tmp_path / "data" / "a.jsonl", 14)
    run(output="whole", output_format=output_format)
    commit, done = OutputFolder.commit, []

    def interrupted(self, entry):
        done.append(entry["file"])
        if len(done) == 3:
            raise KeyboardInterrupt
        return commit(self, entry)

    monkeypatch.setattr(OutputFolder, "commit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(output_format=output_format)
    said = []
    run(output_format=output_format, say=said.append)
    assert said == ["resumed             2 complete shards in out"]
    assert [name.partition(".")[0] for name in done[3:]] == ["part-00000-00002", "part-00000-00003"]
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_killed_process_continues_to_the_same_bytes(run, model_folder, tmp_path):
    write_lines(tmp_path / "data" / "a.jsonl", 14)
    code = (
        "import os, signal, sys, torch\n"
        "from kospan.corpus import run\n"
        "torch.set_num_threads(1)\n"
        "commit, done = run.OutputFolder.commit, []\n"
        "def killed(self, entry):\n"
        "    if done: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return done.append(1) or commit(self, entry)\n"
        "run.OutputFolder.commit = killed\n"
        "run.predict_corpus(sys.argv[1], 'data', 'out', shard_size=4)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, model_folder], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL
    # No terminal: a line per shard.
    assert done.stderr.startswith("part-00000-00000.jsonl") and "4 records, 0 errors," in done.stderr
    assert len(list((tmp_path / "out").glob(".part-*.tmp"))) == 1
    run()
    run(output="whole")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_unreadable_records_are_listed_with_place_and_reason(run, tmp_path):
    path = write_lines(tmp_path / "data" / "a.jsonl", 6)
    path.write_text("{\n" + path.read_text(encoding="utf-8") + '{"id": 1}\n', encoding="utf-8")
    manifest = run()
    assert manifest["totals"] | {"bytes": 0} == {"records": 6, "errors": 2, "bytes": 0}
    assert [(each["file"], each["line"]) for each in errors(tmp_path / "out")] == [
        ("data/a.jsonl", 1),
        ("data/a.jsonl", 8),
    ]
    assert errors(tmp_path / "out")[1]["reason"] == "expected the key 'text', got 'id'; add it"
    assert [each["id"] for each in records(tmp_path / "out")] == [f"t{at}" for at in range(6)]
    assert [each.get("errors_file") for each in manifest["shards"]] == [
        "part-00000-00000.errors.jsonl",
        "part-00000-00001.errors.jsonl",
    ]


def test_max_errors_stops_the_run_which_continues_with_a_larger_number(run, tmp_path):
    path = write_lines(tmp_path / "data" / "a.jsonl", 6)
    path.write_text("{\n{\n" + path.read_text(encoding="utf-8") + "{\n", encoding="utf-8")
    with pytest.raises(ValueError, match="expected at most 1 unreadable records, got 2; see the files"):
        run(max_errors=1)
    assert len(list((tmp_path / "out").glob("part-*.errors.jsonl"))) == 1
    with pytest.raises(ValueError, match="expected at most 2 unreadable records, got 3"):
        run(max_errors=2)
    assert run(max_errors=3)["totals"]["errors"] == 3


def test_changed_input_of_a_written_shard_is_refused(run, tmp_path, monkeypatch):
    path = write_lines(tmp_path / "data" / "a.jsonl", 9)
    run()
    os.remove(tmp_path / "out" / "part-00000-00002.jsonl")
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    lines[0], lines[3] = lines[3], lines[0]
    path.write_text("".join(lines), encoding="utf-8")
    message = r"data/a\.jsonl:1: expected the records that part-00000-00000\.jsonl was predicted from, got others"
    with pytest.raises(ValueError, match=message):
        run()
    assert run(overwrite=True)["totals"]["records"] == 9


def test_corpus_without_texts_is_refused(run, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.jsonl").write_text("\n\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"data/a\.jsonl: expected at least one text, got none"):
        run()


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"shard_size": 0}, "expected shard_size to be a whole number of 1 or more, got 0"),
        ({"batch_size": 1.5}, "expected batch_size to be a whole number"),
        ({"num_processes": 0}, "expected num_processes to be a whole number of 1 or more, got 0"),
        ({"max_errors": -1}, "expected max_errors to be a whole number of 0 or more, got -1"),
        (
            {"output_format": "csv"},
            "expected output_format to be one of jsonl, jsonl.gz, jsonl.zst, parquet, got 'csv'",
        ),
        ({"input_format": "xml"}, "expected input_format to be one of auto, jsonl"),
        ({"columns": {"label": "x"}}, "expected each key of columns to be one of text, id"),
        ({"engine": "spark"}, "expected engine to be one of local, ray, got 'spark'"),
        ({"ray_address": "auto"}, "expected engine ray for ray_address 'auto', got local"),
        ({"output": "data/out"}, "expected an output folder outside of the input data, got data/out"),
        ({"output": "data"}, "expected an output folder outside of the input data, got data"),
        (
            {"inputs": "*/*.jsonl", "output": "data"},
            "expected inputs outside of the output folder data, got data/a.jsonl",
        ),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_written(run, tmp_path, settings, message):
    write_lines(tmp_path / "data" / "a.jsonl", 1)
    with pytest.raises(ValueError) as error:
        run(**settings)
    assert message in str(error.value)
    assert {path.name for path in tmp_path.iterdir()} == {"data", "model"}


def test_wrong_setting_of_the_model_can_be_corrected_in_the_same_folder(run, tmp_path):
    write_lines(tmp_path / "data" / "a.jsonl", 1)
    with pytest.raises(ValueError, match="threshold"):
        run(threshold=2.0)
    assert run(threshold=0.5)["complete"]


def test_identity_is_that_of_the_models_files(model_folder, tmp_path):
    one = model_identity(model_folder)
    assert one["name"] == model_folder
    with open(f"{model_folder}/README.md", "w", encoding="utf-8") as file:
        file.write("card")
    assert model_identity(model_folder) == one
    with open(f"{model_folder}/config.json", "a", encoding="utf-8") as file:
        file.write(" ")
    assert model_identity(model_folder)["sha256"] != one["sha256"]
    assert model_identity("no/such-model") == {"name": "no/such-model"}
