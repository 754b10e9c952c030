"""Posteriors of all spans of a chain in NumPy; the same computation as `span_posteriors.py` of the models."""

from collections.abc import Iterator

import numpy as np

from kospan.modeling.span_selection import SpanTags, trimmed_places

from .chain_sums import ChainSums

# Maximum number of posteriors of a block; a long text is a sequence of blocks.
BLOCK = 2**22


class ChainSpans:
    """Posteriors of all spans of a batch of up to `max_length` units, computed block by block.

    Args:
        sums: Sums over all paths of the batch.
        tags: The tags of each label.
        max_length: Units of the longest span.
    """

    def __init__(self, sums: ChainSums, tags: SpanTags, max_length: int):
        self.sums, self.tags = sums, tags
        self.units = len(sums.probabilities) - 2
        self.lengths = min(max_length, self.units)

    def at(self, starts: range | None = None) -> np.ndarray:
        """Compute the posteriors of the spans that begin at these units; None means at all.

        Returns:
            `(batch, starts, lengths, labels)`, float64; see `SpanPosteriors.at`.
        """
        starts = range(self.units) if starts is None else starts
        tags, sums, count = self.tags, self.sums, len(starts)
        stop = min(self.units, starts.stop + self.lengths - 1)
        own, later = slice(starts.start, starts.stop), slice(starts.start + 1, stop + 1)
        run = sums.marginals(own, tags.begin)  # shape: (starts, batch, labels), as everything below
        found = np.zeros((self.lengths, *run.shape))
        if not found.size:
            return found.transpose(2, 1, 0, 3)
        onward = [sums.steps(later, tag, tags.inside) for tag in (tags.begin, tags.inside)]
        if tags.end is None:
            leave = [1 - steps for steps in onward]
            found[0] = run * leave[0][:count]
        else:
            close = [sums.steps(later, tag, tags.end) for tag in (tags.begin, tags.inside)]
            found[0] = sums.marginals(own, tags.single)
        for more in range(1, self.lengths):
            # The last starts have no room for a span of this length.
            fit = min(count, stop - starts.start - more)
            if fit < 1:
                break
            last, kind = slice(more - 1, more - 1 + fit), min(more - 1, 1)
            if tags.end is None:
                run = run[:fit] * onward[kind][last]
                found[more, :fit] = run * leave[1][more : more + fit]
            else:
                found[more, :fit] = run[:fit] * close[kind][last]
                run = run[:fit] * onward[kind][last]
        return found.clip(0.0, 1.0).transpose(2, 1, 0, 3)

    def expected_count(self) -> np.ndarray:
        """Compute the expected number of spans of each row and label `(batch, labels)`, of any length."""
        opening = [tags for tags in (self.tags.begin, self.tags.single) if tags is not None]
        return sum(self.sums.marginals(slice(None), tags).sum(axis=0) for tags in opening)

    def sequence_of(self, tag: int, mask: np.ndarray) -> np.ndarray:
        """Compute the probability that all units of a row have this tag `(batch,)`; `mask` is True for units."""
        tags = np.array([tag])
        first, steps = self.sums.marginals(slice(0, 1), tags), self.sums.steps(slice(1, self.units), tags, tags)
        factors = np.concatenate([first, steps])[: self.units, :, 0].T
        return np.where(mask, factors, 1.0).prod(axis=1)

    def reaching(
        self, thresholds: np.ndarray, blank: np.ndarray | None = None, block: int = BLOCK
    ) -> tuple[np.ndarray, ...]:
        """Find the spans whose posterior is above 0 and reaches the threshold of their label.

        Args:
            thresholds: Lowest posterior of each label `(labels,)`.
            blank: True where a unit is white space `(batch, units)`; see `SpanPosteriors.reaching`.
            block: Maximum number of posteriors that are held at once.

        Returns:
            Rows, starts, ends, labels and posteriors `(spans,)`, sorted by row, start, end and label.
        """
        parts = [self._reaching(starts, thresholds, blank) for starts in self._blocks(len(thresholds), block)]
        columns = [np.concatenate(column) for column in zip(*parts)]
        order = np.argsort(columns[0], kind="stable")
        return tuple(column[order] for column in columns)

    def _blocks(self, labels: int, block: int) -> Iterator[range]:
        batch = self.sums.probabilities.shape[1]
        size = max(1, self.lengths, block // max(1, batch * self.lengths * labels))
        for start in range(0, self.units, size):
            yield range(start, min(start + size, self.units))

    def _reaching(self, starts: range, thresholds: np.ndarray, blank: np.ndarray | None) -> tuple[np.ndarray, ...]:
        if blank is None:
            found = self.at(starts)
        else:
            # A span that begins earlier may lose white space at its beginning and then begin here.
            earlier = range(max(0, starts.start - self.lengths + 1), starts.stop)
            found = np.ascontiguousarray(self.at(earlier))
            flat = found.reshape(-1, len(thresholds))
            own, kept, goals = trimmed_places(blank, earlier, self.lengths)
            values = flat[own]
            flat[own] = 0.0
            np.add.at(flat, goals, values[kept])
            found = found[:, starts.start - earlier.start :]
        places = rows, at, length, labels = ((found >= thresholds) & (found > 0)).nonzero()
        return rows, at + starts.start, at + starts.start + length + 1, labels, found[places]
