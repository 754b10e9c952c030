"""Chains, masks and enumeration oracles for the tests of the CRF."""

import torch
from hypothesis import settings
from oracles.crf_enumeration import EnumeratedCRF

from kospan.modeling.crf import CRF
from kospan.modeling.tags import may_end, may_follow, may_start, tag_names

LENGTHS = [4, 0, 1, 3, 4]
FLAGS = {
    "whole": (None, None),
    "cut": ([True, False, False, False, True], [False, True, False, True, True]),
    "cut at the end": (None, [False, False, True, False, True]),
}
BIO, BIOES = tag_names(["X"]), tag_names(["X"], "BIOES")
quick = settings(derandomize=True, deadline=None, max_examples=40)


def bans(tags: list[str], scheme: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return (
        torch.tensor([[may_follow(one, two, scheme) for two in tags] for one in tags]),
        torch.tensor([may_start(tag) for tag in tags]),
        torch.tensor([may_end(tag, scheme) for tag in tags]),
    )


def make(tags: int, seed: int = 0, batch_first: bool = True, scale: float = 1.0) -> CRF:
    torch.manual_seed(seed)
    crf = CRF(tags, batch_first)
    for parameter in crf.parameters():
        torch.nn.init.normal_(parameter, std=scale)
    return crf


def oracle_of(crf: CRF, constrained: bool = True, temperature: float = 1.0) -> EnumeratedCRF:
    allowed = (crf.allowed_transitions, crf.allowed_starts, crf.allowed_ends)
    scores = (crf.start_transitions, crf.transitions, crf.end_transitions)
    scores = [(score.double() / temperature).tolist() for score in scores]
    return EnumeratedCRF(*scores, tuple(part.tolist() for part in allowed) if constrained else None)


def mask_of(lengths: list[int], length: int) -> torch.Tensor:
    return torch.arange(length) < torch.tensor(lengths).unsqueeze(1)


class Case:
    """A batch with rows of all kinds, NaN on padding, and its oracle."""

    def __init__(self, scheme: str, flags: str, constrained: bool = True, temperature: float = 1.0, lengths=LENGTHS):
        self.names = tag_names(["X"], scheme)
        self.crf = make(len(self.names), seed=len(self.names))
        self.crf.temperature = temperature
        if constrained:
            self.crf.constrain(*bans(self.names, scheme))
        self.oracle = oracle_of(self.crf, constrained, temperature)
        self.lengths = lengths
        self.mask = mask_of(lengths, max(lengths))
        self.emissions = torch.randn(*self.mask.shape, len(self.names), dtype=torch.float64) * 2
        self.emissions[~self.mask] = torch.nan
        flags = FLAGS[flags]
        self.given = {
            name: torch.tensor(flag) for name, flag in zip(("begins", "ends"), flags, strict=True) if flag is not None
        }
        self.temperature = temperature

    def rows(self, emissions=None):
        """(row's emissions, its begins, its ends) for the oracle."""
        emissions = self.emissions if emissions is None else emissions
        for row, count in enumerate(self.lengths):
            flags = {name: bool(flag[row]) for name, flag in self.given.items()}
            yield (emissions[row, :count] / self.temperature).tolist(), flags


CASES = [
    (scheme, flags, constrained, temperature)
    for scheme in ("BIO", "BIOES")
    for flags in FLAGS
    for constrained, temperature in ((True, 1.0), (False, 1.0), (True, 2.5))
]
