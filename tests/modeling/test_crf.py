"""The CRF against enumeration of all paths, against pytorch-crf, and against its own log-domain twin."""

import math

import pytest
import torch
import torchcrf
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.crf_enumeration import EnumeratedCRF

from kospan.modeling import forward_backward
from kospan.modeling.crf import CRF
from kospan.modeling.tags import may_end, may_follow, may_start, span_tags, tag_names

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


@pytest.fixture(params=["linear", "log"])
def domain(request, monkeypatch):
    """Both ways of summing over paths, each in float64."""
    if request.param == "log":
        # Only the choice of the sweep: the log domain in float64 is what a CPU falls back to.
        monkeypatch.setattr(forward_backward, "SMALLEST_SUM", math.inf)
    return request.param


CASES = [
    (scheme, flags, constrained, temperature)
    for scheme in ("BIO", "BIOES")
    for flags in FLAGS
    for constrained, temperature in ((True, 1.0), (False, 1.0), (True, 2.5))
]


@pytest.mark.parametrize("case", CASES, ids=str)
class TestAgainstEnumeration:
    def test_log_partition(self, case, domain):
        case = Case(*case)
        found = case.crf.log_partition(case.emissions, case.mask, **case.given)
        expected = [case.oracle.log_partition(emissions, **flags) for emissions, flags in case.rows()]
        assert found.tolist() == pytest.approx(expected, abs=1e-10)
        assert found[1] == 0 and found.dtype == torch.float64

    def test_marginals(self, case, domain):
        case = Case(*case)
        found = case.crf.marginals(case.emissions, case.mask, **case.given)
        assert not found[~case.mask].any()
        for row, (emissions, flags) in enumerate(case.rows()):
            expected = torch.tensor(case.oracle.marginals(emissions, **flags), dtype=torch.float64)
            expected = expected.view(-1, found.shape[2])
            torch.testing.assert_close(found[row, : len(expected)], expected, atol=1e-12, rtol=0)

    def test_segment_posteriors(self, case, domain):
        scheme = case[0]
        case = Case(*case)
        segments = [
            (row, start, [case.names.index(tag) for tag in span_tags(end - start, "X", scheme)], banned)
            for row, count in enumerate(case.lengths)
            for start in range(count)
            for end in range(start + 1, count + 1)
            for banned in ((case.names.index("I-X"),) if scheme == "BIO" else (-1, 0))
        ]
        found = case.crf.segment_posteriors(case.emissions, segments, case.mask, **case.given)
        rows = list(case.rows())
        expected = [
            case.oracle.segment_posterior(rows[row][0], start, tags, banned, **rows[row][1])
            for row, start, tags, banned in segments
        ]
        assert found.tolist() == pytest.approx(expected, abs=1e-12)
        assert max(expected) > 0.1

    def test_k_best(self, case):
        case = Case(*case)
        # A row of one unit has fewer paths than 20, the longer ones have more.
        found = case.crf.k_best(case.emissions, 20, case.mask, **case.given)
        for ranked, (emissions, flags) in zip(found, case.rows(), strict=True):
            expected = case.oracle.paths(emissions, **flags)[:20]
            assert [path for path, _ in ranked] == [path for path, _ in expected]
            assert [score for _, score in ranked] == pytest.approx([score for _, score in expected], abs=1e-9)

    def test_decode(self, case):
        case = Case(*case)
        found = case.crf.decode(case.emissions, case.mask, **case.given)
        assert found == [case.oracle.paths(emissions, **flags)[0][0] for emissions, flags in case.rows()]
        assert found[1] == []

    def test_symmetric_kl(self, case, domain):
        case = Case(*case)
        other = torch.randn_like(case.emissions)
        found = case.crf.symmetric_kl(case.emissions, other, case.mask, **case.given, distribution="decode")
        expected = [
            case.oracle.symmetric_kl(one, two, **flags)
            for (one, flags), (two, _) in zip(case.rows(), case.rows(other), strict=True)
        ]
        assert found.tolist() == pytest.approx(expected, abs=1e-10)
        assert found[1] == 0

    def test_likelihood_is_of_the_training_distribution(self, case, domain):
        """Neither temperature nor constraints of decoding reach it."""
        case = Case(*case)
        oracle = oracle_of(case.crf, constrained=False)
        case.temperature = 1.0
        tags = torch.randint(len(case.names), case.mask.shape).masked_fill(~case.mask, -100)
        found = case.crf(case.emissions, tags, case.mask, "none", **case.given)
        expected = [
            oracle.score(emissions, tags[row, : len(emissions)].tolist(), **flags)
            - oracle.log_partition(emissions, **flags)
            for row, (emissions, flags) in enumerate(case.rows())
        ]
        assert found.tolist() == pytest.approx(expected, abs=1e-10)


