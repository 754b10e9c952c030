"""Replacements: labels, asterisks, keyed hashes."""

import hashlib
import hmac
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from masking_cases import KEY

from kospan.masking.actions import hashed, partially_masked, replaced
from kospan.masking.labels import RULE_LABELS
from kospan.masking.policy import Action

PARTIAL = Action("partial")


def test_a_label_is_replaced_by_its_name():
    assert replaced("PS", Action("replace")) == "[PS]"
    assert replaced("PS", Action("replace", name="인물")) == "[인물]"


@pytest.mark.parametrize(
    ("label", "surface", "expected"),
    [
        ("PS", "김민수", "김**"),
        ("PS", "남궁민수", "남***"),
        ("PS", "김", "*"),
        ("PHONE", "010-1234-5678", "010-****-5678"),
        ("PHONE", "01012345678", "010****5678"),
        ("PHONE", "02-123-4567", "02-***-4567"),
        ("RRN", "900101-1234567", "900101-*******"),
        ("FRN", "９００１０１－５２３４５６７", "９００１０１－*******"),
        ("CARD", "4111-1111-1111-1111", "4111-11**-****-1111"),
        ("ACCOUNT", "110-123-456789", "110-***-******"),
        ("BRN", "123-45-67890", "123-**-*****"),
        ("PASSPORT", "M12345678", "M********"),
        ("EMAIL", "hong.gd@example.com", "ho**.**@example.com"),
        ("EMAIL", "a@example.com", "*@example.com"),
        ("ADDRESS", "서울 강남구 테헤란로 152, 3층", "서울 강남구 **** ***, **"),
        ("ADDRESS", "테헤란로 152", "**** ***"),
        ("ADDRESS", "서울시 강남구", "서울시 ***"),
        ("ADDRESS", "서울시", "***"),
        ("ADDRESS", "서울특별시 강남구 3", "서울특별시 *** *"),
        ("PS", "♥★", "♥*"),
        ("EMAIL", "@example", "@ex*****"),
        ("EMAIL", "_@example.com", "*@example.com"),
    ],
)
def test_partial_masks(label, surface, expected):
    assert partially_masked(surface, label, PARTIAL) == expected


def test_kept_characters_can_be_chosen():
    assert partially_masked("홍길동", "PS", Action("partial", keep_first=1, keep_last=1)) == "홍*동"
    assert partially_masked("hong@example.com", "EMAIL", Action("partial", keep_first=1)) == "h***@*******.***"
    assert partially_masked("김민수", "PS", Action("partial", keep_first=100)) == "김민*"


def test_a_syllable_of_decomposed_hangul_is_one_character():
    assert (
        partially_masked(unicodedata.normalize("NFD", "김민수"), "PS", PARTIAL)
        == unicodedata.normalize("NFD", "김") + "**"
    )


SURFACES = st.text(min_size=1, max_size=20) | st.lists(
    st.sampled_from(["서울시", "강남구", "서울", "제주", "테헤란로", "1", " ", "@", "a", "♥", "-"]),
    min_size=1,
    max_size=8,
).map("".join)


@given(SURFACES, st.sampled_from([*RULE_LABELS, "PS"]), st.integers(0, 30), st.integers(0, 30))
def test_at_least_a_third_is_hidden(surface, label, first, last):
    surface = surface.replace("*", "+")
    if any(unicodedata.combining(c) or "\u1100" <= c <= "\u11ff" for c in surface):
        return
    for action in (PARTIAL, Action("partial", keep_first=first, keep_last=last)):
        shown = partially_masked(surface, label, action)
        assert len(shown) == len(surface) and all(new in ("*", old) for old, new in zip(surface, shown))
        name = surface.rpartition("@")[0] if label == "EMAIL" and action == PARTIAL else ""
        letters = sum(character.isalnum() for character in name or surface)
        assert shown.count("*") * 3 >= max(1, letters)


def test_a_hash_is_hmac_sha256_of_the_plain_surface():
    digest = hmac.new(KEY, "김민수".encode(), hashlib.sha256).hexdigest()
    assert hashed("김민수", "PS", Action("hash"), KEY) == f"[PS_{digest[:16]}]"
    assert hashed("김민수", "PS", Action("hash", digits=64, name="인물"), KEY) == f"[인물_{digest}]"
    assert hashed("김민수", "PS", Action("hash"), b"x" * 32) != hashed("김민수", "PS", Action("hash"), KEY)


def test_spellings_of_one_value_have_one_hash():
    phones = ("010-1234-5678", "01012345678", "010 1234 5678", "０１０－１２３４－５６７８")
    assert len({hashed(phone, "PHONE", Action("hash"), KEY) for phone in phones}) == 1
    assert hashed("A@b.com", "EMAIL", Action("hash"), KEY) == hashed("a@b.com", "EMAIL", Action("hash"), KEY)
    passports = ("M12345678", "M123–45678", "M123-45678", "m123 45678", "M123\u200b45678")
    assert len({hashed(passport, "PASSPORT", Action("hash"), KEY) for passport in passports}) == 1
    for label, one, other in (("EMAIL", "a-b@c.de", "ab@c.de"), ("ADDRESS", "테헤란로 15-2", "테헤란로 152")):
        assert hashed(one, label, Action("hash"), KEY) != hashed(other, label, Action("hash"), KEY)
    name = unicodedata.normalize("NFD", "김민수")
    assert hashed("김\u200b민수", "PS", Action("hash"), KEY) == hashed("김민수", "PS", Action("hash"), KEY)
    assert hashed(name, "PS", Action("hash"), KEY) == hashed("김민수", "PS", Action("hash"), KEY)
    assert hashed("M12345678", "ID", Action("hash"), KEY) != hashed("12345678", "ID", Action("hash"), KEY)
