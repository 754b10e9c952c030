"""A gradient that has no gradient of its own must not pass for a constant."""

import pytest
import torch
from torch import nn

from kospan.modeling.block_attention import BlockJobs, gathered_attention
from kospan.modeling.crf import CRF
from kospan.modeling.feed_forward import feed_forward


def chain():
    torch.manual_seed(0)
    return CRF(3, batch_first=True).double(), torch.randn(2, 4, 3, dtype=torch.double, requires_grad=True)


def likelihood():
    crf, emissions = chain()
    tags = torch.tensor([[0, 1, 2, 0], [2, 2, 1, 0]])
    return crf(emissions, tags), [emissions, *crf.parameters()]


def log_partition():
    crf, emissions = chain()
    return crf.log_partition(emissions).sum(), [emissions, *crf.parameters()]


def marginals():
    crf, emissions = chain()
    return crf.marginals(emissions)[..., 0].sum(), [emissions, *crf.parameters()]


def divergence():
    crf, emissions = chain()
    return crf.symmetric_kl(emissions, emissions.detach().flip(1)).sum(), [emissions, *crf.parameters()]


def attention():
    torch.manual_seed(0)
    given = [torch.randn(3, 2, 4, dtype=torch.double, requires_grad=True) for _ in range(3)]
    jobs = [BlockJobs(torch.tensor([[0], [2]]), torch.tensor([[0, 1], [1, 2]]))]
    return gathered_attention(*given, jobs).sum(), given


def layers():
    torch.manual_seed(0)
    first, second = nn.Linear(4, 8).double(), nn.Linear(8, 4).double()
    states = torch.randn(2, 3, 4, dtype=torch.double, requires_grad=True)
    found = feed_forward(states, first, nn.functional.gelu, second)
    return found.square().sum(), [states, first.weight, first.bias, second.weight, second.bias]


CASES = [likelihood, log_partition, marginals, divergence, attention, layers]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_graph_of_the_gradient_changes_no_value(case):
    value, given = case()
    plain = torch.autograd.grad(value, given)
    value, given = case()
    kept = torch.autograd.grad(value, given, create_graph=True)
    assert all(torch.equal(one, other) for one, other in zip(plain, kept))
    assert all(each.requires_grad for each in kept)
    # What needs only the first derivative stays possible: a value computed from it, without its gradient.
    assert torch.isfinite(sum(each.detach().square().sum() for each in kept))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_every_way_to_a_second_derivative_is_an_error(case):
    value, given = case()
    for own in torch.autograd.grad(value, given, create_graph=True):
        for other in given:
            # allow_unused would make zeros of what is not connected.
            with pytest.raises(RuntimeError, match=r"differentiated once, got a second derivative \(create_graph"):
                torch.autograd.grad(own.sum(), other, retain_graph=True, allow_unused=True)
        with pytest.raises(RuntimeError, match="differentiated once"):
            own.sum().backward(retain_graph=True)


def test_a_hessian_is_refused_where_it_would_be_zero():
    crf, emissions = chain()
    with pytest.raises(RuntimeError, match="second derivative"):
        torch.autograd.functional.hessian(lambda scores: crf.log_partition(scores).sum(), emissions.detach())
    # Without a graph of the gradient nothing changes: the Hessian from differences of first once_differentiable is
    # there.
    direction = torch.randn_like(emissions)

    def gradient(scores):
        scores = scores.detach().requires_grad_()
        return torch.autograd.grad(crf.log_partition(scores).sum(), scores)[0]

    assert (gradient(emissions + 1e-4 * direction) - gradient(emissions)).norm() > 1e-6


def test_a_frozen_chain_still_refuses_for_its_emissions():
    crf, emissions = chain()
    crf.requires_grad_(False)
    (own,) = torch.autograd.grad(crf.log_partition(emissions).sum(), emissions, create_graph=True)
    with pytest.raises(RuntimeError, match="second derivative"):
        own.sum().backward()
