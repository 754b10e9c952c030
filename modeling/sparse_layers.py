"""Layers of a BigBird, and the plan by which they process a batch of texts of different lengths."""

import math
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional
from transformers.activations import ACT2FN

from .block_attention import BlockJobs, gathered_attention
from .block_pattern import block_table
from .feed_forward import feed_forward

# Equivalent functions with fused implementations: a third of the time, a fifth of the memory.
_FUSED = {"gelu_new": "gelu_pytorch_tanh", "gelu_fast": "gelu_pytorch_tanh", "gelu_python": "gelu"}


class BatchPart(NamedTuple):
    """Texts of a batch with the same kind of attention.

    Args:
        rows: Their rows in the batch `(texts)`; None if the batch has no others.
        length: Number of positions of the longest text.
        mask: True for subwords `(texts, length)`; None if there is no padding.
        blocks: Number of blocks of each text, for sparse attention.
    """

    rows: torch.Tensor | None
    length: int
    mask: torch.Tensor | None
    blocks: tuple[int, ...] = ()


class BatchPlan(NamedTuple):
    """Division of a batch by kind of attention, made once for all layers.

    Args:
        full: The texts with full attention, or None.
        sparse: The texts with sparse attention, or None.
        length: Positions of the batch, padded to whole blocks if a text has sparse attention.
    """

    full: BatchPart | None
    sparse: BatchPart | None
    length: int


def full_limit(config) -> float:
    """Return the most positions of a text that is read with full attention.

    It is the length of the encoder that it was converted from (`source_length`), or (5 + 2r) blocks if that is more.
    There is no limit for `attention_type: original_full`.
    """
    if config.attention_type == "original_full":
        return math.inf
    return max(getattr(config, "source_length", None) or 0, (5 + 2 * config.num_random_blocks) * config.block_size)


