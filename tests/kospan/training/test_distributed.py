"""Several processes on gloo compute the gradients of one: DDP and FSDP2, float64, one step with accumulation."""

import os
import subprocess
import sys

import distributed_cases as cases
import pytest
import torch
from distributed_cases import largest_difference, start
from time_limits import SECONDS

from kospan.training.log_lines import processes_line

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


def test_a_launcher_that_starts_one_process_in_place_of_several_is_noted(monkeypatch):
    for key in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "ACCELERATE_MIXED_PRECISION"):
        monkeypatch.delenv(key, raising=False)
    assert processes_line(1) == "processes           1"
    # As accelerate launch --cpu --num_processes 2 sets it.
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    assert processes_line(1) == "processes           1"
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    assert "torchrun --nproc_per_node" in processes_line(1) and processes_line(1).startswith("processes           1; ")
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
