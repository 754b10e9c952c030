"""fp16's loss scaling with FGM and R-Drop, by a real GradScaler on the CPU: steps that overflow are skipped, nothing
else is."""

import copy
import math

import pytest
import torch
import training_cases as cases
from accelerate.utils import AutocastKwargs
from transformers import TrainerCallback

TECHNIQUES = {
    "fgm in activations": {"fgm_epsilon": 0.5},
    "fgm in parameters": {"fgm_epsilon": 0.5, "fgm_space": "parameter"},
    "rdrop": {"rdrop": "marginal"},
    "fgm in activations and rdrop": {"fgm_epsilon": 0.5, "rdrop": "token"},
    "fgm in parameters and rdrop": {
        **{"fgm_epsilon": 0.5, "fgm_space": "parameter"},
        **{"rdrop": "sequence", "rdrop_on": "both"},
    },
}
# Gradients of this size leave the range of float16, which ends at 65,504.
TOO_LARGE = 2.0**40


@pytest.fixture
def model(make_token_classifier):
    # Without an LSTM, which torch does not run in float16 on a CPU.
    return make_token_classifier(encoder_input="units", dropout=0.1, multi_sample_dropout=2)


class Steps(TrainerCallback):
    """State after each step: the scale, whether the step was skipped, and the weights."""

    def __init__(self, run):
        self.run, self.seen = run, []

    def on_step_end(self, args, state, control, **kwargs):
        accelerator = self.run.accelerator
        scale = accelerator.scaler.get_scale() if accelerator.scaler else None
        weights = torch.cat([each.detach().flatten().clone() for each in self.run.model.parameters()])
        self.seen.append((scale, accelerator.optimizer_step_was_skipped, weights))


def trained(model, folder, techniques, scaler=None, half=False, **settings):
    """A training whose loss is scaled as fp16's is on a GPU; `half` also runs it in fp16."""
    run = cases.trainer(copy.deepcopy(model), str(folder), techniques, **{"optim": "adamw_torch", **settings})
    if scaler is not None:
        run.accelerator.scaler, run.accelerator.native_amp = scaler, True
        run.accelerator.state._mixed_precision = "fp16"
        run.accelerator.autocast_handler = AutocastKwargs(enabled=half)
    steps = Steps(run)
    run.add_callback(steps)
    start = torch.cat([each.detach().flatten().clone() for each in run.model.parameters()])
    try:
        run.train()
    finally:
        run.accelerator.state._mixed_precision = "no"
    return run, start, steps.seen


@pytest.mark.parametrize("name", TECHNIQUES)
def test_a_scale_changes_no_bit_of_a_training_that_does_not_overflow(name, model, tmp_path):
    """A power of two scales floats exactly, and FGM's perturbation does not depend on the gradient's size."""
    plain, _, _ = trained(model, tmp_path / "plain", TECHNIQUES[name])
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    scaled, start, steps = trained(model, tmp_path / "scaled", TECHNIQUES[name], scaler)
    assert [skipped for _, skipped, _ in steps] == [False] * 4
    for (key, value), other in zip(cases.weights(plain.model).items(), cases.weights(scaled.model).values()):
        assert torch.equal(value, other), key
    assert not torch.equal(steps[-1][2], start)
    entries = [[entry for entry in run.state.log_history if "loss" in entry] for run in (plain, scaled)]
    for one, other in zip(*entries):
        for key in ("loss", "fgm_ratio", "fgm_skipped", "divergence"):
            assert one.get(key) == other.get(key), key


@pytest.mark.parametrize("accumulation", [1, 2])
@pytest.mark.parametrize("name", TECHNIQUES)
def test_overflowed_steps_are_skipped_and_the_scale_recovers(name, accumulation, model, tmp_path):
    scaler = torch.amp.GradScaler("cpu", init_scale=TOO_LARGE, backoff_factor=2.0**-16, growth_interval=2)
    batches = {"batch": 4 // accumulation, "accumulation": accumulation, "max_steps": 8}
    run, start, steps = trained(model, tmp_path, TECHNIQUES[name], scaler, half=True, **batches)
    scales, skipped, weights = zip(*steps)
    # The gradient overflows, nothing moves, and the scale falls, twice.
    assert scales[:2] == (TOO_LARGE * 2.0**-16, TOO_LARGE * 2.0**-32)
    overflowed = sum(skipped)
    assert overflowed == 2 and list(skipped) == [True] * overflowed + [False] * (8 - overflowed)
    for at, each in enumerate(weights):
        assert torch.isfinite(each).all()
        assert torch.equal(each, weights[at - 1] if at else start) == skipped[at], at
    # And grows again after two steps without an overflow.
    assert scales[-1] > scales[overflowed]
    logs = [entry for entry in run.state.log_history if "loss" in entry]
    assert all(math.isfinite(entry["loss"]) for entry in logs) and len(logs) == 8
    if run.fgm is not None:
        zeros = [entry["fgm_skipped"] for entry in logs]
        # One per example of a step, or one per pass over the whole table.
        whole = 4 if run.fgm.space == "activation" else accumulation
        assert zeros[0] == whole and zeros[overflowed:] == [0] * (8 - overflowed)
        assert logs[0]["fgm_ratio"] == 0.0 and all(entry["fgm_ratio"] > 0 for entry in logs[overflowed:])
        assert run.fgm._delta is None and run.fgm._gradient is None


def test_the_scale_is_resumed(model, tmp_path):
    """The checkpoint keeps the scaler, so that a resumed training does not overflow again."""
    saving = {"save_strategy": "steps", "save_steps": 2, "max_steps": 4}

    def scaler():
        return torch.amp.GradScaler("cpu", init_scale=TOO_LARGE, backoff_factor=2.0**-32)

    techniques = TECHNIQUES["fgm in activations and rdrop"]
    whole, _, steps = trained(model, tmp_path, techniques, scaler(), half=True, **saving)
    assert [skipped for _, skipped, _ in steps] == [True, False, False, False]
    run = cases.trainer(copy.deepcopy(model), str(tmp_path), techniques, optim="adamw_torch", **saving)
    run.accelerator.scaler, run.accelerator.native_amp = scaler(), True
    run.accelerator.state._mixed_precision = "fp16"
    run.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    run.accelerator.state._mixed_precision = "no"
    assert run.accelerator.scaler.get_scale() == steps[-1][0]
    for (key, value), other in zip(cases.weights(whole.model).items(), cases.weights(run.model).values()):
        assert torch.equal(value, other), key
