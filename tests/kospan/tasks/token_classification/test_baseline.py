import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kospan.tasks.token_classification.baseline
from kospan.example import Example
from kospan.modeling.spans import Span, first_overlap
from kospan.tasks.token_classification.baseline import DictionaryBaseline


def example(text: str, *found: tuple[str, str]) -> Example:
    spans = sorted(Span(text.index(surface), text.index(surface) + len(surface), label) for surface, label in found)
    return Example(text, text, tuple(spans))


def surfaces(baseline: DictionaryBaseline, text: str) -> list[tuple[str, str]]:
    (spans,) = baseline.extract([text])
    return [(text[span.start : span.end], span.label) for span in spans]


def test_documented_examples_hold():
    assert doctest.testmod(kospan.tasks.token_classification.baseline).failed == 0


def test_longest_match_and_most_frequent_label():
    train = [
        example("서울 시장이 말했다", ("서울", "LC")),
        example("서울은 크다", ("서울", "LC")),
        example("서울이 이겼다", ("서울", "OG")),
        example("서울 대학교에서", ("서울 대학교", "OG")),
    ]
    baseline = DictionaryBaseline(train)
    assert surfaces(baseline, "서울 대학교와 서울") == [("서울 대학교", "OG"), ("서울", "LC")]


def test_matches_begin_with_a_word_and_short_ones_are_whole_words():
    train = [
        example("한 씨와 부산 사람", ("한", "PS"), ("부산", "LC")),
        example("NA 소속 A 씨", ("NA", "OG"), ("A", "PS")),
    ]
    baseline = DictionaryBaseline(train)
    assert surfaces(baseline, "한국의 대한 사람") == []  # one syllable inside a word
    assert surfaces(baseline, "한 사람, (한)") == [("한", "PS"), ("한", "PS")]
    assert surfaces(baseline, "구부산과 부산에서") == [("부산", "LC")]  # not in mid-word, but before a particle
    assert surfaces(baseline, "NASA와 NA는 ABC") == [("NA", "OG")]


def test_a_surface_that_training_mostly_leaves_unlabelled_is_dropped():
    train = [example("나라가 왔다", ("나라", "PS")), *[example(f"나라를 위해 {word}") for word in ("산다", "간다")]]
    assert surfaces(DictionaryBaseline(train), "나라가 왔다") == []
    assert surfaces(DictionaryBaseline(train[:2]), "나라가 왔다") == [("나라", "PS")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2019년 3월 5일에 왔다", [("2019년 3월 5일", "DT")]),
        ("지난 27일 열렸다", [("지난 27일", "DT")]),
        ("2019-03-05 발표", [("2019-03-05", "DT")]),
        ("오후 3시 30분부터", [("오후 3시 30분", "TI")]),
        ("19:30 방송", [("19:30", "TI")]),
        ("3만 5천 명이 모였다", [("3만 5천 명", "QT")]),
        ("약 12.5%가 올랐다", [("12.5%", "QT")]),
        ("두 사람과 세 번", [("두 사람", "QT"), ("세 번", "QT")]),
        ("100여명이", [("100여명", "QT")]),
        ("B2B와 MP3", []),
    ],
)
def test_numbers_with_their_units(text, expected):
    train = [Example("a", "어제 밤 하나", (Span(0, 2, "DT"), Span(3, 4, "TI"), Span(5, 7, "QT")))]
    assert surfaces(DictionaryBaseline(train), text) == expected


def test_patterns_serve_only_labels_that_training_has():
    baseline = DictionaryBaseline([example("서울은 크다", ("서울", "LC"))])
    assert surfaces(baseline, "2019년 서울에서 3명") == [("서울", "LC")]


def test_predictions_never_overlap_and_empty_texts_have_none():
    train = [
        example("2019년 서울 3시", ("2019년 서울", "OG"), ("3시", "TI")),
        example("5명 2일", ("5명", "QT"), ("2일", "DT")),
    ]
    baseline = DictionaryBaseline(train)
    assert surfaces(baseline, "2019년 서울 3시") == [("2019년 서울", "OG"), ("3시", "TI")]
    assert first_overlap(baseline.extract(["2019년 서울 3시 5명 2일 2019.1.1 12:30"])[0]) is None
    assert baseline.extract(["", "없다"]) == [[], []]


def test_nothing_to_learn_from_gives_nothing():
    assert DictionaryBaseline([]).extract(["서울"]) == [[]]
    assert DictionaryBaseline([Example("a", "서울", None)]).extract(["서울 3명"]) == [[]]


SURFACES = st.text("서울부산 시a", min_size=1, max_size=8)


@given(st.lists(SURFACES, min_size=1, max_size=6), st.text("서울부산 시a", max_size=12))
def test_spans_lie_in_their_text(surfaces, text):
    training = [Example(str(at), surface, (Span(0, len(surface), "LC"),)) for at, surface in enumerate(surfaces)]
    for span in DictionaryBaseline(training).extract([text])[0]:
        assert 0 <= span.start < span.end <= len(text)
        assert span.label != "LC" or text[span.start : span.end] in surfaces


def test_a_long_surface_does_not_swallow_a_short_one_at_the_end():
    training = [Example("a", "서울시립대학교", (Span(0, 7, "OG"),)), Example("b", "서울", (Span(0, 2, "LC"),))]
    assert DictionaryBaseline(training).extract(["나는 서울"]) == [[Span(3, 5, "LC")]]
