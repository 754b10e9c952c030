"""Similarity of texts: the ranking against its definition, and what has to hold of any texts."""

import math

import pytest
from generative_cases import TEXTS
from hypothesis import given, settings
from hypothesis import strategies as st

from kospan.modeling.similarity import Similarity, runs

POOL = [*TEXTS, "비가 온다", "서울에 비가 온다", "a", "", "이재용은 부산에 갔다", "서울 서울 서울", "비가 온다"]
TEXT = st.text(alphabet="가나다라 ab", max_size=12)


def by_definition(pool: list[str], text: str) -> list[float]:
    """The cosine of two dense vectors, run by run over all that the pool has."""
    counts = [runs(each) for each in pool]
    known = sorted(set().union(*counts))
    held = {run: sum(run in each for each in counts) for run in known}

    def vector(each) -> list[float]:
        return [
            (1 + math.log(each[run])) * (1 + math.log((1 + len(pool)) / (1 + held[run]))) if each[run] else 0.0
            for run in known
        ]

    asked = vector(runs(text))
    found = []
    for each in counts:
        own = vector(each)
        lengths = math.hypot(*asked) * math.hypot(*own)
        found.append(sum(one * other for one, other in zip(asked, own)) / lengths if lengths else 0.0)
    return found


@pytest.mark.parametrize("text", [*POOL, "이재용 회장이 서울에서", "이재용", "xyz", "b", "☃"])
def test_the_ranking_is_that_of_its_definition(text):
    likeness = Similarity(POOL)
    expected = by_definition(POOL, text)
    assert likeness.scores(text).tolist() == pytest.approx(expected, abs=1e-12)
    order = sorted(range(len(POOL)), key=lambda at: (POOL[at] != text, -round(expected[at], 9), at))
    assert likeness.nearest(text, len(POOL)) == order and likeness.nearest(text, 3) == order[:3]


def test_runs_are_two_to_four_characters_with_the_texts_ends():
    assert dict(runs("aa")) == {"\x02a": 1, "aa": 1, "a\x03": 1, "\x02aa": 1, "aa\x03": 1, "\x02aa\x03": 1}
    assert runs("ababab")["ab"] == 3 and len(runs("")) == 1


@settings(max_examples=150, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=8), st.data())
def test_the_very_text_is_first_and_can_be_passed_over(pool, data):
    text = data.draw(st.sampled_from(pool))
    likeness = Similarity(pool)
    assert likeness.nearest(text, 1) == [pool.index(text)]
    assert likeness.scores(text)[pool.index(text)] == pytest.approx(1.0)
    without = likeness.nearest(text, len(pool), [text])
    assert sorted(without) == [at for at, each in enumerate(pool) if each != text]


@settings(max_examples=150, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=8, unique=True), TEXT, st.randoms(use_true_random=False))
def test_the_pools_order_decides_among_equals_alone(pool, text, random):
    mixed = random.sample(pool, len(pool))
    one, other = Similarity(pool), Similarity(mixed)
    scores = dict(zip(pool, one.scores(text).tolist()))
    # To the last bit: nothing is summed in the pool's order.
    assert scores == dict(zip(mixed, other.scores(text).tolist()))
    assert ((one.scores(text) >= 0) & (one.scores(text) <= 1 + 1e-9)).all()
    for likeness in (one, other):
        order = [at for at in likeness.nearest(text, 9) if likeness.pool[at] != text]
        ranks = [(-round(scores[likeness.pool[at]], 9), at) for at in order]
        assert ranks == sorted(ranks)