@quick
@given(
    tags=st.integers(1, 3),
    lengths=st.lists(st.integers(0, 4), min_size=1, max_size=3),
    scale=st.sampled_from([0.0, 1.0, 30.0, 400.0]),
    seed=st.integers(0, 10_000),
)
def test_any_chain_equals_enumeration(tags, lengths, scale, seed):
    """Random bans included, also such that leave dead ends, and gaps that a linear sweep cannot hold."""
    crf = make(tags, seed)
    allowed = [torch.rand(tags, tags) < 0.7, torch.rand(tags) < 0.7, torch.rand(tags) < 0.7]
    crf.constrain(*allowed)
    oracle = oracle_of(crf)
    mask = mask_of(lengths, 4)
    emissions = torch.randn(len(lengths), 4, tags, dtype=torch.float64) * scale
    rows = [emissions[row, :count].tolist() for row, count in enumerate(lengths)]
    if not all(oracle.paths(row) for row in rows):
        for method in (crf.log_partition, crf.marginals, crf.decode, lambda *given: crf.k_best(given[0], 3, given[1])):
            with pytest.raises(ValueError, match="got none for row"):
                method(emissions, mask)
        return
    expected = [oracle.log_partition(row) for row in rows]
    assert crf.log_partition(emissions, mask).tolist() == pytest.approx(expected, abs=1e-9, rel=1e-12)
    found = crf.marginals(emissions, mask)
    for row, count in enumerate(lengths):
        wanted = torch.tensor(oracle.marginals(rows[row]), dtype=torch.float64).view(count, tags)
        torch.testing.assert_close(found[row, :count], wanted, atol=1e-10, rtol=0)
    best = crf.k_best(emissions, 7, mask)
    for row, ranked in enumerate(best):
        wanted = [score for _, score in oracle.paths(rows[row])[:7]]
        assert [score for _, score in ranked] == pytest.approx(wanted, abs=1e-9, rel=1e-12)
        assert len({tuple(path) for path, _ in ranked}) == len(ranked)
        scores = [oracle.score(rows[row], path) for path, _ in ranked]
        assert scores == pytest.approx([score for _, score in ranked], abs=1e-9, rel=1e-12)
    segments = [
        (row, at, [one, two], (one + two + at) % (tags + 1) - 1)
        for row, count in enumerate(lengths)
        for at in range(count - 1)
        for one in range(tags)
        for two in range(tags)
    ]
    wanted = [oracle.segment_posterior(rows[row], *segment) for row, *segment in segments]
    assert crf.segment_posteriors(emissions, segments, mask).tolist() == pytest.approx(wanted, abs=1e-10)
    for row, path in enumerate(crf.decode(emissions, mask)):
        assert oracle.score(rows[row], path) == pytest.approx(best[row][0][1], abs=1e-9, rel=1e-12)
        assert oracle.is_allowed(path)


@quick
@given(seed=st.integers(0, 10_000), length=st.integers(1, 40), tags=st.integers(1, 12), rows=st.integers(1, 20))
def test_equals_pytorch_crf(seed, length, tags, rows):
    """Also across more slots than one rescaling holds, and rows in the layout for small and for large batches."""
    ours = make(tags, seed)
    peer = torchcrf.CRF(tags, batch_first=True)
    peer.load_state_dict(ours.state_dict())
    emissions = torch.randn(rows, length, tags) * 3
    gold = torch.randint(tags, (rows, length))
    mask = mask_of(torch.randint(1, length + 1, (rows,)).tolist(), length)
    assert ours.decode(emissions, mask) == peer.decode(emissions, mask)
    torch.testing.assert_close(ours(emissions, gold, mask, "none"), peer(emissions, gold, mask, "none"))


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("reduction", ["none", "sum", "mean", "token_mean"])
@pytest.mark.parametrize("rows", [1, 6])
def test_reductions_and_gradients_equal_pytorch_crf(batch_first, reduction, rows):
    ours = make(5, batch_first=batch_first)
    peer = torchcrf.CRF(5, batch_first).double()
    peer.load_state_dict(ours.state_dict())
    lengths = [9, 1, 4, 9, 7, 2][:rows]
    given = [torch.randn(rows, 9, 5), torch.randint(5, (rows, 9)), mask_of(lengths, 9)]
    if not batch_first:
        given = [tensor.transpose(0, 1) for tensor in given]
    emissions, gold, mask = given
    weights = torch.rand(rows if reduction == "none" else ())
    found = []
    for crf, scores in ((ours, emissions.clone()), (peer, emissions.double())):
        scores.requires_grad_()
        for kwargs in ({}, {"mask": mask}):
            value = crf(scores, gold, reduction=reduction, **kwargs)
            (value * weights).sum().backward()
            found.append(value.double())
        found += [scores.grad.double(), *(crf.get_parameter(name).grad.double() for name, _ in peer.named_parameters())]
        assert crf.decode(scores) and crf.decode(scores, mask)
    half = len(found) // 2
    assert found[0].shape == found[half].shape
    for one, two in zip(found[:half], found[half:], strict=True):
        torch.testing.assert_close(one, two, atol=2e-5, rtol=1e-5)
    assert ours(emissions, gold, mask, reduction).dtype == torch.float32
    assert ours.decode(emissions, mask) == peer.decode(emissions.double(), mask)


