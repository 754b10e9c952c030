"""Linear layers of the heads, computed in the type of their input."""

import torch
from torch import nn


def wide_linear(layer: nn.Module, states: torch.Tensor) -> torch.Tensor:
    """Apply a linear layer to float32 or float64 states, without autocast, whatever the type of its weights.

    A layer of another class than `nn.Linear`, such as a quantised one or one with an adapter, has no plain weight; it
    is called as a module.

    Args:
        layer: The layer.
        states: `(..., width)`, float32 or float64.

    >>> wide_linear(nn.Linear(2, 3).half(), torch.zeros(1, 2)).dtype
    torch.float32
    """
    with torch.autocast(states.device.type, enabled=False):
        if type(layer) is not nn.Linear:
            return layer(states)
        bias = None if layer.bias is None else layer.bias.to(states.dtype)
        return nn.functional.linear(states, layer.weight.to(states.dtype), bias)
