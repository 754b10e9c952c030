"""Two runs never write into one output folder at the same time."""

import os
import signal
import subprocess
import sys

import pytest
import resume_cases as cases
from time_limits import SECONDS
from transformers import TrainerCallback

from kospan import run
from kospan.run import build_trainer, fit, prepare
from kospan.training.run_lock import NAME, run_lock

HOLDER = """
import sys
from kospan.training.run_lock import run_lock
with run_lock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock of `tmp_path / "out"` until it is killed or its input ends."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "out")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate(timeout=SECONDS)


def test_a_second_run_names_the_folder_and_changes_nothing(holder, tmp_path):
    message = rf"expected an output_dir that no other run writes to, found a running one in {tmp_path / 'out'}"
    for settings in ({}, {"overwrite_output_dir": True}, {"resume_from_checkpoint": True}):
        with pytest.raises(BlockingIOError, match=message):
            prepare(cases.recipe_of("token-classification", tmp_path, **settings))
    assert [path.name for path in (tmp_path / "out").iterdir()] == [NAME]


def test_the_lock_of_a_killed_process_does_not_count(holder, tmp_path):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait(timeout=SECONDS)
    assert (tmp_path / "out" / NAME).exists()
    trainer, _ = prepare(cases.recipe_of("token-classification", tmp_path))
    trainer.held.close()


def test_the_lock_of_an_ended_process_is_removed(holder, tmp_path):
    holder.communicate("", timeout=SECONDS)
    assert not (tmp_path / "out").exists()


def test_one_process_holds_a_lock_several_times(tmp_path):
    with run_lock(tmp_path / "out"):
        with run_lock(str(tmp_path / "out")):
            pass
        assert (tmp_path / "out" / NAME).exists()
        (tmp_path / "out" / "file").touch()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["file"]


def test_temporary_folders_of_a_killed_run_are_removed(tmp_path):
    (tmp_path / "out" / ".writing-a1").mkdir(parents=True)
    (tmp_path / "out" / ".writing-a1" / "model.safetensors").touch()
    trainer, _ = prepare(cases.recipe_of("token-classification", tmp_path, overwrite_output_dir=True))
    assert [path.name for path in (tmp_path / "out").iterdir()] == [NAME]
    trainer.held.close()


def test_a_run_holds_the_lock_until_its_end(tmp_path, monkeypatch):
    """Whether it was prepared or built; a trainer that is used alone holds it while it trains."""
    lock, held = tmp_path / "out" / NAME, []
    monkeypatch.setattr(run, "finish", lambda trainer: held.append(lock.exists()) or {})
    fit(*prepare(cases.recipe_of("token-classification", tmp_path, max_steps=1)))
    trainer = build_trainer(cases.recipe_of("token-classification", tmp_path, max_steps=1))
    fit(trainer)
    assert held == [True, True] and not lock.exists()

    class Watch(TrainerCallback):
        def on_step_end(self, *args, **kwargs):
            held.append(lock.exists())

    trainer.add_callback(Watch())
    trainer.train()
    assert held == [True, True, True] and not lock.exists()


def test_a_failed_start_holds_no_lock(tmp_path):
    with pytest.raises(ValueError, match="early_stopping_patience"):
        prepare(cases.recipe_of("token-classification", tmp_path, early_stopping_patience=1, eval_strategy="no"))
    assert not (tmp_path / "out").exists()


def test_other_processes_of_a_run_take_no_lock(holder, tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    with run_lock(tmp_path / "out"):
        pass
