"""Smaller batches when memory runs out: each batch is divided into parts, whose gradients are summed in the same step.

accelerate's `find_executable_batch_size`, the Trainer's own answer to `auto_find_batch_size`, begins the training again
with a smaller batch and the same accumulation: other steps, which no checkpoint of the run continues.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size
from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState


class BatchHalving(TrainerCallback, ExportableState):
    """Training steps that halve the batch and double the accumulation when memory runs out.

    The step is computed again from its first batch: a failed backward pass has added a part of its gradients. Without
    dropout the result is that of a run with the smaller batch and more accumulation.

    Args:
        enabled: False names the setting to change in an error instead.
    """

    def __init__(self, enabled: bool = True):
        self.enabled, self.parts = enabled, 1
        self._step: int | None = None
        self._done: list[dict] = []
        self._counted = None

    @contextmanager
    def instead(self, args) -> Iterator[None]:
        """Context of a training without the Trainer's own search, which changes the number of texts per step."""
        given, args.auto_find_batch_size = args.auto_find_batch_size, False
        try:
            yield
        finally:
            args.auto_find_batch_size = given

    def state(self) -> dict:
        """The number of parts, which a checkpoint keeps."""
        return {"args": {"enabled": self.enabled}, "attributes": {"parts": self.parts}}

    def on_train_begin(self, args, state, control, **kwargs):
        """Take the number of parts from a checkpoint's state, if there is one."""
        saved = state.stateful_callbacks.setdefault(type(self).__name__, self.state())
        self.parts, self._step = min(saved["attributes"]["parts"], args.per_device_train_batch_size), None

    def run(self, trainer, model: torch.nn.Module, inputs: dict, compute: Callable[[dict], torch.Tensor]):
        """Forward and backward passes of a batch; returns its loss.

        Args:
            trainer: The trainer.
            model: The model.
            inputs: The batch.
            compute: The passes of a part of a batch.

        Raises: MemoryError naming the settings to change where the batch cannot be divided.
        """
        if self._step != trainer.state.global_step:
            self._step, self._done, self._counted = trainer.state.global_step, [], trainer.counters()
        pending = [inputs]
        while True:
            try:
                for each in pending:
                    loss = self._in_parts(trainer, each, compute)
                break
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                reason = self._reason(trainer, inputs)
                if reason:
                    raise MemoryError(reason) from error
            # Outside the handler, whose traceback holds the tensors of the failed pass.
            self._halve(trainer, model)
            pending = [*self._done, inputs]
        if self.enabled:
            self._done.append(inputs)
        return loss

    def _in_parts(self, trainer, inputs: dict, compute: Callable) -> torch.Tensor:
        if self.parts == 1:
            return compute(inputs)
        rows = next(len(value) for value in inputs.values() if isinstance(value, torch.Tensor) and value.ndim)
        batches = trainer.current_gradient_accumulation_steps
        size = trainer.args.per_device_train_batch_size // self.parts
        total = 0.0
        try:
            for first in range(0, rows, size):
                part = {key: _rows(value, rows, first, first + size) for key, value in inputs.items()}
                # A loss that is a mean over its batch is divided by the number of batches.
                trainer.current_gradient_accumulation_steps = batches * rows / min(size, rows - first)
                total = total + compute(part)
        finally:
            trainer.current_gradient_accumulation_steps = batches
        return total

    def _reason(self, trainer, inputs: dict) -> str | None:
        """The error where the batch cannot be divided."""
        args = trainer.args
        size, length = args.per_device_train_batch_size // self.parts, _length(inputs)
        place = f"expected memory for step {trainer.state.global_step + 1}, got none free with {size} windows of "
        place += f"{length} positions"
        if size <= 1:
            return (
                f"{place}, the smallest batch; lower max_length, or set activation_checkpointing: true, bf16: true or "
                "a smaller encoder"
            )
        batches = math.ceil(args.per_device_train_batch_size / (size // 2)) * args.gradient_accumulation_steps
        fix = f"set per_device_train_batch_size: {size // 2} and gradient_accumulation_steps: {batches}"
        if trainer.accelerator.num_processes > 1:
            return f"{place}; several processes cannot divide a batch while they wait for each other: {fix}"
        return None if self.enabled else f"{place}; {fix}, or auto_find_batch_size: true to have it halved"

    def _halve(self, trainer, model: torch.nn.Module) -> None:
        batch = trainer.args.per_device_train_batch_size
        before = batch // self.parts
        self.parts *= 2
        model.zero_grad(set_to_none=True)
        trainer.reset_counters(self._counted)
        clear_device_cache(garbage_collection=True)
        print(
            f"batch halved        out of memory in step {trainer.state.global_step + 1} with {before} windows a pass, "
            f"now {batch // self.parts} and {math.ceil(batch / (batch // self.parts))} passes a batch",
            flush=True,
        )


def is_out_of_memory(error: Exception) -> bool:
    """Whether a pass failed because no memory was free on the device or the machine."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or should_reduce_batch_size(error)


@contextmanager
def evaluation_memory(batch_size: int) -> Iterator[None]:
    """Inside, memory that runs out is an error that names the setting. Raises: MemoryError."""
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise MemoryError(
            f"expected memory for the evaluation, got none free with {batch_size} documents a batch; lower "
            "per_device_eval_batch_size or max_length"
        ) from error


def _rows(value, rows: int, first: int, last: int):
    """Rows of a batch's tensor or list; anything else belongs to all rows."""
    divided = (isinstance(value, torch.Tensor) and value.ndim) or isinstance(value, list)
    return value[first:last] if divided and len(value) == rows else value


def _length(inputs: dict) -> int:
    found = next((inputs[key] for key in ("attention_mask", "input_ids", "labels") if key in inputs), None)
    return found.shape[1] if found is not None and found.ndim > 1 else 1
