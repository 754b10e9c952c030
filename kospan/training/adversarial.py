"""FGM: adversarial training on embeddings, in activation space or in parameter space.

Activation space, one norm per example, is that of Miyato et al. 2017 ("Adversarial Training Methods for Semi-Supervised
Text Classification"); parameter space, one norm for the word-embedding matrix, is the common recipe.
"""

import math
from contextlib import contextmanager

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType
from torch import nn
from transformers import TrainingArguments


def check_fgm(epsilon: float, space: str, args: TrainingArguments, accelerator: Accelerator) -> None:
    """Check that FGM works with the other settings.

    Args:
        epsilon: Size of the perturbation; 0 turns FGM off.
        space: "activation" or "parameter".
        args: Settings of the training.
        accelerator: The trainer's accelerator.

    Raises: ValueError where it would fail or silently do something else.
    """
    if epsilon < 0 or not math.isfinite(epsilon):
        raise ValueError(f"expected fgm_epsilon of 0 (off) or more, got {epsilon}")
    if epsilon == 0:
        return
    if args.n_gpu > 1:
        raise ValueError(
            f"expected one process per GPU with FGM, got one process for {args.n_gpu} GPUs (DataParallel), whose "
            "threads would share one perturbation; start with `accelerate launch --multi_gpu train.py ...`"
        )
    if "lomo" in str(args.optim).lower():
        raise ValueError(
            "expected an optimizer that steps after the backward pass with FGM, got LOMO, which updates inside it; set "
            "optim: adamw_torch"
        )
    if getattr(accelerator.ddp_handler, "static_graph", False) or getattr(args, "ddp_static_graph", False):
        raise ValueError(
            "expected ddp_static_graph: false with FGM, got true: its two passes are two graphs; turn it off"
        )
    parallelism = getattr(accelerator, "parallelism_config", None)
    if getattr(parallelism, "cp_enabled", False) or getattr(parallelism, "sp_enabled", False):
        raise ValueError("expected no context or sequence parallelism with FGM, got one of them; turn it or FGM off")
    if space == "parameter" and accelerator.distributed_type in (DistributedType.FSDP, DistributedType.DEEPSPEED):
        raise ValueError(
            "expected fgm_space: activation with sharded parameters (FSDP, DeepSpeed), got parameter: no process holds "
            "the whole table"
        )


@contextmanager
def without_gradient_sync(accelerator: Accelerator, model: nn.Module):
    """Inside, a backward pass sends no gradients to other processes where that can wait for the next one."""
    if accelerator.distributed_type == DistributedType.DEEPSPEED:
        # Its backward would step the optimizer between the two passes.
        state = accelerator.gradient_state
        synced = state.sync_gradients
        state._set_sync_gradients(False)
        try:
            yield
        finally:
            state._set_sync_gradients(synced)
    elif isinstance(model, nn.parallel.DistributedDataParallel):
        with model.no_sync():
            yield
    else:
        yield


