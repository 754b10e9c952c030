"""Tables of groups against groups scored one by one, for parts of documents and for whole documents."""

import doctest

import numpy as np
import pandas as pd
import pytest

import kospan.evaluation.breakdown
from kospan.evaluation.bootstrap import intervals, span_metrics
from kospan.evaluation.breakdown import SPANS, breakdown, length_group, length_groups, means, source_groups
from kospan.example import Example


@pytest.fixture
def rows() -> pd.DataFrame:
    """Spans of 30 documents, the last 3 without any."""
    generator = np.random.default_rng(0)
    count = 200
    return pd.DataFrame(
        {
            "document": generator.integers(0, 27, count),
            "type": generator.choice(["PS", "LC"], count),
            "correct": generator.integers(0, 2, count),
            "predicted": 1,
            "gold": generator.integers(0, 2, count),
        }
    )


def test_documented_examples_hold():
    assert doctest.testmod(kospan.evaluation.breakdown).failed == 0


def test_parts_of_documents_are_scored_on_all_documents(rows):
    found = breakdown(rows, {"type": ["PS", "LC", "OG"]}, SPANS, documents=30, samples=200)["type"]
    assert [row["group"] for row in found] == ["PS", "LC", "OG"]
    for row in found:
        counts = np.zeros((30, 3), dtype=np.int64)
        for part in rows[rows["type"] == row["group"]].itertuples():
            counts[part.document] += [part.correct, part.predicted, part.gold]
        totals = counts.sum(axis=0)
        assert [row[name] for name in SPANS.columns] == totals.tolist()
        expected = {name: float(value) for name, value in span_metrics(totals).items()}
        assert {name: row[name] for name in expected} == expected
        assert {name: row[f"{name} interval"] for name in expected} == intervals(counts, samples=200)
        assert all(type(row[name]) is int for name in SPANS.columns)


def test_whole_documents_are_resampled_inside_their_group():
    generator = np.random.default_rng(1)
    rows = pd.DataFrame({"source": ["news", "wiki", "news"] * 20, "f1": generator.random(60).round(2), "em": 1.0})
    scores = means(["f1", "em"], "questions")
    found = breakdown(rows, {"source": None}, scores, samples=100)["source"]
    assert [(row["group"], row["questions"], row["em interval"]) for row in found] == [
        ("news", 40, [1.0, 1.0]),
        ("wiki", 20, [1.0, 1.0]),
    ]
    for row in found:
        own = rows[rows["source"] == row["group"]]["f1"]
        assert row["f1"] == pytest.approx(own.mean()) and row["f1 interval"][0] < row["f1"] < row["f1 interval"][1]
    shown = breakdown(rows, {"source": ["wiki", "blog", "news"]}, scores, samples=10)["source"]
    assert [row["group"] for row in shown] == ["wiki", "news"], "groups without documents are left out"


@pytest.mark.parametrize("count, most, shown", [(1, 30, False), (2, 30, True), (31, 30, False), (31, None, True)])
def test_sources_have_a_table_if_they_are_several(count, most, shown):
    examples = [Example(str(at), "", (), source=str(at)) for at in range(count)]
    assert ("source" in source_groups(examples, most)) == shown


def test_every_length_is_in_one_group():
    tops = (2, 4, 9)
    assert length_groups(tops) == ["1-2", "3-4", "5-9", "10 and more"] and length_groups(tops, 0)[0] == "0-2"
    assert [length_group(length, tops) for length in (1, 2, 3, 4, 5, 9, 10)] == [
        *("1-2", "1-2", "3-4", "3-4", "5-9", "5-9", "10 and more")
    ]
