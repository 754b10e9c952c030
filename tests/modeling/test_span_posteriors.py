"""Posteriors of all spans against enumeration of all tag paths."""

import math

import numpy as np
import pytest
import torch
from crf_cases import CASES, Case, make, mask_of
from hypothesis import given, settings
from hypothesis import strategies as st

from kospan.modeling.span_posteriors import trim_blanks
from kospan.modeling.span_selection import SpanTags
from kospan.modeling.tags import span_tags, tag_names


def tags_of(names: list[str], labels=("X",)) -> SpanTags:
    prefixes = "BIES" if any(name[0] == "E" for name in names) else "BI"
    return SpanTags(*(torch.tensor([names.index(f"{prefix}-{label}") for label in labels]) for prefix in prefixes))


def enumerated(case, row: int, start: int, end: int) -> float:
    emissions, flags = list(case.rows())[row]
    scheme = "BIOES" if "E-X" in case.names else "BIO"
    path = [case.names.index(tag) for tag in span_tags(end - start, "X", scheme)]
    banned = case.names.index("I-X") if scheme == "BIO" else -1
    return case.oracle.segment_posterior(emissions, start, path, banned, **flags)


@pytest.mark.parametrize("case", CASES, ids=str)
class TestAgainstEnumeration:
    def test_all_spans(self, case, domain):
        case = Case(*case)
        found = case.crf.span_posteriors(case.emissions, tags_of(case.names), 4, case.mask, **case.given)
        values = found.at()
        assert values.shape == (5, 4, 4, 1) and values.dtype == torch.float64
        for row, count in enumerate(case.lengths):
            for start in range(4):
                for length in range(1, 5):
                    inside = start + length <= count
                    expected = enumerated(case, row, start, start + length) if inside else 0.0
                    assert values[row, start, length - 1, 0].item() == pytest.approx(expected, abs=1e-10)
        assert not values.isnan().any() and values.max() > 0.1

    def test_blocks_and_shorter_lengths_give_the_same_spans(self, case, domain):
        case = Case(*case)
        whole = case.crf.span_posteriors(case.emissions, tags_of(case.names), 4, case.mask, **case.given)
        short = case.crf.span_posteriors(case.emissions, tags_of(case.names), 2, case.mask, **case.given)
        torch.testing.assert_close(short.at(), whole.at()[:, :, :2], atol=0, rtol=0)
        torch.testing.assert_close(whole.at(range(1, 3)), whole.at()[:, 1:3], atol=0, rtol=0)
        thresholds = torch.tensor([0.01])
        found = short.reaching(thresholds)
        again = short.reaching(thresholds, block=1)
        assert all(one.tolist() == two.tolist() for one, two in zip(found, again))
        expected = (short.at() >= 0.01).nonzero().tolist()
        assert [list(entry) for entry in zip(*(column.tolist() for column in (found.rows, found.starts)))] == [
            entry[:2] for entry in expected
        ]
        assert (found.ends - found.starts).tolist() == [entry[2] + 1 for entry in expected]


# In BIOES a lone `B-` begins nothing; rows that end in mid-document may end inside a span.
WHOLE = [case for case in CASES if case[0] == "BIO" or (case[1] == "whole" and case[2])]


@pytest.mark.parametrize("case", WHOLE, ids=str)
def test_expected_count_is_the_sum_over_all_spans(case, domain):
    case = Case(*case)
    found = case.crf.span_posteriors(case.emissions, tags_of(case.names), 4, case.mask, **case.given)
    torch.testing.assert_close(found.expected_count(), found.at().sum(dim=(1, 2)), atol=1e-10, rtol=0)


def test_several_labels_are_in_the_order_of_the_tags():
    names = tag_names(["X", "Y"], "BIO")
    crf = make(len(names))
    emissions = torch.randn(2, 5, len(names))
    both = crf.span_posteriors(emissions, tags_of(names, ("X", "Y")), 3).at()
    for at, label in enumerate("XY"):
        alone = crf.span_posteriors(emissions, tags_of(names, (label,)), 3).at()
        torch.testing.assert_close(both[..., at], alone[..., 0], atol=1e-12, rtol=0)


