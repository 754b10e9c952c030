"""The feed-forward layer before the projection: its formula, its place in each head, and bad widths."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kospan.modeling.head_layer import HeadLayer, check_width
from kospan.modeling.heads import HEADS, ChainContext


def by_hand(layer: HeadLayer, row: list[float]) -> list[float]:
    """The formula in plain Python."""

    def linear(each, values):
        weights, biases = each.weight.tolist(), each.bias.tolist()
        return [sum(w * v for w, v in zip(line, values)) + bias for line, bias in zip(weights, biases)]

    between = [0.5 * value * (1 + math.erf(value / math.sqrt(2))) for value in linear(layer.widen, row)]
    summed = [old + new for old, new in zip(row, linear(layer.narrow, between))]
    mean = sum(summed) / len(summed)
    spread = math.sqrt(sum((value - mean) ** 2 for value in summed) / len(summed) + layer.norm.eps)
    scale, shift = layer.norm.weight.tolist(), layer.norm.bias.tolist()
    return [(value - mean) / spread * w + b for value, w, b in zip(summed, scale, shift)]


@given(seed=st.integers(0, 10**6), size=st.integers(2, 5), width=st.integers(1, 6))
def test_it_is_the_formula(seed, size, width):
    torch.manual_seed(seed)
    layer = HeadLayer(size, width)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    states = torch.randn(1, 3, size)
    expected = torch.tensor([by_hand(layer, row) for row in states[0].tolist()])
    assert torch.allclose(layer(states)[0], expected, atol=1e-4, rtol=1e-4)


def test_half_precision_stays_outside():
    torch.manual_seed(0)
    layer, states = HeadLayer(8, 16), torch.randn(2, 3, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(layer(states), layer(states.float())) and layer(states).dtype == torch.float32
    assert (
        torch.allclose(layer.bfloat16()(states), layer.float()(states))
        and layer(states.bfloat16()).dtype == torch.float32
    )


@pytest.mark.parametrize("head", HEADS)
def test_every_head_scores_what_the_layer_gives(make_token_classifier, head):
    options = {"heads": 2} if head == "positional" else {}
    plain = make_token_classifier(head=head, head_options=options).head.eval()
    model = make_token_classifier(head=head, head_options={**options, "feedforward": 24}).head.eval()
    assert plain.feedforward is None and not any("feedforward" in name for name in plain.state_dict())
    plain.load_state_dict({name: value for name, value in model.state_dict().items() if "feedforward" not in name})
    torch.manual_seed(0)
    states, mask = torch.randn(2, 3, model.projection.in_features), torch.ones(2, 3, dtype=torch.bool)
    context = ChainContext(positions=torch.arange(3).expand(2, 3))
    before = plain.attention(states, mask, context.positions).states if head == "positional" else states
    found = model(states, mask, context=context).emissions
    assert torch.allclose(found, plain.project(model.feedforward(before)), atol=1e-6)
    assert not torch.allclose(found, plain(states, mask, context=context).emissions, atol=1e-2)


@pytest.mark.parametrize("width", [-1, True, 2.5, "wide", None])
def test_a_width_that_is_none_is_named(width):
    with pytest.raises(ValueError, match="expected feedforward of head_options to be a width of 0"):
        check_width(width)
    check_width(0)
