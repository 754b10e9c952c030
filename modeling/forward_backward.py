"""Sums over all tag paths of a linear chain: log partition, marginals, and the gradients of both.

Every row becomes a path of equal length through one more state, *outside*: before the first unit, on all the padding,
and once after it. Start and end scores are then the transitions out of and into *outside*, a padded row needs no mask,
and an empty one no special case. Rows that begin or end in mid-document pass through a second such state whose
transitions all score 0. Slot t + 1 of a sweep is unit t of the row.

Small numbers in wide floats: on a CPU the recursions run over probabilities in float64 (`LinearSweep`), rescaled now
and then. If a CPU's range does not suffice, and on other devices, they run over logarithms (`LogSweep`).
"""

from typing import Any, NamedTuple

import torch

from .once_differentiable import once_differentiable

# A linear sweep is trusted where each slot's rescaled sum over all paths stays above this. What underflows is below
# 2.3e-308, and the factors it can still meet below (states ** RESCALE_EVERY) ** 2, so nothing that counts is lost.
SMALLEST_SUM = 1e-217
RESCALE_EVERY = 16
# Number of slots with views at once: the views of a long text would take more memory than their numbers.
VIEWS = 2048
# Maximum number of elements of a `(slots, batch, states, states)` block that a log-domain sum holds at once.
BLOCK = 2**22


class Rows(NamedTuple):
    """Masks and constraints of a batch."""

    # True for units `(length, batch)`, a prefix of each column; None if there is no padding.
    mask: torch.Tensor | None = None
    # Whether a row starts, ends where its document does `(batch,)`; None if all do.
    begins: torch.Tensor | None = None
    ends: torch.Tensor | None = None
    # Which transitions `(tags, tags)`, starts `(tags,)`, ends `(tags,)` are allowed; None if all are.
    allowed: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None


class Potentials(NamedTuple):
    """Log potentials of the chain with its outside states."""

    # shape: (length + 2, batch, states), the largest emission of each unit subtracted
    nodes: torch.Tensor
    # shape: (states, states), from state, to state
    edges: torch.Tensor
    # Sum of the subtracted values of each row `(batch,)`.
    offset: torch.Tensor


def runs_linear(device: torch.device) -> bool:
    """Return whether sums over paths run over float64 probabilities on a device.

    Consumer GPUs are slow at float64, MPS has none.
    """
    return device.type == "cpu"


def widest(tensor: torch.Tensor) -> torch.Tensor:
    """Convert to float64, on MPS, which does not have it, to float32."""
    return tensor.to(torch.float32 if tensor.device.type == "mps" else torch.float64)


def _outside_scores(flags: torch.Tensor | None, like: torch.Tensor, states: int) -> torch.Tensor | float:
    """Return 0 for the outside state that a row passes through and -inf for the other: `(batch, outside states)`."""
    if states == 1:
        return 0.0
    batch = like.shape[1]
    if flags is None:
        flags = torch.ones(batch, dtype=torch.bool, device=like.device)
    return like.new_zeros(batch, 2).masked_fill_(~torch.stack([flags, ~flags], dim=1), -torch.inf)


