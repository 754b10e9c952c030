"""Parts of data, and the gold and predicted spans of operating points."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kospan.data.seen_texts import text_key, text_keys
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.operating_points import Parts, check_disjoint, cut_parts, gold_scores, predictions


def examples(count, start=0):
    return [Example(f"e{at}", f"text number {at}", ()) for at in range(start, start + count)]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=60))
def test_cut_parts_are_disjoint_and_complete(numbers):
    data = [Example(f"e{at}", f"text number {number}", ()) for at, number in enumerate(numbers)]
    if len(set(numbers)) < 3:
        with pytest.raises(
            ValueError, match="expected 3 texts or more to cut into selection, calibration, report, got"
        ):
            cut_parts(data)
        return
    parts = cut_parts(data)
    assert sorted(each.id for part in parts for each in part) == sorted(each.id for each in data)
    keys = [{text_key(each.text) for each in part} for part in parts]
    assert all(keys) and sum(map(len, keys)) == len(set(numbers))


def test_the_cut_is_random_but_always_the_same():
    data = examples(400)
    parts = cut_parts(data)
    assert [len(part) for part in parts] == [100, 200, 100] and cut_parts(data) == parts
    assert [each.id for each in parts.report] != [each.id for each in data[300:]]
    assert cut_parts(data, seed=1) != parts
    # The order of a file does not correlate with the parts.
    assert 60 < sum(each in parts.calibration for each in data[:200]) < 140


def test_given_parts_are_kept():
    data, given = examples(90), examples(5, 1000)
    assert [len(part) for part in cut_parts(data, report=given)] == [30, 60, 5]
    assert [len(part) for part in cut_parts(data, selection=given)] == [5, 60, 30]
    assert cut_parts(data, given, given) == Parts(given, data, given)


@pytest.mark.parametrize(
    ("parts", "training", "message"),
    [
        (
            ((0, 2), (2, 4), (4, 6)),
            (3, 4),
            "expected calibration data without texts of the training data, got 1 of 2, ",
        ),
        (((0, 2), (2, 4), (4, 6)), (0, 9), "expected selection data without texts of the training data, got 2 of 2"),
        (((0, 2), (2, 4), (4, 6)), (4, 6), "expected report data without texts of the training data"),
        (((0, 3), (2, 4), (4, 6)), (9, 9), "expected calibration data without texts of the selection data, got 1 of 2"),
        (((0, 2), (2, 5), (4, 6)), (9, 9), "expected calibration data without texts of the report data, got 1 of 3"),
        (((0, 2), (2, 4), (1, 2)), (9, 9), "expected selection data without texts of the report data"),
    ],
)
def test_overlapping_parts_are_refused(parts, training, message):
    data = examples(9)
    cut = Parts(*(data[slice(*part)] for part in parts))
    keys = text_keys(data[slice(*training)])
    if training == (0, 9):
        cut = cut._replace(calibration=examples(2, 100))
    with pytest.raises(ValueError, match=message):
        check_disjoint(cut, keys)


def test_disjoint_parts_pass():
    data = examples(6)
    check_disjoint(Parts(data[:2], data[2:4], data[4:]), text_keys(examples(3, 100)))


def test_gold_spans_are_found_only_exactly():
    example = Example("a", "서울은 부산과", (Span(0, 2, "LC"), Span(4, 6, "LC")))
    found = [Span(0, 2, "LC", 0.75), Span(0, 2, "PS", 0.9), Span(4, 7, "LC", 0.5)]
    assert gold_scores([example], [found]) == [[("LC", 0.75), ("LC", -1.0)]]
    predicted = predictions([example], [found])
    assert predicted.right.tolist() == [True, False, False] and predicted.document.tolist() == [0, 0, 0]
    assert predictions([example], [[]]).labels.shape == (0,)
