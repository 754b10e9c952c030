"""Runs into a folder that holds something: overwriting, resuming, and a full disk."""

import errno
import os
import shutil

import pytest
import torch
import transformers.modeling_utils
from run_cases import STEPS, contents, steps_evaluated
from safetensors.torch import load_file
from transformers import AutoModel

from kospan.run import prepare_output, train

# --- an output folder that holds something ----------------------------------------------------------------------------


def test_a_folder_that_holds_something_is_refused_and_stays_as_it_is(recipe, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(
        FileExistsError, match=r"--resume_from_checkpoint to.*--overwrite_output_dir to replace.*another --output_dir"
    ):
        train(recipe())
    assert contents(tmp_path / "out") == {"notes.txt": b"mine"}


def test_overwriting_replaces_a_run_and_its_checkpoints(recipe, finished, tmp_path):
    shutil.copytree(finished[0], tmp_path / "out")
    before = contents(tmp_path / "out")
    stale = ("kospan.json", "adapter_config.json", "adapter_model.safetensors", "model-00001-of-00002.safetensors")
    for name in stale:
        (tmp_path / "out" / name).write_text("{}", encoding="utf-8")
    train(recipe(overwrite_output_dir=True, num_train_epochs=1, lstm_hidden_size=4))
    assert not any((tmp_path / "out" / name).exists() for name in stale)
    after = contents(tmp_path / "out")
    for name in ("config.json", "model.safetensors", "recipe.yaml", "predictions.jsonl", "eval_results.json"):
        assert after[name] != before[name], name
    assert {path.name for path in (tmp_path / "out").glob("checkpoint-*")} == {"checkpoint-9"}


# --- going on ---------------------------------------------------------------------------------------------------------


def test_a_resumed_run_ends_where_the_whole_run_ends(recipe, stepwise, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    shutil.copytree(stepwise / "checkpoint-2", tmp_path / "out" / "checkpoint-2")
    train(recipe(**STEPS, resume_from_checkpoint=True))
    assert steps_evaluated(capsys) == [4, 6]
    one, other = (load_file(each / "model.safetensors") for each in (stepwise, tmp_path / "out"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    for name in ("eval_results.json", "predictions.jsonl"):
        assert (stepwise / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "trainer_state.json"])
def test_a_checkpoint_copied_by_half_is_skipped_with_a_line(recipe, stepwise, tmp_path, capsys, name):
    shutil.copytree(stepwise, tmp_path / "out")
    broken = tmp_path / "out" / "checkpoint-6" / name
    if name == "trainer_state.json":
        broken.unlink()
    else:
        broken.write_bytes(broken.read_bytes()[:-100])
    assert prepare_output(recipe(resume_from_checkpoint=True)) == str(tmp_path / "out" / "checkpoint-4")
    reason = "is missing" if name == "trainer_state.json" else "is truncated"
    assert f"skipped             {broken.parent}: {name} {reason}" in capsys.readouterr().out


def test_a_run_resumes_from_the_last_complete_checkpoint(recipe, stepwise, tmp_path, capsys):
    shutil.copytree(stepwise, tmp_path / "out")
    for at in (4, 6):
        path = tmp_path / "out" / f"checkpoint-{at}" / "optimizer.pt"
        path.write_bytes(path.read_bytes()[:1000])
    train(recipe(**STEPS, resume_from_checkpoint=True))
    assert steps_evaluated(capsys) == [4, 6]
    one, other = (load_file(each / "model.safetensors") for each in (stepwise, tmp_path / "out"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_going_on_from_nothing_is_refused(recipe, stepwise, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected a complete checkpoint.*there is no checkpoint-\* folder"):
        train(recipe(resume_from_checkpoint=True))
    (tmp_path / "out").mkdir()
    shutil.copytree(stepwise / "checkpoint-2", tmp_path / "out" / "checkpoint-2")
    (tmp_path / "out" / "checkpoint-2" / "optimizer.pt").unlink()
    with pytest.raises(FileNotFoundError, match=r"checkpoint-2: optimizer\.pt is missing.*--overwrite"):
        train(recipe(resume_from_checkpoint=True))


# --- a full disk ------------------------------------------------------------------------------------------------------


class FullDisk:
    """Stands for the safetensors writer: writes half of what it should and fails, from the given call on."""

    def __init__(self, monkeypatch, first: int = 1):
        self.first, self.calls = first, 0
        self.write = transformers.modeling_utils.safe_save_file
        monkeypatch.setattr(transformers.modeling_utils, "safe_save_file", self)

    def __call__(self, tensors, path, *args, **kwargs):
        self.calls += 1
        self.write(tensors, path, *args, **kwargs)
        if self.calls >= self.first:
            os.truncate(path, os.path.getsize(path) // 2)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def test_a_disk_that_is_full_at_the_end_keeps_the_earlier_model(recipe, finished, tmp_path, monkeypatch):
    shutil.copytree(finished[0], tmp_path / "out", ignore=shutil.ignore_patterns("checkpoint-*"))
    before = contents(tmp_path / "out")
    disk = FullDisk(monkeypatch)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        train(recipe(overwrite_output_dir=True, num_train_epochs=1, save_strategy="no", load_best_model_at_end="false"))
    assert disk.calls == 1
    assert contents(tmp_path / "out") == before
    assert not list((tmp_path / "out").glob(".*"))


def test_a_move_that_fails_midway_keeps_every_file_complete(recipe, finished, tmp_path, monkeypatch):
    shutil.copytree(finished[0], tmp_path / "out", ignore=shutil.ignore_patterns("checkpoint-*"))
    before = contents(tmp_path / "out")
    replace, moved = os.replace, []

    def fails_at_the_third(source, target):
        if os.path.dirname(target) == str(tmp_path / "out"):
            moved.append(target)
            if len(moved) >= 3:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace(source, target)

    monkeypatch.setattr(os, "replace", fails_at_the_third)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        train(recipe(overwrite_output_dir=True, save_strategy="no", load_best_model_at_end="false"))
    after = contents(tmp_path / "out")
    assert after.keys() == before.keys()
    assert len([name for name in after if after[name] != before[name]]) <= 2
    load_file(tmp_path / "out" / "model.safetensors")
    assert AutoModel.from_pretrained(tmp_path / "out").extract("이재용 기자가 서울에서 전했다.") is not None


def test_a_run_whose_second_checkpoint_met_a_full_disk_resumes_from_the_first(
    recipe, stepwise, tmp_path, monkeypatch, capsys
):
    with monkeypatch.context() as patch:
        FullDisk(patch, first=2)
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
            train(recipe(**STEPS))
    assert not (tmp_path / "out" / "config.json").exists()
    printed = capsys.readouterr().out
    train(recipe(**STEPS, resume_from_checkpoint=True))
    again = capsys.readouterr().out
    assert "checkpoint-4: " in again
    assert "step 2/6" in printed and "step 2/6" not in again
    one, other = (load_file(each / "model.safetensors") for each in (stepwise, tmp_path / "out"))
    assert all(torch.equal(one[name], other[name]) for name in one)
