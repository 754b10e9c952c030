import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kospan.modeling.tags import (
    bioes_to_bio,
    first_broken_tag,
    iob1_to_bio,
    labels_of,
    may_end,
    may_follow,
    may_start,
    spans_to_tags,
    tag_names,
    tags_to_spans,
)


@st.composite
def unit_spans(draw):
    """Spans without overlaps, touching ones and single units among them, and a length that holds them."""
    at, spans = 0, []
    for _ in range(draw(st.integers(0, 5))):
        at += draw(st.integers(0, 2))
        end = at + draw(st.integers(1, 4))
        spans.append((at, end, draw(st.sampled_from(["PS", "LC", "O-G"]))))
        at = end
    return spans, at + draw(st.integers(0, 2))


@pytest.mark.parametrize("scheme", ["BIO", "BIOES"])
@given(case=unit_spans())
@settings(derandomize=True, deadline=None)
def test_spans_survive_the_way_to_tags_and_back(scheme, case):
    spans, length = case
    tags = spans_to_tags(spans, length, scheme)
    assert len(tags) == length and tags_to_spans(tags, scheme) == spans
    assert set(tags) <= set(tag_names(["PS", "LC", "O-G"], scheme))


@pytest.mark.parametrize("scheme", ["BIO", "BIOES"])
def test_what_may_follow_is_what_spans_can_be_read_from(scheme):
    """A sequence is allowed exactly where writing its spans as tags gives the sequence itself."""
    tags = tag_names(["A", "B"], scheme)
    for length in (1, 2, 3):
        for path in itertools.product(tags, repeat=length):
            allowed = may_start(path[0]) and may_end(path[-1], scheme)
            allowed = allowed and all(may_follow(one, two, scheme) for one, two in zip(path, path[1:]))
            whole = spans_to_tags(tags_to_spans(list(path), scheme), length, scheme) == list(path)
            assert allowed == whole, path


@given(case=unit_spans())
@settings(derandomize=True, deadline=None)
def test_iob1_and_bioes_read_as_bio(case):
    spans, length = case
    bio = spans_to_tags(spans, length)
    # IOB1 writes B- only where the span before touches and has the same type.
    iob1 = [
        f"I-{tag[2:]}"
        if tag.startswith("B-") and (at == 0 or bio[at - 1][2:] != tag[2:] or bio[at - 1] == "O")
        else tag
        for at, tag in enumerate(bio)
    ]
    assert iob1_to_bio(iob1) == bio
    assert bioes_to_bio(spans_to_tags(spans, length, "BIOES")) == bio
    assert first_broken_tag(bio) is None


def test_first_broken_tag_names_the_i_that_continues_nothing():
    assert first_broken_tag(["O", "I-PS"]) == 1
    assert first_broken_tag(["B-PS", "I-PS", "I-LC"]) == 2


def test_strict_reading_drops_what_is_not_complete():
    assert tags_to_spans(["I-PS", "B-PS", "I-LC"]) == [(1, 2, "PS")]
    assert tags_to_spans(["B-PS", "I-PS", "O", "S-LC", "B-LC", "E-LC", "E-PS"], "BIOES") == [(3, 4, "LC"), (4, 6, "LC")]


def test_labels_of_gives_the_labels_in_order():
    assert labels_of(tag_names(["PS", "LC"], "BIOES")) == ["PS", "LC"]


def test_overlapping_spans_and_unknown_schemes_are_refused():
    with pytest.raises(ValueError, match="do not overlap"):
        spans_to_tags([(0, 3, "PS"), (2, 4, "LC")], 5)
    with pytest.raises(ValueError, match=r"inside 0\.\.2"):
        spans_to_tags([(0, 3, "PS")], 2)
    with pytest.raises(ValueError, match="BIO, BIOES"):
        tag_names(["PS"], "IOBES")
