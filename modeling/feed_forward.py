"""The feed-forward half of a transformer layer, computed some rows at a time in both passes."""

from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch.nn import functional

from .once_differentiable import once_differentiable

# Rows processed at once. On a CPU new memory costs more than the computation; elsewhere few launches are faster.
_ROWS = {"cpu": 512}
_ROWS_ELSEWHERE = 2**14


def feed_forward(states: torch.Tensor, first: nn.Linear, activation: Callable, second: nn.Linear) -> torch.Tensor:
    """Compute `second(activation(first(states)))` of states `(batch, length, hidden)`, any float type.

    Only the wide states before the activation are stored for the backward pass; the activations, and all gradients of
    that width, exist for some rows at a time. Under autocast everything runs in its type. Linear layers of other
    classes (such as an adapter's) or with hooks are called as modules, with the memory that this needs.
    """
    if not (_is_plain(first) and _is_plain(second)) or any(True for _ in _parameters(activation)):
        return second(activation(first(states)))
    tensors = states, first.weight, first.bias, second.weight, second.bias
    kind = states.device.type
    if torch.is_autocast_enabled(kind):
        tensors = (None if each is None else each.to(torch.get_autocast_dtype(kind)) for each in tensors)
    rows, *weights = tensors
    kept = torch.is_grad_enabled() and any(each is not None and each.requires_grad for each in (rows, *weights))
    with torch.autocast(kind, enabled=False):
        found = _FeedForward.apply(rows.flatten(0, -2), *weights, activation, kept)
    return found.view(*states.shape[:-1], -1)


def _is_plain(linear: nn.Module) -> bool:
    # Hooks run only in a call of the module, among them those that gather a sharded weight.
    hooked = linear._forward_hooks or linear._forward_pre_hooks or linear._backward_hooks or linear._backward_pre_hooks
    # accelerate's offload replaces `forward` of the instance.
    wrapped = "forward" in vars(linear)
    return type(linear) is nn.Linear and not hooked and not wrapped and not hasattr(linear.weight, "ds_id")


def _parameters(activation: Callable) -> Iterator[nn.Parameter]:
    return activation.parameters() if isinstance(activation, nn.Module) else iter(())


class _FeedForward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, states, weight, bias, weight_back, bias_back, activation, kept):
        ctx.activation, ctx.biased = activation, (bias is not None, bias_back is not None)
        # shape: (rows, wide)
        wide = states.new_empty(len(states), len(weight)) if kept else None
        found = states.new_empty(len(states), len(weight_back))
        for part in _parts(states):
            own = functional.linear(states[part], weight, bias)
            if kept:
                wide[part] = own
            found[part] = functional.linear(activation(own), weight_back, bias_back)
        if kept:
            ctx.save_for_backward(states, weight, weight_back, wide, bias, bias_back)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx, saved, gradient):
        states, weight, weight_back, wide, *_ = saved
        needed, biased = ctx.needs_input_grad, ctx.biased
        d_states = torch.empty_like(states) if needed[0] else None
        sums = _GradientSum(weight, needed[1]), _GradientSum(weight_back, needed[3])
        biases = (
            _GradientSum(weight[:, 0], biased[0] and needed[2]),
            _GradientSum(weight_back[:, 0], biased[1] and needed[4]),
        )
        before = needed[0] or needed[1] or needed[2]
        with torch.autocast(gradient.device.type, enabled=False):
            for part in _parts(states):
                above = gradient[part]
                with torch.enable_grad():
                    own = wide[part].detach().requires_grad_(before)
                    # A view, since torch's FLOP counter does not accept a leaf here.
                    active = ctx.activation(own.view_as(own))
                sums[1].add_product(above, active.detach())
                biases[1].add(above)
                if not before:
                    continue
                (d_own,) = torch.autograd.grad(active, own, above @ weight_back)
                sums[0].add_product(d_own, states[part])
                biases[0].add(d_own)
                if needed[0]:
                    torch.mm(d_own, weight, out=d_states[part])
        return d_states, sums[0].value, biases[0].value, sums[1].value, biases[1].value, None, None


class _GradientSum:
    """Gradient of a parameter, summed over parts in float32 or wider; None if it is not needed."""

    def __init__(self, like: torch.Tensor, is_needed: bool):
        wide = torch.promote_types(like.dtype, torch.float32)
        self.dtype = like.dtype
        self.total = torch.zeros(like.shape, dtype=wide, device=like.device) if is_needed else None

    def add_product(self, gradient: torch.Tensor, states: torch.Tensor) -> None:
        """Add to the gradient of a linear layer's weight: `(rows, out)` and `(rows, in)`."""
        if self.total is None:
            return
        if self.total.dtype == states.dtype:
            torch.addmm(self.total, gradient.t(), states, out=self.total)
        else:
            self.total += gradient.t() @ states

    def add(self, gradient: torch.Tensor) -> None:
        """Add to the gradient of a linear layer's bias: `(rows, out)`."""
        if self.total is not None:
            self.total += gradient.sum(dim=0, dtype=self.total.dtype)

    @property
    def value(self) -> torch.Tensor | None:
        """The sum in the parameter's own type."""
        return None if self.total is None else self.total.to(self.dtype)


def _parts(states: torch.Tensor) -> Iterator[slice]:
    size = _ROWS.get(states.device.type, _ROWS_ELSEWHERE)
    return (slice(at, at + size) for at in range(0, len(states), size))