def build_potentials(
    emissions: torch.Tensor, start: torch.Tensor, transitions: torch.Tensor, end: torch.Tensor, rows: Rows
) -> Potentials:
    """Combine emissions `(length, batch, tags)` and parameters to one chain over tags and outside states."""
    length, batch, tags = emissions.shape
    is_wide = runs_linear(emissions.device) or emissions.dtype == torch.float64
    dtype = torch.float64 if is_wide else torch.float32
    outside = 1 if rows.begins is None and rows.ends is None else 2

    # Emissions of +-60,000 would cost float32 its digits; differences from each unit's largest do not.
    peaks = emissions.amax(dim=2, keepdim=True).to(dtype)
    nodes = torch.empty(length + 2, batch, tags + outside, dtype=dtype, device=emissions.device)
    nodes[0] = nodes[-1] = -torch.inf
    units, outsides = nodes[1:-1, :, :tags], nodes[:, :, tags:]
    torch.sub(emissions, peaks, out=units)
    closing = _outside_scores(rows.ends, nodes, outside)
    outsides[0] = _outside_scores(rows.begins, nodes, outside)
    outsides[-1] = closing
    if rows.mask is None:
        outsides[1:-1] = -torch.inf
    else:
        padding = ~rows.mask.unsqueeze(-1)
        units.masked_fill_(padding, -torch.inf)
        peaks = peaks.masked_fill(padding, 0.0)
        outsides[1:-1] = torch.where(padding, closing, -torch.inf)

    edges = torch.full((tags + outside, tags + outside), -torch.inf, dtype=dtype, device=emissions.device)
    edges[:tags, :tags], edges[tags, :tags], edges[:tags, tags] = transitions, start, end
    if rows.allowed is not None:
        steps, starts, ends = rows.allowed
        edges[:tags, :tags].masked_fill_(~steps, -torch.inf)
        edges[tags, :tags].masked_fill_(~starts, -torch.inf)
        edges[:tags, tags].masked_fill_(~ends, -torch.inf)
    # Between outside states a path is free: an empty row may begin in one and end in the other.
    edges[tags:, tags:] = 0.0
    if outside == 2:
        edges[tags + 1, :tags] = edges[:tags, tags + 1] = 0.0

    # MPS has no float64; a sum over thousands of units in float32 costs digits that other devices need not lose.
    wide = torch.float32 if emissions.device.type == "mps" else torch.float64
    return Potentials(nodes, edges, peaks.squeeze(-1).sum(dim=0, dtype=wide))


