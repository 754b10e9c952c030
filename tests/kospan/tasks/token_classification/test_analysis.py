"""The examination is made of the parts that have tests of their own; here: that it is whole, and JSON."""

import json

from kospan.evaluation.span_matching import CLASSES
from kospan.evaluation.summary import print_examination
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.tasks.token_classification.analysis import examine
from kospan.tasks.token_classification.metrics import score_spans

EXAMPLES = [
    Example("a", "이재용 회장이 서울에서", (Span(0, 3, "PS"), Span(8, 10, "LC")), source="news"),
    Example("b", "부산은 넓다", (Span(0, 2, "LC"),), source="wiki"),
    Example("c", "비가 온다", (), source="wiki"),
]
PREDICTED = [[Span(0, 3, "PS"), Span(8, 12, "LC")], [Span(0, 2, "PS")], [Span(0, 1, "PS")]]


def test_all_parts_speak_of_the_same_spans():
    found = examine(EXAMPLES, PREDICTED, ["LC", "PS"], "character", EXAMPLES[:1], samples=20)
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
    found = examine(EXAMPLES[1:], PREDICTED[1:], ["LC", "PS"], "word", samples=20)
    assert set(found["groups"]) == {"type", "length"} and "klue_entity_f1" not in found["metrics"]


def test_what_is_printed(capsys):
    print_examination("a title that is longer than its table", examine(EXAMPLES, PREDICTED, ["LC", "PS"], "word"))
    printed = capsys.readouterr().out
    assert "a title that is longer than its table\n" in printed
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed.splitlines() if line.startswith("│")]
    assert ["boundary", "1", "33.3%", "1", "33.3%", "1", "33.3%"] in rows
    assert ["LC", "1", "1", ""] in rows and ["none", "", "1", ""] in rows
    assert not any(row[0] == "15 and more" for row in rows), "empty groups are not shown"
