import torch
from torch import nn

from kospan.modeling.bilstm import MaskedBiLSTM


def packed_reference(model: MaskedBiLSTM, states, mask):
    """torch's own packed bidirectional LSTM with the same weights."""
    layers = len(model.forward_layers)
    first = model.forward_layers[0]
    baseline = nn.LSTM(first.input_size, first.hidden_size, layers, batch_first=True, bidirectional=True)
    with torch.no_grad():
        for at in range(layers):
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                getattr(baseline, f"{name}_l{at}").copy_(getattr(model.forward_layers[at], f"{name}_l0"))
                getattr(baseline, f"{name}_l{at}_reverse").copy_(getattr(model.backward_layers[at], f"{name}_l0"))
    packed = nn.utils.rnn.pack_padded_sequence(states, mask.sum(1), batch_first=True, enforce_sorted=False)
    return nn.utils.rnn.pad_packed_sequence(baseline(packed)[0], batch_first=True, total_length=states.shape[1])[0]


def test_equals_a_packed_sequence_and_its_gradient():
    torch.manual_seed(0)
    model = MaskedBiLSTM(5, 4, layers=2).double()
    states = torch.randn(3, 6, 5, dtype=torch.double, requires_grad=True)
    other = states.detach().clone().requires_grad_()
    mask = torch.arange(6) < torch.tensor([[6], [1], [4]])
    found = model(states, mask)
    baseline = packed_reference(model.double(), other.float(), mask).double()
    assert torch.allclose(found, baseline, atol=1e-6)
    found.square().sum().backward()
    baseline.square().sum().backward()
    assert torch.allclose(states.grad, other.grad, atol=1e-5)


def test_padding_and_empty_rows_change_nothing():
    torch.manual_seed(0)
    model = MaskedBiLSTM(5, 4)
    states = torch.randn(2, 6, 5)
    mask = torch.tensor([[True] * 4 + [False] * 2, [False] * 6])
    found = model(states, mask)
    assert torch.allclose(found[:1, :4], model(states[:1, :4], mask[:1, :4]), atol=1e-6)
    assert found[1].abs().sum() == 0 and found[0, 4:].abs().sum() == 0
    assert model(states[:, :0], mask[:, :0]).shape == (2, 0, 8)
