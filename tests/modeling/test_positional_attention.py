"""Gates and attention by position against loops in plain Python, and what must hold of every mask."""

import doctest
import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import positional_loops as loops
from torch import nn

import kospan.modeling.positional_attention
from kospan.modeling.positional_attention import (
    GATES,
    OPTIONS,
    PositionalAttention,
    check_options,
    gate_loss,
    gate_targets,
    lowest_gates,
    straight_through,
)
from kospan.modeling.tags import spans_to_tags, tag_names

WIDTH, WINDOW, LABELS = 6, 12, ["PS", "LC"]


def attention(seed: int = 0, gate: str = "soft", share: float = 0.5, heads: int = 2) -> PositionalAttention:
    torch.manual_seed(seed)
    module = PositionalAttention(WIDTH, WINDOW, heads, gate, share)
    for tensor in (*module.parameters(), module.padding_state):
        nn.init.normal_(tensor)
    return module


def tables(scheme: str = "BIO") -> tuple:
    tags = tag_names(LABELS, scheme)
    goes_on = [[after[:2] in ("I-", "E-") and after[2:] == tag[2:] for after in tags] for tag in tags]
    columns = ([tag != "O" for tag in tags], [tag[:2] in ("B-", "S-") for tag in tags], goes_on)
    return tuple(torch.tensor(each) for each in columns)


@st.composite
def rows(draw) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """States, mask and positions of one to three rows."""
    lengths = draw(st.lists(st.integers(1, 7), min_size=1, max_size=3))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    mask = torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)
    states = 2 * torch.randn(*mask.shape, WIDTH, generator=generator, dtype=torch.float64)
    positions = torch.randint(0, WINDOW, mask.shape, generator=generator).masked_fill(~mask, -100)
    return states, mask, positions


def test_documented_examples_hold():
    assert doctest.testmod(kospan.modeling.positional_attention).failed == 0


@pytest.mark.parametrize("gate", GATES)
@given(rows(), st.sampled_from([0.0, 0.3, 0.5, 0.85]), st.sampled_from([None, 0.0, 0.25, 1.0]), st.integers(0, 99))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_equals_loops_in_plain_python(gate, batch, share, gold_share, seed):
    states, mask, positions = batch
    module = attention(seed, gate, share).double()
    gold = None
    if gold_share is not None:
        gold = torch.randint(0, 2, mask.shape, generator=torch.Generator().manual_seed(seed)).double()
    found = module(states, mask, positions, gold, gold_share or 0.0)
    weights = {name: tensor.tolist() for name, tensor in module.state_dict().items()}
    for row, length in enumerate(mask.sum(dim=1).tolist()):
        expected = loops.attend(
            states[row, :length].tolist(),
            positions[row, :length].tolist(),
            weights,
            2,
            gate,
            share,
            None if gold is None else gold[row, :length].tolist(),
            gold_share or 0.0,
        )
        for ours, theirs in zip((found.states, found.logits), expected):
            assert torch.allclose(ours[row, :length], torch.tensor(theirs, dtype=torch.float64), atol=1e-9)
        theirs = torch.tensor(expected[2], dtype=torch.float64)
        assert torch.allclose(found.weights[row, :, :length, :length], theirs, atol=1e-9)
        assert (found.weights[row, :, :, length:] == 0).all()


@pytest.mark.parametrize("gate", GATES)
@given(rows(), st.integers(0, 99))
@settings(max_examples=10, deadline=None, derandomize=True)
def test_padding_and_neighbours_change_nothing(gate, batch, seed):
    states, mask, positions = batch
    module = attention(seed, gate).double()
    together = module(states, mask, positions)
    noise = torch.where(mask.unsqueeze(-1), states, 1e4)
    assert torch.equal(module(noise, mask, positions).states[mask], together.states[mask])
    for row, length in enumerate(mask.sum(dim=1).tolist()):
        alone = module(states[row : row + 1, :length], mask[row : row + 1, :length], positions[row : row + 1, :length])
        assert torch.allclose(alone.states[0], together.states[row, :length], atol=1e-9)


