"""Attention by position behind gates that predict the places of entities.

After "Positional Attention for Efficient BERT-Based Named Entity Recognition" (arXiv 2505.01868), which gives the idea
in words; the formulas are ours. With unit states h, gates g_t = sigmoid(w h_t + b) and e_PAD, the encoder's state of a
subword without content:

    h~_t = g_t h_t + (1 - g_t) e_PAD score(t, s) = (W_q (h~_t + p_t)) . (W_k (h~_s + p_s)) / sqrt(d) + log(g_s + 1e-6)
    states = norm(h~ + W_o softmax(score) W_v h~)

where p is a learned embedding of the position that a unit takes its vector from.
"""

import math
from numbers import Integral, Real
from typing import NamedTuple

import torch
from torch import nn

from .wide_linear import wide_linear

# Keeps the logarithm of a closed gate finite, also where all gates of a row are closed.
EPSILON = 1e-6
GATES = ("soft", "hard", "share")
DECODERS = ("linear", "crf")
BEGINNINGS = ("random", "neighbours")
MOST_HEADS = 2**12
# Initial score of a head's neighbour, in nats.
SHARPNESS = 12.0
OPTIONS = {
    "gate": "soft",  # "soft" (g itself), "hard" (open from 0.5 on), "share" (the lowest are closed)
    "share": 0.7,  # of a row's gates that are closed, for gate: share; 0 closes none
    "positional_loss": 0.5,  # weight of the gates' own loss; 0 turns it off
    "heads": 8,  # attention heads; they divide the width of the states
    "gold_gate": 0.0,  # share of training over which gold gates, mixed in, fall from 1 to 0; 0 turns them off
    "decoder": "linear",  # "linear" (cross-entropy) or "crf" (negative log-likelihood)
    "beginning": "random",  # of positions and heads: "random", or "neighbours" (each head attends to one offset)
    "oracle": False,  # LEAKAGE: gold gates wherever labels are given, in evaluation too; an upper bound, no result
}


class AttentionOutput(NamedTuple):
    """Output of `PositionalAttention`.

    Args:
        states: `(batch, units, hidden)`, float32 or wider.
        logits: Of the three gates "is in an entity", "starts one", "ends one" `(batch, units, 3)`, as predicted.
        weights: Attention from each unit to each unit `(batch, heads, units, units)`; 0 to padding.
    """

    states: torch.Tensor
    logits: torch.Tensor
    weights: torch.Tensor


class GateTargets(NamedTuple):
    """Targets of the gates, 1 or 0 in float, `(batch, units)` each.

    Args:
        inside: Whether a unit is in an entity.
        starts: Whether it starts one.
        ends: Whether it ends one.
        known: False at a row's last unit if the document continues, since it is unknown whether an entity ends there.
    """

    inside: torch.Tensor
    starts: torch.Tensor
    ends: torch.Tensor
    known: torch.Tensor


def check_options(options: dict) -> None:
    """Check the options, which must hold all keys of `OPTIONS`.

    Raises:
        ValueError: If an option, all of `OPTIONS` being there, is out of range.
    """
    for name, choices in (("gate", GATES), ("decoder", DECODERS), ("beginning", BEGINNINGS)):
        if options[name] not in choices:
            raise ValueError(
                f"expected {name} of head_options to be one of {', '.join(choices)}, got {options[name]!r}; remove it "
                f"for {OPTIONS[name]}"
            )
    # Type, least and largest value.
    ranges = {
        "share": (Real, 0, math.nextafter(1, 0), "a share of gates from 0 to below 1", "0.7 closes 7 of 10"),
        "positional_loss": (Real, 0, 1e6, "a weight of 0 (off) or more", "0.5 is the usual one"),
        "heads": (Integral, 1, MOST_HEADS, f"a whole number from 1 to {MOST_HEADS:,}", "8 is the usual one"),
        "gold_gate": (
            Real,
            0,
            1,
            "a share of training from 0 (off) to 1",
            "0.5 mixes gold gates in over the first half",
        ),
        "oracle": (bool, False, True, "true or false", "remove it for false"),
    }
    for name, (kind, least, most, wanted, advice) in ranges.items():
        value = options[name]
        if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)) or not least <= value <= most:
            raise ValueError(f"expected {name} of head_options to be {wanted}, got {value!r}; {advice}")
    gate, share = options["gate"], options["share"]
    if gate != "share" and share != OPTIONS["share"]:
        raise ValueError(
            f"expected share of head_options beside gate: share only, got share {share!r} beside gate: {gate}; "
            "remove share, or set gate: share"
        )


