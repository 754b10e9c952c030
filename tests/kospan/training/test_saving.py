import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
import training_cases as cases
from time_limits import SECONDS

from kospan.cli import main
from kospan.data.text import write_text
from kospan.training.saving import (
    CHECKPOINT_FILES,
    broken_part,
    dot_notes,
    last_whole_checkpoint,
    resumable_checkpoint,
    written_whole,
)


def full_disk(*args, **kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def contents(folder) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# --- a file -----------------------------------------------------------------------------------------------------------


def test_a_file_is_written_in_utf8_and_no_temporary_file_remains(tmp_path):
    write_text(tmp_path / "a.jsonl", "서울\n👩\u200d🚀\n")
    write_text(str(tmp_path / "a.jsonl"), "부산\n")
    assert contents(tmp_path) == {"a.jsonl": "부산\n".encode()}


@pytest.mark.parametrize("name", ["replace", "write"])
def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path, monkeypatch, name):
    path = tmp_path / "a.json"
    write_text(path, "before")
    if name == "replace":
        monkeypatch.setattr(os, "replace", full_disk)
        text, error = "after", OSError
    else:  # Half a surrogate pair fails after the file has been opened.
        text, error = "after" * 10_000 + "\ud800", UnicodeEncodeError
    with pytest.raises(error):
        write_text(path, text)
    monkeypatch.undo()
    assert contents(tmp_path) == {"a.json": b"before"}


