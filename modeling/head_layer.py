"""Feed-forward layer between unit states and the projection to tags."""

from numbers import Integral

import torch
from torch import nn

from .wide_linear import wide_linear

# Maximum width, whatever the encoder; larger values are mistakes.
WIDEST = 2**20


def check_width(width) -> None:
    """Check that a width is a whole number of 0 (no layer) or more.

    Raises:
        ValueError: If it is not a whole number of 0 (no layer) or more.
    """
    if not isinstance(width, Integral) or isinstance(width, bool) or not 0 <= width <= WIDEST:
        raise ValueError(
            f"expected feedforward of head_options to be a width of 0 (no such layer) to {WIDEST:,}, got {width!r}; "
            "twice the width of the states is a good one"
        )


class HeadLayer(nn.Module):
    """norm(h + W_2 gelu(W_1 h)): the second half of a transformer layer (Vaswani et al. 2017), in float32.

    Args:
        size: Width of the states.
        width: Width of the inner layer.
    """

    def __init__(self, size: int, width: int):
        super().__init__()
        self.widen, self.narrow, self.norm = nn.Linear(size, width), nn.Linear(width, size), nn.LayerNorm(size)

    @torch.no_grad()
    def init_weights(self) -> None:
        """Initialise the weights so that states keep their size; a transformer's usual weights are a tenth of that."""
        for layer in (self.widen, self.narrow):
            layer.weight.normal_(0.0, layer.in_features**-0.5)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Apply the layer.

        Args:
            states: `(batch, units, hidden)`, any float type.

        Returns:
            The same shape, float32.
        """
        with torch.autocast(states.device.type, enabled=False):
            states = states.float()
            between = nn.functional.gelu(wide_linear(self.widen, states))
            out = states + wide_linear(self.narrow, between)
            scale, shift = self.norm.weight.float(), self.norm.bias.float()
            return nn.functional.layer_norm(out, out.shape[-1:], scale, shift, self.norm.eps)
