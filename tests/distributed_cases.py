"""One step's gradients of several processes, by DDP or FSDP2 on gloo; also started by torchrun."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import torch
import training_cases as cases
from time_limits import SECONDS
from torch import distributed, nn
from torch.distributed.fsdp import fully_shard

from kospan.training.lora import Lora, adapt_encoder
from kospan.training.sharding import WholeModel
from kospan.training.trainer import KospanTrainer

ROOT = Path(__file__).resolve().parents[1]
SENTENCES = cases.SENTENCES
LORA = {"rank": 2, "alpha": 32, "dropout": 0.0}
CASES = {
    "plain": {},
    "rdrop": {"rdrop_alpha": 5.0},
    "fgm": {"fgm_epsilon": 0.5},
    "fgm and rdrop": {"fgm_epsilon": 0.5, "rdrop_alpha": 5.0},
    "fgm, rdrop and checkpointing": {"fgm_epsilon": 0.5, "rdrop_alpha": 5.0, "checkpointing": True},
    "cached features": {"cached": True, "rdrop_alpha": 5.0},
}
ADAPTED = {
    "lora": {"lora": LORA},
    "lora, fgm and rdrop": {"lora": LORA, "fgm_epsilon": 0.5, "rdrop_alpha": 5.0},
}


def question_rows() -> list[dict]:
    """Sixteen windows of different lengths, each with an answer or without one."""
    rows = []
    for at, row in enumerate(cases.features()):
        units = len(row["labels"])
        ends = [0, 0] if at % 4 == 3 else [1 + at % units, min(units, 2 + at % units)]
        rows.append({key: row[key] for key in ("input_ids", "unit_positions", "unit_places")} | {"labels": ends})
    return rows


def batch_of(model, rows: list[dict], cached: bool) -> dict:
    """A batch; with `cached` the encoder's output stands in it, as from the feature cache."""
    if cached:
        with torch.no_grad():
            states = [model.encoder(torch.tensor([row["input_ids"]])).last_hidden_state[0] for row in rows]
        rows = [row | {"encoder_states": state.float().numpy()} for row, state in zip(rows, states)]
    batch = model.collate(rows)
    return {key: value.double() if value.is_floating_point() else value for key, value in batch.items()}


def shift_copies(model, batch: int) -> None:
    """Shift the scores of the second copies: R-Drop's divergence is far from zero even without dropout."""
    owner = getattr(model, "head", model)
    project = owner.project

    def shifted(states: torch.Tensor) -> torch.Tensor:
        output = project(states)
        if len(output) != 2 * batch:
            return output
        units, classes = (torch.arange(size, dtype=output.dtype) for size in output.shape[1:])
        return torch.cat([output[:batch], output[batch:] + torch.sin(units)[:, None] + torch.cos(classes)])

    owner.project = shifted


def gradients(model, mode: str, batch: int, accumulation: int, techniques: dict, folder: str) -> dict:
    """Gradients of one step over sixteen windows, whole on every process."""
    techniques = dict(techniques)
    cached = techniques.pop("cached", False)
    if cached:
        model.freeze_encoder()
    if "lora" in techniques:
        torch.manual_seed(1)
        adapt_encoder(model, Lora(**techniques.pop("lora")))
    model.double().train()
    if techniques.pop("checkpointing", False):
        model.gradient_checkpointing_enable({"use_reentrant": False})
    if "rdrop_alpha" in techniques:
        shift_copies(model, batch)
    run = KospanTrainer(
        model=model, args=cases.arguments(folder, batch, accumulation), train_dataset=[{}], **techniques
    )
    run.current_gradient_accumulation_steps = accumulation
    rank, world = run.accelerator.process_index, run.accelerator.num_processes
    whole = copy.deepcopy(model) if cached else model
    rows = question_rows() if hasattr(model, "match_embedding") else cases.features()
    batches = [rows[at : at + batch] for at in range(rank * batch, SENTENCES, world * batch)]
    batches = [batch_of(whole, each, cached) for each in batches]
    assert len(batches) == accumulation
    items = torch.tensor(sum((torch.tensor(row["labels"]) != -100).sum().item() for row in rows))
    before, gathered = copy.deepcopy(model.state_dict()), WholeModel(model, mode == "fsdp2")
    wrapped = wrap(model, mode)
    for at, each in enumerate(batches):
        last = at == len(batches) - 1
        if mode == "fsdp2":
            wrapped.set_requires_gradient_sync(last)
        with wrapped.no_sync() if mode == "ddp" and not last else torch.enable_grad():
            run.training_step(wrapped, each, items)
    found = {}
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            gradient = parameter.grad
            found[name] = (gradient.full_tensor() if hasattr(gradient, "full_tensor") else gradient).clone()
            with torch.no_grad():
                parameter -= parameter.grad
    # The whole weights of the next step, as evaluations and the final model use them.
    for name, value in gathered.of(model, "cpu").state_dict().items():
        assert not hasattr(value, "full_tensor")
        torch.testing.assert_close(value, before[name] - found.get(name, 0), rtol=0, atol=1e-9)
    return found


def wrap(model: nn.Module, mode: str) -> nn.Module:
    """The model as accelerate wraps it."""
    if mode == "ddp":
        return nn.parallel.DistributedDataParallel(model, find_unused_parameters=True)
    if mode == "fsdp2":
        for layer in model.encoder.encoder.layer:
            fully_shard(layer)
        return fully_shard(model)
    return model


def start(folder: Path, processes: int, mode: str, batch: int, accumulation: int) -> dict:
    """Gradients by case, of `processes` processes."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"}
    environment["TRANSFORMERS_VERBOSITY"] = "error"
    output = folder / f"{mode}-{processes}.pt"
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    script = [str(ROOT / "tests" / "distributed_cases.py"), str(folder / "model"), str(output), mode]
    command = [sys.executable, *(launcher if processes > 1 else []), *script, str(batch), str(accumulation)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr[-3000:]
    found = torch.load(output)
    assert found.pop("world") == processes
    return found


def largest_difference(one: dict, other: dict) -> float:
    """Largest difference of two steps' gradients relative to their largest entry."""
    assert one.keys() == other.keys() and one
    largest = max(value.abs().max().item() for value in one.values())
    return max((value - other[name]).abs().max().item() for name, value in one.items()) / largest


def main(model_folder: str, output: str, mode: str, batch: int, accumulation: int) -> None:
    """Gradients of every case in each of the processes; the first one stores them."""
    from transformers import AutoModel

    from kospan import modeling  # noqa: F401

    found = {}
    for name, techniques in (CASES | ({} if mode == "fsdp2" else ADAPTED)).items():
        model = AutoModel.from_pretrained(model_folder)
        found[name] = gradients(model, mode, batch, accumulation, techniques, str(Path(output).parent / "run"))
    found["world"] = distributed.get_world_size() if distributed.is_initialized() else 1
    if found["world"] == 1 or distributed.get_rank() == 0:
        torch.save(found, output)


if __name__ == "__main__":
    main(*sys.argv[1:4], int(sys.argv[4]), int(sys.argv[5]))
