import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kospan.modeling import block_attention
from kospan.modeling.block_attention import BlockJobs, gathered_attention

SIZE, WIDTH = 3, 4


def slow(query, key, value, jobs):
    """Each query by itself."""
    found = torch.zeros_like(query)
    for queries, keys, mask in jobs:
        for job in range(len(queries)):
            pairs = [(block, place) for block in keys[job].tolist() for place in range(SIZE)]
            seen = [pair for at, pair in enumerate(pairs) if mask is None or mask[job, at]]
            for block in queries[job].tolist():
                for place in range(SIZE):
                    scores = torch.stack([query[block, place] @ key[pair] / math.sqrt(WIDTH) for pair in seen])
                    own = (scores.softmax(0).unsqueeze(1) * torch.stack([value[pair] for pair in seen])).sum(0)
                    found = found.index_put((torch.tensor(block), torch.tensor(place)), own)
    return found


def drawn(seed: int, masked: bool, blocks: int = 7) -> tuple[list[torch.Tensor], list[BlockJobs]]:
    generator = torch.Generator().manual_seed(seed)
    tensors = [torch.randn(blocks, SIZE, WIDTH, dtype=torch.double, generator=generator) for _ in range(3)]
    order = torch.randperm(blocks - 1, generator=generator)  # One block is nobody's query.
    jobs = []
    for own, slots in ((order[:2].view(1, 2), blocks), (order[2:].view(-1, 1), 3)):
        keys = torch.stack([torch.randperm(blocks, generator=generator)[:slots] for _ in own])
        mask = torch.rand(len(own), slots * SIZE, generator=generator) < 0.6
        mask[:, 0] = True
        jobs.append(BlockJobs(own, keys, mask if masked else None))
    return [tensor.requires_grad_() for tensor in tensors], jobs


@given(st.integers(0, 10**6), st.booleans(), st.sampled_from([1, 40, 10**6]))
@settings(max_examples=25, deadline=None)
def test_equals_each_query_by_itself_with_its_gradients(seed, masked, at_once):
    tensors, jobs = drawn(seed, masked)
    weights = torch.randn(tensors[0].shape, dtype=torch.double, generator=torch.Generator().manual_seed(seed))
    before = dict(block_attention._GATHERED_AT_ONCE)
    try:
        block_attention._GATHERED_AT_ONCE["cpu"] = at_once
        found = gathered_attention(*tensors, jobs)
        own = torch.autograd.grad((found * weights).sum(), tensors)
    finally:
        block_attention._GATHERED_AT_ONCE.update(before)
    expected = slow(*tensors, jobs)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)
    for one, other in zip(own, torch.autograd.grad((expected * weights).sum(), tensors)):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=0)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_gradients_are_those_of_small_steps(dropout):
    tensors, jobs = drawn(1, True)

    def attend(*tensors):
        torch.manual_seed(5)
        return gathered_attention(*tensors, jobs, dropout)

    assert torch.autograd.gradcheck(attend, tensors)


def test_dropout_drops_its_share_and_scales_the_rest():
    query = torch.zeros(2, 50, 1)
    value = torch.ones(2, 50, 1)
    jobs = [BlockJobs(torch.tensor([[0], [1]]), torch.tensor([[0, 1], [1, 0]]))]
    torch.manual_seed(0)
    found = gathered_attention(query, query, value, jobs, 0.25)
    # Weights are equal, so each state is the share that was kept, divided by 0.75.
    assert abs(found.mean() - 1) < 0.02 and found.std() > 0.03
    assert not torch.equal(found[0], found[1])
    again = gathered_attention(query, query, value, jobs, 0.25)
    assert not torch.equal(found, again)
    torch.manual_seed(0)
    assert torch.equal(found, gathered_attention(query, query, value, jobs, 0.25))


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_sums_many_rows_in_float32(kind):
    """Block 0 is a key of 400 others; summed in half precision its gradient would stand still on the way."""
    blocks = 401
    torch.manual_seed(0)
    wide = [torch.randn(blocks, 2, 4) for _ in range(3)]
    jobs = [BlockJobs(torch.arange(1, blocks).unsqueeze(1), torch.zeros(blocks - 1, 1, dtype=torch.long))]
    half = [tensor.to(kind).requires_grad_() for tensor in wide]
    same = [tensor.detach().double().requires_grad_() for tensor in half]
    found, expected = gathered_attention(*half, jobs), gathered_attention(*same, jobs)
    assert found.dtype == kind
    torch.testing.assert_close(found.double(), expected, atol=0.02, rtol=0.02)
    found.sum().backward()
    expected.sum().backward()
    for own, other in zip(half, same):
        assert own.grad.dtype == kind
        torch.testing.assert_close(own.grad.double(), other.grad, atol=0.02, rtol=0.01)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_autocast_changes_nothing_of_what_comes_in_wide(dropout):
    tensors, jobs = drawn(3, False)
    tensors = [tensor.detach().float().requires_grad_() for tensor in tensors]
    found = []
    for enabled in (False, True):
        torch.manual_seed(5)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            states = gathered_attention(*tensors, jobs, dropout)
            found.append([states, *torch.autograd.grad(states.square().sum(), tensors)])
    for one, other in zip(*found):
        assert torch.equal(one, other)


def test_a_job_that_may_look_at_nothing_gives_finite_states_and_no_gradient():
    tensors, jobs = drawn(2, True)
    jobs = [each._replace(mask=torch.zeros_like(each.mask)) for each in jobs]
    found = gathered_attention(*tensors, jobs)
    assert found.isfinite().all()
    for gradient in torch.autograd.grad(found.sum(), tensors):
        assert gradient.isfinite().all() and not gradient.abs().sum()
