"""Data files that change during a run, or between a run and its continuation, are noticed."""

import hashlib
import json
import os

import pytest
import resume_cases as cases
from transformers import TrainerCallback

from kospan.data.jsonl import write_jsonl
from kospan.run import build_trainer, prepare, train
from kospan.training.data_files import data_paths, fingerprint


def test_fingerprints_of_files_and_folders(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 9_000_000)
    assert fingerprint(tmp_path / "a") == {
        "bytes": 9_000_000,
        "sha256": hashlib.sha256(b"x" * 9_000_000).hexdigest(),
    }
    folder = tmp_path / "folder" / "below"
    folder.mkdir(parents=True)
    (folder / "b").write_bytes(b"ab")
    first = fingerprint(tmp_path / "folder")
    assert first["bytes"] == 2 and first == fingerprint(tmp_path / "folder")
    (folder / "b").rename(folder / "c")
    renamed = fingerprint(tmp_path / "folder")
    (folder / "c").write_bytes(b"a")
    (folder / "d").write_bytes(b"b")
    assert len({each["sha256"] for each in (first, renamed, fingerprint(tmp_path / "folder"))}) == 3


def test_only_existing_paths_are_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "test").mkdir()
    (tmp_path / "news.txt").touch()
    recipe = cases.recipe_of("token-classification", tmp_path / "run", calibration_split="test")
    recipe.sources = {"news": {"path": "news.txt"}, "hub": {"path": "hub:kim/news"}, "plain": "news.txt"}
    assert set(data_paths(recipe)) == {"train_file", "validation_file", "sources.news", "sources.plain"}


def test_the_record_and_every_checkpoint_hold_the_fingerprints(tmp_path):
    train(cases.recipe_of("token-classification", tmp_path))
    wanted = {f"{split}_file": fingerprint(tmp_path / f"{split}.jsonl") for split in ("train", "validation")}
    record = json.loads((tmp_path / "out" / "training_record.json").read_text(encoding="utf-8"))
    assert record["training"]["data_files"] == wanted
    saved = cases.newest_state(tmp_path / "out")["stateful_callbacks"]["DataFiles"]["attributes"]["files"]
    assert saved == wanted


def test_a_resumed_run_says_that_its_data_have_changed(tmp_path, capsys):
    train(cases.recipe_of("token-classification", tmp_path))
    resumed = {"resume_from_checkpoint": True, "num_train_epochs": 3}
    capsys.readouterr()
    prepare(cases.recipe_of("token-classification", tmp_path, **resumed))[0].held.close()
    assert "data changed" not in capsys.readouterr().out
    other = cases.people(12)
    other[0], other[1] = other[1], other[0]
    prepare(cases.recipe_of("token-classification", tmp_path, other, **resumed))[0].held.close()
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("data changed")]
    assert len(printed) == 1 and "train_file: " in printed[0] and "the run resumes on the new texts" in printed[0]


@pytest.mark.parametrize("how", ["content", "time", "missing"])
def test_data_that_change_between_epochs_are_reported_once(how, tmp_path, capsys):
    trainer = build_trainer(cases.recipe_of("token-classification", tmp_path, num_train_epochs=4))
    path = tmp_path / "train.jsonl"

    class Change(TrainerCallback):
        def on_epoch_end(self, args, state, control, **kwargs):
            if round(state.epoch) != 1:
                return
            if how == "content":
                write_jsonl(path, cases.people(5))
            elif how == "missing":
                path.unlink()
            else:
                os.utime(path, (1, 1))

    trainer.add_callback(Change())
    trainer.train()
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("data changed")]
    assert len(printed) == (how != "time") and all("train_file: " in line for line in printed)
