"""Particles behind a noun that is replaced: sounds of nouns, forms, and text that only looks like a particle."""

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kospan.modeling.particle_agreement import agreeing_form, agreeing_rest, final_consonant

NONE, RIEUL, OTHER = 0, 8, "another consonant"
SOUNDS = {
    NONE: "제주 민서 미국의 학교 2 4 5 9 12 1,004 1000000000000 LG KBS A B H S U Nike Samsung전자 Apple사 30% 36℃ $ "
    "5km 80mm 3m 500ml Mark Microsoft Robert Netflix YouTube Twitter Harry Pelé 10GB 한국(Korea)의회 100㎞ "
    "3.2 《토지》 토지) '토지'",
    RIEUL: "서울 하늘 1 7 8 11 0.7 2018 L R SQL PR Google Apple Intel Seoul mobile 서울(Seoul) 서울역(驛)물 "
    "“서울” 일 ７",
    OTHER: "부산 대한민국 3 6 0 10 20 100 1000 10,000 300000000 0.0 3.0 90 M N IBM CNN KM Instagram Chrome Line "
    "Amazon Samsung Facebook TikTok Basic Group Club Internet Scott 70kg 5g 3t 1원 ₩ 부산(釜山) 부산.",
}


@pytest.mark.parametrize(
    ("noun", "sound"), [(noun, sound) for sound, nouns in SOUNDS.items() for noun in nouns.split()]
)
def test_the_final_sound_of_a_noun(noun, sound):
    for form in (noun, unicodedata.normalize("NFD", noun)):
        final = final_consonant(form)
        assert final == sound if sound != OTHER else final not in (0, 8, None), final


@pytest.mark.parametrize("noun", ["", " ", "漢字", "東京", "\U00017000", "カナ", "Москва", "ㅋㅋ", "...", "😀"])
def test_an_unknown_sound(noun):
    assert final_consonant(noun) is None
    assert agreeing_form("은", noun) == "은" and agreeing_rest("은 크다", "부산", noun) == (0, "")


# After a consonant, after a vowel, after ㄹ if that differs from a consonant.
FORMS = """
이 가; 은 는; 을 를; 과 와; 으로 로 로; 으로부터 로부터 로부터; 으로서 로서 로서; 으로써 로써 로써;
으로는 로는 로는; 으로도 로도 로도; 으로의 로의 로의; 으로만 로만 로만; 아 야; 이나 나; 이나마 나마; 이랑 랑;
이랑은 랑은; 이란 란; 이라 라; 이라고 라고; 이라고는 라고는; 이라는 라는; 이라며 라며; 이라면 라면; 이라면서 라면서;
이라도 라도; 이라서 라서; 이라니 라니; 이라던 라던; 이라든지 라든지; 이라든가 라든가; 이라기보다 라기보다;
이란다 란다; 이랍니다 랍니다; 이래 래; 이래요 래요; 이든 든; 이든지 든지; 이든가 든가; 이시여 시여; 이야 야;
이야말로 야말로; 이다 다; 이고 고; 이며 며; 이지만 지만; 이죠 죠; 이니까 니까; 이므로 므로; 이던 던; 이네 네;
이네요 네요; 이구나 구나; 이에요 예요; 이어서 여서; 이어야 여야; 이세요 세요; 이십니다 십니다; 이었다 였다;
이었던 였던; 이었고 였고; 이었는데 였는데; 이었습니다 였습니다; 과의 와의; 과는 와는; 과도 와도; 과만 와만;
은커녕 는커녕; 은요 는요
"""
TABLE = [each.split() for each in FORMS.split(";")]
NOUNS = {"부산": 0, "제주": 1, "서울": 2, "3": 0, "2": 1, "7": 2, "IBM": 0, "LG": 1, "Google": 2}
CASES = [(forms, noun) for forms in TABLE for noun in NOUNS]


@pytest.mark.parametrize(("forms", "noun"), CASES)
def test_a_particle_takes_the_form_after_its_noun(forms, noun):
    consonant, vowel, *rieul = forms
    expected = [consonant, vowel, *rieul, consonant][NOUNS[noun]]
    for old, form in (("부산", consonant), ("제주", vowel)):
        count, new = agreeing_rest(form + " 있다", old, noun)
        ambiguous = form == "야" and old == "제주"
        found = new + form[count:]
        assert found == ("아" if expected == "이야" else expected) if ambiguous else found == expected
    if consonant != "아":
        assert agreeing_form(consonant, noun) == agreeing_form(vowel, noun) == expected