def test_impossible_tags_give_zero_and_no_nan(domain):
    names = tag_names(["X"], "BIO")
    crf = make(len(names))
    emissions = torch.zeros(1, 4, len(names), dtype=torch.float64)
    emissions[0, 1, names.index("B-X")] = -torch.inf
    emissions[0, 2, names.index("I-X")] = -torch.inf
    emissions[0, 3] = torch.tensor([1000.0, -1000.0, -1000.0])
    found = crf.span_posteriors(emissions, tags_of(names), 4).at()[0, :, :, 0]
    assert not found.isnan().any() and not found[1].any() and not found[0, 2:].any() and not found[2, 1:].any()
    assert found[0, 0] > 0 and found[0, 1] > 0


def test_half_precision_is_summed_in_float64():
    names = tag_names(["X"], "BIO")
    crf = make(len(names))
    emissions = torch.randn(2, 6, len(names)).half()
    found = crf.span_posteriors(emissions, tags_of(names), 4).at()
    assert found.dtype == torch.float64
    torch.testing.assert_close(
        found, crf.span_posteriors(emissions.double(), tags_of(names), 4).at(), atol=1e-12, rtol=0
    )


def test_mistakes_and_empty_batches():
    names = tag_names(["X"], "BIO")
    crf = make(len(names))
    with pytest.raises(ValueError, match="expected max_length to be at least 1, got 0"):
        crf.span_posteriors(torch.zeros(1, 2, 3), tags_of(names), 0)
    for shape in ((0, 4, 3), (2, 0, 3)):
        found = crf.span_posteriors(torch.zeros(shape), tags_of(names), 4)
        assert found.at().numel() == 0 and len(found.reaching(torch.tensor([0.1])).rows) == 0


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.data())
def test_trimmed_posteriors_are_sums_over_the_spans_that_trim_to_them(data):
    units, lengths = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 4))
    lengths = min(lengths, units)
    blank = np.array([data.draw(st.lists(st.booleans(), min_size=units, max_size=units))])
    values = torch.rand(1, units, lengths, 2, generator=torch.Generator().manual_seed(units), dtype=torch.float64)
    for start in range(units):
        values[0, start, units - start :] = 0.0
    expected = torch.zeros_like(values)
    for start in range(units):
        for length in range(1, min(lengths, units - start) + 1):
            visible = [at for at in range(start, start + length) if not blank[0, at]]
            if visible:
                expected[0, visible[0], visible[-1] - visible[0]] += values[0, start, length - 1]
    first = data.draw(st.integers(0, units - 1))
    found = trim_blanks(values.clone(), blank, range(units), first)
    torch.testing.assert_close(found, expected[:, first:], atol=1e-12, rtol=0)
    assert math.isclose(found.sum().item(), expected[:, first:].sum().item(), abs_tol=1e-9)


@pytest.mark.parametrize("constrain", ["none", "decode", "both"])
@pytest.mark.parametrize("scheme", ["BIO", "BIOES"])
def test_probability_of_no_span_is_that_of_the_paths_without_any(make_token_classifier, scheme, constrain, domain):
    model = make_token_classifier(encoder_input="units", labels=["X"], scheme=scheme, constrain=constrain)
    model.head.crf.temperature = 1.5
    emissions = torch.randn(4, 3, len(model.config.tags))
    mask = mask_of([3, 1, 0, 2], 3)
    found = model.head.no_span_probability(emissions, mask, model.head.span_posteriors(emissions, mask)).tolist()
    totals = model.head.crf.log_partition(emissions, mask).tolist()
    opens = {at for at, tag in enumerate(model.config.tags) if tag[0] in "BS"}
    for row, (probability, total) in enumerate(zip(found, totals)):
        paths = model.head.crf.k_best(emissions[row : row + 1], 200, mask[row : row + 1])[0]
        shares = [math.exp(score - total) for path, score in paths if not opens & set(path)]
        assert probability == pytest.approx(sum(shares), abs=1e-6) and shares
