"""A full disk, simulated by a limit on the size of files: one line, and no half-written file."""

import contextlib
import json
import shutil
from types import SimpleNamespace

import pytest
import torch
from cli_cases import GOLD, TINY

from kospan.cli import main
from kospan.cli.errors import shortage
from kospan.data.jsonl import record

resource = pytest.importorskip("resource")


@contextlib.contextmanager
def full_disk(size: int = 8192):
    """Inside, a file that grows beyond a size cannot be written further (EFBIG in place of ENOSPC)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def many(tmp_path):
    """A labelled file of 600 texts."""
    lines = [json.dumps(record(GOLD[at % 3]) | {"id": f"text-{at}"}, ensure_ascii=False) for at in range(600)]
    (tmp_path / "many.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(tmp_path / "many.jsonl")


def contents(folder) -> dict:
    """Every file and folder, hidden ones too."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize("command", ["predict", "export", "convert", "convert over an earlier file"])
def test_a_command_writes_everything_or_nothing(command, model_folder, many, tmp_path, capsys):
    if command == "export":
        pytest.importorskip("onnx")
    out = tmp_path / "out"
    out.mkdir()
    target = str(out / "result")
    if command.endswith("earlier file"):
        (out / "result").write_text("earlier", encoding="utf-8")
    words = {
        "predict": ["predict", model_folder, many, "--output", target],
        "export": ["export", model_folder, target],
        "convert": ["convert", "data", many, target, "--to", "label-studio"],
    }[command.split()[0]]
    before = contents(out)
    with full_disk():
        status = main(words)
    error = capsys.readouterr().err
    assert status == 1 and error.count("\n") == 1, error
    assert error.startswith("kospan: expected free space on the disk, got none while writing")
    assert contents(out) == before
    if command == "convert":
        assert main(words) == 0 and len(json.loads((out / "result").read_text(encoding="utf-8"))) == 600


@pytest.mark.parametrize("output_format", ["jsonl", "jsonl.gz", "jsonl.zst", "parquet"])
def test_a_corpus_keeps_its_complete_shards(output_format, model_folder, many, tmp_path, capsys):
    words = ["predict", model_folder, many, "--output_dir", str(tmp_path / "out"), "--output_format", output_format]
    words += ["--shard_size", "20"]
    with full_disk(900):  # Less than a shard, or if that is compressed, than the journal of all.
        assert main(words) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("kospan: expected free space on the disk, got none while writing")
    written = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("part-*")}
    assert main([*words[:4], str(tmp_path / "whole"), *words[5:]]) == 0
    whole = {path.name: path.read_bytes() for path in (tmp_path / "whole").glob("part-*")}
    assert written.items() <= whole.items() and len(written) < len(whole)
    assert main(words) == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").glob("part-*")} == whole


def test_a_masked_file_is_written_whole_or_not(model_folder, many, tmp_path, capsys):
    target = tmp_path / "masked.jsonl"
    target.write_text("earlier", encoding="utf-8")
    words = ["mask", model_folder, many, "--rules", "none", "--output", str(target)]
    with full_disk():
        assert main(words) == 1
    assert "kospan: expected free space on the disk" in capsys.readouterr().err
    assert target.read_text(encoding="utf-8") == "earlier" and not list(tmp_path.glob(".*"))
    assert main(words) == 0


def test_cached_features_need_their_space(many, tmp_path, capsys):
    words = ["train", *TINY, "--train_file", many, "--validation_file", many, "--output_dir", str(tmp_path / "run")]
    words += ["--max_eval_samples", "3", "--freeze_encoder", "--feature_cache_dir", str(tmp_path / "features")]
    with full_disk():
        status = main(words)
    error = capsys.readouterr().err
    assert status == 1 and "kospan: expected free space on the disk" in error, error
    assert main([*words, "--overwrite_output_dir"]) == 0


def test_too_little_space_for_cached_features_names_the_setting(many, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=500))
    words = ["train", *TINY, "--train_file", many, "--validation_file", many, "--output_dir", str(tmp_path / "run")]
    assert main([*words, "--freeze_encoder", "--feature_cache_dir", str(tmp_path / "features")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("kospan: expected ") and error.count("\n") == 1, error
    assert "free for the features of the frozen encoder" in error and "name another feature_cache_dir" in error


def test_a_damaged_file_is_not_a_full_disk():
    assert (
        shortage(RuntimeError("[enforce fail at inline_container.cc:145] PytorchStreamReader failed reading")) is None
    )
    assert shortage(RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB\nmore"), "CUDA out of memory. Tried to"),
        (MemoryError("Unable to allocate 8 GiB"), "Unable to allocate 8 GiB)"),
        (MemoryError(), "MemoryError)"),
    ],
)
def test_memory_that_runs_out_names_the_setting(error, reason, model_folder, gold_file, monkeypatch, capsys):
    def fail(*arguments, **settings):
        raise error

    monkeypatch.setattr(torch.nn.Linear, "forward", fail)
    assert main(["predict", model_folder, gold_file]) == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert message.startswith(f"kospan: expected free memory, got none ({reason}") and "; lower --batch_size" in message


@pytest.mark.parametrize("moment", ["checkpoint", "end"])
def test_a_training_keeps_its_earlier_model_and_checkpoint(moment, many, tmp_path, capsys):
    folder = tmp_path / "run"
    words = ["train", *TINY, "--train_file", many, "--validation_file", many, "--output_dir", str(folder)]
    words += ["--max_eval_samples", "3"]
    saving = ["--save_strategy", "steps", "--save_steps", "1"] if moment == "checkpoint" else []
    assert main([*words, "--save_strategy", "steps", "--save_steps", "1", "--max_steps", "1"]) == 0
    before = contents(folder)
    with full_disk():
        status = main([*words, *saving, "--max_steps", "3", "--resume_from_checkpoint"])
    error = capsys.readouterr().err
    assert status == 1 and error.startswith(f"kospan: expected free space on the disk of {folder}, got none while")
    after = contents(folder)
    assert {name: after[name] for name in before} == before
    assert main([*words, *saving, "--max_steps", "3", "--resume_from_checkpoint"]) == 0