# --- a folder ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        ["vectors", "FILE"],
        ["vectors", "a.txt", "FILE"],
        ["predict", "nowhere", "FILE"],
        ["suggest", "nowhere", "FILE", "--count", "1"],
        ["suggest", "nowhere", "a.txt", "--labelled", "FILE", "--count", "1"],
        ["pseudo-label", "nowhere", "FILE", "--data", "a.txt"],
        ["pseudo-label", "nowhere", "a.txt", "--data", "FILE"],
        ["evaluate", "nowhere", "--data", "FILE"],
    ],
)
def test_an_input_is_not_replaced_by_the_output(command, tmp_path, monkeypatch, capsys):
    """Nor is a file under two names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b.txt").write_text("서울에 비가 온다\n" * 9, encoding="utf-8")
    (tmp_path / "same.txt").hardlink_to(tmp_path / "b.txt")
    words = ["b.txt" if each == "FILE" else each for each in command]
    for output in (str(tmp_path / "b.txt"), "same.txt"):
        assert main([*words, "--output", output]) == 2
        assert "expected another file for the output than the input b.txt; name another" in capsys.readouterr().err
    assert (tmp_path / "b.txt").read_text(encoding="utf-8").startswith("서울")


def test_a_folder_is_filled_when_the_block_ends_well(tmp_path):
    folder = tmp_path / "not" / "there"
    with written_whole(folder) as temporary:
        (temporary / "model.safetensors").write_bytes(b"weights")
        (temporary / "config.json").write_text("{}", encoding="utf-8")
        (temporary / "below").mkdir()
        (temporary / "below" / "a.txt").write_text("a", encoding="utf-8")
        assert [path.name for path in folder.iterdir() if not path.name.startswith(".")] == []
    assert contents(folder) == {"below/a.txt": b"a", "config.json": b"{}", "model.safetensors": b"weights"}
    assert not list(folder.glob(".*"))


def test_files_of_the_folder_are_replaced_and_others_stay(tmp_path):
    for name in ("config.json", "mine.txt", "below/old.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("old", encoding="utf-8")
    with written_whole(tmp_path) as temporary:
        (temporary / "config.json").write_text("new", encoding="utf-8")
        (temporary / "below").mkdir()
        (temporary / "below" / "new.txt").write_text("new", encoding="utf-8")
    assert contents(tmp_path) == {"below/new.txt": b"new", "config.json": b"new", "mine.txt": b"old"}


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_a_failed_block_does_not_change_the_folder(tmp_path, error):
    (tmp_path / "config.json").write_text("old", encoding="utf-8")
    with pytest.raises(type(error)), written_whole(tmp_path) as temporary:
        (temporary / "model.safetensors").write_bytes(b"half")
        raise error
    assert contents(tmp_path) == {"config.json": b"old"}
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("last", ["config.json", "a.txt"])
def test_the_file_that_marks_the_folder_is_moved_last(tmp_path, monkeypatch, last):
    moved, replace = [], os.replace
    monkeypatch.setattr(os, "replace", lambda source, target: (moved.append(target.name), replace(source, target)))
    with written_whole(tmp_path, last=last) as temporary:
        for name in ("z.txt", "a.txt", "config.json", "model.safetensors"):
            (temporary / name).write_text(name, encoding="utf-8")
    assert moved[-1] == last
    assert sorted(moved) == ["a.txt", "config.json", "model.safetensors", "z.txt"]


def test_a_folder_that_cannot_be_filled_keeps_no_temporary_files(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)), written_whole(tmp_path) as temporary:
        (temporary / "config.json").write_text("new", encoding="utf-8")
    assert list(tmp_path.iterdir()) == []


# --- a checkpoint -----------------------------------------------------------------------------------------------------


@pytest.fixture
def checkpoints(make_token_classifier, tmp_path):
    """Two checkpoints as the Trainer writes them."""
    model = make_token_classifier(encoder_input="units")
    cases.trainer(model, str(tmp_path), save_strategy="steps", save_steps=2, optim="adamw_torch").train()
    return tmp_path


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_a_checkpoint_of_the_trainer_is_whole(checkpoints):
    assert broken_part(checkpoints / "checkpoint-4") is None
    assert last_whole_checkpoint(checkpoints) == (str(checkpoints / "checkpoint-4"), [])
    # Newest by number, not by name; other folders are no checkpoints.
    shutil.copytree(checkpoints / "checkpoint-2", checkpoints / "checkpoint-10")
    shutil.copytree(checkpoints / "checkpoint-2", checkpoints / "checkpoint-best")
    assert last_whole_checkpoint(str(checkpoints))[0] == str(checkpoints / "checkpoint-10")


@pytest.mark.parametrize("name", [*CHECKPOINT_FILES, "model.safetensors", "rng_state.pth"])
def test_a_missing_file_is_named(checkpoints, name):
    (checkpoints / "checkpoint-4" / name).unlink()
    assert broken_part(checkpoints / "checkpoint-4") == f"{name} is missing"
    found, skipped = last_whole_checkpoint(checkpoints)
    assert found == str(checkpoints / "checkpoint-2")
    assert skipped == [f"{checkpoints / 'checkpoint-4'}: {name} is missing"]


@pytest.mark.parametrize(
    "name", ["trainer_state.json", "config.json", "model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth"]
)
@pytest.mark.parametrize("how", ["cut in half", "empty"])
def test_a_file_cut_short_is_named(checkpoints, name, how):
    path = checkpoints / "checkpoint-4" / name
    cut(path) if how == "cut in half" else path.write_bytes(b"")
    assert broken_part(checkpoints / "checkpoint-4") == f"{name} is truncated"


def test_the_scale_of_fp16_may_be_missing_but_not_cut_short(checkpoints):
    path = checkpoints / "checkpoint-4" / "scaler.pt"
    torch.save(torch.amp.GradScaler("cpu").state_dict(), path)
    assert broken_part(path.parent) is None
    cut(path)
    assert broken_part(path.parent) == "scaler.pt is truncated"
    assert last_whole_checkpoint(checkpoints)[0] == str(checkpoints / "checkpoint-2")


def test_a_missing_shard_of_the_index_is_found(make_token_classifier, checkpoints):
    folder = checkpoints / "checkpoint-4"
    (folder / "model.safetensors").unlink()
    make_token_classifier(encoder_input="units").save_pretrained(folder, max_shard_size="8KB")
    shards = sorted(folder.glob("model-*.safetensors"))
    assert len(shards) > 1
    assert broken_part(folder) is None
    shards[0].unlink()
    assert broken_part(folder) == f"{shards[0].name} is missing"


def test_a_folder_without_a_whole_checkpoint_is_refused_with_every_reason(checkpoints):
    cut(checkpoints / "checkpoint-4" / "optimizer.pt")
    (checkpoints / "checkpoint-2" / "trainer_state.json").unlink()
    reasons = r"checkpoint-4: optimizer\.pt is truncated; .*checkpoint-2: trainer_state\.json is missing.*--overwrite"
    with pytest.raises(FileNotFoundError, match=reasons):
        last_whole_checkpoint(checkpoints)
    with pytest.raises(FileNotFoundError, match=r"there is no checkpoint-\* folder"):
        last_whole_checkpoint(checkpoints / "nowhere")


def test_a_complete_checkpoint_can_be_resumed(make_token_classifier, checkpoints):
    model = make_token_classifier(encoder_input="units", seed=9)
    run = cases.trainer(model, str(checkpoints), optim="adamw_torch", max_steps=6)
    run.train(resume_from_checkpoint=last_whole_checkpoint(checkpoints)[0])
    assert run.state.global_step == 6
    assert [entry["step"] for entry in run.state.log_history if "loss" in entry] == [1, 2, 3, 4, 5, 6]
    assert all(torch.isfinite(value).all() for value in run.model.state_dict().values())


@pytest.mark.parametrize(
    ("names", "dotted"),
    [
        ((Path("outputs/first"), "kim/first-2"), ""),
        ((Path("outputs.old/first"), None), ""),
        ((Path("outputs/my.model-v0.1"), "kim/first"), "my.model-v0.1"),
        ((Path("outputs/v1.2/"), "kim.lee/v1"), "v1.2 and kim.lee/v1"),
        (("kim/v1.2", "kim/v1.2"), "kim/v1.2"),
    ],
)
def test_names_with_a_dot_are_noted_in_one_line(names, dotted):
    notes = dot_notes(*names)
    assert len(notes) == bool(dotted) and all("\n" not in note and f"got {dotted}; choose" in note for note in notes)


def test_the_current_folder_counts_by_its_name(tmp_path, monkeypatch):
    (tmp_path / "v2.0").mkdir()
    monkeypatch.chdir(tmp_path / "v2.0")
    assert "got v2.0;" in dot_notes(Path("."))[0] and not dot_notes(Path(".."))


def test_transformers_4_is_what_a_dot_breaks(make_token_classifier, tmp_path, transformers_4):
    """The reason for the note; where this fails, the note may go."""
    script = (
        "import sys; from transformers import AutoModel\n"
        "for folder in sys.argv[1:]:\n"
        "    try: AutoModel.from_pretrained(folder, trust_remote_code=True)\n"
        "    except ModuleNotFoundError as error: print(error)\n"
        "    else: print('loaded')"
    )
    folders = [tmp_path / name for name in ("plain-v1", "dotted.v1")]
    for folder in folders:
        make_token_classifier().save_pretrained(folder)
    environment = {**os.environ, "HF_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}
    environment.pop("PYTHONPATH", None)
    command = [transformers_4, "-c", script, *map(str, folders)]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=SECONDS
    )
    assert done.stdout.splitlines() == ["loaded", "No module named 'transformers_modules.dotted'"], done.stderr[-2000:]


def test_a_checkpoint_is_the_last_one_or_the_named_one(make_token_classifier, checkpoints):
    assert resumable_checkpoint(checkpoints, True) == last_whole_checkpoint(checkpoints)
    named = str(checkpoints / "checkpoint-2")
    assert resumable_checkpoint(checkpoints, named) == (named, [])
    with pytest.raises(FileNotFoundError, match=r"checkpoint at .*checkpoint-9 .* trainer_state\.json is missing"):
        resumable_checkpoint(checkpoints, str(checkpoints / "checkpoint-9"))
