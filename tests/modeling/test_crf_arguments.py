"""Constraints, edge shapes and error messages of the CRF."""

import math

import pytest
import torch
from crf_cases import BIO, BIOES, bans, make, mask_of

from kospan.modeling.crf import CRF


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
        "after a gap in row 1; compact first",
    ),
    "mask must start at the first unit": (
        lambda crf: crf(torch.zeros(1, 2, 3), torch.zeros(1, 2).long(), torch.tensor([[0, 1]])),
        "after a gap in row 0; compact first",
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