def test_ties_fall_as_in_pytorch_crf():
    """All scores whole numbers, so that many paths are exactly equal."""
    torch.manual_seed(0)
    for tags in (2, 4, 7):
        ours, peer = CRF(tags, True), torchcrf.CRF(tags, True)
        for parameter in ours.parameters():
            parameter.data = torch.randint(-1, 2, parameter.shape).float()
        peer.load_state_dict(ours.state_dict())
        emissions = torch.randint(-1, 2, (30, 12, tags)).float()
        assert ours.decode(emissions) == peer.decode(emissions)


def test_rounding_falls_as_in_pytorch_crf():
    """Scores near 12,800, where float32 steps by 0.001, and differences no larger: rounding alone picks the path."""
    ours = make(5, scale=1e-3)
    peer = torchcrf.CRF(5, batch_first=True)
    peer.load_state_dict(ours.state_dict())
    emissions = torch.randn(24, 256, 5) * 1e-3 + 50
    for mask in (mask_of([256] * 23 + [9], 256), None):
        found = ours.decode(emissions, mask)
        assert found == peer.decode(emissions, mask)
        assert found != peer.double().decode(emissions.double(), mask)
        peer.float()


def test_equal_paths_of_k_best_come_in_the_order_of_their_tags():
    crf = CRF(40, batch_first=True)
    for parameter in crf.parameters():
        torch.nn.init.zeros_(parameter)
    emissions = torch.randint(3, (1, 1, 40)).float()
    expected = sorted(range(40), key=lambda tag: -emissions[0, 0, tag].item())
    assert [path for path, _ in crf.k_best(emissions, 40)[0]] == [[tag] for tag in expected]


def test_state_dicts_are_exchanged_both_ways():
    ours, peer = make(4), torchcrf.CRF(4, batch_first=True)
    ours.constrain(torch.eye(4).bool(), torch.ones(4).bool(), torch.ones(4).bool())
    assert list(ours.state_dict()) == list(peer.state_dict())
    peer.load_state_dict(ours.state_dict())
    again = CRF(4, batch_first=True)
    again.load_state_dict(peer.state_dict())
    for name, parameter in ours.named_parameters():
        assert torch.equal(again.get_parameter(name), parameter)
    torch.manual_seed(3)
    born = CRF(4)
    torch.manual_seed(3)
    twin = torchcrf.CRF(4)
    assert all(torch.equal(parameter, twin.get_parameter(name)) for name, parameter in born.named_parameters())


