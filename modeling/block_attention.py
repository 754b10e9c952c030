"""Attention of blocks of queries over gathered blocks of keys, a few at a time, in both directions."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch.nn import functional

# Numbers of keys that are gathered at once. On a CPU they should stay in its caches; elsewhere few launches count.
_GATHERED_AT_ONCE = {"cpu": 2**20}
_GATHERED_ELSEWHERE = 2**25


class BlockJobs(NamedTuple):
    """Query blocks, each with as many key blocks as the others.

    Args:
        queries: The block of queries `(jobs)`; no block stands twice.
        keys: The blocks of keys and values that it looks at `(jobs, slots)`.
        mask: True where a key may be looked at `(jobs, slots * size)`, or None where all may.
    """

    queries: torch.Tensor
    keys: torch.Tensor
    mask: torch.Tensor | None = None


def gathered_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, jobs: Sequence[BlockJobs], dropout: float = 0.0
) -> torch.Tensor:
    """Scaled dot-product attention block by block.

    Gathered keys are as many numbers as the pattern has pairs of blocks, several times those of the text, so they are
    never held together: a part is gathered, used and dropped, and gathered again when gradients are asked for.

    Args:
        query: `(blocks, size, width)`, any float type.
        key: As `query`.
        value: As `query`.
        jobs: Who looks at what.
        dropout: Share of attention weights that is dropped; drawn from torch's generator as by any dropout.

    Returns: `(blocks, size, width)`, zero in a block that no job names as its queries.
    """
    # One number of the global generator stands for all masks, which the backward pass draws once more.
    seed = int(torch.randint(2**62, (), device="cpu")) if dropout else 0
    return _Gathered.apply(query, key, value, tuple(jobs), dropout, seed)


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx, query, key, value, jobs, dropout, seed):
        ctx.save_for_backward(query, key, value)
        ctx.jobs, ctx.dropout, ctx.seed = jobs, dropout, seed
        found = torch.zeros_like(query)
        with _plain(query):
            for part, draw in _parts(key, jobs, seed):
                parts = [
                    _take(tensor, at) for tensor, at in ((query, part.queries), (key, part.keys), (value, part.keys))
                ]
                found.index_copy_(0, part.queries, _attend(*parts, part.mask, dropout, draw))
        return found

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        query, key, value = ctx.saved_tensors
        # A global block is a key in every row: so many terms are not summed in half precision.
        wide = torch.promote_types(query.dtype, torch.float32)
        found = [torch.zeros_like(query), torch.zeros_like(key, dtype=wide), torch.zeros_like(value, dtype=wide)]
        with _plain(query):
            for part, draw in _parts(key, ctx.jobs, ctx.seed):
                leaves = [
                    _take(tensor, at).requires_grad_()
                    for tensor, at in ((query, part.queries), (key, part.keys), (value, part.keys))
                ]
                with torch.enable_grad():
                    output = _attend(*leaves, part.mask, ctx.dropout, draw)
                own = torch.autograd.grad(output, leaves, gradient.index_select(0, part.queries))
                found[0].index_copy_(0, part.queries, own[0])
                for total, each in zip(found[1:], own[1:]):
                    total.index_add_(0, part.keys.flatten(), each.reshape(-1, *total.shape[1:]).to(wide))
        return found[0], found[1].to(key.dtype), found[2].to(value.dtype), None, None, None


def _plain(tensor: torch.Tensor):
    """What comes in has its type already; the two passes must not choose differently."""
    return torch.autocast(tensor.device.type, enabled=False)


def _parts(key: torch.Tensor, jobs: Sequence[BlockJobs], seed: int) -> Iterator[tuple[BlockJobs, int]]:
    """The jobs in parts of bounded size, each with a seed of its own."""
    most = _GATHERED_AT_ONCE.get(key.device.type, _GATHERED_ELSEWHERE)
    for each in jobs:
        count = max(1, most // (each.keys.shape[1] * key[0].numel()))
        for at in range(0, len(each.queries), count):
            mask = None if each.mask is None else each.mask[at : at + count]
            yield BlockJobs(each.queries[at : at + count], each.keys[at : at + count], mask), seed
            seed += 1


def _take(tensor: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    """Blocks `(blocks, size, width)` by number, `(jobs)` or `(jobs, slots)`; slots stand one behind the other."""
    return tensor.index_select(0, at.flatten()).view(len(at), -1, tensor.shape[2])


def _attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, dropout: float, seed: int
) -> torch.Tensor:
    """Attention of `(jobs, size, width)` over `(jobs, keys, width)`, `mask` `(jobs, keys)`."""
    if not dropout:
        mask = None if mask is None else mask[:, None, None]
        query, key, value = (tensor.unsqueeze(1) for tensor in (query, key, value))
        return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask).squeeze(1)
    # SDPA draws from the global generator, which could not draw the same once more.
    scores = query @ key.transpose(1, 2) / math.sqrt(query.shape[2])
    if mask is not None:
        scores = scores.masked_fill(~mask[:, None], torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim=-1, dtype=torch.promote_types(scores.dtype, torch.float32))
    generator = torch.Generator(device=query.device).manual_seed(seed)
    kept = torch.empty_like(weights, requires_grad=False).bernoulli_(1 - dropout, generator=generator)
    return (weights * kept / (1 - dropout)).to(value.dtype) @ value
