"""Gradients and precision of the CRF."""

import math

import pytest
import torch
import torchcrf
from crf_cases import BIO, FLAGS, Case, bans, make, mask_of

from kospan.modeling import forward_backward
from kospan.modeling.crf import CRF


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
        ours, baseline = make(13), torchcrf.CRF(13, batch_first=True).double()
        baseline.load_state_dict(ours.state_dict())
        emissions = torch.randn(2, 512, 13) * 3
        gold = torch.randint(13, (2, 512))
        one, two = emissions.clone().requires_grad_(), emissions.double().requires_grad_()
        ours(one, gold, reduction="mean").backward()
        baseline(two, gold, reduction="mean").backward()
        torch.testing.assert_close(one.grad.double(), two.grad, atol=1e-6, rtol=0)
        torch.testing.assert_close(ours.transitions.grad.double(), baseline.transitions.grad, atol=1e-5, rtol=1e-6)


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
        baseline = torchcrf.CRF(3, batch_first=True).double()
        baseline.load_state_dict(crf.state_dict())
        found = crf(emissions, gold, reduction="none")
        torch.testing.assert_close(found.double(), baseline(wide, gold, reduction="none"), atol=2e-4, rtol=2e-6)
        found.sum().backward()
        assert emissions.grad.isfinite().all()
        marginals = crf.marginals(emissions)
        torch.testing.assert_close(marginals.sum(-1), torch.ones(2, 300))
        reference = wide.clone().requires_grad_()
        baseline._compute_normalizer(reference.transpose(0, 1), torch.ones(300, 2).bool()).sum().backward()
        torch.testing.assert_close(marginals.double(), reference.grad, atol=1e-4, rtol=0)
        assert crf.decode(emissions) == baseline.decode(wide)
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
        baseline = torchcrf.CRF(2, batch_first=True).double()
        baseline.load_state_dict(crf.state_dict())
        assert crf.decode(emissions) == baseline.decode(emissions.double())
