"""The words of guarantees."""

import re

import pytest

from kospan.evaluation.guarantee import wording

FACTS = {
    "level": 0.95,
    "confidence": None,
    "recall_of": "document",
    "per_label": False,
    "joint": False,
    "most_spans": None,
}


@pytest.mark.parametrize("confidence", [None, 0.9])
def test_every_guarantee_says_for_what_it_holds(confidence):
    text = wording(FACTS | {"confidence": confidence}, "en")
    assert "at least 95 % of the gold spans of a document are found, on average over documents " in text
    assert text.endswith("for this label set; not for each document, not under shift.")
    assert ("exchangeable with the calibration data" in text) == (confidence is None)
    assert ("with probability 90 % over the choice of the calibration data" in text) == (confidence is not None)
    korean = wording(FACTS | {"confidence": confidence}, "ko")
    assert "95%" in korean and "문서 하나하나를 보장하지 않고" in korean and not re.search(r"[{}]", korean)


def test_labels_and_sizes_are_named():
    facts = FACTS | {"per_label": True, "recall_of": "corpus", "most_spans": {"PS": 7}}
    assert "all gold spans are found, for each label by itself, on average" in wording(facts, "en")
    assert wording(facts, "en").endswith("It covers only documents with at most 7 gold spans of PS.")
    assert "for all labels at once" in wording(facts | {"joint": True, "confidence": 0.9}, "en")
    assert wording(facts, "ko").endswith("정답 개체(PS)가 7개 이하인 문서만 해당합니다.")


def test_levels_have_no_needless_digits():
    assert "99.5 %" in wording(FACTS | {"level": 0.995}, "en") and "29 %" in wording(FACTS | {"level": 0.29}, "en")
