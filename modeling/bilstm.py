"""Bidirectional LSTM over units that ignores padding."""

import torch
from torch import nn


class MaskedBiLSTM(nn.Module):
    """Bidirectional LSTM over each row's own units; padded units give zeros.

    Rows stay padded instead of packed: a forward LSTM never sees the units after a unit, and the backward one reads
    each row's own units reversed. On a CPU that is several times as fast as a packed sequence.

    Args:
        input_size: Width of the input states.
        size: LSTM units per direction; the output states are `2 * size` wide.
        layers: Stacked layers.
        dropout: Dropout between stacked layers; without effect on a single one.
    """

    def __init__(self, input_size: int, size: int, layers: int = 1, dropout: float = 0.0):
        super().__init__()
        widths = [input_size, *[2 * size] * (layers - 1)]
        self.forward_layers = nn.ModuleList(nn.LSTM(width, size, batch_first=True) for width in widths)
        self.backward_layers = nn.ModuleList(nn.LSTM(width, size, batch_first=True) for width in widths)
        self.dropout = nn.Dropout(dropout)

    # torch.compile cannot trace torch's LSTM, and would not speed it up.
    @torch.compiler.disable
    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Apply the LSTM.

        Args:
            states: Unit states `(batch, units, hidden)`.
            mask: True for units `(batch, units)`; a prefix of each row.

        Returns:
            `(batch, units, 2 * size)`, zero where `mask` is False.
        """
        if not states.shape[0] or not states.shape[1]:
            return states.new_zeros(*states.shape[:2], 2 * self.forward_layers[0].hidden_size)
        batch, units = mask.shape
        places = torch.arange(units, device=states.device)
        last = mask.sum(dim=1, keepdim=True) - 1
        rows = units * torch.arange(batch, device=states.device).unsqueeze(1)
        # Each row's own units reversed, as indices into the concatenated rows; shape: (batch * units).
        reversed_units = (rows + torch.where(mask, last - places, places)).flatten()

        def turn(states: torch.Tensor) -> torch.Tensor:
            return states.reshape(batch * units, -1).index_select(0, reversed_units).view(batch, units, -1)

        for at, (ahead, back) in enumerate(zip(self.forward_layers, self.backward_layers)):
            states = self.dropout(states) if at else states
            states = torch.cat([ahead(states)[0], turn(back(turn(states))[0])], dim=-1)
        return states.masked_fill(~mask.unsqueeze(-1), 0.0)
