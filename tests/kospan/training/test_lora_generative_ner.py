"""LoRA+ on a causal LM: equal weights for every batching, and after a stop at any step."""

import os
import subprocess
import sys
from pathlib import Path

import generative_training_cases as cases
import pytest
import torch
from time_limits import SECONDS

TOLERANCE = 1e-6


def assert_same(one: dict, other: dict, tolerance: float) -> None:
    assert one["weights"].keys() == other["weights"].keys() and len(one["weights"]) == 2 * 7
    for name, value in one["weights"].items():
        difference = (value.double() - other["weights"][name].double()).abs().max().item()
        assert difference <= tolerance, f"{name} differs by {difference}"
    assert one["losses"] == pytest.approx(other["losses"], abs=max(tolerance, 1e-12))


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict:
    """Batches of eight, in one process."""
    found = cases.trained(str(tmp_path_factory.mktemp("whole")), batch=8)
    start = cases.trainer(str(tmp_path_factory.mktemp("start"))).model.state_dict()
    moved = {name: (value - start[name]).abs().max().item() for name, value in found["weights"].items()}
    assert min(moved.values()) > 1e-5 and found["losses"][-1] != found["losses"][0]
    return found


def test_a_batch_of_eight_equals_two_accumulated_of_four(whole, tmp_path):
    parts = cases.trained(str(tmp_path), batch=4, accumulation=2)
    assert_same(whole, parts, TOLERANCE)
    other = cases.trained(str(tmp_path), batch=4)
    assert max((other["weights"][name] - value).abs().max() for name, value in whole["weights"].items()) > 1e-4


def test_two_processes_equal_one(whole, tmp_path):
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root / 'tests'}", "OMP_NUM_THREADS": "1"}
    environment["TRANSFORMERS_VERBOSITY"] = "error"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command += [str(root / "tests" / "generative_training_cases.py"), str(tmp_path / "two.pt"), "2", "2"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr[-3000:]
    two = torch.load(tmp_path / "two.pt")
    assert (whole["world"], two["world"]) == (1, 2)
    assert_same(whole, two, TOLERANCE)


def test_stop_and_resume_equals_an_unbroken_run_bit_for_bit(tmp_path):
    settings = {"batch": 2, "accumulation": 2, "dropout": 0.2, "optim": "adamw_torch", "learning_rate": 1e-3}
    settings |= {"train_sampling_strategy": "random", "lr_scheduler_type": "linear", "max_steps": 4}
    settings |= {"save_strategy": "steps", "save_steps": 2}
    unbroken = cases.trainer(str(tmp_path / "unbroken"), **settings)
    unbroken.train()
    # Other adapters are drawn before the checkpoint's take their place.
    resumed = cases.trainer(str(tmp_path / "resumed"), seed=9, **settings)
    drawn = {name: value.clone() for name, value in resumed.model.state_dict().items()}
    resumed.train(resume_from_checkpoint=str(tmp_path / "unbroken" / "checkpoint-2"))
    found = resumed.model.state_dict()
    assert all(torch.equal(value, found[name]) for name, value in unbroken.model.state_dict().items())
    assert any(not torch.equal(value, found[name]) for name, value in drawn.items())
