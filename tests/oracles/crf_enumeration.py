"""A linear-chain CRF by listing every tag path; slow and plain, to judge the recursions by."""

import itertools
import math


class EnumeratedCRF:
    """Scores of one chain as nested Python lists; each row is scored by itself.

    Args:
        start: Score of each first tag.
        transitions: Score from tag (outer) to tag (inner).
        end: Score of each last tag.
        allowed: (transitions, starts, ends) as nested lists of bool; None allows all.
    """

    def __init__(self, start, transitions, end, allowed=None):
        self.start, self.transitions, self.end = start, transitions, end
        self._listed = {}
        tags = range(len(start))
        self.allowed = allowed or ([[True for _ in tags] for _ in tags], [True for _ in tags], [True for _ in tags])

    def is_allowed(self, path, begins=True, ends=True):
        steps, starts, stops = self.allowed
        if path and begins and not starts[path[0]]:
            return False
        if path and ends and not stops[path[-1]]:
            return False
        return all(steps[one][two] for one, two in zip(path, path[1:], strict=False))

    def score(self, emissions, path, begins=True, ends=True):
        total = math.fsum(emissions[at][tag] for at, tag in enumerate(path))
        total += math.fsum(self.transitions[one][two] for one, two in zip(path, path[1:], strict=False))
        if path and begins:
            total += self.start[path[0]]
        if path and ends:
            total += self.end[path[-1]]
        return total

    def paths(self, emissions, begins=True, ends=True):
        """All allowed paths with their scores, best first."""
        key = tuple(map(tuple, emissions)), begins, ends
        if key in self._listed:
            return self._listed[key]
        found = [
            (list(path), self.score(emissions, path, begins, ends))
            for path in itertools.product(range(len(self.start)), repeat=len(emissions))
            if self.is_allowed(path, begins, ends)
        ]
        self._listed[key] = sorted(found, key=lambda pair: -pair[1])
        return self._listed[key]

    def log_partition(self, emissions, begins=True, ends=True):
        scores = [score for _, score in self.paths(emissions, begins, ends)]
        return max(scores) + math.log(math.fsum(math.exp(score - max(scores)) for score in scores))

    def probabilities(self, emissions, begins=True, ends=True):
        """Path (a tuple) -> probability."""
        key = tuple(map(tuple, emissions)), begins, ends, "probabilities"
        if key not in self._listed:
            log_partition = self.log_partition(emissions, begins, ends)
            paths = self.paths(emissions, begins, ends)
            self._listed[key] = {tuple(path): math.exp(score - log_partition) for path, score in paths}
        return self._listed[key]

    def marginals(self, emissions, begins=True, ends=True):
        found = [[0.0] * len(self.start) for _ in emissions]
        for path, probability in self.probabilities(emissions, begins, ends).items():
            for at, tag in enumerate(path):
                found[at][tag] += probability
        return found

    def segment_posterior(self, emissions, start, tags, banned_next, begins=True, ends=True):
        stop = start + len(tags)
        return math.fsum(
            probability
            for path, probability in self.probabilities(emissions, begins, ends).items()
            if list(path[start:stop]) == list(tags) and (stop == len(path) or path[stop] != banned_next)
        )

    def symmetric_kl(self, emissions_p, emissions_q, begins=True, ends=True):
        one, two = (self.probabilities(emissions, begins, ends) for emissions in (emissions_p, emissions_q))
        return math.fsum((one[path] - two[path]) * math.log(one[path] / two[path]) for path in one)