def make_plan(config, mask: torch.Tensor | None, shape: tuple[int, int], device: torch.device) -> BatchPlan:
    """Divide a batch by the lengths of its texts, so that no text is affected by its neighbours.

    Args:
        config: The encoder's config.
        mask: True for subwords `(batch, length)`, or None if there is no padding.
        shape: `(batch, length)`.
        device: Device of the batch.
    """
    batch, length = shape
    if mask is None:
        lengths, counts = [length] * batch, [length] * batch
    else:
        # The only access to the batch's contents; shape: (2, batch)
        ends = (mask * torch.arange(1, length + 1, device=device)).amax(1) if length else mask.sum(1)
        lengths, counts = torch.stack([ends, mask.sum(1)]).tolist()
    limit, size = full_limit(config), config.block_size
    short = [row for row in range(batch) if lengths[row] <= limit]
    long = [row for row in range(batch) if lengths[row] > limit]

    def part(rows: list[int], width: int, blocks: tuple[int, ...] = ()) -> BatchPart:
        at = torch.tensor(rows, device=device) if len(rows) < batch else None
        if all(counts[row] == width for row in rows):
            return BatchPart(at, width, None, blocks)
        own = torch.ones(shape, dtype=torch.bool, device=device) if mask is None else mask
        own = functional.pad(own if at is None else own[at], (0, max(0, width - length)))
        return BatchPart(at, width, own[:, :width], blocks)

    full = sparse = None
    if short:
        # Padding beyond the limit must not enlarge full attention.
        width = length if length <= limit else max(1, *(lengths[row] for row in short))
        full = part(short, width)
    if long:
        blocks = tuple(-(-lengths[row] // size) for row in long)
        sparse = part(long, max(blocks) * size, blocks)
        length = -(-length // size) * size
    return BatchPlan(full, sparse, length)


class BigBirdSelfAttention(nn.Module):
    """Queries, keys and values, and two kinds of attention."""

    def __init__(self, config, layer: int):
        super().__init__()
        self.heads, self.size = config.num_attention_heads, config.block_size
        self.random_blocks, self.layer = config.num_random_blocks, layer
        for name in ("query", "key", "value"):
            setattr(self, name, nn.Linear(config.hidden_size, config.hidden_size, bias=config.use_bias))
        self.dropout = config.attention_probs_dropout_prob

    def forward(
        self, states: torch.Tensor, plan: BatchPlan, with_weights: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Attend over states `(batch, length, hidden)`; return context of the same shape and weights.

        The attention weights `(batch, heads, length, length)` are returned if requested and all texts use full
        attention.
        """
        linears, (batch, length) = (self.query, self.key, self.value), states.shape[:2]
        # shape of each: (batch, length, heads, width)
        tensors = [linear(states).view(batch, length, self.heads, -1) for linear in linears]
        if plan.sparse is None:
            own = [each[:, : plan.full.length] for each in tensors]
            context, weights = (
                self._with_weights(*own, plan.full) if with_weights else (self._full(*own, plan.full), None)
            )
            return padded(context.flatten(2), length), weights
        if plan.full is None:
            blocked = [self._blocked(each[:, : plan.sparse.length]) for each in tensors]
            del tensors  # Only the blocked copies are needed from here on.
            return padded(self._sparse(*blocked, plan.sparse).flatten(2), length), None
        found = []
        for part in (plan.full, plan.sparse):
            own = [each.index_select(0, part.rows)[:, : part.length] for each in tensors]
            context = self._full(*own, part) if part is plan.full else self._sparse(*map(self._blocked, own), part)
            found.append(padded(context.flatten(2), length))
        order = torch.cat([plan.full.rows, plan.sparse.rows])
        return torch.cat(found).index_select(0, order.argsort()), None

    def _full(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, part: BatchPart) -> torch.Tensor:
        """Apply full attention to `(texts, length, heads, width)` of queries, keys and values."""
        query, key, value = (each.transpose(1, 2) for each in (query, key, value))
        mask = None if part.mask is None else part.mask[:, None, None]
        dropout = self.dropout if self.training else 0.0
        found = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
        return found.transpose(1, 2)

    def _with_weights(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, part: BatchPart
    ) -> tuple[torch.Tensor, torch.Tensor]:
        query, key, value = (each.transpose(1, 2) for each in (query, key, value))
        scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[3])
        if part.mask is not None:
            scores = scores.masked_fill(~part.mask[:, None, None], torch.finfo(scores.dtype).min)
        weights = functional.dropout(scores.softmax(dim=-1).to(value.dtype), self.dropout, self.training)
        return (weights @ value).transpose(1, 2), weights

    def _blocked(self, tensor: torch.Tensor) -> torch.Tensor:
        """Reshape `(texts, length, heads, width)` to `(texts * heads * blocks, size, width)`.

        A block of a head is then contiguous in memory.
        """
        return tensor.transpose(1, 2).reshape(-1, self.size, tensor.shape[3])

    def _sparse(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, part: BatchPart) -> torch.Tensor:
        """Apply sparse attention to blocked tensors; return context `(texts, length, heads, width)`.

        A text's first and last blocks attend to all of it, the others as given by `block_table`.
        """
        dropout = self.dropout if self.training else 0.0
        found = gathered_attention(query, key, value, self._jobs(part, query.device), dropout)
        return found.view(len(part.blocks), self.heads, part.length, -1).transpose(1, 2)

    def _jobs(self, part: BatchPart, device: torch.device) -> list[BlockJobs]:
        """Return the key blocks of each block of each text and head, grouped by shape."""
        most = part.length // self.size
        groups: dict[tuple[int, int], list[tuple[torch.Tensor, torch.Tensor]]] = {}
        for text, blocks in enumerate(part.blocks):
            table = block_table(self.layer, self.heads, blocks, self.random_blocks)
            first = (text * self.heads + torch.arange(self.heads)).unsqueeze(1) * most  # shape: (heads, 1)
            all_blocks = torch.arange(blocks).expand(self.heads, -1)
            for rows, keys in (
                (torch.tensor([[0, blocks - 1]]), all_blocks[None]),
                (torch.tensor([[1], [blocks - 2]]), torch.tensor(table.edges)),
                (torch.arange(2, blocks - 2).unsqueeze(1), torch.tensor(table.middle)),
            ):
                queries = (first + rows.unsqueeze(1)).flatten(0, 1)
                keys = (first + keys).flatten(0, 1)
                groups.setdefault((queries.shape[1], keys.shape[1]), []).append((queries, keys))
        found = []
        for group in groups.values():
            queries, keys = (torch.cat(each).to(device, non_blocking=True) for each in zip(*group))
            mask = None
            if part.mask is not None:
                text, block = keys // (self.heads * most), keys % most
                mask = part.mask.reshape(-1, most, self.size)[text, block].flatten(1)
            found.append(BlockJobs(queries, keys, mask))
        return found


class BigBirdResidual(nn.Module):
    """Dense layer, dropout, residual, layer norm."""

    def __init__(self, config, width: int):
        super().__init__()
        self.dense = nn.Linear(width, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = CompactDropout(config.hidden_dropout_prob)

    def forward(self, states: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        """Apply the layer to states `(batch, length, width)` with the residual `before` `(batch, length, hidden)`."""
        return self.joined(self.dense(states), before)

    def joined(self, states: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        """Apply the part after the dense layer; both `(batch, length, hidden)`."""
        states = self.dropout(states)
        # The output of dropout is not used elsewhere: adding in place saves a tensor of the batch's size.
        return self.LayerNorm(states.add_(before) if self.dropout.drops else states + before)


class CompactDropout(nn.Dropout):
    """Dropout that keeps a byte per state for the backward pass; on a CPU torch's keeps a float."""

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Apply dropout."""
        return torch.native_dropout(states, self.p, True)[0] if self.drops else states

    @property
    def drops(self) -> bool:
        """Whether dropout has an effect now."""
        return self.training and self.p > 0


class BigBirdAttention(nn.Module):
    """Self-attention with its residual."""

    def __init__(self, config, layer: int):
        super().__init__()
        self.self = BigBirdSelfAttention(config, layer)
        self.output = BigBirdResidual(config, config.hidden_size)


class BigBirdIntermediate(nn.Module):
    """First linear layer and activation of the feed-forward part."""

    def __init__(self, config):
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.intermediate_size)
        name = config.hidden_act
        self.activation = ACT2FN[_FUSED.get(name, name)] if isinstance(name, str) else name


class BigBirdLayer(nn.Module):
    """Attention, then feed-forward, over states `(batch, length, hidden)`."""

    def __init__(self, config, layer: int):
        super().__init__()
        self.attention = BigBirdAttention(config, layer)
        self.intermediate = BigBirdIntermediate(config)
        self.output = BigBirdResidual(config, config.intermediate_size)

    def forward(
        self, states: torch.Tensor, plan: BatchPlan, with_weights: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Apply the layer; return states and attention weights.

        Args:
            states: `(batch, length, hidden)`.
            plan: Division of the batch.
            with_weights: Whether attention weights are returned.
        """
        context, weights = self.attention.self(states, plan, with_weights)
        states = self.attention.output(context, states)
        fed = feed_forward(states, self.intermediate.dense, self.intermediate.activation, self.output.dense)
        return self.output.joined(fed, states), weights


def padded(states: torch.Tensor, length: int) -> torch.Tensor:
    """Pad `(texts, shorter, hidden)` with zeros to `length`, without a copy if nothing is missing."""
    short = length - states.shape[1]
    return functional.pad(states, (0, 0, 0, short)) if short else states
