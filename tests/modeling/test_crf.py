"""The CRF against enumeration of all paths and against pytorch-crf."""

import pytest
import torch
import torchcrf
from crf_cases import CASES, Case, make, mask_of, oracle_of, quick
from hypothesis import given
from hypothesis import strategies as st

from kospan.modeling.crf import CRF
from kospan.modeling.tags import span_tags


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
    baseline = torchcrf.CRF(tags, batch_first=True)
    baseline.load_state_dict(ours.state_dict())
    emissions = torch.randn(rows, length, tags) * 3
    gold = torch.randint(tags, (rows, length))
    mask = mask_of(torch.randint(1, length + 1, (rows,)).tolist(), length)
    assert ours.decode(emissions, mask) == baseline.decode(emissions, mask)
    torch.testing.assert_close(ours(emissions, gold, mask, "none"), baseline(emissions, gold, mask, "none"))


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("reduction", ["none", "sum", "mean", "token_mean"])
@pytest.mark.parametrize("rows", [1, 6])
def test_reductions_and_gradients_equal_pytorch_crf(batch_first, reduction, rows):
    ours = make(5, batch_first=batch_first)
    baseline = torchcrf.CRF(5, batch_first).double()
    baseline.load_state_dict(ours.state_dict())
    lengths = [9, 1, 4, 9, 7, 2][:rows]
    given = [torch.randn(rows, 9, 5), torch.randint(5, (rows, 9)), mask_of(lengths, 9)]
    if not batch_first:
        given = [tensor.transpose(0, 1) for tensor in given]
    emissions, gold, mask = given
    weights = torch.rand(rows if reduction == "none" else ())
    found = []
    for crf, scores in ((ours, emissions.clone()), (baseline, emissions.double())):
        scores.requires_grad_()
        for kwargs in ({}, {"mask": mask}):
            value = crf(scores, gold, reduction=reduction, **kwargs)
            (value * weights).sum().backward()
            found.append(value.double())
        found += [
            scores.grad.double(),
            *(crf.get_parameter(name).grad.double() for name, _ in baseline.named_parameters()),
        ]
        assert crf.decode(scores) and crf.decode(scores, mask)
    half = len(found) // 2
    assert found[0].shape == found[half].shape
    for one, two in zip(found[:half], found[half:], strict=True):
        torch.testing.assert_close(one, two, atol=2e-5, rtol=1e-5)
    assert ours(emissions, gold, mask, reduction).dtype == torch.float32
    assert ours.decode(emissions, mask) == baseline.decode(emissions.double(), mask)


def test_ties_fall_as_in_pytorch_crf():
    """All scores whole numbers, so that many paths are exactly equal."""
    torch.manual_seed(0)
    for tags in (2, 4, 7):
        ours, baseline = CRF(tags, True), torchcrf.CRF(tags, True)
        for parameter in ours.parameters():
            parameter.data = torch.randint(-1, 2, parameter.shape).float()
        baseline.load_state_dict(ours.state_dict())
        emissions = torch.randint(-1, 2, (30, 12, tags)).float()
        assert ours.decode(emissions) == baseline.decode(emissions)


def test_rounding_falls_as_in_pytorch_crf():
    """Scores near 12,800, where float32 steps by 0.001, and differences no larger: rounding alone picks the path."""
    ours = make(5, scale=1e-3)
    baseline = torchcrf.CRF(5, batch_first=True)
    baseline.load_state_dict(ours.state_dict())
    emissions = torch.randn(24, 256, 5) * 1e-3 + 50
    for mask in (mask_of([256] * 23 + [9], 256), None):
        found = ours.decode(emissions, mask)
        assert found == baseline.decode(emissions, mask)
        assert found != baseline.double().decode(emissions.double(), mask)
        baseline.float()


def test_equal_paths_of_k_best_come_in_the_order_of_their_tags():
    crf = CRF(40, batch_first=True)
    for parameter in crf.parameters():
        torch.nn.init.zeros_(parameter)
    emissions = torch.randint(3, (1, 1, 40)).float()
    expected = sorted(range(40), key=lambda tag: -emissions[0, 0, tag].item())
    assert [path for path, _ in crf.k_best(emissions, 40)[0]] == [[tag] for tag in expected]


def test_state_dicts_are_exchanged_both_ways():
    ours, baseline = make(4), torchcrf.CRF(4, batch_first=True)
    ours.constrain(torch.eye(4).bool(), torch.ones(4).bool(), torch.ones(4).bool())
    assert list(ours.state_dict()) == list(baseline.state_dict())
    baseline.load_state_dict(ours.state_dict())
    again = CRF(4, batch_first=True)
    again.load_state_dict(baseline.state_dict())
    for name, parameter in ours.named_parameters():
        assert torch.equal(again.get_parameter(name), parameter)
    torch.manual_seed(3)
    born = CRF(4)
    torch.manual_seed(3)
    twin = torchcrf.CRF(4)
    assert all(torch.equal(parameter, twin.get_parameter(name)) for name, parameter in born.named_parameters())
