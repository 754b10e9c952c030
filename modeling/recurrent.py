"""A bidirectional LSTM over units that does not see padding."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class MaskedBiLSTM(nn.Module):
    """Runs over each row's own units only; padded units give zeros.

    Args:
        input_size: Width of the states that come in.
        size: LSTM units per direction; the states that go out are `2 * size` wide.
        layers: Stacked layers.
        dropout: Dropout between stacked layers; without effect on a single one.
    """

    def __init__(self, input_size: int, size: int, layers: int = 1, dropout: float = 0.0):
        super().__init__()
        self.lstm = nn.LSTM(
            input_size, size, layers, batch_first=True, bidirectional=True, dropout=dropout if layers > 1 else 0.0
        )

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """
        Args:
            states: Unit states `(batch, units, hidden)`.
            mask: True where a unit stands `(batch, units)`; a prefix of each row.

        Returns: `(batch, units, 2 * size)`, zero where `mask` is False.
        """
        # A row without units is given one, and its result is masked away below: an LSTM needs at least one step.
        lengths = mask.sum(dim=1).clamp(min=1).cpu()
        packed = pack_padded_sequence(states, lengths, batch_first=True, enforce_sorted=False)
        hidden, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=states.shape[1])
        return hidden * mask.unsqueeze(-1).to(hidden.dtype)
