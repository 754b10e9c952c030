import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils.checkpoint import checkpoint

from kospan.modeling import feed_forward as module
from kospan.modeling.feed_forward import feed_forward

ACTIVATIONS = {"gelu": nn.GELU(), "tanh": torch.tanh, "relu": nn.ReLU(), "gelu_new": nn.GELU(approximate="tanh")}


def layers(bias: bool = True, kind: torch.dtype = torch.double) -> tuple[nn.Linear, nn.Linear]:
    torch.manual_seed(0)
    return nn.Linear(3, 7, bias=bias, dtype=kind), nn.Linear(7, 4, bias=bias, dtype=kind)


def drawn(batch: int, length: int, kind: torch.dtype = torch.double) -> torch.Tensor:
    return torch.randn(batch, length, 3, generator=torch.Generator().manual_seed(1)).to(kind).requires_grad_()


def gradients(found: torch.Tensor, wanted: list[torch.Tensor]) -> list[torch.Tensor | None]:
    weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(2)).to(found)
    return torch.autograd.grad((found * weights).sum(), wanted)


@given(
    st.integers(1, 3), st.integers(1, 9), st.sampled_from([1, 2, 5, 100]), st.booleans(),
    st.sampled_from(sorted(ACTIVATIONS)),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_equals_the_layers_one_by_one_with_all_gradients(batch, length, rows, bias, act):
    first, second = layers(bias)
    states, activation = drawn(batch, length), ACTIVATIONS[act]
    wanted = [states, *first.parameters(), *second.parameters()]
    before = dict(module._ROWS)
    try:
        module._ROWS["cpu"] = rows
        found = feed_forward(states, first, activation, second)
        own = gradients(found, wanted)
    finally:
        module._ROWS.update(before)
    expected = second(activation(first(states)))
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)
    for one, other in zip(own, gradients(expected, wanted), strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=0)


def test_gradients_are_those_of_small_steps(monkeypatch):
    monkeypatch.setitem(module._ROWS, "cpu", 2)
    first, second = layers()
    assert torch.autograd.gradcheck(lambda states: feed_forward(states, first, nn.GELU(), second), drawn(1, 5))


@pytest.mark.parametrize("frozen", ["first", "second", "states", "all but the last bias"])
def test_what_is_frozen_gets_no_gradient_and_changes_none(frozen, monkeypatch):
    monkeypatch.setitem(module._ROWS, "cpu", 2)
    first, second = layers()
    states = drawn(1, 5)
    still = {"first": [*first.parameters()], "second": [*second.parameters()], "states": [states]}.get(
        frozen, [states, *first.parameters(), second.weight]
    )
    for each in still:
        each.requires_grad_(False)
    wanted = [each for each in (states, *first.parameters(), *second.parameters()) if each.requires_grad]
    own = gradients(feed_forward(states, first, nn.GELU(), second), wanted)
    for one, other in zip(own, gradients(second(nn.GELU()(first(states))), wanted), strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=0)


class SavedScores:
    """Numbers that are kept for a backward pass."""

    def __init__(self):
        self.numbers = 0

    def pack(self, tensor: torch.Tensor) -> torch.Tensor:
        self.numbers += 0 if isinstance(tensor, nn.Parameter) else tensor.numel()
        return tensor


class Widest(TorchFunctionMode):
    """Most numbers of a tensor that one call gives."""

    def __init__(self):
        super().__init__()
        self.most = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        self.most = max(self.most, found.numel() if isinstance(found, torch.Tensor) else 0)
        return found


def test_only_states_and_wide_states_are_kept_and_without_gradients_nothing_wide_is_made(monkeypatch):
    monkeypatch.setitem(module._ROWS, "cpu", 4)
    (first, second), states, kept = layers(), drawn(2, 50), SavedScores()
    with torch.autograd.graph.saved_tensors_hooks(kept.pack, lambda tensor: tensor):
        feed_forward(states, first, nn.GELU(), second)
    assert kept.numbers == 100 * (3 + 7)
    with torch.no_grad(), Widest() as widest:
        feed_forward(states, first, nn.GELU(), second)
    assert widest.most == 100 * 4


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_sums_many_parts_in_float32(kind, monkeypatch):
    monkeypatch.setitem(module._ROWS, "cpu", 1)
    states = torch.ones(1, 600, 3, dtype=kind)
    first, second = layers(kind=kind)
    with torch.no_grad():
        first.weight.fill_(0.5), first.bias.zero_()
    found = feed_forward(states, first, nn.ReLU(), second)
    assert found.dtype == kind
    found.sum().backward()
    # Each of 600 rows adds 1.5; summed in half precision the sum would stand still on the way.
    torch.testing.assert_close(second.weight.grad, torch.full((4, 7), 900.0, dtype=kind))
    torch.testing.assert_close(second.bias.grad, torch.full((4,), 600.0, dtype=kind))
    assert first.weight.grad.dtype == kind


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_autocast_gives_what_it_gives_layer_by_layer(kind):
    first, second = layers(kind=torch.float32)
    states = drawn(2, 9, torch.float32)
    wanted = [states, *first.parameters(), *second.parameters()]
    with torch.autocast("cpu", dtype=kind):
        found, expected = feed_forward(states, first, nn.GELU(), second), second(nn.GELU()(first(states)))
    assert found.dtype == expected.dtype == kind
    torch.testing.assert_close(found, expected)
    for one, other in zip(gradients(found, wanted), gradients(expected, wanted), strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one, other, atol=0.05, rtol=0.02)


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointing_changes_no_gradient(reentrant):
    first, second = layers()
    states = drawn(1, 6)
    wanted = [states, *first.parameters(), *second.parameters()]
    found = checkpoint(lambda x: feed_forward(x, first, nn.GELU(), second), states, use_reentrant=reentrant)
    found.sum().backward()
    own = [each.grad.clone() for each in wanted]
    for one, other in zip(own, torch.autograd.grad(second(nn.GELU()(first(states))).sum(), wanted), strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=0)


class Doubled(nn.Linear):
    """A layer like an adapter, which computes more than the product with its weight."""

    def forward(self, states):
        return 2 * functional.linear(states, self.weight, self.bias)


def test_a_linear_that_is_more_than_one_is_called():
    (first, second), states = layers(), drawn(1, 5)
    other = Doubled(3, 7, dtype=torch.double)
    expected = second(torch.tanh(other(states)))
    torch.testing.assert_close(feed_forward(states, other, torch.tanh, second), expected, atol=0, rtol=0)
    calls = []
    handle = second.register_forward_hook(lambda *_: calls.append(1))
    feed_forward(states, first, torch.tanh, second)
    handle.remove()
    assert calls == [1]


def test_an_activation_with_parameters_trains():
    (first, second), states, act = layers(), drawn(1, 5), nn.PReLU(dtype=torch.double)
    feed_forward(states, first, act, second).sum().backward()
    assert act.weight.grad.abs() > 0


def test_a_linear_whose_forward_was_replaced_is_called():
    first, second = layers()
    calls, plain = [], second.forward
    second.forward = lambda states: calls.append(1) or plain(states)
    feed_forward(drawn(1, 4), first, nn.GELU(), second)
    assert calls == [1]