class LinearSweep:
    """Forward and backward sums over probabilities, rescaled every few slots.

    alpha[t] holds what leads to and includes slot t, beta[t] what follows it, ahead[t] = node[t] * beta[t]. Scales
    differ from slot to slot and cancel within one: marginal[t] = alpha[t] * beta[t] / total[t], and, as beta[t - 1] =
    edges @ ahead[t] in the same scale, pair[t] = alpha[t - 1] * edges * ahead[t] / total[t - 1].

    Source: Rabiner (1989), "A tutorial on hidden Markov models", scaling.
    """

    def __init__(self, potentials: Potentials, rescale_every: int):
        slots, batch, states = potentials.nodes.shape
        self.nodes = nodes = potentials.nodes.exp()
        top = potentials.edges.max()
        self.edges = edges = (potentials.edges - top).exp()
        self.edges_back = edges_back = edges.t().contiguous()
        self.alpha, self.beta, self.ahead = (torch.empty_like(nodes) for _ in range(3))
        self.alpha[0], self.ahead[-1], self.beta[-1] = nodes[0], nodes[-1], 1.0
        self.scales: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        step = nodes.new_empty(batch, states)
        mm, mul = torch.mm, torch.mul
        for begin in range(1, slots, VIEWS):
            end = min(begin + VIEWS, slots)
            # Lists of views and local names: the loop is bound by what Python does between two small products.
            alpha, node = (x[begin - 1 : end].unbind(0) for x in (self.alpha, nodes))
            behind = slice(slots - end, slots - begin + 1)
            ahead, beta, node_behind = (x[behind].unbind(0) for x in (self.ahead, self.beta, nodes))
            for at in range(1, end - begin + 1):
                mm(alpha[at - 1], edges, out=step)
                mul(step, node[at], out=alpha[at])
                back = end - begin - at
                mm(ahead[back + 1], edges_back, out=beta[back])
                mul(beta[back], node_behind[back], out=ahead[back])
                slot = begin + at - 1
                if slot % rescale_every == 0:
                    scales = alpha[at].sum(-1, keepdim=True), ahead[back].sum(-1, keepdim=True)
                    alpha[at].div_(scales[0])
                    ahead[back].div_(scales[1])
                    self.scales[slot] = scales
        # shape: (slots, batch, states) and (slots, batch, 1)
        self.products = self.alpha * self.beta
        self.totals = (self.products.view(slots * batch, states) @ nodes.new_ones(states, 1)).view(slots, batch, 1)
        self.log_partition = self.totals[-1, :, 0].log() + top * (slots - 1)
        if self.scales:
            self.log_partition += torch.cat([scales[0] for scales in self.scales.values()], dim=1).log().sum(1)

    def is_sound(self) -> bool:
        """Return whether nothing that counts has underflowed."""
        return bool((self.totals > SMALLEST_SUM).all())

    def marginals(self, weights: torch.Tensor | float = 1.0, out: torch.Tensor | None = None) -> torch.Tensor:
        """Probability of each tag at each unit, times a weight per row `(batch, 1)`: the shape of `out`, or new."""
        tags = self.products.shape[2] if out is None else out.shape[2]
        return torch.mul(self.products[1:-1, :, :tags], weights / self.totals[1:-1], out=out)

    def pairs(self, weights: torch.Tensor | float = 1.0) -> torch.Tensor:
        """Expected transitions `(states, states)`, summed over the batch with a weight per row `(batch, 1)`."""
        states = self.edges.shape[0]
        earlier = self.alpha[:-1] * (weights / self.totals[:-1])
        return self.edges * (earlier.view(-1, states).t() @ self.ahead[1:].reshape(-1, states))

    def derivative(self, direction: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the change of marginals `(length, batch, states)` and summed pairs along `direction`.

        Dual numbers carried through the same recursions: the product of the log partition's Hessian and `direction`
        `(slots, batch, states)`.
        """
        slots, batch, states = self.nodes.shape
        d_alpha, d_ahead, d_beta = self.alpha * direction, self.ahead * direction, torch.zeros_like(self.beta)
        alpha, ahead, beta, node = (x.unbind(0) for x in (d_alpha, d_ahead, d_beta, self.nodes))
        step = self.nodes.new_empty(batch, states)
        for at in range(1, slots):
            back = slots - 1 - at
            torch.mm(alpha[at - 1], self.edges, out=step)
            torch.mm(ahead[back + 1], self.edges_back, out=beta[back])
            step_back = beta[back]
            if at in self.scales:
                step.div_(self.scales[at][0])
                step_back = step_back / self.scales[at][1]
            torch.addcmul(alpha[at], step, node[at], out=alpha[at])
            torch.addcmul(ahead[back], step_back, node[back], out=ahead[back])
        moved = (d_alpha * self.beta).addcmul_(self.alpha, d_beta).div_(self.totals)
        mean = moved.sum(-1, keepdim=True)
        d_marginals = moved.addcmul_(self.products, mean / self.totals, value=-1)[1:-1]
        d_alpha.addcmul_(self.alpha, mean, value=-1).div_(self.totals)
        d_pairs = d_alpha[:-1].reshape(-1, states).t() @ self.ahead[1:].reshape(-1, states)
        d_pairs += (self.alpha / self.totals)[:-1].reshape(-1, states).t() @ d_ahead[1:].reshape(-1, states)
        return d_marginals, d_pairs * self.edges

    def log_marginals_at(self, slots: torch.Tensor, rows: torch.Tensor, tags: torch.Tensor) -> torch.Tensor:
        """Log probability of `tags` at `slots`; all of one shape."""
        return (self.products[slots, rows, tags] / self.totals[slots, rows, 0]).log()

    def log_steps_at(
        self, slots: torch.Tensor, rows: torch.Tensor, tags: torch.Tensor, next_tags: torch.Tensor
    ) -> torch.Tensor:
        """Log probability of `next_tags` at `slots`, given `tags` one slot earlier."""
        behind = self.beta[slots - 1, rows, tags]
        steps = (self.edges[tags, next_tags] * self.ahead[slots, rows, next_tags] / behind).log()
        return torch.where(behind > 0, steps, -torch.inf)

    def marginals_of(self, slots: slice, tags: torch.Tensor) -> torch.Tensor:
        """Probability of each of `tags` `(count,)` at each of `slots`: `(slots, batch, count)`."""
        return self.products[slots].index_select(2, tags) / self.totals[slots]

    def steps(self, slots: slice, tags: torch.Tensor, next_tags: torch.Tensor) -> torch.Tensor:
        """Probability of each of `next_tags` at each of `slots`, given its one of `tags` a slot earlier.

        Args:
            slots: Consecutive slots, from 1.
            tags: Tag ids `(count,)`.
            next_tags: Tag ids `(count,)`.

        Returns:
            `(slots, batch, count)`, 0 if the earlier tag is impossible.
        """
        parts = self.ahead[slots].index_select(2, next_tags) * self.edges[tags, next_tags]
        whole = self.beta[slots.start - 1 : slots.stop - 1].index_select(2, tags)
        return parts.div_(whole.masked_fill_(whole == 0, torch.inf))


class LogSweep:
    """The same sums over logarithms, for any range of scores; both directions run as one doubled batch."""

    def __init__(self, potentials: Potentials):
        nodes, edges = potentials.nodes, potentials.edges
        self.edges = edges
        self.lowest_gates = torch.finfo(nodes.dtype).min
        # shape: (2, 1, states, states)
        self.both_edges = torch.stack([edges, edges.t()]).unsqueeze(1)
        # shape: (slots, 2, batch, states); the second half runs from the end
        both_nodes = torch.stack([nodes, nodes.flip(0)], dim=1)
        self.before, self.after = torch.zeros_like(both_nodes), torch.empty_like(both_nodes)
        self.after[0] = both_nodes[0]
        # shape: (slots, batch, 1)
        shifts = nodes.new_zeros(nodes.shape[0], nodes.shape[1], 1)
        for at in range(1, nodes.shape[0]):
            torch.logsumexp(self.after[at - 1].unsqueeze(-1) + self.both_edges, dim=-2, out=self.before[at])
            scores = self.before[at] + both_nodes[at]
            # The clamp keeps a row without any allowed path at -inf, where -inf - -inf would be NaN.
            highest = scores.amax(-1, keepdim=True).clamp_min(self.lowest_gates)
            shifts[at] = highest[0]
            torch.sub(scores, highest, out=self.after[at])
        self.alpha = self.after[:, 0]
        self.beta, self.ahead = self.before[:, 1].flip(0), self.after[:, 1].flip(0)
        # shape: (slots, batch, 1)
        self.totals = (self.alpha + self.beta).logsumexp(-1, keepdim=True)
        wide = torch.float32 if nodes.device.type == "mps" else torch.float64
        self.log_partition = shifts.squeeze(-1).sum(dim=0, dtype=wide) + self.totals[-1, :, 0]

    def marginals(self, weights: torch.Tensor | float = 1.0, out: torch.Tensor | None = None) -> torch.Tensor:
        """Probability of each tag at each unit, times a weight per row `(batch, 1)`: the shape of `out`, or new."""
        found = (self.alpha + self.beta - self.totals)[1:-1].exp() * weights
        return found if out is None else out.copy_(found[..., : out.shape[2]])

    def pairs(
        self,
        weights: torch.Tensor | float = 1.0,
        earlier: torch.Tensor | None = None,
        later: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Expected transitions `(states, states)`, summed over the batch with a weight per row `(batch, 1)`.

        With `earlier` and `later` `(slots - 1, batch, states)` each transition also counts times their sum.
        """
        found = torch.zeros_like(self.edges)
        slots, batch, states = self.alpha.shape
        size = max(1, BLOCK // max(1, batch * states * states))
        for at in range(0, slots - 1, size):
            block = slice(at, min(at + size, slots - 1))
            behind = slice(at + 1, block.stop + 1)
            logs = (self.alpha[block] - self.totals[block]).unsqueeze(-1) + self.ahead[behind].unsqueeze(-2)
            shares = (logs + self.edges).exp_()
            if earlier is not None:
                shares *= earlier[block].unsqueeze(-1) + later[block].unsqueeze(-2)
            if isinstance(weights, torch.Tensor):
                shares *= weights.unsqueeze(-1)
            found += shares.sum(dim=(0, 1))
        return found

    def derivative(self, direction: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the derivative as in `LinearSweep`, with tangents relative to their states, which stay in range."""
        moves = torch.stack([direction, direction.flip(0)], dim=1)
        before, after = torch.zeros_like(moves), moves.clone()
        for at in range(1, len(moves)):
            reached = self.before[at].clamp_min(self.lowest_gates).unsqueeze(-2)
            shares = (self.after[at - 1].unsqueeze(-1) + self.both_edges - reached).exp_()
            before[at] = (shares * after[at - 1].unsqueeze(-1)).sum(-2)
            after[at] += before[at]
        moved = after[:, 0] + before[:, 1].flip(0)
        marginals = (self.alpha + self.beta - self.totals).exp()
        mean = (marginals * moved).sum(-1, keepdim=True)
        d_pairs = self.pairs(later=after[:, 1].flip(0)[1:], earlier=(after[:, 0] - mean)[:-1])
        return (marginals * (moved - mean))[1:-1], d_pairs

    def log_marginals_at(self, slots: torch.Tensor, rows: torch.Tensor, tags: torch.Tensor) -> torch.Tensor:
        """Log probability of `tags` at `slots`; all of one shape."""
        return self.alpha[slots, rows, tags] + self.beta[slots, rows, tags] - self.totals[slots, rows, 0]

    def log_steps_at(
        self, slots: torch.Tensor, rows: torch.Tensor, tags: torch.Tensor, next_tags: torch.Tensor
    ) -> torch.Tensor:
        """Log probability of `next_tags` at `slots`, given `tags` one slot earlier."""
        behind = self.beta[slots - 1, rows, tags].clamp_min(self.lowest_gates)
        return self.edges[tags, next_tags] + self.ahead[slots, rows, next_tags] - behind

    def marginals_of(self, slots: slice, tags: torch.Tensor) -> torch.Tensor:
        """Return marginals as in `LinearSweep`."""
        return ((self.alpha[slots] + self.beta[slots]).index_select(2, tags) - self.totals[slots]).exp_()

    def steps(self, slots: slice, tags: torch.Tensor, next_tags: torch.Tensor) -> torch.Tensor:
        """Return probabilities of steps as in `LinearSweep`."""
        behind = self.beta[slots.start - 1 : slots.stop - 1].index_select(2, tags).clamp_min_(self.lowest_gates)
        return (self.ahead[slots].index_select(2, next_tags) + self.edges[tags, next_tags] - behind).exp_()


Sums = LinearSweep | LogSweep


def sweep(potentials: Potentials, rows: Rows) -> Sums:
    """Compute forward and backward sums by the cheapest method that is accurate.

    Raises:
        ValueError: If the constraints allow a row no path.
    """
    sums: Sums | None = None
    for rescale_every in (RESCALE_EVERY, 1) if runs_linear(potentials.nodes.device) else ():
        linear = LinearSweep(potentials, rescale_every)
        if linear.is_sound():
            sums = linear
            break
    if sums is None:
        sums = LogSweep(potentials)
        if rows.allowed is not None:
            stuck = torch.isneginf(sums.log_partition).nonzero()
            if len(stuck):
                raise ValueError(no_path_message(int(stuck[0])))
    if rows.mask is not None and len(rows.mask):
        # The path outside scores 0 up to rounding; a row without units must score exactly 0.
        sums.log_partition = torch.where(rows.mask[0], sums.log_partition, 0.0)
    return sums


def no_path_message(row: int) -> str:
    """Error message for a row without an allowed path."""
    return (
        f"expected the constraints to allow every row at least one tag path, got none for row {row}; allow more in "
        "`constrain(...)`, or pass begins=False or ends=False for rows that are cut out of a longer document"
    )


def _split(edges: torch.Tensor, tags: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the start, transition and end scores in a matrix over all states."""
    return edges[tags, :tags], edges[:tags, :tags], edges[:tags, tags]


class LogLikelihood(torch.autograd.Function):
    """Score of the gold path minus log partition `(batch,)`; minus log partition alone where `tags` is None.

    The gradient is analytic, gold counts minus expected ones, so autograd stores no step of the recursion. Source:
    Lafferty, McCallum & Pereira (2001).
    """

    @staticmethod
    def forward(
        ctx: Any,
        emissions: torch.Tensor,
        start: torch.Tensor,
        transitions: torch.Tensor,
        end: torch.Tensor,
        tags: torch.Tensor | None,
        rows: Rows,
    ) -> torch.Tensor:
        """Compute the log-likelihoods from emissions `(length, batch, tags)` and tags `(length, batch)`."""
        potentials = build_potentials(emissions, start, transitions, end, rows)
        ctx.sweep, ctx.path = sweep(potentials, rows), None
        ctx.save_for_backward(emissions, start, transitions, end)
        if tags is None:
            return -(ctx.sweep.log_partition + potentials.offset)
        count = emissions.shape[2]
        # shape: (length + 2, batch), the gold path through outside and all units
        path = tags.new_full((tags.shape[0] + 2, tags.shape[1]), count)
        if rows.begins is not None:
            path[0] += (~rows.begins).to(path.dtype)
        if rows.ends is not None:
            path[1:] += (~rows.ends).to(path.dtype)
        path[1:-1] = tags if rows.mask is None else torch.where(rows.mask, tags, path[1:-1])
        ctx.path = path
        states = potentials.edges.shape[0]
        nodes = potentials.nodes.gather(2, path.unsqueeze(-1)).squeeze(-1)
        edges = potentials.edges.view(-1).take(path[:-1] * states + path[1:])
        wide = potentials.offset.dtype
        # The values that `build_potentials` subtracts are missing on both sides of the difference.
        return nodes.sum(dim=0, dtype=wide) + edges.sum(dim=0, dtype=wide) - ctx.sweep.log_partition

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, saved: tuple[torch.Tensor, ...], grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return gold counts minus expected counts, times the gradient of each row's likelihood."""
        like, *scores = saved
        tags = like.shape[2]
        weights = grad.to(ctx.sweep.edges.dtype).unsqueeze(-1)
        # Gold and expected counts are close; half precision would round their difference to 0.
        dtype = torch.promote_types(like.dtype, torch.float32)
        units = torch.empty_like(like, dtype=dtype)
        ctx.sweep.marginals(-weights, out=units)
        edges = ctx.sweep.pairs(-weights)
        if ctx.path is not None:
            inner = ctx.path[1:-1]
            is_unit = inner < tags
            gold = torch.where(is_unit, weights.squeeze(-1), 0.0).to(units.dtype)
            units.scatter_add_(2, inner.clamp_max(tags - 1).unsqueeze(-1), gold.unsqueeze(-1))
            steps = ctx.path[:-1] * edges.shape[0] + ctx.path[1:]
            edges.view(-1).index_add_(0, steps.view(-1), weights.squeeze(-1).expand(steps.shape).reshape(-1))
        parts = (part.to(score.dtype) for part, score in zip(_split(edges, tags), scores, strict=True))
        return units.to(like.dtype), *parts, None, None


class Marginals(torch.autograd.Function):
    """Probability of each tag at each unit `(length, batch, tags)`, 0 on padding.

    The gradient is the product of the log partition's Hessian and the incoming gradient, from one more sweep.
    """

    @staticmethod
    def forward(
        ctx: Any, emissions: torch.Tensor, start: torch.Tensor, transitions: torch.Tensor, end: torch.Tensor, rows: Rows
    ) -> torch.Tensor:
        """Compute the marginals from emissions `(length, batch, tags)`."""
        ctx.sweep = sweep(build_potentials(emissions, start, transitions, end, rows), rows)
        ctx.save_for_backward(emissions, start, transitions, end)
        return ctx.sweep.marginals()[..., : emissions.shape[2]].contiguous()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, saved: tuple[torch.Tensor, ...], grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the derivative of all marginals and pairs along `grad`, by the symmetry of second derivatives."""
        tags, states = grad.shape[2], ctx.sweep.edges.shape[0]
        direction = grad.new_zeros(grad.shape[0] + 2, grad.shape[1], states)
        direction[1:-1, :, :tags] = grad
        units, edges = ctx.sweep.derivative(direction)
        parts = (units[..., :tags], *_split(edges, tags))
        return *(part.to(each.dtype) for part, each in zip(parts, saved, strict=True)), None