def test_the_table_is_long():
    assert len(TABLE) > 60 and len(CASES) > 500


@pytest.mark.parametrize(
    ("rest", "old", "new", "expected"),
    [
        ("야, 일어나", "민서", "하린", "아, 일어나"),
        ("야 일어나", "민서", "하린", "아 일어나"),
        ("야.", "제주", "서울", "이야."),
        ("야", "제주", "서울", "이야"),
        ("아!", "하린", "민서", "야!"),
        ("이는 간다", "하린", "민서", "는 간다"),
        ("이가 왔다", "하린", "민서", "가 왔다"),
        ("이도 왔다", "하린", "민서", "도 왔다"),
        ("이는 간다", "하린", "지은", "이는 간다"),
        ("는 간다", "민서", "하린", "은 간다"),
        ("로", "2", "3", "으로"),
        ("으로", "3", "1", "로"),
        ("가 이겼다", "LG", "LG 트윈스", "가 이겼다"),
        ("가 이겼다", "LG", "한화 이글", "이 이겼다"),
        ("은 샀다", "삼성", "Google", "은 샀다"),
        ("는 샀다", "Google", "삼성", "은 샀다"),
        ("은 샀다", "Google", "애플", "은 샀다"),
        ("은 샀다", "Google", "네이버", "는 샀다"),
        ("은", "大韓民國", "제주", "는"),
        ("은", "서울", "제주(대한민국)(KR)", "는"),
        ("로", "서울", "한국[대한민국] (Korea)", "으로"),
    ],
)
def test_rests_of_a_text(rest, old, new, expected):
    for form in ("NFC", "NFD"):
        text = unicodedata.normalize(form, rest)
        count, changed = agreeing_rest(text, unicodedata.normalize(form, old), unicodedata.normalize(form, new))
        assert changed + text[count:] == unicodedata.normalize(form, expected)


KEPT = [
    ("에서 왔다", "부산", "제주"),
    ("의 바다", "부산", "제주"),
    (" 은행", "부산", "제주"),
    ("", "부산", "제주"),
    ("은행에서", "부산", "제주"),
    ("가구 회사", "제주", "부산"),
    ("이사는", "부산", "제주"),
    ("과장이", "부산", "제주"),
    ("가", "서울", "제주"),
    ("는", "부산", "서울"),
    ("로", "부산", "한강"),
    ("둘레길", "부산", "제주"),
    ("이다", "제주", "부산"),
    ("여 만에", "2주", "5일"),
    ("인은", "부산", "제주"),
    ("(은)는", "부산", "제주"),
    (", 는", "제주", "부산"),
]


@pytest.mark.parametrize(("rest", "old", "new"), KEPT)
def test_what_is_no_particle_or_does_not_agree_is_kept(rest, old, new):
    assert agreeing_rest(rest, old, new) == (0, "")


@settings(max_examples=400, deadline=None)
@given(
    st.text(alphabet="은는이가을를과와으로라고나랑야아였었다에서 .,a1\u1100\u1161\u11a8", max_size=8),
    st.sampled_from([*NOUNS, "한강", "하린", "民國", "ㅋ"]),
    st.sampled_from([*NOUNS, "한강", "하린", "民國", "ㅋ"]),
)
@example("야", "제주", "서울")
def test_only_the_first_word_changes_and_equal_sounds_change_nothing(rest, old, new):
    count, changed = agreeing_rest(rest, old, new)
    assert not any(character.isspace() for character in rest[:count] + changed)
    assert (count == 0) == (changed == "")
    if "가" <= old[-1] <= "힣" and final_consonant(old) == final_consonant(new):
        assert count == 0
    if final_consonant(new) is None:
        assert count == 0


def test_there_and_back():
    """Nouns of other sounds in turn: the last rest equals the first."""
    for consonant, vowel, *_ in TABLE:
        if consonant in ("아", "이야"):
            continue
        count, there = agreeing_rest(consonant + ".", "부산", "제주")
        assert there + consonant[count:] == vowel
        count, back = agreeing_rest(vowel + ".", "제주", "부산")
        assert back + vowel[count:] == consonant
