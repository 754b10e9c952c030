"""Several processes on gloo compute the gradients of one: DDP and FSDP2, float64, one step with accumulation."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import distributed_cases as cases
import pytest
import resume_cases
import torch
import training_cases
from accelerate.utils import DistributedType
from distributed_cases import largest_difference, start
from time_limits import SECONDS

from kospan.recipe import save_recipe
from kospan.training import sharding, trainer
from kospan.training.checksums import NAME
from kospan.training.log_lines import processes_line
from kospan.training.run_lock import NAME as LOCK
from kospan.training.saving import last_whole_checkpoint
from kospan.training.sharding import check_sharding

TOLERANCE = 1e-6


@pytest.mark.parametrize("task", ["token-classification", "question-answering"])
def test_two_processes_compute_the_gradients_of_one(task, make_token_classifier, make_qa_model, tmp_path):
    make = make_token_classifier if task == "token-classification" else make_qa_model
    make(encoder_input="units", lstm_hidden_size=8).save_pretrained(tmp_path / "model")
    one = start(tmp_path, 1, "plain", 16, 1)
    for mode in ("ddp", "fsdp2"):
        two = start(tmp_path, 2, mode, 4, 2)
        assert two.keys() == (one.keys() if mode == "ddp" else cases.CASES.keys())
        for name, found in two.items():
            assert all(each.dtype == torch.float64 for each in found.values())
            assert largest_difference(one[name], found) <= TOLERANCE, f"{mode}, {name}"
    # An equality of cases that are equal anyway would prove nothing.
    names = [name for name in cases.CASES if name not in ("cached features", "fgm, rdrop and checkpointing")]
    for at, name in enumerate(names):
        for other in names[at + 1 :]:
            assert largest_difference(one[name], one[other]) > 1e-3, f"{name} and {other}"


def test_two_processes_skip_a_step_together(tmp_path):
    """A whole run with the shipped configuration; one process alone has a loss of NaN, and checkpoints follow."""
    settings = {"nan": "skip", "num_train_epochs": 3, "per_device_train_batch_size": 2, "save_total_limit": 9}
    save_recipe(resume_cases.recipe_of("token-classification", tmp_path, **settings), tmp_path / "recipe.yaml")
    launcher = [sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", "--main_process_port", "0"]
    launcher += ["--config_file", str(cases.ROOT / "recipes" / "accelerate" / "ddp.yaml")]
    command = [*launcher, str(cases.ROOT / "tests" / "non_finite_run.py"), "train", str(tmp_path / "recipe.yaml")]
    environment = {**os.environ, "PYTHONPATH": str(cases.ROOT), "OMP_NUM_THREADS": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = done.stdout.splitlines()
    assert "processes           2" in lines
    [line] = [line for line in lines if line.startswith("step skipped")]
    assert re.fullmatch(r"step skipped        2: a loss of nan for the texts text-\d+, text-\d+", line), line
    record = json.loads((tmp_path / "out" / "training_record.json").read_text(encoding="utf-8"))["training"]
    assert record["skipped_steps"] == [2] and record["processes"] == 2
    checkpoint = last_whole_checkpoint(tmp_path / "out")[0]
    # The other process may write its random state later.
    assert not [name for name in json.loads(Path(checkpoint, NAME).read_text(encoding="utf-8")) if "rng" in name]
    assert not (tmp_path / "out" / LOCK).exists()


def test_shards_that_no_process_can_gather_are_refused(monkeypatch):
    def accelerator(kind, version):
        state = SimpleNamespace(fsdp_plugin=SimpleNamespace(fsdp_version=version))
        return SimpleNamespace(distributed_type=kind, state=state)

    check_sharding(accelerator(DistributedType.FSDP, 2))
    check_sharding(accelerator(DistributedType.MULTI_GPU, 1))
    with pytest.raises(ValueError, match=r"expected fsdp_version: 2, .* got version 1"):
        check_sharding(accelerator(DistributedType.FSDP, 1))
    check_sharding(accelerator(DistributedType.DEEPSPEED, 2))
    monkeypatch.setattr(sharding, "is_deepspeed_zero3_enabled", lambda: True)
    with pytest.raises(ValueError, match=r"expected DeepSpeed's ZeRO stage 1 or 2, .* got stage 3"):
        check_sharding(accelerator(DistributedType.DEEPSPEED, 2))
    check_sharding(accelerator(DistributedType.MULTI_GPU, 1))


@pytest.mark.parametrize("check", ["check_sharding", "check_policy"])
def test_every_trainer_checks_how_its_processes_work(check, make_token_classifier, tmp_path, monkeypatch):
    def refuse(*arguments):
        raise ValueError("refused")

    monkeypatch.setattr(trainer, check, refuse)
    with pytest.raises(ValueError, match="refused"):
        training_cases.trainer(make_token_classifier(encoder_input="units"), str(tmp_path))


def test_a_launcher_that_starts_one_process_in_place_of_several_is_noted(monkeypatch):
    for key in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "ACCELERATE_MIXED_PRECISION"):
        monkeypatch.delenv(key, raising=False)
    assert processes_line(1) == "processes           1"
    # As accelerate launch --cpu --num_processes 2 sets it.
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    assert processes_line(1) == "processes           1"
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    assert "torchrun --nproc_per_node" in processes_line(1) and processes_line(1).startswith("processes           1; ")
    with monkeypatch.context() as mpi:
        mpi.setenv("OMPI_COMM_WORLD_RANK", "0")
        assert processes_line(1) == "processes           1"
    monkeypatch.setenv("RANK", "0")
    assert processes_line(1) == "processes           1" and processes_line(2) == "processes           2"


def test_accelerate_launch_sets_what_is_detected(tmp_path):
    (tmp_path / "show.py").write_text(
        "from kospan.training.log_lines import processes_line\nprint(processes_line(1))\n", encoding="utf-8"
    )
    words = [sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", "--cpu", "--num_processes"]
    environment = {key: value for key, value in os.environ.items() if key not in ("RANK", "WORLD_SIZE", "MASTER_ADDR")}
    environment["HF_HOME"] = str(tmp_path)
    for processes in (1, 2):
        command = [*words, str(processes), str(tmp_path / "show.py")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
        assert ("torchrun" in done.stdout) == (processes == 2), done.stderr[-2000:]