class TestGradients:
    """Numeric differences in float64, over emissions and all three parameters."""

    def check(self, call, flags: str, constrained: bool, when: str = "both"):
        case = Case("BIO", flags, lengths=[4, 0, 1, 2, 3])
        crf = case.crf.double()
        crf.constrain(*bans(case.names, "BIO"), when=when if constrained else "none")
        emissions = torch.randn(5, 4, 3, dtype=torch.float64).requires_grad_()
        mask = case.mask
        scores = [parameter.detach().clone().requires_grad_() for parameter in crf.parameters()]

        def run(emissions, *scores):
            named = dict(zip(dict(crf.named_parameters()), scores, strict=True))
            return torch.func.functional_call(crf, named, (), {"call": lambda: call(crf, emissions, mask, case.given)})

        forward, crf.forward = crf.forward, lambda call: call()
        crf.plain_forward = forward
        assert torch.autograd.gradcheck(run, (emissions, *scores))

    @pytest.mark.parametrize("constrained", [True, False])
    @pytest.mark.parametrize("flags", ["whole", "cut"])
    def test_likelihood(self, flags, constrained, domain):
        gold = torch.tensor([[0, 1, 2, 0], [0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [1, 2, 2, 0]])

        def call(crf, emissions, mask, given):
            weights = torch.arange(1.0, 6.0, dtype=torch.float64)
            return crf.plain_forward(emissions, gold, mask, "none", **given) * weights

        self.check(call, flags, constrained)

    @pytest.mark.parametrize("constrained", [True, False])
    @pytest.mark.parametrize("flags", ["whole", "cut"])
    def test_marginals_and_log_partition(self, flags, constrained, domain):
        def call(crf, emissions, mask, given):
            crf.temperature = 1.7
            return crf.marginals(emissions, mask, **given), crf.log_partition(emissions, mask, **given)

        self.check(call, flags, constrained, "decode")

    @pytest.mark.parametrize("constrained", [True, False])
    def test_symmetric_kl(self, constrained, domain):
        torch.manual_seed(5)
        other = torch.randn(5, 4, 3, dtype=torch.float64)

        def call(crf, emissions, mask, given):
            doubled = crf.symmetric_kl(other, emissions * 2, mask, **given)
            return crf.symmetric_kl(emissions, other, mask, **given) + doubled

        self.check(call, "cut", constrained)

    def test_across_rescalings(self):
        """More slots than one rescaling holds: the tangents are rescaled with their states."""
        crf = make(3).double()
        torch.manual_seed(2)
        emissions = (torch.randn(2, 40, 3, dtype=torch.float64) * 3).requires_grad_()
        mask = mask_of([40, 23], 40)
        weights = torch.randn(2, 40, 3, dtype=torch.float64)
        assert torch.autograd.gradcheck(lambda scores: (crf.marginals(scores, mask) * weights).sum(), emissions)

    def test_forbidden_steps_have_gradient_zero(self, domain):
        crf = make(3)
        allowed = bans(BIO, "BIO")
        crf.constrain(*allowed, when="both")
        emissions = torch.randn(2, 6, 3)
        (crf(emissions, torch.zeros(2, 6, dtype=torch.long)) + crf.marginals(emissions).square().sum()).backward()
        assert not crf.transitions.grad[~allowed[0]].any() and not crf.start_transitions.grad[~allowed[1]].any()
        assert crf.transitions.grad[allowed[0]].all()

    def test_padding_gets_none(self):
        crf = make(3)
        emissions = torch.full((2, 4, 3), torch.nan)
        emissions[:, :2] = torch.randn(2, 2, 3)
        emissions.requires_grad_()
        mask = mask_of([2, 1], 4)
        emissions.data[1, 1] = torch.inf
        tags = torch.full((2, 4), -100)
        tags[:, :2] = 1
        loss = crf(emissions, tags, mask) + crf.symmetric_kl(emissions, emissions.detach() + 1, mask).sum()
        (loss + crf.marginals(emissions, mask).square().sum()).backward()
        assert emissions.grad.isfinite().all() and not emissions.grad[~mask].any()

    def test_gradient_is_more_exact_than_single_precision_loops(self):
        ours, peer = make(13), torchcrf.CRF(13, batch_first=True).double()
        peer.load_state_dict(ours.state_dict())
        emissions = torch.randn(2, 512, 13) * 3
        gold = torch.randint(13, (2, 512))
        one, two = emissions.clone().requires_grad_(), emissions.double().requires_grad_()
        ours(one, gold, reduction="mean").backward()
        peer(two, gold, reduction="mean").backward()
        torch.testing.assert_close(one.grad.double(), two.grad, atol=1e-6, rtol=0)
        torch.testing.assert_close(ours.transitions.grad.double(), peer.transitions.grad, atol=1e-5, rtol=1e-6)


class TestPrecision:
    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_emissions_equal_float32_on_equal_values(self, dtype):
        crf = make(13)
        halves = (torch.randn(2, 512, 13) * 3).to(dtype)
        gold = torch.randint(13, (2, 512))
        for method in (crf.log_partition, crf.marginals, lambda scores: crf(scores, gold, reduction="none")):
            one, two = method(halves), method(halves.float())
            assert one.dtype == torch.float32
            torch.testing.assert_close(one, two, atol=1e-3, rtol=0)
        assert crf.decode(halves) == crf.decode(halves.float())
        # Near-certain gold tags: 1 - 0.9999 must not be rounded before it is subtracted.
        sure = torch.nn.functional.one_hot(gold, 13).mul(12.0).to(dtype).requires_grad_()
        same = sure.detach().float().requires_grad_()
        for scores in (sure, same):
            crf(scores, gold).backward()
        assert sure.grad.dtype == dtype
        torch.testing.assert_close(sure.grad, same.grad.to(dtype), atol=1e-7, rtol=1e-2)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_module_in_half_keeps_its_parameters(self, dtype):
        crf = make(4)
        before = {name: parameter.clone() for name, parameter in crf.named_parameters()}
        parent = torch.nn.Sequential(torch.nn.Linear(3, 4), crf).to(dtype)
        assert parent[0].weight.dtype == dtype
        for name, parameter in crf.named_parameters():
            assert parameter.dtype == torch.float32 and torch.equal(parameter, before[name])
        assert crf.double().transitions.dtype == torch.float64
        assert crf.float().transitions.dtype == torch.float32

    def test_autocast_changes_nothing(self):
        crf, emissions, gold = make(13), torch.randn(2, 64, 13), torch.randint(13, (2, 64))
        plain = crf(emissions, gold), crf.marginals(emissions), crf.symmetric_kl(emissions, emissions * 2)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            cast = crf(emissions, gold), crf.marginals(emissions), crf.symmetric_kl(emissions, emissions * 2)
        assert all(torch.equal(one, two) for one, two in zip(plain, cast, strict=True))

    @pytest.mark.parametrize("linear", [True, False])
    def test_largest_halves(self, linear, monkeypatch):
        """Emissions of +-60,000: finite and right, in float64 and in the float32 log domain of a GPU."""
        monkeypatch.setattr(forward_backward, "runs_linear", lambda device: linear)
        crf = make(3)
        torch.manual_seed(1)
        emissions = torch.where(torch.rand(2, 300, 3) < 0.5, -60_000.0, 60_000.0).half().requires_grad_()
        wide = emissions.detach().double()
        gold = wide.argmax(-1)
        peer = torchcrf.CRF(3, batch_first=True).double()
        peer.load_state_dict(crf.state_dict())
        found = crf(emissions, gold, reduction="none")
        torch.testing.assert_close(found.double(), peer(wide, gold, reduction="none"), atol=2e-4, rtol=2e-6)
        found.sum().backward()
        assert emissions.grad.isfinite().all()
        marginals = crf.marginals(emissions)
        torch.testing.assert_close(marginals.sum(-1), torch.ones(2, 300))
        reference = wide.clone().requires_grad_()
        peer._compute_normalizer(reference.transpose(0, 1), torch.ones(300, 2).bool()).sum().backward()
        torch.testing.assert_close(marginals.double(), reference.grad, atol=1e-4, rtol=0)
        assert crf.decode(emissions) == peer.decode(wide)
        assert crf.symmetric_kl(emissions, -emissions).isfinite().all()

    @pytest.mark.parametrize("gap", [200.0, 600.0, 2000.0])
    def test_gaps_beyond_a_linear_sweep_equal_the_log_domain(self, gap, monkeypatch):
        """Bans force the path through tags that the emissions all but exclude."""
        crf = make(3)
        crf.constrain(*bans(BIO, "BIO"), when="both")
        emissions = torch.zeros(2, 50, 3, dtype=torch.float64)
        emissions[:, :, BIO.index("I-X")] = gap
        emissions[1, ::3] = torch.tensor([gap, 0.0, 0.0], dtype=torch.float64)
        emissions.requires_grad_()
        ended = []
        for smallest in (forward_backward.SMALLEST_SUM, math.inf):
            monkeypatch.setattr(forward_backward, "SMALLEST_SUM", smallest)
            log_partition, marginals = crf.log_partition(emissions), crf.marginals(emissions)
            (gradient,) = torch.autograd.grad(log_partition.sum() + marginals[:, ::7, 0].sum(), emissions)
            posterior = crf.segment_posteriors(emissions, [(0, 0, [1, 2, 2], 2)])
            ended.append((log_partition, marginals, gradient, posterior))
        for one, two in zip(*ended, strict=True):
            assert one.isfinite().all()
            torch.testing.assert_close(one, two, atol=1e-9, rtol=1e-12)

    def test_linear_sweep_knows_its_limits(self, monkeypatch):
        """The only tag that may end falls 735 nats behind: not yet 0 in float64, but without most of its digits."""
        crf = CRF(2, batch_first=True)
        for parameter in crf.parameters():
            torch.nn.init.zeros_(parameter)
        crf.constrain(torch.eye(2).bool(), torch.ones(2).bool(), torch.tensor([False, True]))
        emissions = torch.zeros(1, 7, 2, dtype=torch.float64)
        emissions[:, :, 0] = 105.0
        assert crf.log_partition(emissions).item() == pytest.approx(0.0, abs=1e-10)
        monkeypatch.setattr(forward_backward, "SMALLEST_SUM", 0.0)
        assert abs(crf.log_partition(emissions).item()) > 1e-6

    @pytest.mark.parametrize("flags", FLAGS)
    def test_single_precision_log_domain_of_other_devices(self, flags, monkeypatch):
        case = Case("BIOES", flags)
        tags = torch.zeros(case.mask.shape, dtype=torch.long)
        exact = [
            case.crf.log_partition(case.emissions, case.mask, **case.given),
            case.crf.marginals(case.emissions, case.mask, **case.given),
            case.crf(case.emissions, tags, case.mask, "none", **case.given),
        ]
        monkeypatch.setattr(forward_backward, "runs_linear", lambda device: False)
        single = case.emissions.float()
        rough = [
            case.crf.log_partition(single, case.mask, **case.given),
            case.crf.marginals(single, case.mask, **case.given),
            case.crf(single, tags, case.mask, "none", **case.given),
        ]
        scores = [parameter.detach() for parameter in case.crf._scores()]
        potentials = forward_backward.build_potentials(single.transpose(0, 1), *scores, forward_backward.Rows())
        assert potentials.nodes.dtype == torch.float32
        for one, two in zip(exact, rough, strict=True):
            torch.testing.assert_close(two.double(), one, atol=1e-5, rtol=1e-6)

    def test_log_domain_sums_in_blocks(self, monkeypatch):
        crf, emissions = make(3), torch.randn(3, 9, 3)
        gradients = []
        monkeypatch.setattr(forward_backward, "SMALLEST_SUM", math.inf)
        for block in (1, 2**22):
            monkeypatch.setattr(forward_backward, "BLOCK", block)
            crf.zero_grad()
            crf.log_partition(emissions).sum().backward()
            gradients.append(crf.transitions.grad)
        torch.testing.assert_close(*gradients)

    def test_decode_of_long_rows_sums_in_float64(self):
        """At 4e5 nats float32 has steps of 0.03; the best path must still be found."""
        crf = make(2, scale=0.01)
        emissions = torch.zeros(1, 4096, 2) + 100.0
        emissions[..., 1] += 1e-2
        peer = torchcrf.CRF(2, batch_first=True).double()
        peer.load_state_dict(crf.state_dict())
        assert crf.decode(emissions) == peer.decode(emissions.double())


def test_temperature_scales_what_is_read_out_only():
    crf, emissions, gold = make(3), torch.randn(2, 4, 3), torch.zeros(2, 4, dtype=torch.long)

    def trained():
        pair = crf.symmetric_kl(emissions, emissions * 2)
        return crf(emissions, gold), crf.marginals(emissions, distribution="train"), pair

    cold = trained()
    best = crf.k_best(emissions, 3)
    crf.temperature = 4.0
    assert all(torch.equal(one, two) for one, two in zip(cold, trained(), strict=True))
    cooled = crf.k_best(emissions, 3)
    assert [path for path, _ in cooled[0]] == [path for path, _ in best[0]]
    assert [score for _, score in cooled[0]] == pytest.approx([score / 4 for _, score in best[0]])
    probability = math.exp(cooled[0][0][1] - crf.log_partition(emissions)[0].item())
    posterior = crf.segment_posteriors(emissions, [(0, 0, cooled[0][0][0], -1)]).item()
    assert probability == pytest.approx(posterior, rel=1e-5)
    assert crf.marginals(emissions).max() < crf.marginals(emissions, distribution="train").max()


@pytest.mark.parametrize("when", ["none", "decode", "both"])
def test_constraints_reach_what_they_are_meant_for(when):
    """Tag 2 (I-X) must not come first; emissions ask for nothing else."""
    crf = CRF(3, batch_first=True)
    crf.constrain(*bans(BIO, "BIO"), when=when)
    emissions = torch.zeros(1, 3, 3)
    emissions[:, :, 2] = 5.0
    assert (crf.decode(emissions)[0][0] == 2) == (when == "none")
    assert (crf.marginals(emissions)[0, 0, 2] == 0) == (when != "none")
    assert (crf.marginals(emissions, distribution="train")[0, 0, 2] == 0) == (when == "both")
    assert (crf.log_partition(emissions) == crf.log_partition(emissions, distribution="train")) == (when != "decode")
    cut = torch.tensor([False])
    assert crf.decode(emissions, begins=cut)[0] == [2, 2, 2]
    broken, right = torch.tensor([[2, 2, 2]]), torch.tensor([[0, 1, 2]])
    assert crf(emissions, right).isfinite() and crf(emissions, broken, begins=cut).isfinite()
    if when == "both":
        with pytest.raises(ValueError, match="from the start to tag 2 in row 0 at position 0"):
            crf(emissions, broken)
    else:
        assert crf(emissions, broken).isfinite()


def test_row_cut_at_its_end_may_end_with_any_tag():
    crf = make(len(BIOES))
    crf.constrain(*bans(BIOES, "BIOES"), when="both")
    emissions, broken = torch.randn(1, 2, 5), torch.tensor([[0, BIOES.index("B-X")]])
    assert crf(emissions, broken, ends=torch.tensor([False])).isfinite()
    with pytest.raises(ValueError, match="to the end in row 0 at position 1"):
        crf(emissions, broken, ends=torch.tensor([True]))


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (0, 0)])
@pytest.mark.parametrize("batch_first", [True, False])
def test_nothing_at_all(shape, batch_first):
    crf = make(3, batch_first=batch_first)
    crf.constrain(*bans(BIO, "BIO"), when="both")
    order = shape if batch_first else shape[::-1]
    emissions = torch.zeros(*order, 3).requires_grad_()
    tags = torch.zeros(order, dtype=torch.long)
    for mask in (None, tags.bool()):
        for reduction in ("sum", "mean", "token_mean"):
            assert crf(emissions, tags, mask, reduction) == 0
        crf(emissions, tags, mask).backward()
        crf.marginals(emissions, mask).sum().backward()
        assert crf(emissions, tags, mask, "none").tolist() == [0.0] * shape[0]
        assert crf.decode(emissions, mask) == [[] for _ in range(shape[0])]
        assert crf.k_best(emissions, 2, mask) == [[([], 0.0)] for _ in range(shape[0])]
        assert crf.log_partition(emissions, mask).tolist() == [0.0] * shape[0]
        assert crf.symmetric_kl(emissions, emissions, mask).tolist() == [0.0] * shape[0]
        assert crf.marginals(emissions, mask).shape == emissions.shape
        assert crf.segment_posteriors(emissions, [], mask).shape == (0,)
    assert not crf.transitions.grad.any()


