"""Disjoint regions of overlapping spans."""

from hypothesis import given
from hypothesis import strategies as st

from kospan.masking.regions import Region, regions
from kospan.modeling.spans import Span

TEXT = "김민수 부장은 서울에 갔다."
SPANS = st.builds(
    lambda start, length, label, score: Span(start, min(start + length, len(TEXT)), label, score),
    st.integers(0, len(TEXT) - 1),
    st.integers(1, 10),
    st.sampled_from("AB"),
    st.sampled_from([0.01, 0.5, 0.9]),
)


def test_a_contained_span_disappears_and_neighbours_stay_apart():
    assert regions(TEXT, [Span(0, 6, "A", 0.9), Span(0, 3, "B", 0.5)]) == [Region(0, 6, "A", 0.9)]
    assert regions(TEXT, [Span(0, 3, "A"), Span(3, 6, "B")]) == [Region(0, 3, "A", 1.0), Region(4, 6, "B", 1.0)]


def test_the_rest_of_an_overlapping_span_is_masked_too():
    found = regions(TEXT, [Span(0, 6, "A", 0.1), Span(4, 10, "B", 0.9)])
    assert found == [Region(0, 3, "A", 0.1), Region(4, 10, "B", 0.9)]


def test_spans_of_rules_have_precedence():
    assert regions(TEXT, [Span(0, 6, "A", 0.99)], [Span(0, 6, "A", 0.99)])[0].label == "A"
    first = [Span(0, 6, "RULE", 0.4)]
    assert regions(TEXT, [Span(0, 6, "A", 0.99), *first], first) == [Region(0, 6, "RULE", 0.4)]


@given(st.lists(SPANS, max_size=8), st.lists(SPANS, max_size=2))
def test_regions_are_disjoint_and_their_union_is_that_of_the_spans(spans, first):
    found = regions(TEXT, [*spans, *first], first)
    covered = [at for region in found for at in range(region.start, region.end)]
    assert len(covered) == len(set(covered))
    wanted = {at for span in (*spans, *first) for at in range(span.start, span.end) if not TEXT[at].isspace()}
    assert {at for at in covered if not TEXT[at].isspace()} == wanted
    assert all(TEXT[region.start : region.end].strip() == TEXT[region.start : region.end] for region in found)
    assert found == sorted(found)


@given(st.lists(SPANS, min_size=1, max_size=8))
def test_the_best_span_stays_whole(spans):
    best = max(spans, key=lambda span: (span.score, span.end - span.start))
    text = TEXT[best.start : best.end]
    if text.strip() == text:
        assert any(each.start <= best.start and best.end <= each.end for each in regions(TEXT, spans)) or any(
            (span.score, span.end - span.start) == (best.score, best.end - best.start) for span in spans if span != best
        )
