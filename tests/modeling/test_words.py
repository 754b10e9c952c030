"""White space and words, against `str.split`, `str.strip` and tables of our own."""

import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kospan.modeling.words import document_text, document_words, plain_spaces, split_words, trimmed, words

SPACES = [chr(code) for code in range(sys.maxunicode + 1) if chr(code).isspace()]
# What the rules look at comes often.
ODD = st.text(
    st.sampled_from("aZ7가é.,'’s'nt\"()[]“”-+%$@#… \n\u00a0\u3000\u200b\u0301\ufeff👨\u200d👩\u1112\u1161\u11ab")
    | st.sampled_from(SPACES)
    | st.characters(codec="utf-8"),
    max_size=30,
)
many = settings(derandomize=True, deadline=None, max_examples=400)


def parts(text: str) -> list[str]:
    return [text[start:end] for start, end in split_words(text)]


# --- white space ------------------------------------------------------------------------------------------------------


def test_every_white_space_character_is_a_space_and_nothing_else_is():
    assert len(SPACES) == 29
    everything = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x20000)]))
    plain = plain_spaces(everything)
    assert len(plain) == len(everything)
    changed = {one for one, other in zip(everything, plain) if one != other}
    assert changed == set(SPACES) - {" "} and set(plain) & set(SPACES) == {" "}


@many
@given(ODD)
def test_words_are_what_split_gives(text):
    assert [text[start:end] for start, end in words(text)] == text.split()


@many
@given(ODD, st.integers(0, 30), st.integers(0, 30))
def test_trimmed_is_strip(text, start, end):
    start, end = sorted((min(start, len(text)), min(end, len(text))))
    first, last = trimmed(text, start, end)
    assert start <= first <= last <= end and text[first:last] == text[start:end].strip()


# --- words of a raw text ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Kim flew to Oslo.", "Kim flew to Oslo ."),
        ("(Oslo), [Bergen]: yes!?", "( Oslo ) , [ Bergen ] : yes ! ?"),
        ("wait... what?! --- no", "wait ... what ? ! --- no"),
        ("f(x) person(s) Kim(42)은", "f ( x ) person ( s ) Kim ( 42 ) 은"),
        # Abbreviations, and full stops that end a sentence.
        ("the U.S. and the U.N., J. Smith", "the U.S. and the U.N. , J. Smith"),
        ("in the U.S..", "in the U.S. ."),
        ("at 9 a.m., 'U.K.' (D.C.)", "at 9 a.m. , ' U.K. ' ( D.C. )"),
        ("pro-U.N. plan b. 간다. 안 가.", "pro-U.N. plan b . 간다 . 안 가 ."),
        ("example.com. 3.5. x.y", "example.com . 3.5 . x.y"),
        # Numbers.
        ("-5% +3.5 .25, 1,000. \u22127", "-5 % +3.5 .25 , 1,000 . \u22127"),
        ("$3 3€ -$5 5-", "$ 3 3 € - $ 5 5 -"),
        ("10:30, 1996-08-22; 3-1.", "10:30 , 1996-08-22 ; 3-1 ."),
        ("2. Kim came 2. Oh", "2. Kim came 2 . Oh"),
        ("12.", "12 ."),
        ("1996. Oslo", "1996 . Oslo"),
        ("(2. Kim", "( 2 . Kim"),
        # Clitics.
        ("Oslo's U.S.'s CHINA'S it’s.", "Oslo 's U.S. 's CHINA 'S it ’s ."),
        ("don't DON'T isn’t I'm they've he'll we'd you're", "do n't DO N'T is n’t I 'm they 've he 'll we 'd you 're"),
        ("the players' 's n't 's,", "the players ' 's n't 's ,"),
        ("O'Brien d'Italia rock'n'roll o'clock", "O'Brien d'Italia rock'n'roll o'clock"),
        ("'so' 'said 'D'", "' so ' ' said ' D '"),
        # Quotation marks.
        ("“서울”은 '부산'을 ‘AI’는 \"대구\"의", "“ 서울 ” 은 ' 부산 ' 을 ‘ AI ’ 는 \" 대구 \" 의"),
        ("''quoted'' ``quoted", "'' quoted '' `` quoted"),
        # Names of accounts, inner marks.
        ("@kim: #oslo! a@b AT&T and/or C++", "@kim : #oslo ! a@b AT&T and/or C ++"),
        # Nothing to split.
        ("Seoul-based 서울에서 42", "Seoul-based 서울에서 42"),
    ],
)
def test_raw_text_is_split_as_documented(text, expected):
    assert " ".join(parts(text)) == expected


def test_invisible_characters_and_accents_stay_with_what_they_stand_behind():
    assert parts('\u200b"Seoul\u200b".') == ['\u200b"', "Seoul\u200b", '"', "."]
    assert parts("cafe\u0301. =\u0338x") == ["cafe\u0301", ".", "=\u0338", "x"]
    assert parts("\u200b \u0301 \ufeff가") == ["\u200b", "\u0301", "\ufeff가"]
    assert parts("👨\u200d👩!") == ["👨\u200d", "👩", "!"]


@many
@given(ODD)
def test_words_hold_every_character_but_white_space_once_and_in_order(text):
    found = split_words(text)
    assert all(start < end for start, end in found)
    assert all(one[1] <= other[0] for one, other in zip(found, found[1:]))
    assert "".join(text[start:end] for start, end in found) == "".join(text.split())
    # No word crosses white space.
    for start, end in found:
        assert sum(first <= start and end <= last for first, last in words(text)) == 1


@many
@given(ODD, st.sampled_from(SPACES))
def test_all_white_space_parts_alike(text, space):
    assert split_words(text) == split_words("".join(space if each.isspace() else each for each in text))


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.text(st.sampled_from("가힣 한é.,'s\"()“”Zü-5"), max_size=20))
def test_decomposed_text_has_the_same_words(text):
    apart = unicodedata.normalize("NFD", text)
    assert [unicodedata.normalize("NFC", part) for part in parts(apart)] == parts(text)


@pytest.mark.parametrize("unit", [".", "a.", '"', "-", "+.", "n't", "'s", "(", "\u0301", "1a."])
def test_long_runs_are_split(unit):
    """Quadratic time would take minutes here."""
    text = unit * 100_000
    found = split_words(text)
    assert (found[0][0], found[-1][1]) == (0, len(text))


# --- documents --------------------------------------------------------------------------------------------------------


def test_a_list_of_words_stays_as_it_is():
    tokens = ["Seoul.", "U.S", ".", "2 000", "it's", "\u3000", "", "끝"]
    text = document_text(tokens)
    found = document_words(tokens)
    assert [text[start:end] for start, end in found] == ["Seoul.", "U.S", ".", "2 000", "it's", "끝"]
    assert document_text("a b") == "a b" and document_text([]) == "" and document_words([]) == []


def test_a_raw_text_is_split_as_asked():
    assert document_words("Oslo, it's") == [(0, 4), (4, 5), (6, 8), (8, 10)]
    assert document_words("Oslo, it's", "white_space") == [(0, 5), (6, 10)]
    assert document_words(["Oslo,", "it's"], "white_space") == document_words(["Oslo,", "it's"]) == [(0, 5), (6, 10)]
