"""Autograd functions whose gradient raises an error when it is differentiated again."""

import functools
from collections.abc import Callable

import torch


def once_differentiable(backward: Callable) -> Callable:
    """Mark the `backward` of an autograd function whose gradient cannot be differentiated again.

    torch's decorator of this name notices only that the incoming gradient requires one. Under `create_graph=True` that
    is usually a constant, and second derivatives would silently be zero. Here the gradient also depends on the saved
    inputs, so that differentiating it raises.

    Args:
        backward: `(ctx, saved, *gradients)`: as in torch, with the saved tensors in between, which are unpacked once.
            Every differentiable input must be among the saved tensors.
    """

    @functools.wraps(backward)
    def run(ctx, *gradients):
        saved = ctx.saved_tensors
        with torch.no_grad():
            found = backward(ctx, saved, *gradients)
        sources = [each for each in (*saved, *gradients) if each is not None and each.requires_grad]
        if not torch.is_grad_enabled() or not sources:
            return found
        given = [each for each in found if each is not None]
        guarded = iter(_Once.apply(len(given), *given, *sources))
        return tuple(None if each is None else next(guarded) for each in found)

    return run


class _Once(torch.autograd.Function):
    """Identity of the first `count` tensors; differentiating it with respect to any tensor is an error."""

    @staticmethod
    def forward(ctx, count, *tensors):
        return tuple(each.view_as(each) for each in tensors[:count])

    @staticmethod
    def backward(ctx, *gradients):
        raise RuntimeError(
            "expected kospan's CRF, sparse attention and feed-forward layers to be differentiated once, got a second "
            "derivative (create_graph=True); detach their gradient, or use a module whose gradient autograd records, "
            "such as pytorch-crf or the encoder's stock class"
        )
