"""The distribution over answers against enumeration, one window against many, and what may be asked for."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kospan.modeling.answers import AnswerDistribution, WindowScores

SETTINGS = settings(max_examples=150, deadline=None)


def enumerated(windows, unit_subwords, longest, longest_subwords, null, temperature, blank=()):
    """Every answer with its probability, by the definition."""
    logits = {}
    for window in windows:
        for first, last in itertools.combinations(range(len(window.starts) + 1), 2):
            begin, end = window.first_unit + first, window.first_unit + last
            subwords = unit_subwords[end - 1] - unit_subwords[begin] + 1
            if blank and (blank[begin] or blank[end - 1]):
                continue
            if last - first <= longest and subwords <= longest_subwords:
                logit = float(window.starts[first] + window.ends[last - 1])
                logits[begin, end] = max(logits.get((begin, end), -np.inf), logit)
    if null:
        logits[0, 0] = min(window.null for window in windows)
    weights = {key: np.exp(value / temperature) for key, value in logits.items()}
    total = sum(weights.values())
    return {key: value / total for key, value in weights.items()}


@st.composite
def cases(draw):
    units = draw(st.integers(1, 10))
    subwords = sorted(draw(st.lists(st.integers(0, 6), min_size=units, max_size=units)))
    score = st.floats(-8, 8, width=32)
    windows, first = [], 0
    size, step = draw(st.integers(1, units)), draw(st.integers(1, 3))
    while True:
        count = min(size, units - first)
        values = [np.array(draw(st.lists(score, min_size=count, max_size=count))) for _ in range(2)]
        windows.append(WindowScores(first, *values, draw(score)))
        if first + count == units:
            break
        first += min(step, count)
    return windows, subwords, draw(st.integers(1, 8)), draw(st.integers(1, 6))


@SETTINGS
@given(cases(), st.booleans(), st.sampled_from([0.5, 1.0, 3.0]))
def test_equals_enumeration(case, null, temperature):
    windows, subwords, longest, longest_subwords = case
    wanted = enumerated(windows, subwords, longest, longest_subwords, null, temperature)
    answers = AnswerDistribution(windows, subwords, longest, longest_subwords, null, temperature)
    found = {(first, last): score for first, last, score in answers.best(10_000, overlapping=True)}
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        assert found[key] == pytest.approx(value, rel=1e-4, abs=1e-9)
    for at in range(len(subwords)):
        starts = sum(value for (first, last), value in wanted.items() if first == at and last)
        ends = sum(value for (_, last), value in wanted.items() if last == at + 1)
        assert answers.starts()[at] == pytest.approx(starts, rel=1e-4, abs=1e-9)
        assert answers.ends()[at] == pytest.approx(ends, rel=1e-4, abs=1e-9)


@SETTINGS
@given(cases(), st.booleans(), st.sampled_from([0.5, 1.0, 3.0]), st.data())
def test_answers_that_begin_or_end_with_white_space_are_masked(case, null, temperature, data):
    windows, subwords, longest, longest_subwords = case
    blank = data.draw(st.lists(st.booleans(), min_size=len(subwords), max_size=len(subwords)))
    wanted = enumerated(windows, subwords, longest, longest_subwords, null, temperature, blank)
    answers = AnswerDistribution(windows, subwords, longest, longest_subwords, null, temperature, blank)
    found = {(first, last): score for first, last, score in answers.best(10_000, overlapping=True)}
    assert found == pytest.approx(wanted, rel=1e-4, abs=1e-9)
    total = answers.probabilities.sum() + answers.null_probability
    assert total == pytest.approx(1.0 if wanted else 0.0)
    assert not (answers.starts()[blank].any() or answers.ends()[blank].any())


@SETTINGS
@given(cases(), st.integers(1, 5), st.booleans())
def test_best_answers_are_apart_and_sum_to_at_most_one(case, count, null):
    windows, subwords, longest, longest_subwords = case
    answers = AnswerDistribution(windows, subwords, longest, longest_subwords, null)
    found = answers.best(count)
    assert len(found) <= count
    assert sum(answer.score for answer in found) <= 1 + 1e-9
    assert [answer.score for answer in found] == sorted((answer.score for answer in found), reverse=True)
    for one, other in itertools.combinations([answer for answer in found if answer.last], 2):
        assert one.last <= other.first or other.last <= one.first
    # What is left out overlaps a better one: taking answers greedily from the whole list gives the same.
    taken = []
    for answer in answers.best(10_000, overlapping=True):
        if len(taken) < count and all(answer.last <= one.first or one.last <= answer.first for one in taken):
            taken.append(answer)
    assert found == taken


@pytest.mark.parametrize("size, step", [(40, 24), (30, 14), (20, 4)])
def test_one_window_and_many_are_equal(size, step):
    """Scores that depend on the unit alone: overlaps of 16 units hold every answer of up to 16."""
    random = np.random.default_rng(0)
    starts, ends = random.normal(size=100) * 3, random.normal(size=100) * 3
    one = AnswerDistribution([WindowScores(0, starts, ends, 0.0)], range(100), 16, 16)
    many = [
        WindowScores(at, starts[at : at + size], ends[at : at + size], 0.0) for at in range(0, 100 - size + step, step)
    ]
    assert AnswerDistribution(many, range(100), 16, 16).best(20) == one.best(20)


def test_ties_go_to_the_earlier_and_the_shorter():
    answers = AnswerDistribution([WindowScores(0, np.zeros(4), np.zeros(4), 0.0)], range(4), 4, 4)
    assert [answer[:2] for answer in answers.best(4)] == [(0, 1), (1, 2), (2, 3), (3, 4)]
    assert [answer[:2] for answer in answers.best(3, overlapping=True)] == [(0, 1), (0, 2), (0, 3)]


def test_large_scores_do_not_overflow():
    answers = AnswerDistribution(
        [WindowScores(0, np.array([60_000.0, 0.0]), np.array([60_000.0, 0.0]), -60_000.0)], range(2), 2, 2
    )
    assert answers.best(1)[0] == (0, 1, 1.0)


def test_a_text_without_units_has_no_answer():
    assert AnswerDistribution([], [], 4, 4).best(3) == []
    assert [answer[:2] for answer in AnswerDistribution([], [], 4, 4, null=True).best(3)] == [(0, 0)]
    scores = [WindowScores(0, np.ones(2), np.ones(2), -9.0)]
    assert AnswerDistribution(scores, [0, 1], 4, 4, blank=[True, True]).best(3) == []
    assert AnswerDistribution(scores, [0, 1], 4, 4, null=True, blank=[True, True]).best(3) == [(0, 0, 1.0)]


def test_lengths_below_one_are_refused():
    with pytest.raises(ValueError, match="expected answers of 1 unit and 1 subword or more, got 0 and 4"):
        AnswerDistribution([], [], 0, 4)
