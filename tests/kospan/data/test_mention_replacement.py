"""Replaced mentions: spans, particles, words, what stays, and determinism."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kospan.data.corpus import load_corpus
from kospan.data.gazetteers import Section, gazetteer
from kospan.data.mention_replacement import MentionReplacement, mention_pools, replaced
from kospan.example import Example, check_words, checked
from kospan.modeling.particle_agreement import agreeing_rest
from kospan.modeling.spans import Span

POOL = {"PS": ("하린", "민서"), "LC": ("부산", "제주", "서울 강남구", "NYC"), "QT": ("3%", "두 명")}
POOLS = {label: (Section(label, 1, entries),) for label, entries in POOL.items()}


def one(text: str, *mentions: str, **settings) -> Example:
    """An example with a span on the first occurrence of each `mention/label`, in order."""
    spans, at = [], 0
    for mention in mentions:
        surface, label = mention.split("/")
        at = text.index(surface, at)
        spans.append(Span(at, at + len(surface), label))
        at += len(surface)
    return Example("1", text, tuple(spans), **settings)


def surfaces(example: Example) -> list[tuple[str, str]]:
    return [(example.text[span.start : span.end], span.label) for span in example.spans]


def test_mentions_change_with_their_particles_and_offsets():
    example = one("민서는 부산으로 가고 2명이 제주와 서울을 본다", "민서/PS", "부산/LC", "2명/QT", "제주/LC", "서울/LC")
    new = replaced(example, {0: "하린", 1: "서울", 3: "서울 강남구", 4: "마산"})
    assert new.text == "하린은 서울로 가고 2명이 서울 강남구와 마산을 본다"
    assert surfaces(new) == [("하린", "PS"), ("서울", "LC"), ("2명", "QT"), ("서울 강남구", "LC"), ("마산", "LC")]
    assert checked(new)[0] == new and (new.id, new.source) == (example.id, example.source)


def test_a_particle_ends_where_the_next_mention_begins():
    example = one("제주은행", "제주/LC", "은행/OG")
    assert replaced(example, {0: "부산"}).text == "부산은행"
    example = one("김가람은", "김/PS", "가람/PS")
    assert replaced(example, {0: "하"}).text == "하가람은"


@pytest.mark.parametrize(
    ("text", "new", "expected"),
    [
        ("‘부산’은 크다", "제주", "‘제주’는 크다"),
        ('"부산"이라고 했다', "제주", '"제주"라고 했다'),
        ("부산(釜山)으로 갔다", "서울", "서울(釜山)로 갔다"),
        ("부산[1]은 크다", "제주", "제주[1]는 크다"),
        ("서울(부산)은 크다", "제주", "서울(제주)은 크다"),
        ("부산 (옛 이름)은 크다", "제주", "제주 (옛 이름)은 크다"),
    ],
)
def test_quotation_marks_and_brackets_may_come_before_a_particle(text, new, expected):
    changed = replaced(one(text, "부산/LC"), {0: new})
    assert changed.text == expected and surfaces(changed) == [(new, "LC")]
    assert replaced(one("부산(해운대)은", "부산/LC", "해운대/LC"), {0: "제주"}).text == "제주(해운대)은"


@pytest.mark.parametrize(
    ("words", "mention", "new", "expected"),
    [
        (["민서는", "부산으로", "갔다"], "부산/LC", "제주", ["민서는", "제주로", "갔다"]),
        (["뉴욕", "시에", "산다"], "뉴욕 시/LC", "파리", ["파리에", "산다"]),
        (["파리에", "산다"], "파리/LC", "뉴욕 시", ["뉴욕", "시에", "산다"]),
        (["I", "like", "New York", "."], "New York/LC", "Salt Lake City", ["I", "like", "Salt", "Lake", "City", "."]),
        (["a b", "in", "Rome"], "Rome/LC", "Oslo", ["a b", "in", "Oslo"]),
    ],
)
def test_words_follow_the_text(words, mention, new, expected):
    example = one(" ".join(words), mention, words=tuple(words))
    changed = replaced(example, {0: new})
    assert list(changed.words) == expected
    check_words(changed)
    assert surfaces(changed) == [(new, "LC")]


def test_english_text_is_only_swapped():
    example = one("Anna met Bob in Rome.", "Anna/PS", "Bob/PS", "Rome/LC")
    assert replaced(example, {0: "Maximilian", 2: "Oslo"}).text == "Maximilian met Bob in Oslo."


def test_examples_without_spans_and_equal_mentions_are_the_same_object():
    replace = MentionReplacement(POOLS, 1.0, seed=0)
    for spans in (None, ()):
        example = Example("1", "부산은 크다", spans)
        assert replace(example, 0) is example
    example = one("부산은 크다", "부산/LC")
    assert replaced(example, {0: "부산"}) is example and replaced(example, {}) is example
    assert MentionReplacement(POOLS, 0.0, seed=0)(example, 0) is example
    alone = MentionReplacement({"LC": (Section("LC", 1, ("부산",)),)}, 1.0, seed=0)
    assert alone(example, 0) is example
    other = one("어제 갔다", "어제/DT")
    assert replace(other, 0) is other, "no mention of its label"


def test_every_mention_changes_with_probability_1_and_a_share_of_them_below():
    examples = [Example(f"{at}", "부산은 크다", (Span(0, 2, "LC"),)) for at in range(2000)]
    changed = [MentionReplacement(POOLS, 1.0, seed=3)(example, 0) for example in examples]
    assert all(new.text != "부산은 크다" for new in changed)
    assert {new.text for new in changed} == {"제주는 크다", "서울 강남구는 크다", "NYC는 크다"}
    share = sum(MentionReplacement(POOLS, 0.3, seed=3)(each, 0) is not each for each in examples) / 2000
    assert 0.26 < share < 0.34  # four standard deviations of 0.3


def test_sections_are_drawn_by_weight():
    pools = {"LC": (Section("many", 1, tuple(f"많{at}" for at in range(1000))), Section("few", 3, ("적1", "적2")))}
    replace = MentionReplacement(pools, 1.0, seed=3)
    examples = [Example(f"{at}", "부산", (Span(0, 2, "LC"),)) for at in range(2000)]
    share = sum(replace(each, 0).text.startswith("적") for each in examples) / 2000
    assert 0.71 < share < 0.79


def test_seed_epoch_and_id_alone_decide():
    examples = load_corpus("sample").splits["train"][:100]
    pools = mention_pools(examples)

    def all_of(seed: int, epoch: int, order=1) -> dict:
        replace = MentionReplacement(pools, 0.5, seed)
        return {example.id: replace(example, epoch) for example in examples[::order]}

    assert all_of(1, 0) == all_of(1, 0) == all_of(1, 0, -1)
    assert all_of(1, 0) != all_of(1, 1) and all_of(1, 0) != all_of(2, 0)


def test_pools_of_both_sources():
    examples = [
        one("부산과 제주는 3명", "부산/LC", "제주/LC", "3명/QT"),
        one("부산", "부산/LC"),
        Example("3", "", None),
    ]
    found = mention_pools(examples)
    assert {label: pool[0].entries for label, pool in found.items()} == {"LC": ("부산", "제주"), "QT": ("3명",)}
    packaged = mention_pools(examples, "gazetteer")
    assert packaged.keys() == {"LC"}
    assert set().union(*(section.entries for section in packaged["LC"])) == set(gazetteer("LC"))


@pytest.mark.parametrize(
    ("examples", "source", "error"),
    [
        (
            [one("3명", "3명/QT")],
            "gazetteer",
            "expected a label with a gazetteer .* got QT; set mention_source: training",
        ),
        ([Example("1", "a", ())], "gazetteer", "expected a label with a gazetteer .* got no spans; "),
        ([one("Rome is far", "Rome/LOC")], "gazetteer", "expected Korean texts .* got none with Hangul; "),
        ([], "list", "expected mention_source to be one of training, gazetteer, got 'list'"),
    ],
)
def test_sources_that_hold_nothing_are_errors(examples, source, error):
    with pytest.raises(ValueError, match=error):
        mention_pools(examples, source)


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_a_probability_out_of_range_is_an_error(probability):
    with pytest.raises(ValueError, match="expected a probability from 0 to 1, got"):
        MentionReplacement(POOLS, probability, seed=0)


@st.composite
def documents(draw) -> Example:
    """Text and mentions in turn; text may be empty or begin with a particle."""
    gap = st.text(alphabet="은는이가을를과와으로라 고다.a1\u1100\u1161\u11a8", max_size=6)
    text, spans = draw(gap), []
    for _ in range(draw(st.integers(0, 4))):
        label = draw(st.sampled_from([*POOL, "DT"]))
        mention = draw(st.sampled_from(["부산", "제주", "Google", "3", "大阪", "어제"]))
        spans.append(Span(len(text), len(text) + len(mention), label))
        text += mention + draw(gap)
    return Example(draw(st.text(string.ascii_letters, max_size=3)), text, tuple(spans))


@settings(max_examples=300, deadline=None)
@given(documents(), st.sampled_from([0.3, 1.0]), st.integers(0, 9))
def test_labels_stay_spans_hold_the_replacement_and_text_between_them_changes_by_particles_alone(
    document, share, epoch
):
    new = MentionReplacement(POOLS, share, seed=1)(document, epoch)
    assert [span.label for span in new.spans] == [span.label for span in document.spans]
    old_end = new_end = 0
    before = after = ""
    for at, (old_span, new_span) in enumerate([*zip(document.spans, new.spans), (None, None)]):
        old_gap = document.text[old_end : old_span.start if old_span else None]
        new_gap = new.text[new_end : new_span.start if new_span else None]
        count, particle = agreeing_rest(old_gap, before, after) if at and before != after else (0, "")
        assert new_gap == particle + old_gap[count:]
        if old_span is None:
            break
        before = document.text[old_span.start : old_span.end]
        after = new.text[new_span.start : new_span.end]
        assert after == before or after in POOL[new_span.label]
        assert share < 1 or old_span.label not in POOL or after != before
        old_end, new_end = old_span.end, new_span.end
