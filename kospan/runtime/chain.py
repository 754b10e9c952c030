"""Linear chain over tags in NumPy: best paths, marginals and posteriors of spans, as a model's head computes them."""

from collections.abc import Mapping, Sequence

import numpy as np

from kospan.modeling.best_paths import LARGEST_FLOAT32_SCORE, best_paths
from kospan.modeling.span_selection import MAX_SPAN_LENGTH, SpanTags
from kospan.modeling.tags import UnitSpan, may_end, may_follow, may_start, span_tag_ids, span_tags

from .chain_spans import ChainSpans
from .chain_sums import ChainSums


class Chain:
    """Scores and constraints of a chain over tags.

    Args:
        tags: Tag names by id.
        scheme: Their scheme, "BIO" or "BIOES".
        scores: `start` `(tags)`, `transitions` `(tags, tags)` and `end` `(tags)`, lists of numbers.
        constrained: Whether tag sequences that the scheme forbids are banned.
        temperature: Divides all scores where probabilities are computed.
    """

    def __init__(
        self,
        tags: Sequence[str],
        scheme: str,
        scores: Mapping[str, Sequence],
        constrained: bool = True,
        temperature: float = 1.0,
    ):
        self.tags, self.scheme, self.temperature = list(tags), scheme, temperature
        self.constrained = constrained
        self._scores = [np.array(scores[name], dtype=np.float32) for name in ("start", "transitions", "end")]
        if constrained:
            start, transitions, end = self._scores
            start[[not may_start(tag) for tag in tags]] = -np.inf
            end[[not may_end(tag, scheme) for tag in tags]] = -np.inf
            transitions[[[not may_follow(one, other, scheme) for other in tags] for one in tags]] = -np.inf

    @staticmethod
    def padded(chains: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Pad emissions `(units, tags)` to a batch `(batch, units, tags)`, and return its mask `(batch, units)`."""
        lengths = np.array([len(chain) for chain in chains])
        mask = np.arange(lengths.max()) < lengths[:, None]
        batch = np.zeros((*mask.shape, chains[0].shape[1]), dtype=np.float32)
        batch[mask] = np.concatenate(chains)
        return batch, mask

    def decode(self, emissions: np.ndarray, mask: np.ndarray) -> list[list[int]]:
        """Return the best tag sequence of each row.

        Args:
            emissions: Tag scores `(batch, units, tags)`, float32, 0 as padding.
            mask: True for units `(batch, units)`; a prefix of each row.
        """
        start, transitions, end = self._scores
        largest = np.abs(emissions).max(initial=0.0)
        largest += max(np.abs(each[np.isfinite(each)]).max(initial=0.0) for each in self._scores)
        wide = np.float64 if largest * emissions.shape[1] > LARGEST_FLOAT32_SCORE else np.float32
        first, last = (np.broadcast_to(each, emissions.shape[::2]).astype(wide) for each in (start, end))
        scores = emissions.transpose(1, 0, 2).astype(wide)
        return best_paths(scores, mask.sum(axis=1), first, transitions.astype(wide), last)[0]

    def sums(self, emissions: np.ndarray, mask: np.ndarray) -> ChainSums:
        """Compute the sums over all paths, with the temperature; arguments as in `decode`."""
        scores = (each.astype(np.float64) / self.temperature for each in self._scores)
        return ChainSums(emissions.astype(np.float64) / self.temperature, mask.sum(axis=1), *scores)

    def span_posteriors(self, emissions: np.ndarray, mask: np.ndarray, max_length: int = MAX_SPAN_LENGTH) -> ChainSpans:
        """Compute exact probabilities of all spans of up to `max_length` units; other arguments as in `decode`."""
        ids = span_tag_ids(self.tags, self.scheme)
        return ChainSpans(self.sums(emissions, mask), SpanTags(*map(np.array, ids)), max_length)

    def no_span_probability(self, emissions: np.ndarray, mask: np.ndarray, posteriors: ChainSpans) -> np.ndarray:
        """Compute the probability of the tag sequences without `B-` and `S-` of each row `(batch,)`.

        Args:
            emissions: As in `decode`.
            mask: As in `decode`.
            posteriors: The batch's posteriors.
        """
        if self.constrained:
            # An `I-` or `E-` needs a `B-` before it, so this is the sequence of "O" alone.
            return posteriors.sequence_of(self.tags.index("O"), mask)
        opens = [tag[:2] in ("B-", "S-") for tag in self.tags]
        without = self.sums(np.where(opens, -np.inf, emissions), mask).log_partition
        return np.exp(without - posteriors.sums.log_partition).clip(max=1.0)

    def posteriors(
        self, emissions: np.ndarray, mask: np.ndarray, spans: Sequence[Sequence[UnitSpan]]
    ) -> list[list[float]]:
        """Return the exact probability of each span, over all tag sequences.

        Args:
            emissions: As in `decode`.
            mask: As in `decode`.
            spans: Unit spans `(start, end, label)` of each row.
        """
        count = sum(map(len, spans))
        if not count:
            return [[] for _ in spans]
        ids = {tag: at for at, tag in enumerate(self.tags)}
        # first: unit, row, tag of each span. steps: span, unit, row, tag before, tag. after: the same, for the tag
        # that must not follow. A span is a chain, read from the left.
        first, steps, after, lengths = [], [], [], mask.sum(axis=1)
        for row, own in enumerate(spans):
            for start, end, label in own:
                path = [ids[tag] for tag in span_tags(end - start, label, self.scheme)]
                span = len(first)
                first.append((start, row, path[0]))
                steps += [(span, start + at, row, path[at - 1], path[at]) for at in range(1, len(path))]
                # In BIO a span ends where its type does not continue; in BIOES its last tag marks the end.
                if self.scheme == "BIO" and end < lengths[row]:
                    after.append((span, end, row, path[-1], ids[f"I-{label}"]))
        sums = self.sums(emissions, mask)
        found = sums.marginals_at(*np.array(first).T)
        if steps:
            span, *places = np.array(steps).T
            np.multiply.at(found, span, sums.steps_at(*places))
        if after:
            span, *places = np.array(after).T
            found[span] *= 1 - sums.steps_at(*places)
        values = iter(found.clip(0, 1).astype(np.float32).tolist())
        return [[next(values) for _ in own] for own in spans]