def wide(tensor: torch.Tensor) -> torch.Tensor:
    """Convert to float32, or keep float64."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def straight_through(value: torch.Tensor, soft: torch.Tensor) -> torch.Tensor:
    """Return `value` with the gradient of `soft` (the straight-through estimator of Bengio et al. 2013)."""
    return value.detach() + (soft - soft.detach())


def lowest_gates(gates: torch.Tensor, mask: torch.Tensor, share: float) -> torch.Tensor:
    """Return True at the `floor(share * units)` lowest gates of each row's own units; ties go to the earlier.

    Args:
        gates: `(batch, units)`.
        mask: True for units `(batch, units)`.
        share: 0 to below 1.

    >>> lowest_gates(torch.tensor([[0.5, 0.1, 0.9, 0.1]]), torch.tensor([[True] * 4]), 0.5).tolist()
    [[False, True, False, True]]
    """
    order = gates.detach().masked_fill(~mask, torch.inf).argsort(dim=1, stable=True)
    ranks = torch.empty_like(order).scatter_(
        1, order, torch.arange(order.shape[1], device=order.device).expand_as(order)
    )
    # In integers: in floats 0.29 * 100 is below 29, and not every device has float64.
    count = (mask.sum(dim=1, keepdim=True) * round(share * 10**9) + 10**4) // 10**9
    return ranks < count


def gate_targets(
    labels: torch.Tensor,
    mask: torch.Tensor,
    tables: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    ends: torch.Tensor | None = None,
) -> GateTargets:
    """Compute the targets of the gates from tags.

    Args:
        labels: Tag ids `(batch, units)`, -100 as padding on the right.
        mask: True for units `(batch, units)`.
        tables: By tag id, booleans: in an entity `(tags,)`; starts one `(tags,)`; and `(tags, tags)`, whether the
            second continues the entity of the first.
        ends: True where the row holds its document's last unit `(batch,)`; None means all do.
    """
    inside, starts, goes_on = tables
    tags = labels.clamp(min=0)
    follows = torch.zeros_like(mask)
    follows[:, :-1] = goes_on[tags[:, :-1], tags[:, 1:]] & mask[:, 1:]
    is_last = mask.clone()
    is_last[:, :-1] &= ~mask[:, 1:]
    known = mask if ends is None else mask & ~(is_last & ~ends.bool().unsqueeze(1))
    entity = inside[tags] & mask
    return GateTargets(entity.float(), (starts[tags] & mask).float(), (entity & ~follows).float(), known)


def gate_loss(logits: torch.Tensor, targets: GateTargets, mask: torch.Tensor) -> torch.Tensor:
    """Compute BCE of "is in an entity" + 0.5 BCE of "starts one" + 0.5 BCE of "ends one", summed, in nats.

    Args:
        logits: `(batch, units, 3)`.
        targets: Targets of the gates.
        mask: True for units `(batch, units)`.
    """
    total = logits.new_zeros(())
    rows = ((targets.inside, mask, 1.0), (targets.starts, mask, 0.5), (targets.ends, targets.known, 0.5))
    for at, (target, counted, weight) in enumerate(rows):
        each = nn.functional.binary_cross_entropy_with_logits(
            logits[..., at], target.to(logits.dtype), reduction="none"
        )
        total = total + weight * each.masked_fill(~counted, 0.0).sum()
    return total


class PositionalAttention(nn.Module):
    """Gates and attention as in the module's formulas, in float32, or in float64 for float64 states.

    Args:
        size: Width of the states.
        positions: Rows of the table of positions: the model's window.
        heads: Attention heads.
        gate: One of `GATES`. Gates that are not soft have the gradient of the soft ones.
        share: Of gates closed, for gate "share".
        beginning: One of `BEGINNINGS`.

    Raises:
        ValueError: If `heads` does not divide `size`, or not into even widths where heads begin at neighbours.
    """

    def __init__(
        self,
        size: int,
        positions: int,
        heads: int = 8,
        gate: str = "soft",
        share: float = 0.7,
        beginning: str = "random",
    ):
        super().__init__()
        if size % heads:
            raise ValueError(
                f"expected heads of head_options to divide the width of the states, {size}, got {heads}; set heads: "
                f"{math.gcd(size, heads)}"
            )
        if beginning == "neighbours" and size // heads % 2:
            raise ValueError(
                f"expected heads of an even width for beginning: neighbours of head_options, got {heads} heads of "
                f"{size // heads}; set heads: {math.gcd(size, 2 * heads) // 2} or beginning: random"
            )
        self.heads, self.gate, self.share, self.beginning = heads, gate, share, beginning
        self.gates = nn.Linear(size, 3)
        self.position_embedding = nn.Embedding(positions, size)
        self.query, self.key, self.value = nn.Linear(size, size), nn.Linear(size, size), nn.Linear(size, size)
        self.output = nn.Linear(size, size)
        self.norm = nn.LayerNorm(size)
        # e_PAD; zeros until a model is built over an encoder.
        self.register_buffer("padding_state", torch.zeros(size))

    @torch.no_grad()
    def init_weights(self) -> None:
        """Initialise position embeddings and heads for `beginning: neighbours`.

        Positions are waves, a key is its position's waves, and a query its own turned by the head's offset (1 before, 1
        behind, 2 before, ...). From a random start, a few thousand steps do not learn the places of units. All of it is
        trained further.
        """
        if self.beginning == "random":
            return
        size = self.query.in_features
        waves, width = size // 2, size // self.heads
        # Radians from one position to the next. Evenly spaced ones would all coincide again after some 50 positions.
        rates = 2 * ((torch.arange(waves) + 0.5) / waves) ** 1.3
        angles = torch.arange(self.position_embedding.num_embeddings).unsqueeze(1) * rates
        query, key = torch.zeros(size, size), torch.zeros(size, size)
        for head in range(self.heads):
            offset = (head // 2 + 1) * (1 if head % 2 else -1)
            sines = torch.arange(width // 2) * self.heads + head
            cosines, rows = waves + sines, head * width + torch.arange(width // 2)
            turn = rates[sines] * offset
            query[rows, sines], query[rows, cosines] = turn.cos(), turn.sin()
            query[rows + width // 2, sines], query[rows + width // 2, cosines] = -turn.sin(), turn.cos()
            key[rows, sines] = key[rows + width // 2, cosines] = 1.0
        scale = (SHARPNESS / math.sqrt(width)) ** 0.5
        self.position_embedding.weight.copy_(math.sqrt(2) * torch.cat([angles.sin(), angles.cos()], dim=1))
        self.query.weight.copy_(scale * query)
        self.key.weight.copy_(scale * key)
        for layer in (self.value, self.output):
            layer.weight.normal_(0.0, size**-0.5)

    @torch.no_grad()
    def read_padding(self, encoder: nn.Module, tokenizer) -> None:
        """Set e_PAD to the encoder's last state at [PAD] of `[CLS] [PAD] [SEP]`.

        Raises:
            ValueError: If the tokenizer lacks one of the three.
        """
        ids = {name: getattr(tokenizer, f"{name}_token_id", None) for name in ("cls", "pad", "sep")}
        missing = [name for name, each in ids.items() if each is None]
        if missing:
            raise ValueError(
                "expected a tokenizer with cls, pad and sep tokens for head: positional, got one without "
                f"{', '.join(missing)}; choose an encoder of BERT's kind, or another head"
            )
        device = next(encoder.parameters()).device
        subwords = torch.tensor([list(ids.values())], device=device)
        mode = encoder.training
        encoder.eval()
        try:
            found = encoder(input_ids=subwords, attention_mask=torch.ones_like(subwords), return_dict=True)
        finally:
            encoder.train(mode)
        self.padding_state.copy_(found.last_hidden_state[0, 1])

    def forward(
        self,
        states: torch.Tensor,
        mask: torch.Tensor,
        positions: torch.Tensor,
        gold: torch.Tensor | None = None,
        gold_share: float = 0.0,
    ) -> AttentionOutput:
        """Apply gates and attention.

        Args:
            states: Unit states `(batch, units, hidden)`.
            mask: True for units `(batch, units)`.
            positions: Position whose vector each unit takes `(batch, units)`; padding is ignored.
            gold: Gold gates to mix in, 1 or 0 `(batch, units)`; None for none.
            gold_share: Their share, 0 to 1.

        Raises:
            ValueError: If a position is outside the window.
        """
        with torch.autocast(states.device.type, enabled=False):
            states = wide(states)
            logits = wide_linear(self.gates, states)  # shape: (batch, units, 3)
            gates, log_gates = self._acting(logits[..., 0].sigmoid(), mask, gold, gold_share)
            closed = self.padding_state.to(states.dtype)
            gated = gates.unsqueeze(-1) * states + (1 - gates).unsqueeze(-1) * closed
            to_device = gated + self._places(positions.masked_fill(~mask, 0)).to(states.dtype)
            query, key = self._split(self.query, to_device), self._split(self.key, to_device)
            value = self._split(self.value, gated)  # shape: (batch, heads, units, hidden / heads)
            scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[3]) + log_gates[:, None, None]
            lowest_score = torch.finfo(scores.dtype).min
            weights = scores.masked_fill(~mask[:, None, None], lowest_score).softmax(dim=3)
            mixed = (weights @ value).transpose(1, 2).flatten(2)
            summed = gated + wide_linear(self.output, mixed)
            scale, shift = self.norm.weight.to(summed.dtype), self.norm.bias.to(summed.dtype)
            out = nn.functional.layer_norm(summed, summed.shape[-1:], scale, shift, self.norm.eps)
        return AttentionOutput(out, logits, weights)

    def _acting(
        self, soft: torch.Tensor, mask: torch.Tensor, gold: torch.Tensor | None, share: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the gates as applied, and their logarithms, with the gradient of the soft ones `(batch, units)`.

        The logarithm has its own straight-through estimator: through a closed gate its gradient would be a million.
        """
        acting = soft
        if self.gate == "hard":
            acting = (soft >= 0.5).to(soft.dtype)
        elif self.gate == "share":
            acting = (~lowest_gates(soft, mask, self.share)).to(soft.dtype)
        if gold is not None:
            # With gold gates alone, the soft ones get no gradient.
            soft, acting = (share * gold.to(soft.dtype) + (1 - share) * each for each in (soft, acting))
        return straight_through(acting, soft), straight_through((acting + EPSILON).log(), (soft + EPSILON).log())

    def _places(self, positions: torch.Tensor) -> torch.Tensor:
        rows = self.position_embedding.num_embeddings
        # On other devices the check would synchronise; a compiled graph checks its indices itself.
        checked = positions.device.type == "cpu" and positions.numel() and not torch.compiler.is_compiling()
        if checked and int(positions.max()) >= rows:
            raise ValueError(
                f"expected unit_positions inside the window of {rows} positions that the head was built for, got "
                f"{int(positions.max())}; make batches with model.collate and the model's own window"
            )
        return self.position_embedding(positions)

    def _split(self, layer: nn.Linear, states: torch.Tensor) -> torch.Tensor:
        """Project `(batch, units, hidden)` to `(batch, heads, units, hidden / heads)`."""
        return wide_linear(layer, states).unflatten(2, (self.heads, -1)).transpose(1, 2)
