"""Error classes: they add up, whatever is predicted, and agree with a search through all matchings."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kospan.evaluation.span_counts import counts_per_document
from kospan.evaluation.span_matching import (
    CLASSES,
    Match,
    boundary_counts,
    boundary_of,
    broken_at_spaces,
    class_counts,
    match_spans,
    material_of,
    tag_confusion,
    type_confusion,
    without_spaces,
)
from kospan.example import Example
from kospan.modeling.spans import Span, overlap

LABELS = ["LC", "PS"]
TEXT = "가나 다라마 바사아자 차카"


@st.composite
def disjoint_spans(draw):
    cuts = sorted(draw(st.sets(st.integers(0, len(TEXT)), max_size=8)))
    pairs = [(start, end) for start, end in zip(cuts, cuts[1:]) if draw(st.booleans())]
    return [Span(start, end, draw(st.sampled_from(LABELS))) for start, end in pairs]


@given(st.lists(st.tuples(disjoint_spans(), disjoint_spans()), min_size=1, max_size=4))
def test_classes_add_up_to_gold_and_to_predicted(documents):
    examples = [Example(str(at), TEXT, tuple(gold)) for at, (gold, _) in enumerate(documents)]
    predicted = [found for _, found in documents]
    matches = match_spans(examples, predicted)
    for at, (gold, found) in enumerate(documents):
        here = [match for match in matches if match.document == at]
        assert sorted(match.gold for match in here if match.gold) == sorted(gold)
        assert sorted(match.predicted for match in here if match.predicted) == sorted(found)
    counts, totals = class_counts(matches), counts_per_document(examples, predicted).sum(axis=0)
    assert list(counts) == list(CLASSES) and sum(counts.values()) == len(matches)
    assert [counts["correct"], len(matches) - counts["missed"], len(matches) - counts["spurious"]] == totals.tolist()
    table = type_confusion(matches, LABELS)
    assert table.sum() == len(matches) and table[-1, -1] == 0
    assert table[:-1].sum() == totals[2] and table[:, :-1].sum() == totals[1]
    shapes = boundary_counts(examples, matches)
    assert sum(shapes["shape"].values()) == counts["boundary"] + counts["boundary and type"]
    # One gold and one predicted span that overlap are never both left over.
    for at in range(len(documents)):
        missed = [match.gold for match in matches if match.document == at and match.kind == "missed"]
        spurious = [match.predicted for match in matches if match.document == at and match.kind == "spurious"]
        assert not any(overlap(one, other) for one in missed for other in spurious)


def by_hand(gold, predicted):
    """The matching by its definition, taking the best remaining pair again and again out of all of them."""
    matches, left = [], [(one, other) for one in gold for other in predicted if overlap(one, other)]

    def rank(pair):
        one, other = pair
        exact, place = one[:3] == other[:3], one[:2] == other[:2]
        return (exact, place, overlap(one, other), one.label == other.label, -one.start, -other.start)

    while left:
        best = max(left, key=rank)
        matches.append(best)
        left = [pair for pair in left if pair[0] != best[0] and pair[1] != best[1]]
    return sorted(matches)


@given(disjoint_spans(), disjoint_spans())
def test_pairs_equal_the_definition_read_literally(gold, predicted):
    matches = match_spans([Example("a", TEXT, tuple(gold))], [predicted])
    assert sorted((match.gold, match.predicted) for match in matches if match.gold and match.predicted) == by_hand(
        gold, predicted
    )


@pytest.mark.parametrize(
    "gold, predicted, kinds",
    [
        ([(0, 2, "PS")], [(0, 2, "PS")], ["correct"]),
        ([(0, 2, "PS")], [(0, 2, "LC")], ["type"]),
        ([(0, 2, "PS")], [(0, 3, "PS")], ["boundary"]),
        ([(0, 2, "PS")], [(1, 3, "LC")], ["boundary and type"]),
        ([(0, 2, "PS")], [], ["missed"]),
        ([], [(0, 2, "PS")], ["spurious"]),
        ([(0, 2, "PS")], [(2, 4, "PS")], ["missed", "spurious"]),
        # Two halves of one entity: the larger half is its boundary error, the other one is spurious.
        ([(0, 6, "PS")], [(0, 2, "PS"), (2, 6, "PS")], ["spurious", "boundary"]),
        # Equal overlaps: the one with the same type.
        ([(0, 6, "PS")], [(0, 3, "LC"), (3, 6, "PS")], ["spurious", "boundary"]),
    ],
)
def test_kinds(gold, predicted, kinds):
    example = Example("a", TEXT, tuple(Span(*span) for span in gold))
    assert [match.kind for match in match_spans([example], [[Span(*span) for span in predicted]])] == kinds


@pytest.mark.parametrize(
    "gold, predicted, shape, side, left, right",
    [
        ((3, 6), (3, 8), "too long", "right", "", " 바"),
        ((3, 6), (2, 6), "too long", "left", " ", ""),
        ((3, 6), (0, 8), "too long", "both", "가나 ", " 바"),
        ((3, 6), (3, 5), "too short", "right", "", "마"),
        ((3, 6), (4, 5), "too short", "both", "다", "마"),
        ((3, 6), (4, 8), "shifted", "right", "다", " 바"),
        ((3, 6), (2, 5), "shifted", "left", " ", "마"),
    ],
)
def test_boundaries(gold, predicted, shape, side, left, right):
    match = Match(0, "boundary", Span(*gold, "PS"), Span(*predicted, "PS"))
    assert boundary_of(TEXT, match) == (shape, side, left, right)


def test_equal_ends_have_no_boundary():
    assert boundary_of(TEXT, Match(0, "type", Span(0, 2, "PS"), Span(0, 2, "LC"))) is None
    assert boundary_of(TEXT, Match(0, "missed", Span(0, 2, "PS"), None)) is None


@pytest.mark.parametrize(
    "text, right, material",
    [
        ("에서", True, "particle"),
        ("에서는", True, "particle"),
        ("으로부터의", True, "particle"),
        (" 은", True, "particle"),
        ("은", False, "other"),
        ("  ", True, "space"),
        ("\u00a0", False, "space"),
        (").", True, "punctuation"),
        ("“", False, "punctuation"),
        ("회장", True, "other"),
        ("시에", True, "other"),
    ],
)
def test_what_stands_between_the_ends(text, right, material):
    assert material_of(text, right) == material


def test_tag_confusion_counts_the_words_that_a_document_brings():
    example = Example("a", "U.S . it", (Span(0, 3, "LC"),), words=("U.S", ".", "it"))
    _, table = tag_confusion([example], [[Span(0, 5, "LC")]], LABELS, "word")
    assert table.sum() == 3 and table[0, 0] == table[0, 2] == table[1, 1] == 1


def test_tag_confusion_counts_units():
    example = Example("a", "이재용 서울", (Span(0, 3, "PS"), Span(4, 6, "LC")))
    tags, table = tag_confusion([example], [[Span(0, 3, "LC")]], LABELS, "character")
    assert tags == ["O", "B-LC", "I-LC", "B-PS", "I-PS"]
    expected = np.zeros((5, 5), dtype=int)
    expected[0, 0], expected[3, 1], expected[4, 2], expected[1, 0], expected[2, 0] = 1, 1, 2, 1, 1
    assert (table == expected).all()
    _, table = tag_confusion([example], [[Span(1, 3, "LC")]], LABELS, "word")
    assert table.sum() == 2 and table[3, 1] == 1 and table[1, 0] == 1


@given(disjoint_spans(), disjoint_spans())
def test_without_spaces_the_surfaces_are_the_same_but_for_spaces(gold, predicted):
    (bare,), (moved,) = without_spaces([Example("a", TEXT, tuple(gold))], [predicted])
    assert bare.text == TEXT.replace(" ", "")
    for before, after in ((gold, bare.spans), (predicted, moved)):
        surfaces = [(TEXT[start:end].replace(" ", ""), label) for start, end, label, _ in before]
        assert [(bare.text[start:end], label) for start, end, label, _ in after] == [
            pair for pair in surfaces if pair[0]
        ]


@pytest.mark.parametrize("space", [" ", "\u00a0", "\n"])
def test_a_span_that_differs_by_a_space_is_right_without_spaces(space):
    example = Example("a", f"오후{space}3시{space}반", (Span(0, 5, "TI"),))
    found = [[Span(0, 6, "TI")]]
    assert [match.kind for match in match_spans([example], found)] == ["boundary"]
    assert [match.kind for match in match_spans(*without_spaces([example], found))] == ["correct"]
    assert [span[:2] for span in broken_at_spaces([example], found)[0]] == [(0, 2), (3, 5)]


@given(disjoint_spans())
def test_spans_fall_apart_at_spaces_and_lose_nothing_else(predicted):
    (broken,) = broken_at_spaces([Example("a", TEXT, ())], [predicted])
    assert not any(" " in TEXT[span.start : span.end] for span in broken)
    kept = {(at, span.label) for span in predicted for at in range(span.start, span.end) if TEXT[at] != " "}
    assert {(at, span.label) for span in broken for at in range(span.start, span.end)} == kept


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_order_of_what_is_given_does_not_matter(order):
    spans = [Span(0, 2, "PS"), Span(3, 5, "LC"), Span(7, 9, "PS")]
    example = Example("a", TEXT, tuple(spans[at] for at in order))
    found = [Span(0, 2, "PS"), Span(4, 5, "LC"), Span(7, 9, "LC")]
    assert [match.kind for match in match_spans([example], [found])] == ["correct", "boundary", "type"]
