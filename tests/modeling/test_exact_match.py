"""The matched stretches against enumeration."""

from hypothesis import given, settings
from hypothesis import strategies as st

from kospan.modeling.exact_match import LONGEST_MATCH, match_lengths

TEXTS = st.text(alphabet="가나다 aAbİ.\n\u00a0😀\u200b", max_size=24)


def enumerated(text: str, question: str, longest: int) -> list[int]:
    """For each character the longest of all stretches of up to `longest` that hold it and stand in the question."""
    if len(text.lower()) == len(text):
        text = text.lower()
    if len(question.lower()) == len(question):
        question = question.lower()
    text, question = ("".join(" " if each.isspace() else each for each in one) for one in (text, question))
    found = []
    for at, character in enumerate(text):
        held = [
            end - start
            for start in range(max(0, at - longest + 1), at + 1)
            for end in range(at + 1, min(len(text), start + longest) + 1)
            if text[start:end] in question
        ]
        found.append(0 if character.isspace() else max(held, default=0))
    return found


@settings(max_examples=400, deadline=None)
@given(TEXTS, TEXTS, st.integers(1, LONGEST_MATCH + 1))
def test_equals_enumeration(text, question, longest):
    assert match_lengths(text, question, longest) == enumerated(text, question, longest)


def test_a_stretch_counts_across_a_space_but_the_space_itself_does_not():
    assert match_lengths("그 수도 는", "한국의 그 수도") == [4, 0, 4, 4, 0, 0]


def test_case_is_folded_where_lengths_stay():
    assert match_lengths("NATO", "nato 는") == [4, 4, 4, 4]
    # The lower form of this capital is two characters: places would move.
    assert match_lengths("İAB", "ab") == [0, 0, 0]
    assert match_lengths("İab", "ab") == [0, 2, 2]


def test_longer_stretches_count_as_the_longest():
    assert match_lengths("대한민국의수도는", "대한민국의수도는?") == [LONGEST_MATCH] * 8


def test_nothing_matches_nothing():
    assert match_lengths("", "가") == [] and match_lengths("가나", "") == [0, 0]