def test_time_first_equals_batch_first():
    crf, twin = make(3), make(3, batch_first=False)
    emissions, mask = torch.randn(2, 5, 3), mask_of([5, 2], 5)
    turned = emissions.transpose(0, 1), mask.transpose(0, 1)
    assert torch.equal(twin.marginals(*turned).transpose(0, 1), crf.marginals(emissions, mask))
    assert torch.equal(twin.log_partition(*turned), crf.log_partition(emissions, mask))
    divergence = crf.symmetric_kl(emissions, -emissions, mask)
    assert torch.equal(twin.symmetric_kl(turned[0], -turned[0], turned[1]), divergence)
    assert twin.k_best(turned[0], 3, turned[1]) == crf.k_best(emissions, 3, mask)
    segments = [(1, 0, [0, 2], 1), (0, 3, [1], -1)]
    posteriors = crf.segment_posteriors(emissions, segments, mask)
    assert torch.equal(twin.segment_posteriors(turned[0], segments, turned[1]), posteriors)


def test_rows_do_not_depend_on_their_batch():
    crf = make(4)
    emissions, mask = torch.randn(20, 30, 4), mask_of(list(range(11, 31)), 30)
    together = crf.marginals(emissions, mask)
    paths = crf.decode(emissions, mask)
    for row in (0, 7, 19):
        alone = emissions[row : row + 1, : 11 + row]
        torch.testing.assert_close(crf.marginals(alone)[0], together[row, : 11 + row])
        assert crf.decode(alone)[0] == paths[row]


