"""Normalised text and its offsets."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kospan.masking.normalization import normalized


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("０１０－１２３４", "010-1234"),
        ("010–1234—5678", "010-1234-5678"),
        ("a\u00a0b\tc\u3000d", "a b c d"),
        ("010\v1234\f5678\x1c9\x1f0", "010 1234 5678 9 0"),
        ("010\u200b1234", "0101234"),
        ("가\n나", "가\n나"),
        (unicodedata.normalize("NFD", "서울시"), "서울시"),
        ("㎏", "kg"),
    ],
)
def test_forms(text, expected):
    assert normalized(text).text == expected


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=30))
def test_offsets_lead_to_the_original(text):
    found = normalized(text)
    assert len(found.text) == len(found.starts) == len(found.ends)
    for at in range(len(found.text)):
        start, end = found.original(at, at + 1)
        assert 0 <= start < end <= len(text)
    assert list(found.starts) == sorted(found.starts) and list(found.ends) == sorted(found.ends)


def test_a_decomposed_syllable_is_covered_whole():
    text = unicodedata.normalize("NFD", "서울")
    found = normalized(text)
    assert found.original(1, 2) == (2, 5) and text[2:5] == unicodedata.normalize("NFD", "울")
