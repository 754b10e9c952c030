import pytest
from format_cases import PARTS
from hypothesis import given, settings
from hypothesis import strategies as st

from kospan.data.formats.offsets import (
    UNITS,
    RawSpan,
    common_units,
    counted,
    interpretations,
    is_ambiguous,
    positions,
    resolve,
    same_but_white_space,
)

texts = st.lists(st.one_of(st.sampled_from(PARTS), st.characters(codec="utf-8")), max_size=9).map("".join)


def raw_spans(*pairs, surfaces=None):
    surfaces = surfaces or [None] * len(pairs)
    return [RawSpan(f"file:{at}", (pair,), surface) for at, (pair, surface) in enumerate(zip(pairs, surfaces))]


@settings(derandomize=True, deadline=None)
@given(texts)
def test_utf16_positions_are_those_of_the_encoding(text):
    expected = [-1] * (len(text.encode("utf-16-le")) // 2 + 1)
    for at in range(len(text) + 1):
        expected[len(text[:at].encode("utf-16-le")) // 2] = at
    assert positions(text, "utf16") == tuple(expected)


@pytest.mark.parametrize(
    ("text", "clusters"),
    [
        ("👩‍👩‍👧‍👦가", ["👩‍👩‍👧‍👦", "가"]),
        ("🇰🇷🇺🇸", ["🇰🇷", "🇺🇸"]),
        ("👍🏽 1️⃣", ["👍🏽", " ", "1️⃣"]),
        ("\u1112\u1161\u11ab\u110c\u1175", ["\u1112\u1161\u11ab", "\u110c\u1175"]),
        ("a\r\n\nb", ["a", "\r\n", "\n", "b"]),
        ("e\u0301x", ["e\u0301", "x"]),
    ],
)
def test_grapheme_positions(text, clusters):
    places = positions(text, "graphemes")
    assert [text[start:end] for start, end in zip(places, places[1:])] == clusters


@pytest.mark.parametrize("unit", UNITS)
@settings(derandomize=True, deadline=None)
@given(text=texts, data=st.data())
def test_counting_and_reading_are_inverse(unit, text, data):
    ends = sorted(set(positions(text, unit)) - {-1})
    cuts = sorted(data.draw(st.sets(st.sampled_from(ends), max_size=6)))
    spans = list(zip(cuts[::2], cuts[1::2]))
    pairs = counted(text, spans, unit, "here")
    assert resolve(text, raw_spans(*pairs), [unit], "here") == [(span,) for span in spans]


def test_a_span_that_splits_a_grapheme_has_no_offset_there():
    with pytest.raises(ValueError, match=r"here: expected spans .* between graphemes, got '\\r' at 1..2, .*--offsets"):
        counted("가\r\n", [(1, 2)], "graphemes", "here")


def test_units_that_agree_need_no_choice():
    # What counts double comes after the spans, or makes the other counts impossible.
    for text, pair, surface in [
        ("부산은 덥다 😀", (0, 2), "부산"),
        ("부산은\r\n덥다", (0, 2), "부산"),
        ("😀부", (2, 3), "부"),
        ("\u1112\u1161\u11ab 부산", (4, 6), "부산"),
        ("덥다\r\n부산", (4, 6), "부산"),
    ]:
        (((start, end),),) = resolve(text, raw_spans(pair), UNITS, "here")
        assert text[start:end] == surface


def test_units_that_differ_are_named_with_what_they_select():
    with pytest.raises(ValueError) as caught:
        resolve("😀 김지우는 대구에 산다.", raw_spans((3, 6), (8, 10)), UNITS, "a.jsonl:4")
    assert str(caught.value) == (
        "a.jsonl:4: expected offsets with one possible meaning, got ones that select '지우는', '구에' if they count "
        "characters or graphemes; '김지우', '대구' if they count utf16; set their unit with --offsets "
        "characters|utf16|graphemes"
    )


def test_surfaces_decide_also_up_to_white_space():
    text = "😀 서울  중앙 부산"
    for surface in ("서울  중앙", "서울 중앙", "서울\\n중앙"):
        assert resolve(text, raw_spans((3, 9), surfaces=[surface]), UNITS, "here") == [((2, 8),)]
    # An equal surface wins over one that differs in white space.
    assert set(interpretations("😀 서울 비", raw_spans((3, 6), surfaces=["서울 "]), UNITS)) == {"utf16"}
    assert same_but_white_space("가\u3000나", "가 나") and not same_but_white_space("가나", "가라")
    assert set(interpretations("😀 가 비", raw_spans((2, 4), surfaces=[" 가"]), UNITS)) == {"utf16"}
    # Both counts select a surface that fits.
    with pytest.raises(ValueError, match="'ㅋㅋ' if they count characters or graphemes; 'ㅋㅋ' if they count utf16"):
        resolve("😀ㅋㅋㅋㅋㅋ", raw_spans((3, 5), surfaces=["ㅋㅋ"]), UNITS, "here")


@pytest.mark.parametrize(
    ("text", "pairs", "surfaces", "message"),
    [
        ("가나", [(0, 3)], None, r"file:0: expected 0 <= start < end <= 2 \(the text's length\), got start 0, end 3"),
        ("가나", [(0, 1), (1, 1)], None, "file:1: expected 0 <= start < end <= 2"),
        ("가나", [(-1, 1)], None, "file:0: expected 0 <= start"),
        ("😀나", [(0, 9)], None, r"<= 3 \(the text's length: 2 characters, 3 utf16, 2 graphemes\)"),
        ("😀나", [(1, 2), (2, 3)], None, "here: expected offsets that all count characters or all utf16"),
        ("가나", [(0, 1)], ["나"], "file:0: expected the surface '나' at 0..1, got '가'"),
    ],
)
def test_offsets_without_any_meaning(text, pairs, surfaces, message):
    with pytest.raises(ValueError, match=message):
        resolve(text, raw_spans(*pairs, surfaces=surfaces), UNITS, "here")


def test_a_given_unit_is_taken_at_its_word():
    with pytest.raises(ValueError, match=r"file:0: expected offsets between characters, got start 0, end 1, .*utf16"):
        resolve("😀 나", raw_spans((0, 1)), ["utf16"], "here")
    assert resolve("😀 나다", raw_spans((2, 3)), ["characters"], "here") == [((2, 3),)]


def test_units_of_a_file():
    ambiguous, only_utf16 = ("😀 김지우", raw_spans((2, 4))), ("😀부", raw_spans((2, 3)))
    assert is_ambiguous(*ambiguous, UNITS) and not is_ambiguous(*only_utf16, UNITS)
    assert common_units([ambiguous, only_utf16], UNITS) == ["utf16"]
    # A file of several counts settles nothing.
    assert common_units([only_utf16, ("😀부", raw_spans((1, 2)))], UNITS) == UNITS
