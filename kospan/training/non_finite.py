"""Steps whose loss or gradient is NaN or infinite: they stop the training, or are skipped and counted."""

import math
from collections.abc import Sequence

import torch
from accelerate.utils import DistributedType, gather_object
from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

# Skipped steps in a row after which a training cannot be expected to recover.
_PATIENCE = 20
_SHOWN = 8


def check_policy(policy: str, trainer) -> None:
    """Raises: ValueError where `skip` cannot keep the optimizer from stepping."""
    if policy == "skip" and trainer.accelerator.distributed_type == DistributedType.DEEPSPEED:
        raise ValueError(
            "expected nan: stop with DeepSpeed, got skip: its engine steps inside the backward pass; remove nan: skip"
        )


class NonFiniteSteps(TrainerCallback, ExportableState):
    """Check of the losses and the gradient of each optimizer step.

    With several batches or processes per step one non-finite loss counts for the step: its gradients are one sum.

    Args:
        policy: "stop" raises an error before the optimizer steps; "skip" leaves the weights and the optimizer's state
            as they are and continues with the next step of the schedule.
    """

    def __init__(self, policy: str = "stop"):
        self.policy, self.skipped, self._in_a_row = policy, [], 0
        self._ids: list[str] = []
        self._found: list[tuple[str, float, list[str]]] = []

    def state(self) -> dict:
        """The steps skipped so far, which a checkpoint keeps."""
        return {"args": {"policy": self.policy}, "attributes": {"skipped": list(self.skipped)}}

    def on_train_begin(self, args, state, control, **kwargs):
        """Take the skipped steps of a checkpoint's state, if there is one."""
        saved = state.stateful_callbacks.setdefault(type(self).__name__, self.state())
        self.skipped, self._in_a_row = list(saved["attributes"]["skipped"]), 0

    def on_step_begin(self, args, state, control, **kwargs):
        """Forget the batches of the last step."""
        self._ids, self._found = [], []

    def note(self, loss: torch.Tensor, ids: Sequence[str]) -> None:
        """Note the loss of a batch.

        Args:
            loss: The loss, a scalar.
            ids: Ids of the batch's texts, empty where they are not known.
        """
        self._ids += [each for each in ids if each not in self._ids]
        value = loss.item()
        if not math.isfinite(value):
            self._found.append(("loss", value, list(ids)))

    def check(self, trainer, model: torch.nn.Module, norm) -> None:
        """Check the step on every process before its optimizer steps.

        Args:
            trainer: The trainer.
            model: The model, whose gradients are dropped where the step is skipped.
            norm: Norm of the gradient over all parameters.

        Raises: FloatingPointError naming step and texts, with policy "stop" or after 20 skipped steps in a row.
        """
        scaler, processes = trainer.accelerator.scaler, trainer.accelerator.num_processes
        # Loss scaling overflows by design and skips such steps by itself.
        norm = 0.0 if norm is None or scaler is not None else float(norm)
        found = list(self._found)
        if not found and not math.isfinite(norm):
            found = [("gradient", norm, self._ids)]
        bad = torch.tensor(float(bool(found)), device=trainer.args.device)
        if processes > 1:
            bad = trainer.accelerator.reduce(bad)
        if not bad.item():
            self._in_a_row = 0
            return
        found = gather_object(found) if processes > 1 else found
        step = trainer.state.global_step + 1
        self._in_a_row += 1
        if self.policy == "stop" or self._in_a_row == _PATIENCE:
            raise FloatingPointError(self._message(step, found))
        self.skipped.append(step)
        if scaler is None:
            model.zero_grad(set_to_none=True)
        if trainer.is_world_process_zero():
            print(f"step skipped        {step}: {_described(found)}", flush=True)

    def _message(self, step: int, found: list) -> str:
        fix = "check these texts, lower learning_rate or raise warmup_steps"
        if self.policy == "stop":
            fix += ", or pass --nan skip to train without such steps"
        else:
            step = f"{step}, the last of {_PATIENCE} skipped in a row"
        return f"expected a finite loss in step {step}, got {_described(found)}; {fix}"


def _described(found: list[tuple[str, float, list[str]]]) -> str:
    name, value, _ = found[0]
    ids = list(dict.fromkeys(each for _, _, some in found for each in some))
    more = f" and {len(ids) - _SHOWN:,} more" if len(ids) > _SHOWN else ""
    texts = f" for the texts {', '.join(ids[:_SHOWN])}{more}" if ids else ""
    return f"a {name} of {value:g}{texts}"
