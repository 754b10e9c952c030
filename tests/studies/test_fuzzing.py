"""The study of fuzzing finds, shrinks and counts failures."""

import contextlib

import pytest
from fuzz import cases, targets
from fuzz.cases import ACCEPTED, Target, read_cases
from hypothesis import strategies as st

from studies import fuzzing

CASES = 50


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Function that runs a check over whole numbers up to 1,000, and returns the counts and the stored cases."""
    monkeypatch.setattr(cases, "CORPUS", tmp_path)

    def run(check):
        monkeypatch.setitem(targets.TARGETS, "x", Target(st.integers(0, 1000), check, 1))
        return fuzzing.run_hypothesis("x", CASES, 0), [case for _, case in read_cases("x")]

    return run


def test_a_failure_is_stored_once_and_the_run_continues(run):
    def check(case):
        if case >= 300:
            raise KeyError(case)
        return ACCEPTED

    tally, stored = run(check)
    assert stored == [300] and list(tally.failures) == ["KeyError in test_fuzzing.py:check"]
    assert tally.cases == CASES and tally.outcomes[fuzzing.FAILED] > 1 and tally.outcomes[ACCEPTED] > 1


def test_each_kind_of_failure_is_stored(run):
    def check(case):
        if case >= 300:
            raise (KeyError if case % 2 else IndexError)(case)
        return ACCEPTED

    tally, stored = run(check)
    assert sorted(stored) == [300, 301] and len(tally.failures) == 2 and tally.cases == CASES


def test_a_hang_is_a_failure(run, monkeypatch):
    monkeypatch.setattr(fuzzing, "LONGEST", 0.02)

    def check(case):
        with contextlib.suppress(Exception):
            while case >= 300:
                pass
        return ACCEPTED

    tally, stored = run(check)
    assert len(stored) == 1 and stored[0] >= 300 and tally.cases == CASES
    assert [each.partition(" ")[0] for each in tally.failures] == ["Hang"] and tally.outcomes[ACCEPTED]


def test_without_failures_nothing_is_stored(run):
    tally, stored = run(lambda case: ACCEPTED)
    assert not stored and not tally.failures and tally.outcomes == {ACCEPTED: CASES}
