"""Sums over all tag paths of a linear chain in NumPy; the same recursions as `forward_backward.py` of the models.

Every row becomes a path of equal length through one more state, *outside*: before the first unit, on all the padding,
and once after it. Slot t + 1 is unit t of the row.
"""

import numpy as np

# A linear sweep is trusted where each slot's rescaled sum stays above this; see `forward_backward.py`.
SMALLEST_SUM = 1e-217
RESCALE_EVERY = 16
# In place of -inf where -inf - -inf would be NaN.
_LOWEST = np.finfo(np.float64).min


class ChainSums:
    """Marginals and transition probabilities of a batch of chains, float64.

    Args:
        emissions: Tag scores `(batch, units, tags)`; the values of padding are ignored.
        lengths: Units of each row `(batch,)`.
        start: Scores of the first tag `(tags,)`, -inf where it is forbidden.
        transitions: Scores from tag to tag `(tags, tags)`, -inf where a step is forbidden.
        end: Scores of the last tag `(tags,)`, -inf where it is forbidden.

    Attributes:
        log_partition: Log of the summed exp(score) of all paths `(batch,)`.
        probabilities: Probability of each state at each slot `(slots, batch, states)`.

    Raises:
        ValueError: If no path of a row is allowed.
    """

    def __init__(
        self, emissions: np.ndarray, lengths: np.ndarray, start: np.ndarray, transitions: np.ndarray, end: np.ndarray
    ):
        batch, units, tags = emissions.shape
        self.tags = tags
        padding = np.arange(units)[:, None] >= lengths  # shape: (units, batch)
        scores = emissions.transpose(1, 0, 2).astype(np.float64)
        scores[padding] = 0.0
        peaks = scores.max(axis=2, keepdims=True) if units else scores[:, :, :1]
        # shape: (slots, batch, states)
        nodes = np.full((units + 2, batch, tags + 1), -np.inf)
        nodes[1:-1, :, :tags] = np.where(padding[:, :, None], -np.inf, scores - peaks)
        nodes[1:-1, :, tags] = np.where(padding, 0.0, -np.inf)
        nodes[[0, -1], :, tags] = 0.0
        # shape: (states, states)
        edges = np.zeros((tags + 1, tags + 1))
        edges[:tags, :tags], edges[tags, :tags], edges[:tags, tags] = transitions, start, end
        self._in_logs = False
        with np.errstate(all="ignore"):
            is_sound = any(self._sum_linear(nodes, edges, every) for every in (RESCALE_EVERY, 1))
            if not is_sound:
                self._sum_logs(nodes, edges)
        self.log_partition = self.log_partition + peaks[:, :, 0].sum(axis=0)

    def _sum_linear(self, nodes: np.ndarray, edges: np.ndarray, rescale_every: int) -> bool:
        """Run both recursions over probabilities; return False where a sum has underflowed."""
        slots = len(nodes)
        nodes, top = np.exp(nodes), edges.max()
        edges = np.exp(edges - top)
        alpha, beta, ahead = np.empty_like(nodes), np.empty_like(nodes), np.empty_like(nodes)
        alpha[0], beta[-1], ahead[-1] = nodes[0], 1.0, nodes[-1]
        back, logs = np.ascontiguousarray(edges.T), 0.0
        step, dot, multiply = np.empty_like(nodes[0]), np.dot, np.multiply
        for at, (before, here, node) in enumerate(zip(alpha, alpha[1:], nodes[1:]), 1):
            dot(before, edges, step)
            multiply(step, node, here)
            if at % rescale_every == 0:
                scale = here.sum(axis=1, keepdims=True)
                logs = logs + np.log(scale)
                here /= scale
        for at, (after, own, here, node) in enumerate(zip(ahead[:0:-1], beta[-2::-1], ahead[-2::-1], nodes[-2::-1]), 1):
            dot(after, back, own)
            multiply(own, node, here)
            if at % rescale_every == 0:
                here /= here.sum(axis=1, keepdims=True)
        products = alpha * beta
        totals = products.sum(axis=2, keepdims=True)
        if not (totals > SMALLEST_SUM).all():
            return False
        self.log_partition = (np.log(totals[-1]) + logs)[:, 0] + top * (slots - 1)
        self.probabilities, self.edges, self.ahead, self.beta = products / totals, edges, ahead, beta
        return True

    def _sum_logs(self, nodes: np.ndarray, edges: np.ndarray) -> None:
        """Run both recursions over logarithms, for any range of scores."""
        alpha, beta, ahead = nodes.copy(), np.zeros_like(nodes), nodes.copy()
        shift, slots = np.zeros(nodes.shape[1]), len(nodes)
        for at in range(1, slots):
            alpha[at] += _log_sum(alpha[at - 1][:, :, None] + edges, axis=1)
            highest = np.maximum(alpha[at].max(axis=1), _LOWEST)
            alpha[at] -= highest[:, None]
            shift += highest
            behind = slots - 1 - at
            beta[behind] = _log_sum(ahead[behind + 1][:, None, :] + edges, axis=2)
            ahead[behind] += beta[behind]
            ahead[behind] -= np.maximum(ahead[behind].max(axis=1, keepdims=True), _LOWEST)
        totals = _log_sum(alpha + beta, axis=2)
        if np.isneginf(totals[-1]).any():
            row = int(np.flatnonzero(np.isneginf(totals[-1]))[0])
            raise ValueError(
                f"expected the constraints to allow every row at least one tag path, got none for row {row}; export "
                "the model again"
            )
        self.log_partition = totals[-1] + shift
        self.probabilities = np.exp(alpha + beta - totals[:, :, None])
        self.edges, self.ahead, self.beta, self._in_logs = edges, ahead, beta, True

    def marginals(self, units: slice, tags: np.ndarray) -> np.ndarray:
        """Return the probability of each of `tags` at each of `units` `(units, batch, tags)`."""
        return self.probabilities[1:-1][units][:, :, tags]

    def steps(self, units: slice, tags: np.ndarray, next_tags: np.ndarray) -> np.ndarray:
        """Return the probability of each of `next_tags` at units, given its one of `tags` one unit earlier.

        Args:
            units: Consecutive units; the first may be 1 or more, the last may be the place behind the last unit.
            tags: Tag ids `(count,)`.
            next_tags: Tag ids `(count,)`.

        Returns:
            `(units, batch, count)`, 0 where the earlier tag is impossible.
        """
        ahead, behind = self._around(units, tags)
        if self._in_logs:
            return np.exp(ahead[:, :, next_tags] + self.edges[tags, next_tags] - behind)
        return _quotient(ahead[:, :, next_tags] * self.edges[tags, next_tags], behind)

    def _around(self, units: slice, tags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sums from `units` on, and those behind `tags` one unit earlier."""
        behind = self.beta[units.start : units.stop][:, :, tags]
        return self.ahead[units.start + 1 : units.stop + 1], np.maximum(behind, _LOWEST) if self._in_logs else behind

    def marginals_at(self, units: np.ndarray, rows: np.ndarray, tags: np.ndarray) -> np.ndarray:
        """Return the probability of tags at units; all of one shape."""
        return self.probabilities[units + 1, rows, tags]

    def steps_at(self, units: np.ndarray, rows: np.ndarray, before: np.ndarray, tags: np.ndarray) -> np.ndarray:
        """Return the probability of `tags` at units, given the tags `before` one unit earlier."""
        behind, ahead = self.beta[units, rows, before], self.ahead[units + 1, rows, tags]
        if self._in_logs:
            return np.exp(self.edges[before, tags] + ahead - np.maximum(behind, _LOWEST))
        return _quotient(self.edges[before, tags] * ahead, behind)


def _quotient(parts: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Divide; 0 where the whole is 0."""
    return np.divide(parts, whole, out=np.zeros_like(parts), where=whole > 0)


def _log_sum(values: np.ndarray, axis: int) -> np.ndarray:
    """Log of the sum of exponentials over an axis; -inf where all values are."""
    highest = np.maximum(values.max(axis=axis, keepdims=True), _LOWEST)
    with np.errstate(divide="ignore"):
        return np.squeeze(highest, axis) + np.log(np.exp(values - highest).sum(axis=axis))