def test_segment_through_a_dead_end_is_impossible(domain):
    """Nothing may follow tag 2 and nothing may end with it, so what comes behind it is 0 out of 0."""
    crf = make(3)
    allowed = torch.ones(3, 3).bool()
    allowed[2] = False
    crf.constrain(allowed, torch.ones(3).bool(), torch.tensor([True, True, False]))
    segments = [(0, 0, [2, 0], -1), (0, 0, [0, 2, 1], 0), (0, 1, [2], 1)]
    assert crf.segment_posteriors(torch.randn(1, 4, 3), segments).tolist() == [0.0, 0.0, 0.0]


def test_marginals_of_segments_of_one_tag_are_marginals():
    crf, emissions = make(4), torch.randn(2, 50, 4)
    marginals = crf.marginals(emissions)
    segments = [(row, at, [tag], -1) for row in range(2) for at in range(50) for tag in range(4)]
    torch.testing.assert_close(crf.segment_posteriors(emissions, segments), marginals.flatten())


def test_meta_device_and_constraints_made_anew():
    with torch.device("meta"):
        crf = CRF(3, batch_first=True)
    crf = crf.to_empty(device="cpu")
    crf.reset_parameters()
    crf.constrain(*bans(BIO, "BIO"))
    assert crf.decode(torch.tensor([[[0.0, 0.0, 9.0]]])) in ([[0]], [[1]])
    assert "num_tags=3" in repr(crf)


