"""Posteriors of spans from the forward and backward sums of a chain: of given ones, and of all up to a maximum length.

A span (i, j, X) has the probability of all paths that begin it at i and end it at j. Read from the left, this is

    BIO:    p(B at i) * p(I at i+1 | B at i) * prod_k p(I at k | I at k-1) * p(not I at j | last tag at j-1)
    BIOES:  p(S at i), or p(B at i) * p(I at i+1 | B at i) * prod_k p(I at k | I at k-1) * p(E at j-1 | tag at j-2)

The sums give each factor for all units and labels at once, so that one more unit costs one more product. p(not I) is
1 - p(I), of probabilities: a difference of logarithms is NaN where both are -inf.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from .forward_backward import Sums
from .span_selection import MAX_SPAN_LENGTH, SpanTags, trimmed_places

# Maximum number of posteriors of a block; a long text is a sequence of blocks.
BLOCK = 2**22


class FoundSpans(NamedTuple):
    """Spans of a batch with their posteriors, sorted by row, start, end and label.

    Args:
        rows: Row of each span `(spans,)`, int64.
        starts: Its first unit `(spans,)`, int64.
        ends: One past its last unit `(spans,)`, int64.
        labels: Index of its label `(spans,)`, int64.
        posteriors: Its probability `(spans,)`, float64.
    """

    rows: torch.Tensor
    starts: torch.Tensor
    ends: torch.Tensor
    labels: torch.Tensor
    posteriors: torch.Tensor


class SpanPosteriors:
    """Posteriors of all spans of a batch, computed on request, block by block.

    Args:
        sums: Forward and backward sums of the batch.
        tags: The tags of each label.
        max_length: Units of the longest span.

    Attributes:
        units: Units of the longest row.
        lengths: Span lengths that are computed: `max_length`, or `units` if that is smaller.

    Raises:
        ValueError: If `max_length` is below 1.
    """

    def __init__(self, sums: Sums, tags: SpanTags, max_length: int = MAX_SPAN_LENGTH):
        if max_length < 1:
            raise ValueError(f"expected max_length to be at least 1, got {max_length}; pass the units of a span")
        self.sums, self.tags = sums, tags
        self.units = len(sums.alpha) - 2
        self.lengths = min(max_length, self.units)

    def at(self, starts: range | None = None) -> torch.Tensor:
        """Compute the posteriors of the spans that begin at these units; None means at all.

        Returns:
            `(batch, starts, lengths, labels)`, in the type of the sums: float64 on a CPU. Entry `[b, i, k, x]` is the
            span of row `b` from the i-th start over `k + 1` units with label `x`; 0 beyond the row's end.
        """
        starts = range(self.units) if starts is None else starts
        tags, sums, count = self.tags, self.sums, len(starts)
        stop = min(self.units, starts.stop + self.lengths - 1)
        # Slot t + 1 of a sweep is unit t.
        own, later = slice(starts.start + 1, starts.stop + 1), slice(starts.start + 2, stop + 2)
        run = sums.marginals_of(own, tags.begin)  # shape: (starts, batch, labels), as everything below
        found = run.new_zeros(self.lengths, *run.shape)
        if not found.numel():
            return found.permute(2, 1, 0, 3)
        onward = [sums.steps(later, tag, tags.inside) for tag in (tags.begin, tags.inside)]
        if tags.end is None:
            leave = [1 - steps for steps in onward]
            torch.mul(run, leave[0][:count], out=found[0])
        else:
            close = [sums.steps(later, tag, tags.end) for tag in (tags.begin, tags.inside)]
            found[0] = sums.marginals_of(own, tags.single)
        for more in range(1, self.lengths):
            # The last starts have no room for a span of this length.
            fit = min(count, stop - starts.start - more)
            if fit < 1:
                break
            last, kind = slice(more - 1, more - 1 + fit), min(more - 1, 1)
            if tags.end is None:
                run = run[:fit] * onward[kind][last]
                torch.mul(run, leave[1][more : more + fit], out=found[more, :fit])
            else:
                torch.mul(run[:fit], close[kind][last], out=found[more, :fit])
                run = run[:fit] * onward[kind][last]
        return found.clamp_(0.0, 1.0).permute(2, 1, 0, 3)

    def expected_count(self) -> torch.Tensor:
        """Compute the expected number of spans of each row and label `(batch, labels)`, of any length.

        It is the sum of the marginals of `B-` and `S-`. In BIOES without constraints a `B-` may also begin nothing.
        """
        own = slice(1, self.units + 1)
        found = self.sums.marginals_of(own, self.tags.begin).sum(dim=0)
        if self.tags.single is not None:
            found = found + self.sums.marginals_of(own, self.tags.single).sum(dim=0)
        return found

    def sequence_of(self, tag: int, mask: torch.Tensor) -> torch.Tensor:
        """Compute the probability that all units of a row have this tag `(batch,)`.

        Args:
            tag: Id of the tag.
            mask: True for units `(batch, units)`.
        """
        tags = torch.tensor([tag], device=mask.device)
        first = self.sums.marginals_of(slice(1, 2), tags)
        steps = self.sums.steps(slice(2, self.units + 1), tags, tags)
        factors = torch.cat([first, steps])[: self.units].squeeze(2).t()  # shape: (batch, units)
        return torch.where(mask, factors, 1.0).prod(dim=1)

    def reaching(
        self,
        thresholds: torch.Tensor | np.ndarray,
        blank: np.ndarray | None = None,
        block: int = BLOCK,
    ) -> FoundSpans:
        """Find the spans whose posterior is above 0 and reaches the threshold of their label.

        Args:
            thresholds: Lowest posterior of each label `(labels,)`.
            blank: True where a unit is white space `(batch, units)`. Spans then neither begin nor end with such units:
                the posterior of a span is that of all unit spans that trim to it, which exclude each other. Spans of
                white space are omitted.
            block: Maximum number of posteriors that are held at once.
        """
        device = self.sums.alpha.device
        thresholds = torch.as_tensor(thresholds, device=device)
        parts = [self._reaching(starts, thresholds, blank) for starts in self._blocks(len(thresholds), block)]
        if not parts:
            empty = torch.zeros(0, dtype=torch.int64)
            return FoundSpans(empty, empty, empty, empty, torch.zeros(0, dtype=torch.float64))
        found = FoundSpans(*(torch.cat(columns) for columns in zip(*parts)))
        order = torch.argsort(found.rows, stable=True)
        return FoundSpans(*(column[order] for column in found))

    def _blocks(self, labels: int, block: int) -> Iterator[range]:
        batch = self.sums.alpha.shape[1]
        size = max(self.lengths, block // max(1, batch * self.lengths * labels))
        for start in range(0, self.units if batch else 0, max(1, size)):
            yield range(start, min(start + size, self.units))

    def _reaching(self, starts: range, thresholds: torch.Tensor, blank: np.ndarray | None) -> tuple[torch.Tensor, ...]:
        if blank is None:
            found = self.at(starts)
        else:
            # A span that begins earlier may lose white space at its beginning and then begin here.
            earlier = range(max(0, starts.start - self.lengths + 1), starts.stop)
            found = trim_blanks(self.at(earlier).contiguous(), blank, earlier, starts.start)
        rows, at, length, labels = ((found >= thresholds) & (found > 0)).nonzero(as_tuple=True)
        columns = (rows, at + starts.start, at + starts.start + length + 1, labels)
        return *(column.cpu() for column in columns), found[rows, at, length, labels].double().cpu()


def trim_blanks(posteriors: torch.Tensor, blank: np.ndarray, starts: range, first: int) -> torch.Tensor:
    """Move the posteriors of spans with white space at their ends to the spans without it.

    Args:
        posteriors: Posteriors of the tagged spans `(batch, starts, lengths, labels)`; changed in place.
        blank: True where a unit is white space `(batch, units)`.
        starts: Units of the second axis.
        first: The first unit whose spans are returned.

    Returns:
        `(batch, starts from first on, lengths, labels)`.
    """
    flat = posteriors.view(-1, posteriors.shape[-1])
    found = trimmed_places(blank, starts, posteriors.shape[2])
    own, kept, goals = (torch.as_tensor(each, device=flat.device) for each in found)
    values = flat[own]
    flat[own] = 0.0
    flat.index_add_(0, goals, values[kept])
    return posteriors[:, first - starts.start :]


def segment_posteriors(sums: Sums, segments: list[tuple[int, int, list[int], int]], lengths: list[int]) -> torch.Tensor:
    """Compute the probabilities of runs of tags that are not followed by a given tag.

    Args:
        sums: Forward and backward sums of the batch.
        segments: At least one `(row, start, tags, banned_next)`; `banned_next` -1 bans nothing.
        lengths: Units of each row.

    Returns:
        `(segments,)`, in the type of the sums.
    """
    # first: row, slot, tag of each segment. steps: segment, row, slot, tag before, tag. banned: the same.
    first: list[tuple[int, ...]] = []
    steps: list[tuple[int, ...]] = []
    banned: list[tuple[int, ...]] = []
    for at, (row, start, tags, banned_next) in enumerate(segments):
        # Slot t + 1 of a sweep is unit t.
        first.append((row, start + 1, tags[0]))
        pairs = zip(tags, tags[1:], strict=False)
        steps.extend((at, row, start + 1 + k, one, two) for k, (one, two) in enumerate(pairs, 1))
        after = start + len(tags)
        if banned_next >= 0 and after < lengths[row]:
            banned.append((at, row, after + 1, tags[-1], banned_next))

    def columns(entries: list[tuple[int, ...]], width: int) -> torch.Tensor:
        return torch.tensor(entries, dtype=torch.long, device=sums.alpha.device).view(-1, width).t()

    # A chain, read from the left: p(first tag) times p(tag | tag before) at each further unit.
    in_row, slots, tags = columns(first, 3)
    logs = sums.log_marginals_at(slots, in_row, tags)
    at, in_row, slots, before, tags = columns(steps, 5)
    logs.index_add_(0, at, sums.log_steps_at(slots, in_row, before, tags))
    at, in_row, slots, before, tags = columns(banned, 5)
    goes_on = torch.zeros_like(logs)
    goes_on[at] = sums.log_steps_at(slots, in_row, before, tags).exp()
    return (logs.exp() * (1 - goes_on)).clamp(0, 1)
