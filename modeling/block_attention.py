"""Attention of blocks of queries over gathered blocks of keys, computed in parts in both passes."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch.nn import functional

from .once_differentiable import once_differentiable

# Numbers of keys that are gathered at once. On a CPU they should fit its caches; elsewhere few launches are faster.
_GATHERED_AT_ONCE = {"cpu": 2**19}
_GATHERED_ELSEWHERE = 2**25


class BlockJobs(NamedTuple):
    """Jobs of one shape: blocks of queries that attend to blocks of keys.

    Args:
        queries: Numbers of the blocks of queries `(jobs, query slots)`; no block occurs twice.
        keys: Numbers of the blocks of keys and values `(jobs, key slots)`; no block occurs twice in a job.
        mask: True for allowed keys `(jobs, key slots * size)`, or None if all are.
    """

    queries: torch.Tensor
    keys: torch.Tensor
    mask: torch.Tensor | None = None


def gathered_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, jobs: Sequence[BlockJobs], dropout: float = 0.0
) -> torch.Tensor:
    """Scaled dot-product attention block by block.

    Gathered keys have as many numbers as the pattern has pairs of blocks, several times those of the text, so they are
    never all in memory: a part is gathered, used and dropped, and gathered again for gradients.

    Args:
        query: `(blocks, size, width)`, any float type.
        key: As `query`.
        value: As `query`.
        jobs: The pattern of attention.
        dropout: Share of attention weights that is dropped; drawn from torch's generator as by any dropout.

    Returns:
        `(blocks, size, width)`, zero in a block without queries in any job.
    """
    # One number of the global generator seeds all masks, which the backward pass draws again.
    seed = int(torch.randint(2**62, (), device="cpu")) if dropout else 0
    return _Gathered.apply(query, key, value, tuple(jobs), dropout, seed)


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx, query, key, value, jobs, dropout, seed):
        ctx.save_for_backward(query, key, value)
        ctx.jobs, ctx.dropout, ctx.seed = jobs, dropout, seed
        found = torch.zeros_like(query)
        with _as_it_comes(query):
            for part, at in _parts(key, jobs):
                own, keys, values = (_take(query, part.queries), _take(key, part.keys), _take(value, part.keys))
                if dropout:
                    weights, kept = _weights(own, keys, part.mask), _kept(own, keys, dropout, seed + at)
                    output = ((weights * kept) @ values.to(weights.dtype)).to(query.dtype)
                else:
                    # A head each; shape of the mask: (jobs, heads, queries, keys)
                    mask = None if part.mask is None else part.mask[:, None, None]
                    own, keys, values = (each.unsqueeze(1) for each in (own, keys, values))
                    output = functional.scaled_dot_product_attention(own, keys, values, attn_mask=mask)
                found.index_copy_(0, part.queries.flatten(), output.reshape(-1, *found.shape[1:]))
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx, saved, gradient):
        query, key, value = saved
        # A global block is a key in every row: sums of so many terms need more than half precision.
        wide = torch.promote_types(query.dtype, torch.float32)
        d_query, d_key, d_value = torch.zeros_like(query), *(torch.zeros_like(key, dtype=wide) for _ in range(2))
        with _as_it_comes(query):
            for part, at in _parts(key, ctx.jobs):
                own, keys, values, above = (
                    _take(tensor, blocks).to(wide)
                    for tensor, blocks in (
                        (query, part.queries),
                        (key, part.keys),
                        (value, part.keys),
                        (gradient, part.queries),
                    )
                )
                # shape of weights and of their gradients: (jobs, queries, keys)
                weights = _weights(own, keys, part.mask)
                d_weights = above @ values.transpose(1, 2)
                dropped = weights
                if ctx.dropout:
                    kept = _kept(own, keys, ctx.dropout, ctx.seed + at)
                    dropped = weights * kept
                    d_weights *= kept
                blocks = part.keys.flatten()
                d_value.index_add_(0, blocks, (dropped.transpose(1, 2) @ above).view(-1, *value.shape[1:]))
                # Through the softmax: w * (d - sum of w * d).
                d_weights *= weights
                d_scores = d_weights.addcmul_(weights, d_weights.sum(dim=2, keepdim=True), value=-1)
                d_scores *= 1 / math.sqrt(query.shape[2])
                d_key.index_add_(0, blocks, (d_scores.transpose(1, 2) @ own).view(-1, *key.shape[1:]))
                d_own = (d_scores @ keys).to(query.dtype)
                d_query.index_copy_(0, part.queries.flatten(), d_own.view(-1, *query.shape[1:]))
        return d_query, d_key.to(key.dtype), d_value.to(value.dtype), None, None, None


def _as_it_comes(tensor: torch.Tensor):
    """Turn off autocast, since the inputs have their type and both passes must use the same."""
    return torch.autocast(tensor.device.type, enabled=False)


def _parts(key: torch.Tensor, jobs: Sequence[BlockJobs]) -> Iterator[tuple[BlockJobs, int]]:
    """Yield the jobs in numbered parts of bounded size."""
    most, number = _GATHERED_AT_ONCE.get(key.device.type, _GATHERED_ELSEWHERE), 0
    for queries, keys, mask in jobs:
        count = max(1, most // (keys.shape[1] * key[0].numel()))
        for at in range(0, len(queries), count):
            own = slice(at, at + count)
            yield BlockJobs(queries[own], keys[own], None if mask is None else mask[own]), number
            number += 1


def _take(tensor: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    """Gather blocks `(blocks, size, width)` by number `(jobs, slots)` to `(jobs, slots * size, width)`."""
    return tensor.index_select(0, at.flatten()).view(len(at), -1, tensor.shape[2])


def _weights(query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Attention weights `(jobs, queries, keys)`, at least float32; zero for a job without any allowed key."""
    wide = torch.promote_types(query.dtype, torch.float32)
    scores = query.to(wide) @ key.to(wide).transpose(1, 2)
    scores *= 1 / math.sqrt(query.shape[2])
    if mask is None:
        return scores.softmax(dim=2)
    mask = mask[:, None]
    return scores.masked_fill_(~mask, torch.finfo(wide).min).softmax(dim=2).masked_fill_(~mask, 0.0)


def _kept(query: torch.Tensor, key: torch.Tensor, dropout: float, seed: int) -> torch.Tensor:
    """Dropout's factors, the same for the same seed."""
    wide = torch.promote_types(query.dtype, torch.float32)
    generator = torch.Generator(device=query.device).manual_seed(seed)
    factors = torch.empty(len(query), query.shape[1], key.shape[1], dtype=wide, device=query.device)
    return factors.bernoulli_(1 - dropout, generator=generator).mul_(1 / (1 - dropout))
