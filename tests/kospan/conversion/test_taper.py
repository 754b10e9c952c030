"""Positions made long: each schedule against a loop by hand."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kospan.conversion.taper import SCHEDULES, check_schedule, factor, stretched


def by_hand(position: int, n: int, schedule: str, tau: float) -> float:
    """a_k of a position, counted and multiplied instead of computed."""
    k = 0
    while position >= n:
        position, k = position - n, k + 1
    if schedule == "none":
        return 1.0
    if schedule == "power":
        return math.exp(-math.log(1 + k) / tau)
    step = math.exp(-1 / tau) if schedule == "exp" else 1 / tau
    strength = 1.0
    for _ in range(k):
        strength *= step
    return strength


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 9), st.integers(0, 60), st.sampled_from(sorted(SCHEDULES)), st.floats(1.0, 16.0), st.integers(0, 99)
)
def test_every_row_is_the_source_s_row_times_its_factor(n, more, schedule, tau, seed):
    source = torch.randn(n, 3, generator=torch.Generator().manual_seed(seed))
    table = stretched(source, n + more, schedule, tau)
    assert table.shape == (n + more, 3) and table.dtype == torch.float32
    assert torch.equal(table[:n], source)
    for position in range(n + more):
        expected = source[position % n].double() * by_hand(position, n, schedule, tau)
        # The smallest float32 are 1.4e-45 apart.
        assert torch.allclose(table[position].double(), expected, rtol=1e-6, atol=1.5e-45)


@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
def test_strength_begins_at_one_and_never_grows(schedule):
    strengths = [factor(k, schedule, 2.0) for k in range(9)]
    assert strengths[0] == 1.0 and strengths == sorted(strengths, reverse=True)
    assert (len(set(strengths)) == 1) == (schedule == "none")


def test_the_laws_at_known_points():
    assert factor(2, "exp", 2.0) == pytest.approx(1 / math.e)
    assert factor(3, "power", 2.0) == pytest.approx(0.5)
    assert factor(3, "geometric", 2.0) == pytest.approx(0.125)
    assert factor(7, "none", 2.0) == 1.0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_source_s_type_stays_and_its_rows_bit_for_bit(dtype):
    source = torch.randn(4, 5, generator=torch.Generator().manual_seed(1)).to(dtype)
    table = stretched(source, 11)
    assert table.dtype == dtype and torch.equal(table[:4], source)
    # Rounded once: from the product in float64.
    assert torch.equal(table[4:8], (source.double() * math.exp(-0.5)).to(dtype))


def test_a_far_repetition_fades_to_zero_without_a_fuss():
    table = stretched(torch.ones(1, 1), 3000, "geometric", 4.0)
    assert table[-1].item() == 0.0 and torch.isfinite(table).all()


@pytest.mark.parametrize(
    "schedule, tau, error, message",
    [
        ("linear", 2.0, ValueError, "expected schedule to be one of exp, power, geometric, none, got 'linear'"),
        ("exp", 0.0, ValueError, "expected tau to be a number above 0, got 0.0; 2.0 is the default"),
        ("exp", math.nan, ValueError, "expected tau to be a number above 0, got nan"),
        ("exp", math.inf, ValueError, "expected tau to be a number above 0, got inf"),
        ("geometric", 0.5, ValueError, "expected tau of 1 or more for the schedule geometric, got 0.5"),
        ("exp", "two", TypeError, "expected tau to be a number above 0, got 'two'"),
        ("exp", True, TypeError, "expected tau to be a number above 0, got True"),
    ],
)
def test_a_law_that_is_none_is_refused(schedule, tau, error, message):
    with pytest.raises(error, match=message):
        check_schedule(schedule, tau)
