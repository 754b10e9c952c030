import pickle

from hypothesis import given, settings
from hypothesis import strategies as st

from kospan.modeling.spans import Span, contains, first_overlap, keep_longest, overlap

SPANS = st.lists(
    st.tuples(st.integers(0, 20), st.integers(1, 6), st.sampled_from(["PS", "LC"])).map(
        lambda item: Span(item[0], item[0] + item[1], item[2])
    ),
    max_size=8,
)


def test_span_equals_the_one_of_another_class():
    """A class that came from the Hub has its own copy of Span; scoring must not see a difference."""
    namespace: dict = {"__name__": "elsewhere"}
    fields = "start: int\n    end: int\n    label: str\n    score: float = 1.0"
    exec(f"from typing import NamedTuple\nclass Span(NamedTuple):\n    {fields}", namespace)
    assert namespace["Span"](0, 2, "PS", 0.5) == Span(0, 2, "PS", 0.5)
    assert pickle.loads(pickle.dumps(Span(0, 2, "PS"))) == Span(0, 2, "PS")


@given(SPANS)
@settings(derandomize=True, deadline=None)
def test_overlap_is_what_sets_of_characters_say(spans):
    for one in spans:
        for other in spans:
            shared = set(range(one.start, one.end)) & set(range(other.start, other.end))
            assert overlap(one, other) == len(shared)
            assert contains(one, other) == (set(range(other.start, other.end)) <= set(range(one.start, one.end)))


@given(SPANS)
@settings(derandomize=True, deadline=None)
def test_first_overlap_finds_one_exactly_where_there_is_one(spans):
    clash = any(overlap(one, other) for at, one in enumerate(spans) for other in spans[at + 1 :])
    assert (first_overlap(spans) is not None) == clash


@given(SPANS)
@settings(derandomize=True, deadline=None)
def test_keep_longest_leaves_no_overlap_and_drops_only_what_met_one_at_least_as_long(spans):
    kept = keep_longest(spans)
    assert first_overlap(kept) is None and kept == sorted(kept)
    for span in spans:
        if span not in kept:
            assert any(overlap(span, other) and other.end - other.start >= span.end - span.start for other in kept)
