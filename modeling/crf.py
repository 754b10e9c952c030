"""Linear-chain conditional random field over tags, with the names, shapes and call of pytorch-crf.

s(y) = start[y_1] + sum_t emission_t[y_t] + sum_t transition[y_{t-1}, y_t] + end[y_T] and p(y | x) = exp(s(y)) / Z(x)
(Lafferty, McCallum & Pereira, 2001).
"""

from typing import Any

import numpy as np
import torch
from torch import nn

from .best_paths import best_paths, k_best_paths
from .crf_inputs import as_arrays, check_allowed, check_segment, check_tags, prepare_inputs, result_type, row_lengths
from .forward_backward import LogLikelihood, Marginals, Rows, Sums, build_potentials, no_path_message, sweep, widest
from .span_posteriors import SpanPosteriors, segment_posteriors
from .span_selection import MAX_SPAN_LENGTH, SpanTags

Segment = tuple[int, int, list[int], int]


class CRF(nn.Module):
    """Linear-chain CRF that can replace pytorch-crf's module, state dict included.

    Emissions may have any float type and size, such as +-60,000 in half precision: recursions never run in half
    precision. They run in float64 on a CPU and over logarithms in float32 elsewhere, autocast or not. Parameters stay
    float32 when `.half()` or `.bfloat16()` is called on the module or on one that holds it.

    Every mask is a prefix of its row (padding on the right). A row without any unit has log-likelihood 0, the empty
    path, and no marginals.

    There are two distributions. "train" is trained by `forward`: temperature 1, and constraints only if
    `constrain(..., when="both")` was called. "decode" is used for prediction: all potentials divided by `temperature`,
    and constraints under "decode" and "both".

    Under `torch.compile` the chain runs outside the graph.

    `begins` and `ends`, booleans `(batch,)`, tell whether a row starts (ends) where its document does. Otherwise start
    (end) scores and constraints do not apply. Without them all rows are whole documents.

    Args:
        num_tags: Number of tags.
        batch_first: Whether tensors come as `(batch, length, ...)`; `(length, batch, ...)` otherwise. This
            documentation and all results are batch first.

    Attributes:
        start_transitions: Score of each first tag `(tags,)`.
        end_transitions: Score of each last tag `(tags,)`.
        transitions: Score from tag to tag `(tags, tags)`.
        temperature: Divides all potentials of the "decode" distribution; 1.0 changes nothing.

    >>> crf = CRF(num_tags=3, batch_first=True)
    >>> emissions = torch.tensor([[[9.0, 0.0, 0.0], [0.0, 9.0, 0.0]]])
    >>> crf(emissions, torch.tensor([[0, 1]])).exp().item() > 0.99
    True
    >>> crf.decode(emissions)
    [[0, 1]]
    """

    def __init__(self, num_tags: int, batch_first: bool = False):
        if num_tags <= 0:
            raise ValueError(f"expected num_tags to be at least 1, got {num_tags}; pass the number of tag names")
        super().__init__()
        self.num_tags = num_tags
        self.batch_first = batch_first
        self.temperature = 1.0
        self.constrained = "none"
        self.start_transitions = nn.Parameter(torch.empty(num_tags, dtype=torch.float32))
        self.end_transitions = nn.Parameter(torch.empty(num_tags, dtype=torch.float32))
        self.transitions = nn.Parameter(torch.empty(num_tags, num_tags, dtype=torch.float32))
        # Not persistent, so that state dicts are exchangeable with pytorch-crf's; `constrain` sets them again.
        for name, parameter in (("transitions", self.transitions), ("starts", self.start_transitions)):
            self.register_buffer(f"allowed_{name}", torch.ones_like(parameter, dtype=torch.bool), persistent=False)
        self.register_buffer("allowed_ends", torch.ones_like(self.allowed_starts), persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all scores from the uniform distribution between -0.1 and 0.1."""
        for parameter in (self.start_transitions, self.end_transitions, self.transitions):
            nn.init.uniform_(parameter, -0.1, 0.1)

    def extra_repr(self) -> str:
        """Return the settings for `repr`."""
        return f"num_tags={self.num_tags}, batch_first={self.batch_first}"

    def _apply(self, fn: Any, *args: Any, **kwargs: Any) -> nn.Module:
        """Move tensors as asked, but never to half precision, in which sums over paths are off by hundreds of nats."""

        def keep_wide(tensor: torch.Tensor) -> torch.Tensor:
            moved = fn(tensor)
            return tensor.to(moved.device) if moved.dtype in (torch.float16, torch.bfloat16) else moved

        return super()._apply(keep_wide, *args, **kwargs)

    def constrain(
        self,
        allowed_transitions: torch.Tensor,
        allowed_starts: torch.Tensor,
        allowed_ends: torch.Tensor,
        when: str = "decode",
    ) -> None:
        """Forbid tag sequences.

        A forbidden step has probability 0 and gradient 0; its parameter keeps its value. The three tensors are not part
        of the state dict: call this again on a new module.

        Args:
            allowed_transitions: Whether the second tag may follow the first `(tags, tags)`, bool.
            allowed_starts: Whether a document may begin with the tag `(tags,)`, bool.
            allowed_ends: Whether a document may end with the tag `(tags,)`, bool.
            when: "decode" does not constrain training; "both" also trains with the constraints and refuses gold tags
                that violate them; "none" stores the tensors without applying them.

        Raises:
            ValueError: On another shape, type or `when`.

        >>> crf = CRF(2, batch_first=True)
        >>> crf.constrain(torch.tensor([[True, False], [True, True]]), torch.ones(2).bool(), torch.ones(2).bool())
        >>> crf.decode(torch.tensor([[[1.0, 0.0], [0.0, 9.0]]]))
        [[1, 1]]
        """
        tensors = (allowed_transitions, allowed_starts, allowed_ends)
        given = dict(zip(("allowed_transitions", "allowed_starts", "allowed_ends"), tensors))
        check_allowed(given, self.num_tags, when)
        for name, tensor in given.items():
            setattr(self, name, tensor.detach().clone().to(self.transitions.device))
        self.constrained = when

    @torch.compiler.disable
    def forward(
        self,
        emissions: torch.Tensor,
        tags: torch.Tensor,
        mask: torch.Tensor | None = None,
        reduction: str = "sum",
        begins: torch.Tensor | None = None,
        ends: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Compute the log-likelihood of gold tags under the "train" distribution; its negative is the loss.

        Args:
            emissions: Tag scores `(batch, length, tags)`, any float type.
            tags: Gold tags `(batch, length)`, any integer type, with any value (such as -100) where `mask` is False.
            mask: True for units `(batch, length)`, bool or integer; None means everywhere.
            reduction: "none" gives a value per row; "sum" adds them; "mean" divides their sum by rows; "token_mean" by
                units.
            begins: Whether each row starts where its document does `(batch,)`.
            ends: Whether each row ends where its document does `(batch,)`.

        Returns:
            Log-likelihood in nats, `(batch,)` for "none" and `()` otherwise; float32, float64 for float64.

        Raises:
            ValueError: On another shape or type, a mask with holes, a tag out of range, and, under `constrain(...,
                when="both")`, gold tags that are forbidden.

        >>> crf = CRF(2, batch_first=True)
        >>> _ = [nn.init.zeros_(parameter) for parameter in crf.parameters()]
        >>> round(crf(torch.zeros(1, 3, 2), torch.tensor([[0, 1, -100]]), torch.tensor([[1, 1, 0]])).item(), 4)
        -1.3863
        """
        if reduction not in ("none", "sum", "mean", "token_mean"):
            raise ValueError(f'expected reduction to be "none", "sum", "mean" or "token_mean", got {reduction!r}')
        emissions, rows = self._prepare(emissions, mask, begins, ends, "train")
        tags = check_tags(tags, rows, tuple(emissions.shape[:2]), self.num_tags, self.batch_first)
        with torch.autocast(emissions.device.type, enabled=False):
            likelihoods = LogLikelihood.apply(emissions, *self._parameters_of(emissions, "train"), tags, rows)
            if reduction != "none":
                likelihoods = likelihoods.sum()
            if reduction == "mean":
                likelihoods = likelihoods / max(1, emissions.shape[1])
            elif reduction == "token_mean":
                units = emissions.shape[0] * emissions.shape[1] if rows.mask is None else rows.mask.sum()
                likelihoods = likelihoods / (max(1, units) if rows.mask is None else units.clamp(min=1))
            return likelihoods.to(result_type(emissions))

    @torch.compiler.disable
    def decode(
        self,
        emissions: torch.Tensor,
        mask: torch.Tensor | None = None,
        begins: torch.Tensor | None = None,
        ends: torch.Tensor | None = None,
    ) -> list[list[int]]:
        """Find the best allowed tag path of each row (Viterbi).

        Rounding and ties are those of pytorch-crf, except if its float32 scores could exceed 16,384 and lose their
        third decimal: then sums are in float64.

        Args:
            emissions: Tag scores `(batch, length, tags)`, any float type.
            mask: True for units `(batch, length)`, bool or integer; None means everywhere.
            begins: Whether each row starts where its document does `(batch,)`.
            ends: Whether each row ends where its document does `(batch,)`.

        Returns:
            Per row its tags, as many as it has units.

        Raises:
            ValueError: On another shape or type, or if the constraints allow no path.

        >>> CRF(2, batch_first=True).decode(torch.tensor([[[9.0, 0.0], [0.0, 9.0]]]), torch.tensor([[1, 0]]))
        [[0]]
        """
        emissions, rows = self._prepare(emissions, mask, begins, ends, "decode")
        return self._found(*best_paths(*as_arrays(emissions, rows, self._scores())))

    @torch.compiler.disable
    def k_best(
        self,
        emissions: torch.Tensor,
        k: int,
        mask: torch.Tensor | None = None,
        begins: torch.Tensor | None = None,
        ends: torch.Tensor | None = None,
    ) -> list[list[tuple[list[int], float]]]:
        """Find the k best allowed tag paths of each row, distinct and exact, summed in float64.

        Args:
            emissions: Tag scores `(batch, length, tags)`, any float type.
            k: Maximum number of paths per row.
            mask: True for units `(batch, length)`, bool or integer; None means everywhere.
            begins: Whether each row starts where its document does `(batch,)`.
            ends: Whether each row ends where its document does `(batch,)`.

        Returns:
            Per row up to k pairs of path and score, best first; fewer where fewer paths are allowed, and the empty path
            with score 0 for an empty row. exp(score - log_partition) is a path's probability.

        Raises:
            ValueError: On another shape or type, k below 1, or if the constraints allow no path.

        >>> crf = CRF(2, batch_first=True)
        >>> _ = [nn.init.zeros_(parameter) for parameter in crf.parameters()]
        >>> crf.k_best(torch.tensor([[[3.0, 0.0], [0.0, 2.0]]]), k=2)
        [[([0, 1], 5.0), ([0, 0], 3.0)]]
        """
        if k < 1:
            raise ValueError(f"expected k to be at least 1, got {k}; use decode for the best path only")
        emissions, rows = self._prepare(emissions, mask, begins, ends, "decode")
        arrays = as_arrays(emissions, rows, self._scores(), at_least=np.float64)
        lengths = arrays[1]
        # Two tags and a length of 64 already allow more paths than any k; a smaller exponent keeps this fast.
        k = min(k, self.num_tags ** min(64, emissions.shape[0]))
        ranked = [[(path, score / self._temperature()) for path, score in paths] for paths in k_best_paths(*arrays, k)]
        for row, paths in enumerate(ranked):
            if not lengths[row]:
                paths.append(([], 0.0))
        self._found([[]] * len(ranked), np.array([0.0 if paths else -np.inf for paths in ranked]))
        return ranked

    @torch.compiler.disable
    def log_partition(
        self,
        emissions: torch.Tensor,
        mask: torch.Tensor | None = None,
        begins: torch.Tensor | None = None,
        ends: torch.Tensor | None = None,
        distribution: str = "decode",
    ) -> torch.Tensor:
        """Compute the log of the summed exp(score) of all paths.

        Args:
            emissions: Tag scores `(batch, length, tags)`, any float type.
            mask: True for units `(batch, length)`, bool or integer; None means everywhere.
            begins: Whether each row starts where its document does `(batch,)`.
            ends: Whether each row ends where its document does `(batch,)`.
            distribution: "decode" or "train".

        Returns:
            Nats `(batch,)`, float32 (float64 for float64); differentiable.

        Raises:
            ValueError: On another shape or type, or if the constraints allow no path.

        >>> crf = CRF(2, batch_first=True)
        >>> _ = [nn.init.zeros_(parameter) for parameter in crf.parameters()]
        >>> crf.log_partition(torch.zeros(1, 3, 2)).exp().round().item()
        8.0
        """
        emissions, rows = self._prepare(emissions, mask, begins, ends, distribution)
        with torch.autocast(emissions.device.type, enabled=False):
            arguments = self._scaled(emissions, distribution), *self._parameters_of(emissions, distribution)
            return -LogLikelihood.apply(*arguments, None, rows).to(result_type(emissions))

    @torch.compiler.disable
    def marginals(
        self,
        emissions: torch.Tensor,
        mask: torch.Tensor | None = None,
        begins: torch.Tensor | None = None,
        ends: torch.Tensor | None = None,
        distribution: str = "decode",
    ) -> torch.Tensor:
        """Compute the probability of each tag at each unit, summed over all paths (forward-backward).

        Args:
            emissions: Tag scores `(batch, length, tags)`, any float type.
            mask: True for units `(batch, length)`, bool or integer; None means everywhere.
            begins: Whether each row starts where its document does `(batch,)`.
            ends: Whether each row ends where its document does `(batch,)`.
            distribution: "decode" or "train".

        Returns:
            Probabilities `(batch, length, tags)`, in the order of `emissions`, 0 where `mask` is False; float32
            (float64 for float64). Differentiable once, with the full gradient.

        Raises:
            ValueError: On another shape or type, or if the constraints allow no path.

        >>> crf = CRF(2, batch_first=True)
        >>> _ = [nn.init.zeros_(parameter) for parameter in crf.parameters()]
        >>> crf.marginals(torch.zeros(1, 2, 2), torch.tensor([[1, 0]])).tolist()
        [[[0.5, 0.5], [0.0, 0.0]]]
        """
        emissions, rows = self._prepare(emissions, mask, begins, ends, distribution)
        found = self._marginals(emissions, rows, distribution).to(result_type(emissions))
        return found.transpose(0, 1) if self.batch_first else found

    @torch.compiler.disable
    @torch.no_grad()
    def segment_posteriors(
        self,
        emissions: torch.Tensor,
        segments: list[Segment],
        mask: torch.Tensor | None = None,
        begins: torch.Tensor | None = None,
        ends: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Compute the probability, under "decode", of runs of tags that are not followed by a given tag.

        This is how probable a span is: in BIO its tags are B-X I-X ... and I-X must not follow; in BIOES they are S-X,
        or B-X I-X ... E-X, and nothing is banned behind them.

        Args:
            emissions: Tag scores `(batch, length, tags)`, any float type.
            segments: `(row, start, tags, banned_next)` each; `banned_next` -1 bans nothing.
            mask: True for units `(batch, length)`, bool or integer; None means everywhere.
            begins: Whether each row starts where its document does `(batch,)`.
            ends: Whether each row ends where its document does `(batch,)`.

        Returns:
            Probabilities `(segments,)`, float32 (float64 for float64), without gradient.

        Raises:
            ValueError: On another shape or type, or if a segment is outside its row.

        >>> crf = CRF(2, batch_first=True)
        >>> _ = [nn.init.zeros_(parameter) for parameter in crf.parameters()]
        >>> crf.segment_posteriors(torch.zeros(1, 4, 2), [(0, 1, [0, 0], -1), (0, 1, [0, 0], 0), (0, 2, [0, 0], 0)])
        tensor([0.2500, 0.1250, 0.2500])
        """
        emissions, rows = self._prepare(emissions, mask, begins, ends, "decode")
        lengths = row_lengths(emissions, rows).tolist()
        for at, (row, start, tags, banned_next) in enumerate(segments):
            check_segment(at, row, start, tags, banned_next, lengths, self.num_tags)
        if not segments:
            return emissions.new_zeros(0, dtype=result_type(emissions))
        return segment_posteriors(self._sums(emissions, rows), segments, lengths).to(result_type(emissions))

    @torch.compiler.disable
    @torch.no_grad()
    def span_posteriors(
        self,
        emissions: torch.Tensor,
        tags: SpanTags,
        max_length: int = MAX_SPAN_LENGTH,
        mask: torch.Tensor | None = None,
        begins: torch.Tensor | None = None,
        ends: torch.Tensor | None = None,
    ) -> SpanPosteriors:
        """Compute the probability, under "decode", of every span of up to `max_length` units.

        Args:
            emissions: Tag scores `(batch, length, tags)`, any float type.
            tags: Tags of each label.
            max_length: Units of the longest span.
            mask: True for units `(batch, length)`, bool or integer; None means everywhere.
            begins: Whether each row starts where its document does `(batch,)`.
            ends: Whether each row ends where its document does `(batch,)`.

        Returns:
            An object whose `at()` gives all `(batch, length, max_length, labels)`, float64 (float32 on MPS), and whose
            `reaching(thresholds)` gives the spans above thresholds.

        Raises:
            ValueError: On another shape or type, `max_length` below 1, or if the constraints allow no path.

        >>> crf = CRF(3, batch_first=True)
        >>> _ = [nn.init.zeros_(parameter) for parameter in crf.parameters()]
        >>> tags = SpanTags(begin=torch.tensor([1]), inside=torch.tensor([2]))
        >>> crf.span_posteriors(torch.zeros(1, 2, 3), tags).at()[0, :, :, 0].mul(9).round().tolist()
        [[2.0, 1.0], [3.0, 0.0]]
        """
        emissions, rows = self._prepare(emissions, mask, begins, ends, "decode")
        return SpanPosteriors(self._sums(widest(emissions), rows), tags, max_length)

    @torch.compiler.disable
    def symmetric_kl(
        self,
        emissions_p: torch.Tensor,
        emissions_q: torch.Tensor,
        mask: torch.Tensor | None = None,
        begins: torch.Tensor | None = None,
        ends: torch.Tensor | None = None,
        distribution: str = "train",
    ) -> torch.Tensor:
        """Compute KL(P||Q) + KL(Q||P) between the tag paths of two sets of emissions, exactly.

        With shared transitions the log partitions cancel, and the result is sum_t sum_y (mu_p - mu_q)(e_p - e_q), mu
        the marginals. The gradient flows through mu as well.

        Args:
            emissions_p: Tag scores `(batch, length, tags)`, any float type.
            emissions_q: Tag scores of the other pass, of the same shape.
            mask: True for units `(batch, length)`, bool or integer; None means everywhere.
            begins: Whether each row starts where its document does `(batch,)`.
            ends: Whether each row ends where its document does `(batch,)`.
            distribution: "train" or "decode".

        Returns:
            Nats `(batch,)`, float32 (float64 for float64); 0 for an empty row.

        Raises:
            ValueError: On another shape or type, or if the constraints allow no path.

        >>> crf = CRF(2, batch_first=True)
        >>> crf.symmetric_kl(torch.ones(1, 2, 2), torch.ones(1, 2, 2)).tolist()
        [0.0]
        """
        if emissions_p.shape != emissions_q.shape:
            raise ValueError(
                f"expected emissions_q to have the shape of emissions_p, {tuple(emissions_p.shape)}, got "
                f"{tuple(emissions_q.shape)}; pass two passes over the same batch"
            )
        one, rows = self._prepare(emissions_p, mask, begins, ends, distribution)
        two, _ = self._prepare(emissions_q, None, None, None, distribution)
        doubled = Rows(*(None if x is None else torch.cat([x, x], dim=-1) for x in rows[:3]), rows.allowed)
        wide = torch.promote_types(result_type(one), result_type(two))
        one, two = one.to(wide), two.to(wide)
        mu_p, mu_q = self._marginals(torch.cat([one, two], dim=1), doubled, distribution).chunk(2, dim=1)
        with torch.autocast(one.device.type, enabled=False):
            difference = self._scaled(one, distribution) - self._scaled(two, distribution)
            if rows.mask is not None:
                # Padding may hold NaN, which a product with 0 would keep.
                difference = torch.where(rows.mask.unsqueeze(-1), difference, 0.0)
            return ((mu_p - mu_q) * difference).sum(dim=(0, 2)).to(wide)

    def _sums(self, emissions: torch.Tensor, rows: Rows) -> Sums:
        """Compute forward and backward sums of the "decode" distribution."""
        with torch.autocast(emissions.device.type, enabled=False):
            parameters = self._parameters_of(emissions, "decode")
            return sweep(build_potentials(self._scaled(emissions, "decode"), *parameters, rows), rows)

    def _marginals(self, emissions: torch.Tensor, rows: Rows, distribution: str) -> torch.Tensor:
        with torch.autocast(emissions.device.type, enabled=False):
            arguments = self._scaled(emissions, distribution), *self._parameters_of(emissions, distribution)
            return Marginals.apply(*arguments, rows)

    def _temperature(self) -> float:
        if not self.temperature > 0:
            raise ValueError(f"expected crf.temperature to be above 0, got {self.temperature}; 1.0 changes nothing")
        return self.temperature

    def _scaled(self, tensor: torch.Tensor, distribution: str) -> torch.Tensor:
        if distribution == "train" or self._temperature() == 1.0:
            return tensor
        return tensor.to(result_type(tensor)) / self._temperature()

    def _parameters_of(self, emissions: torch.Tensor, distribution: str) -> list[torch.Tensor]:
        """Return start `(tags,)`, transition `(tags, tags)` and end `(tags,)` scores, never in half precision."""
        dtype = result_type(emissions)
        wide = (score.to(torch.promote_types(score.dtype, dtype)) for score in self._scores())
        return [self._scaled(score, distribution) for score in wide]

    def _prepare(
        self,
        emissions: torch.Tensor,
        mask: torch.Tensor | None,
        begins: torch.Tensor | None,
        ends: torch.Tensor | None,
        distribution: str,
    ) -> tuple[torch.Tensor, Rows]:
        """Check the inputs and transpose them to `(length, batch, tags)`."""
        if distribution not in ("decode", "train"):
            raise ValueError(f'expected distribution to be "decode" or "train", got {distribution!r}')
        constrained = self.constrained == "both" or (self.constrained == "decode" and distribution == "decode")
        allowed = (self.allowed_transitions, self.allowed_starts, self.allowed_ends) if constrained else None
        return prepare_inputs(emissions, mask, begins, ends, self.num_tags, self.batch_first, allowed)

    def _scores(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return self.start_transitions, self.transitions, self.end_transitions

    def _found(self, paths: list[list[int]], scores: np.ndarray) -> list[list[int]]:
        """Return `paths` after checking that each row has one."""
        stuck = np.flatnonzero(np.isneginf(scores))
        if len(stuck) and self.constrained != "none":
            raise ValueError(no_path_message(int(stuck[0])))
        return paths