@given(
    st.lists(st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.5001, 1.0]), min_size=0, max_size=120), min_size=1, max_size=3),
    st.sampled_from([0.0, 0.1, 0.29, 0.3, 0.57, 0.7, 0.85, 0.999]),
)
@settings(deadline=None, derandomize=True)
def test_share_closes_exactly_so_many_and_ties_go_by_position(values, share):
    longest = max(map(len, values)) + 1
    gates = torch.tensor([row + [0.0] * (longest - len(row)) for row in values])
    mask = torch.arange(longest) < torch.tensor([len(row) for row in values]).unsqueeze(1)
    closed = lowest_gates(gates, mask, share)
    for row, wanted in zip(closed.tolist(), values):
        count = math.floor(Fraction(str(share)) * len(wanted))
        order = sorted(range(len(wanted)), key=lambda at: (wanted[at], at))
        assert [at for at, each in enumerate(row) if each] == sorted(order[:count])


@pytest.mark.parametrize("share, units, closed", [(0.29, 100, 29), (0.7, 10, 7), (0.85, 4096, 3481), (1 / 3, 3, 1)])
def test_floats_that_fall_short_of_a_whole_number(share, units, closed):
    gates, mask = torch.rand(1, units), torch.ones(1, units, dtype=torch.bool)
    assert lowest_gates(gates, mask, share).sum() == closed


@pytest.mark.parametrize("gate", ["hard", "share"])
def test_what_is_not_soft_passes_the_soft_gradient_on(gate):
    """The gates act as 0 and 1, and the gradient is that of g, also through the logarithm at a closed gate."""
    soft = torch.tensor([[0.2, 0.7, 0.4, 0.9]], dtype=torch.float64, requires_grad=True)
    mask = torch.ones(1, 4, dtype=torch.bool)
    weights = torch.tensor([[1.0, -2.0, 3.0, 0.5]], dtype=torch.float64)
    acting, logarithms = attention(gate=gate)._acting(soft, mask, None, 0.0)
    assert acting.tolist() == [[0.0, 1.0, 0.0, 1.0]]
    assert torch.allclose(logarithms, (acting + 1e-6).log())
    (passed,) = torch.autograd.grad((weights * acting).sum(), soft)
    assert torch.equal(passed, weights)
    (passed,) = torch.autograd.grad((weights * logarithms).sum(), soft)
    assert torch.allclose(passed, weights / (soft + 1e-6))


def test_passing_on_keeps_the_value_to_the_bit():
    value, soft = torch.rand(1000), torch.rand(1000, requires_grad=True)
    assert torch.equal(straight_through(value, soft), value)