def perturbation(gradient: torch.Tensor, epsilon: float, dims: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute epsilon * g / ||g|| in float32.

    Args:
        gradient: g, any float type; loss scaling does not matter.
        epsilon: Norm of the result.
        dims: Dimensions that one norm covers.

    Returns:
        The perturbation, zero where the norm is 0, inf or NaN, and how many norms were one of these (an int tensor).
    """
    gradient = gradient.detach().float()
    # Divided by the largest entry first: squares of scaled gradients would exceed float32's range.
    peak = gradient.abs().amax(dim=dims, keepdim=True)
    usable = torch.isfinite(peak) & (peak > 0)
    unit = gradient / torch.where(usable, peak, torch.ones_like(peak))
    norm = torch.linalg.vector_norm(unit, dim=dims, keepdim=True)
    usable = usable & torch.isfinite(norm)
    scaled = epsilon * unit / torch.where(usable, norm, torch.ones_like(norm))
    return torch.where(usable, scaled, torch.zeros_like(scaled)), (~usable).sum()


class FGM:
    """Perturbation of the word embeddings for a second pass over the same batch.

    The hook on the embedding layer is registered once, because `torch.compile` ignores later ones, and does nothing
    outside the two passes.

    Args:
        model: The model before it is wrapped; its `get_input_embeddings()` is perturbed.
        epsilon: Norm of the perturbation: per example (`activation`), or of the whole table (`parameter`).
        space: "activation" or "parameter".
        special_ids: Vocabulary ids that are never perturbed in activation space (padding never is).

    Raises: ValueError in parameter space where the embeddings are not trained.
    """

    def __init__(self, model: nn.Module, epsilon: float, space: str = "activation", special_ids: tuple[int, ...] = ()):
        self.embedding = model.get_input_embeddings()
        self.epsilon, self.space = epsilon, space
        self.special_ids = tuple(special_ids)
        if space == "parameter" and not self.embedding.weight.requires_grad:
            raise ValueError(
                "expected trainable word embeddings for fgm_space: parameter, got frozen ones, which have no "
                "gradient; use fgm_space: activation"
            )
        self._delta: torch.Tensor | None = None
        self._recording = False
        self._embedded: torch.Tensor | None = None
        self._gradient: torch.Tensor | None = None
        self.ratio_sum, self.skipped, self.steps = 0.0, 0, 0
        # Outside a compiled graph, which cannot hold the perturbation.
        hook = torch.compiler.disable(self._perturb_output)
        self._hook = self.embedding.register_forward_hook(hook) if space == "activation" else None

    def _perturb_output(self, module: nn.Module, inputs: tuple, output: torch.Tensor) -> torch.Tensor:
        if self._recording:
            rows = self._rows or output.shape[0]
            self._embedded = output.detach()[:rows]
            self._delta = torch.zeros_like(self._embedded, dtype=torch.float32).requires_grad_()
        if self._delta is None:
            return output
        delta = self._delta
        if output.shape[0] != delta.shape[0]:
            # R-Drop's doubled batch: both copies of an example share one perturbation, so its gradient is their sum.
            delta = torch.cat([delta] * (output.shape[0] // delta.shape[0]))
        return output + delta.to(output.dtype)

    @contextmanager
    def clean_pass(self, batch: dict[str, torch.Tensor]):
        """Inside, a forward and backward pass records the gradient for `adversarial_pass`."""
        self._rows = batch["input_ids"].shape[0]
        handle = None
        try:
            if self.space == "activation":
                self._recording = True
            else:
                handle = self.embedding.weight.register_hook(self._keep_gradient)
            yield
        except BaseException:
            self._forget()
            raise
        finally:
            self._recording = False
            if handle is not None:
                handle.remove()

    def _keep_gradient(self, gradient: torch.Tensor) -> None:
        # The gradient of this backward pass alone; weight.grad also holds those of earlier micro-batches.
        self._gradient = gradient.detach().clone()

    @contextmanager
    def adversarial_pass(self, batch: dict[str, torch.Tensor]):
        """Inside, the embeddings are perturbed; afterwards they are not, even after an error."""
        try:
            if self.space == "activation":
                gradient = self._delta.grad
                if gradient is None:
                    gradient = torch.zeros_like(self._delta)
                keep = self._content(batch)
                delta, skipped = perturbation(gradient * keep, self.epsilon, dims=(1, 2))
                self._note(delta, self._embedded.float() * keep, skipped, dims=(1, 2))
                self._delta = delta
                yield
            else:
                weight = self.embedding.weight
                gradient = self._gradient if self._gradient is not None else torch.zeros_like(weight)
                delta, skipped = perturbation(gradient, self.epsilon, dims=(0, 1))
                self._note(delta, weight.detach().float(), skipped, dims=(0, 1))
                touched = delta.abs().sum(dim=1).nonzero().squeeze(1)
                before = weight.detach()[touched].clone()
                with torch.no_grad():
                    weight[touched] += delta[touched].to(weight.dtype)
                try:
                    yield
                finally:
                    with torch.no_grad():
                        weight[touched] = before
        finally:
            self._forget()

    def _content(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """1 at text, 0 at padding and special subwords `(batch, length, 1)`."""
        keep = batch["attention_mask"].bool()
        for special in self.special_ids:
            keep = keep & (batch["input_ids"] != special)
        return keep.unsqueeze(-1).float()

    def _note(self, delta: torch.Tensor, embedded: torch.Tensor, skipped: torch.Tensor, dims: tuple[int, ...]) -> None:
        size = torch.linalg.vector_norm(embedded, dim=dims).clamp_min(1e-12)
        ratio = (torch.linalg.vector_norm(delta, dim=dims) / size).mean()
        self.ratio_sum = self.ratio_sum + ratio
        self.skipped = self.skipped + skipped
        self.steps += 1

    def _forget(self) -> None:
        self._delta = self._embedded = self._gradient = None

    def counters(self) -> tuple:
        """Sum of the ratios, zero perturbations and passes since the last report, which `reset` restores."""
        return self.ratio_sum, self.skipped, self.steps

    def reset(self, counters: tuple) -> None:
        """Restore earlier `counters`."""
        self.ratio_sum, self.skipped, self.steps = counters

    def report(self) -> dict[str, float]:
        """Mean ||r|| / ||e|| (`fgm_ratio`) and number of zero perturbations (`fgm_skipped`) since the last report."""
        if not self.steps:
            return {}
        values = {"fgm_ratio": float(self.ratio_sum) / self.steps, "fgm_skipped": int(self.skipped)}
        self.ratio_sum, self.skipped, self.steps = 0.0, 0, 0
        return values

    def remove(self) -> None:
        """Remove the hook."""
        if self._hook is not None:
            self._hook.remove()
            self._hook = None
