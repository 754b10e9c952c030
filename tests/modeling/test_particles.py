"""Particles at an answer's end: what is cut, and what only looks like one."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kospan.modeling.particles import CUT, PARTICLES, particle_cuts, trimmed_end

CASES = [
    ("서울에서", "서울"),
    ("서울에서는", "서울"),
    ("서울로", "서울"),
    ("부산으로", "부산"),
    ("아이는", "아이"),
    ("결과는", "결과"),
    ("이순신이", "이순신"),
    ("학교를", "학교"),
    ("1940년에", "1940년"),
    ("NATO에서", "NATO"),
    ("(서울)에서", "(서울)"),
    ("대한민국의", "대한민국"),
]
# A noun's own last syllable: of the wrong kind for a particle there, or one that nouns often end in.
KEPT = ["국가", "종로", "제주도", "한국인", "효과", "5만", "아이들", "NATO는", "12로", "서울", "사과과", ""]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("text, stays", CASES)
def test_a_particle_at_a_word_s_end_is_cut(text, stays, form):
    text, stays = unicodedata.normalize(form, text), unicodedata.normalize(form, stays)
    for behind in ("", " 비가", ".", ", 그", "\n", "’"):
        assert text[: trimmed_end(text + behind, 0, len(text))] == stays
    for behind in ("가", "a", "7", "\u0301"):
        assert trimmed_end(text + behind, 0, len(text)) == len(text), "the word goes on"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("text", KEPT)
def test_a_noun_is_not_cut(text, form):
    text = unicodedata.normalize(form, text)
    assert trimmed_end(text, 0, len(text)) == len(text)


def test_something_stays():
    text = "그 에서 비가"
    assert trimmed_end(text, 2, 4) == 4, "a particle alone"
    assert trimmed_end("서울에서", 2, 4) == 4, "the answer is the particle"
    assert trimmed_end("서울에서는", 3, 5) == 4, "the longer particle would leave nothing"
    assert trimmed_end("가에", 0, 2) == 1
    assert trimmed_end("", 0, 0) == 0


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="서울국에서는가이로를 .1a)\u1100\u1161\u11a8😀", max_size=12), st.data())
def test_cuts_lie_inside_and_the_longest_particle_comes_first(text, data):
    end = data.draw(st.integers(0, len(text)))
    cuts = particle_cuts(text, end)
    assert cuts == sorted(set(cuts)) and all(0 < cut < end for cut in cuts)
    start = data.draw(st.integers(0, end))
    trimmed = trimmed_end(text, start, end)
    assert trimmed == end or (start < trimmed and trimmed in cuts)
    # What was cut leaves nothing to cut: behind it the word goes on.
    assert trimmed == end or trimmed_end(text, start, trimmed) == trimmed


def test_what_is_cut_is_known_as_particles():
    assert all(PARTICLES.fullmatch(unicodedata.normalize("NFC", form)) for form, _ in CUT)
