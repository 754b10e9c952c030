"""Scores of groups: each group's metrics are those of scoring it alone, and groups add up to the whole."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from kospan.evaluation.bootstrap import span_metrics
from kospan.evaluation.breakdown import SPANS, breakdown, length_group
from kospan.evaluation.span_counts import counts_per_document, counts_per_type
from kospan.evaluation.span_matching import CLASSES
from kospan.evaluation.summary import print_examination
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.tasks.token_classification.breakdown import (
    LENGTH_GROUPS,
    LENGTHS,
    SEEN_GROUPS,
    analyze,
    span_rows,
    surface_groups,
)
from kospan.tasks.token_classification.metrics import score_spans

LABELS = ["LC", "PS"]
TEXT = "이재용 회장이 서울에서 부산으로 갔다"


@pytest.fixture(scope="module")
def scored():
    generator = np.random.default_rng(0)

    def drawn():
        cuts = sorted(set(generator.integers(0, len(TEXT) + 1, 7).tolist()))
        return [Span(*pair, LABELS[generator.integers(2)]) for pair in zip(cuts[::2], cuts[1::2])]

    examples = [Example(str(at), TEXT, tuple(drawn()), source=["news", "", "wiki"][at % 3]) for at in range(60)]
    predicted = [list(example.spans)[: at % 4] + [] if at % 2 else drawn() for at, example in enumerate(examples)]
    return examples, predicted


def groups_of(scored, group: str, order=None, training=(), samples: int = 50) -> list[dict]:
    examples, predicted = scored
    rows = span_rows(examples, predicted, training)
    return breakdown(rows, {group: order}, SPANS, len(examples), samples)[group]


def metrics_of(counts: np.ndarray) -> dict[str, float]:
    return {name: float(value) for name, value in span_metrics(counts).items()}


def test_types_equal_the_scores_by_type(scored):
    rows = groups_of(scored, "type", LABELS)
    totals = counts_per_type(*scored, LABELS).sum(axis=0)
    assert [[row[name] for name in SPANS.columns] for row in rows] == totals.tolist()
    assert [{name: row[name] for name in ("f1", "precision", "recall")} for row in rows] == list(
        map(metrics_of, totals)
    )


@pytest.mark.parametrize("group", ["type", "source", "length", "surface"])
def test_groups_add_up_and_are_inside_their_intervals(scored, group):
    training = [Example("t", "서울", (Span(0, 2, "LC"),))]
    rows = groups_of(scored, group, training=training, samples=300)
    totals = counts_per_document(*scored).sum(axis=0).tolist()
    assert [sum(row[name] for row in rows) for name in ("correct", "predicted", "gold")] == totals
    assert len(rows) > 1
    for row in rows:
        for name in ("f1", "precision", "recall"):
            low, high = row[f"{name} interval"]
            assert 0 <= low <= row[name] <= high <= 1, (row, name)


def test_sources_are_those_of_the_documents(scored):
    rows = groups_of(scored, "source", samples=10)
    assert [row["group"] for row in rows] == ["news", "unnamed", "wiki"]
    examples, predicted = scored
    totals = counts_per_document(examples[::3], predicted[::3]).sum(axis=0)
    assert {name: rows[0][name] for name in ("f1", "precision", "recall")} == metrics_of(totals)


def test_an_empty_group_is_shown_with_zeros(scored):
    (row,) = groups_of(scored, "type", ["OG"], samples=10)
    assert [row[name] for name in ("group", *SPANS.columns, "f1", "precision", "recall")] == ["OG", *[0] * 6]


@pytest.mark.parametrize(
    "length, group", [(1, "1"), (2, "2"), (4, "4"), (5, "5-6"), (14, "10-14"), (15, "15 and more")]
)
def test_lengths(length, group):
    assert length_group(length, LENGTHS) == group and group in LENGTH_GROUPS


def test_surfaces_are_seen_with_their_type():
    training = [Example("t", "서울 국회", (Span(0, 2, "LC"), Span(3, 5, "OG"))), Example("u", "모름", None)]
    example, group_of = Example("a", "서울 국회 부산", ()), surface_groups(training)
    assert [group_of(example, span) for span in (Span(0, 2, "LC"), Span(3, 5, "LC"), Span(6, 8, "LC"))] == [
        *SEEN_GROUPS
    ]


# --- the whole analysis -----------------------------------------------------------------------------------------------


def task_of(unit: str) -> SimpleNamespace:
    """The part of a task that an analysis needs."""

    def metrics(examples, predicted):
        return score_spans(examples, predicted, unit, LABELS)

    return SimpleNamespace(labels=LABELS, unit=unit, metrics=metrics)


EXAMPLES = [
    Example("a", "이재용 회장이 서울에서", (Span(0, 3, "PS"), Span(8, 10, "LC")), source="news"),
    Example("b", "부산은 넓다", (Span(0, 2, "LC"),), source="wiki"),
    Example("c", "비가 온다", (), source="wiki"),
]
PREDICTED = [[Span(0, 3, "PS"), Span(8, 12, "LC")], [Span(0, 2, "PS")], [Span(0, 1, "PS")]]


def test_all_parts_speak_of_the_same_spans():
    found = analyze(task_of("character"), EXAMPLES, PREDICTED, EXAMPLES[:1], samples=20)
    assert found["metrics"] == score_spans(EXAMPLES, PREDICTED, "character", ["LC", "PS"])
    assert found["documents"] == 3
    assert set(found["groups"]) == {"type", "length", "surface", "source"}
    for rows in found["groups"].values():
        assert [sum(row[name] for row in rows) for name in ("gold", "predicted", "correct")] == [3, 4, 1]
    errors = found["errors"]
    assert errors["classes"] == dict(zip(CLASSES, [1, 1, 1, 0, 1, 0]))
    assert errors["boundaries"]["material"]["particle, right"] == 1
    assert sum(map(sum, errors["types"]["counts"])) == 4
    assert sum(map(sum, errors["tags"]["counts"])) == sum(len(example.text) for example in EXAMPLES)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_parts_that_the_data_cannot_fill_are_left_out():
    found = analyze(task_of("word"), EXAMPLES[1:], PREDICTED[1:], samples=20)
    assert set(found["groups"]) == {"type", "length"} and "klue_entity_f1" not in found["metrics"]


def test_what_is_printed(capsys):
    print_examination("a title that is longer than its table", analyze(task_of("word"), EXAMPLES, PREDICTED))
    printed = capsys.readouterr().out
    assert "a title that is longer than its table\n" in printed
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed.splitlines() if line.startswith("│")]
    assert ["boundary", "1", "33.3%", "1", "33.3%", "1", "33.3%"] in rows
    assert ["LC", "1", "1", ""] in rows and ["none", "", "1", ""] in rows
    assert not any(row[0] == "15 and more" for row in rows), "empty groups are not shown"
