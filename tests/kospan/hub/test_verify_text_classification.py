"""Clean-environment check of text classification: classes, and large values."""

import json

import pytest
from label_cases import labelled

from kospan.data.jsonl import record
from kospan.hub.verify import difference_of, verify
from kospan.tasks.text_classification.spec import SPEC
from kospan.tasks.text_classification.task import TextClassificationTask


@pytest.mark.parametrize(
    "asked", [{"pairs": True}, {"problem_type": "regression", "value_mean": 1e5, "value_spread": 3e4}]
)
def test_stored_predictions_are_confirmed(make_text_classifier, tmp_path, asked):
    model = make_text_classifier(**asked)
    model.save_pretrained(tmp_path / "model")
    examples = labelled(4, pairs=bool(asked.get("pairs")))
    found = TextClassificationTask(None, model).predict(examples)
    lines = [json.dumps(record(example, spans=spans)) for example, spans in zip(examples, found)]
    stored = tmp_path / "predictions.jsonl"
    stored.write_text("\n".join(lines), encoding="utf-8")
    assert verify(tmp_path / "model", stored, SPEC) == 4
    wrong = json.loads(lines[2])
    wrong["spans"][0]["score"] *= 1.001
    stored.write_text("\n".join([*lines[:2], json.dumps(wrong)]), encoding="utf-8")
    with pytest.raises(ValueError, match=r"example .text-2.: span .* is stored with the score"):
        verify(tmp_path / "model", stored, SPEC)


def test_large_value_may_differ_by_rounding():
    assert difference_of([(0, 1, "value", 123456.5)], [(0, 1, "value", 123456.9)]) == ""
    assert "is stored with the score" in difference_of([(0, 1, "value", 0.5)], [(0, 1, "value", 0.5001)])