ERRORS = {
    "emissions must have three dimensions": (lambda crf: crf.decode(torch.zeros(2, 3)), r"\(batch, length, tags\)"),
    "emissions must have the tags": (lambda crf: crf.decode(torch.zeros(1, 2, 4)), "with 3 tags.*last linear layer"),
    "emissions must be floats": (lambda crf: crf.decode(torch.zeros(1, 2, 3).long()), "to be floats.*int64"),
    "tags must fit": (
        lambda crf: crf(torch.zeros(1, 2, 3), torch.zeros(1, 3).long()),
        r"tags to be integers of shape \(1, 2\)",
    ),
    "tags must be integers": (lambda crf: crf(torch.zeros(1, 2, 3), torch.zeros(1, 2)), "tags to be integers.*float32"),
    "tags must be in range": (
        lambda crf: crf(torch.zeros(2, 2, 3), torch.tensor([[0, 0], [0, 3]])),
        "from 0 to 2 where mask is on, got 3 in row 1 at position 1",
    ),
    "tags must not be padding": (
        lambda crf: crf(torch.zeros(1, 2, 3), torch.tensor([[0, -100]])),
        "got -100 in row 0 at position 1; mask padding out",
    ),
    "mask must fit": (
        lambda crf: crf.decode(torch.zeros(1, 2, 3), torch.ones(2, 2).bool()),
        r"mask to be bool or integer of shape \(1, 2\)",
    ),
    "mask must not be floats": (lambda crf: crf.decode(torch.zeros(1, 2, 3), torch.ones(1, 2)), "mask.*float32"),
    "mask must have no hole": (
        lambda crf: crf.marginals(torch.zeros(2, 3, 3), torch.tensor([[1, 1, 1], [1, 0, 1]])),
        "behind a gap in row 1; compact first",
    ),
    "mask must start at the first unit": (
        lambda crf: crf(torch.zeros(1, 2, 3), torch.zeros(1, 2).long(), torch.tensor([[0, 1]])),
        "behind a gap in row 0; compact first",
    ),
    "begins must fit": (
        lambda crf: crf.decode(torch.zeros(1, 2, 3), begins=torch.ones(2).bool()),
        r"begins to be bool of shape \(1,\)",
    ),
    "ends must be bool": (lambda crf: crf.decode(torch.zeros(1, 2, 3), ends=torch.ones(1)), "ends to be bool.*float32"),
    "reduction must be known": (
        lambda crf: crf(torch.zeros(1, 2, 3), torch.zeros(1, 2).long(), reduction="avg"),
        'reduction to be "none", "sum", "mean" or "token_mean", got \'avg\'',
    ),
    "distribution must be known": (
        lambda crf: crf.marginals(torch.zeros(1, 2, 3), distribution="test"),
        'distribution to be "decode" or "train", got \'test\'',
    ),
    "temperature must be positive": (
        lambda crf: (setattr(crf, "temperature", 0.0), crf.marginals(torch.zeros(1, 2, 3))),
        "temperature to be above 0, got 0.0",
    ),
    "k must be positive": (lambda crf: crf.k_best(torch.zeros(1, 2, 3), 0), "k to be at least 1, got 0"),
    "when must be known": (lambda crf: crf.constrain(*bans(BIO, "BIO"), when="train"), "when to be .* got 'train'"),
    "bans must fit": (
        lambda crf: crf.constrain(*bans(BIOES, "BIOES")),
        r"allowed_transitions to be bool of shape \(3, 3\), got torch.bool of shape \(5, 5\)",
    ),
    "bans must be bool": (
        lambda crf: crf.constrain(torch.ones(3, 3).bool(), torch.ones(3), torch.ones(3).bool()),
        "allowed_starts to be bool .* got torch.float32",
    ),
    "passes must fit": (
        lambda crf: crf.symmetric_kl(torch.zeros(1, 2, 3), torch.zeros(1, 1, 3)),
        r"emissions_q to have the shape of emissions_p, \(1, 2, 3\), got \(1, 1, 3\)",
    ),
    "segment must stay in its row": (
        lambda crf: crf.segment_posteriors(
            torch.zeros(1, 3, 3), [(0, 0, [0], -1), (0, 1, [0, 0], -1)], torch.tensor([[1, 1, 0]])
        ),
        r"segments\[1\] .* row 0 has 2 units",
    ),
    "segment must name a row": (
        lambda crf: crf.segment_posteriors(torch.zeros(1, 3, 3), [(1, 0, [0], -1)]),
        r"segments\[0\] .* there are 1 rows",
    ),
    "segment must hold tags": (
        lambda crf: crf.segment_posteriors(torch.zeros(1, 3, 3), [(0, 0, [], -1)]),
        r"segments\[0\] to be a non-empty run",
    ),
    "segment must hold known tags": (
        lambda crf: crf.segment_posteriors(torch.zeros(1, 3, 3), [(0, 0, [3], -1)]),
        r"segments\[0\] to name tags from 0 to 2",
    ),
    "a row must have a path": (
        lambda crf: (
            crf.constrain(torch.eye(3).bool(), torch.tensor([True, False, False]), torch.tensor([False, True, True])),
            crf.marginals(torch.zeros(2, 3, 3), torch.tensor([[0, 0, 0], [1, 1, 0]])),
        ),
        "got none for row 1; allow more",
    ),
    "gold must be allowed": (
        lambda crf: (
            crf.constrain(*bans(BIO, "BIO"), when="both"),
            crf(torch.zeros(2, 3, 3), torch.tensor([[0, 1, 2], [1, 0, 2]])),
        ),
        'from tag 0 to tag 2 in row 1 at position 2; repair the labels.*when="decode"',
    ),
    "gold must be allowed to end": (
        lambda crf: (
            crf.constrain(torch.ones(3, 3).bool(), torch.ones(3).bool(), torch.tensor([True, False, True]), "both"),
            crf(torch.zeros(1, 3, 3), torch.tensor([[0, 1, 1]]), torch.tensor([[1, 1, 0]])),
        ),
        "from tag 1 to the end in row 0 at position 1",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_error_shows_the_way_out(name):
    call, message = ERRORS[name]
    with pytest.raises(ValueError, match=message):
        call(CRF(3, batch_first=True))


@pytest.mark.parametrize("count", [0, -2])
def test_a_chain_needs_tags(count):
    with pytest.raises(ValueError, match=f"num_tags to be at least 1, got {count}"):
        CRF(count)