def test_gradients_equal_finite_differences():
    module = attention().double()
    states = torch.randn(2, 4, WIDTH, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    positions = torch.tensor([[1, 2, 3, 3], [1, 2, -100, -100]])
    gold = torch.tensor([[1.0, 0, 0, 1], [0, 1, 0, 0]], dtype=torch.float64)
    targets = gate_targets(torch.tensor([[1, 2, 0, 3], [0, 1, -100, -100]]), mask, tables())
    names, parameters = zip(*module.named_parameters())

    def run(states, *values):
        module_values = dict(zip(names, values))
        found = torch.func.functional_call(module, module_values, (states, mask, positions, gold, 0.3))
        return found.states[mask], gate_loss(found.logits, targets, mask)

    assert torch.autograd.gradcheck(run, (states, *parameters), atol=1e-6)


@given(
    st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["O", *LABELS])), min_size=1, max_size=6),
    st.sampled_from(["BIO", "BIOES"]),
    st.booleans(),
    st.integers(0, 99),
)
@settings(deadline=None, derandomize=True)
def test_gate_loss_equals_loops(subwords, scheme, ends_here, seed):
    spans, at = [], 0
    for length, label in subwords:
        spans += [(at, at + length, label)] if label != "O" else []
        at += length
    names = spans_to_tags(spans, at, scheme)
    ids = [tag_names(LABELS, scheme).index(name) for name in names]
    # A second row that is shorter, and padding behind both.
    labels = torch.full((2, at + 2), -100)
    labels[0, :at], labels[1, :1] = torch.tensor(ids), 0
    mask = labels != -100
    logits = 3 * torch.randn(2, at + 2, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    targets = gate_targets(labels, mask, tables(scheme), torch.tensor([ends_here, True]))
    expected = loops.gate_loss(logits[0, :at].tolist(), names, ends_here) + loops.gate_loss(
        logits[1, :1].tolist(), ["O"]
    )
    assert float(gate_loss(logits, targets, mask)) == pytest.approx(expected, rel=1e-9)
    starts = [span[0] for span in spans]
    ends = [span[1] - 1 for span in spans]
    assert targets.starts[0].nonzero().flatten().tolist() == starts
    assert targets.ends[0].nonzero().flatten().tolist() == ends


def test_gate_loss_worked_by_hand():
    """One unit that is a whole entity, gates at probabilities 0.8, 0.6 and 0.5."""
    logits = torch.tensor([[[math.log(4), math.log(1.5), 0.0]]])
    mask = torch.tensor([[True]])
    targets = gate_targets(torch.tensor([[1]]), mask, tables())
    expected = -math.log(0.8) - 0.5 * math.log(0.6) - 0.5 * math.log(0.5)
    assert float(gate_loss(logits, targets, mask)) == pytest.approx(expected)
    nothing = gate_targets(torch.tensor([[0]]), mask, tables())
    expected = -math.log(0.2) - 0.5 * math.log(0.4) - 0.5 * math.log(0.5)
    assert float(gate_loss(logits, nothing, mask)) == pytest.approx(expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_row_whose_gates_are_all_closed_stays_finite(dtype):
    module = attention(gate="hard")
    with torch.no_grad():
        module.gates.bias.fill_(-1e4)
    states = (100 * torch.randn(2, 5, WIDTH)).to(dtype).requires_grad_()
    mask = torch.tensor([[True] * 5, [False] * 5])
    positions = torch.arange(5).expand(2, 5)
    with torch.autocast("cpu", dtype=dtype):
        found = module(states, mask, positions)
        found.states[mask].sum().backward()
    assert found.states.dtype == torch.float32 and found.weights.dtype == torch.float32
    assert found.states.isfinite().all() and found.logits.isfinite().all()
    assert torch.allclose(found.weights[0].sum(dim=-1), torch.ones(2, 5))
    assert all(each.grad is None or each.grad.isfinite().all() for each in (states, *module.parameters()))
    # All are closed, so all units are [PAD] to the others, and places alone tell them apart.
    assert torch.allclose(found.weights[0], module(torch.zeros_like(states), mask, positions).weights[0])


def test_a_module_in_half_precision_computes_in_float32():
    module = attention()
    states, mask, positions = torch.randn(1, 5, WIDTH), torch.ones(1, 5, dtype=torch.bool), torch.arange(5).unsqueeze(0)
    expected = module(states, mask, positions)
    half = module.half()(states.half(), mask, positions)
    assert half.states.dtype == torch.float32
    assert torch.allclose(half.states, expected.states, atol=3e-2)


def test_nothing_to_read_gives_nothing():
    found = attention()(torch.zeros(2, 0, WIDTH), torch.zeros(2, 0, dtype=torch.bool), torch.zeros(2, 0).long())
    assert found.states.shape == (2, 0, WIDTH) and found.weights.shape == (2, 2, 0, 0)


def test_where_a_unit_stands_matters():
    module = attention()
    states, mask = torch.randn(1, 3, WIDTH), torch.ones(1, 3, dtype=torch.bool)
    one, other = (module(states, mask, torch.tensor([places])).weights for places in ([1, 2, 3], [1, 2, 9]))
    assert not torch.allclose(one, other)


def test_a_closed_gate_draws_no_looks():
    module = attention(gate="share", share=0.5)
    with torch.no_grad():
        module.query.weight.mul_(0.1)
        module.query.bias.zero_()
    states, mask = torch.randn(1, 6, WIDTH), torch.ones(1, 6, dtype=torch.bool)
    found = module(states, mask, torch.arange(6).unsqueeze(0))
    closed = lowest_gates(found.logits[..., 0].sigmoid(), mask, 0.5)[0]
    assert closed.sum() == 3
    assert found.weights[0][..., closed].sum(dim=-1).max() < 1e-2
    assert found.weights[0][..., ~closed].sum(dim=-1).min() > 0.99


@pytest.mark.parametrize(
    "options, words",
    [
        ({"gate": "firm"}, "gate of head_options to be one of soft, hard, share, got 'firm'; remove it"),
        ({"gate": "share", "share": 1}, "share of head_options to be a share of gates from 0 to below 1, got 1"),
        ({"gate": "share", "share": -0.1}, "from 0 to below 1, got -0.1"),
        ({"gate": "share", "share": True}, "from 0 to below 1, got True"),
        ({"share": 0.5}, "expected share of head_options beside gate: share only, got share 0.5 beside gate: soft"),
        ({"positional_loss": -1}, "positional_loss of head_options to be a weight of 0"),
        ({"positional_loss": math.nan}, "positional_loss of head_options to be a weight of 0"),
        ({"positional_loss": "0.5"}, "got '0.5'"),
        ({"heads": 0}, "heads of head_options to be a whole number from 1 to 4,096, got 0"),
        ({"heads": 10**30}, "heads of head_options to be a whole number from 1 to 4,096, got 1000"),
        ({"heads": 2.0}, "heads of head_options to be a whole number"),
        ({"gold_gate": 1.5}, "gold_gate of head_options to be a share of training from 0"),
        ({"decoder": "beam"}, "decoder of head_options to be one of linear, crf, got 'beam'"),
        ({"oracle": 1}, "oracle of head_options to be true or false, got 1"),
    ],
)
def test_options_out_of_range_are_named(options, words):
    with pytest.raises(ValueError) as caught:
        check_options({**OPTIONS, **options})
    assert words in str(caught.value) and str(caught.value).startswith("expected ")


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match=r"expected heads of head_options to divide .* 6, got 4; set heads: 2"):
        PositionalAttention(6, WINDOW, heads=4)


def test_a_position_outside_the_window_is_named():
    with pytest.raises(ValueError, match=r"inside the window of 12 positions .* got 12; make batches"):
        attention()(torch.zeros(1, 1, WIDTH), torch.ones(1, 1, dtype=torch.bool), torch.tensor([[12]]))


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_heads_that_begin_at_neighbours_look_there(heads):
    size, window = 32 * heads, 64
    torch.manual_seed(0)
    module = PositionalAttention(size, window, heads, beginning="neighbours")
    module.init_weights()
    nn.init.zeros_(module.query.bias)
    nn.init.zeros_(module.key.bias)
    states, mask = torch.zeros(1, window, size), torch.ones(1, window, dtype=torch.bool)
    weights = module(states, mask, torch.arange(window).unsqueeze(0)).weights[0]
    for head, offset in enumerate([-1, 1, -2, 2][:heads]):
        asked = torch.arange(2, window - 2)
        assert torch.equal(weights[head, asked].argmax(dim=1), asked + offset)
        assert (weights[head, asked, asked + offset] > 0.9).all()


def test_heads_of_an_odd_width_cannot_begin_at_neighbours():
    with pytest.raises(ValueError, match=r"even width for beginning: neighbours .* 2 heads of 3; set heads: 1 or"):
        PositionalAttention(6, WINDOW, 2, beginning="neighbours")
    with pytest.raises(ValueError, match="beginning of head_options to be one of random, neighbours, got 'sines'"):
        check_options({**OPTIONS, "beginning": "sines"})
