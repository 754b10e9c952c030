"""The check of new documents against those of the calibration."""

import numpy as np
import pytest

from kospan.evaluation.operating_point import Misses
from kospan.evaluation.risk_control import GRID
from kospan.evaluation.shift import adjusted, check_recall, compare_samples, sample_of
from kospan.evaluation.summary_recall import verdict


def summaries(seed, count=300, shift=0.0):
    generator = np.random.default_rng(seed)
    return {"score": generator.beta(5, 1, count) - shift, "length": generator.poisson(30, count).astype(float)}


def point(level=0.9, threshold=0.5, **facts):
    guarantee = {"level": level, "recall_of": "document", "documents": {"all": 9}, "most_spans": None} | facts
    return {"thresholds": {"LC": float(threshold), "PS": float(threshold)}, "guarantee": guarantee}


def test_same_documents_do_not_differ():
    rows = compare_samples(sample_of(summaries(0)), summaries(0))
    assert [row["distance"] for row in rows] == [0.0, 0.0] and not any(row["differs"] for row in adjusted(rows))


def test_samples_of_one_distribution_seldom_differ():
    alarms = [
        any(row["differs"] for row in adjusted(compare_samples(sample_of(summaries(seed)), summaries(seed + 1000))))
        for seed in range(100)
    ]
    assert sum(alarms) <= 12


def test_a_shift_of_one_number_is_found():
    rows = adjusted(compare_samples(sample_of(summaries(0)), summaries(1, shift=0.1)))
    assert [row["differs"] for row in rows] == [True, False]
    assert rows[0]["distance"] > rows[0]["detectable"] > 0 and rows[0]["old"] > rows[0]["new"]


def test_detectable_is_about_the_critical_distance():
    from scipy.stats import kstwo

    row = compare_samples(sample_of(summaries(0)), summaries(1))[0]
    # Two samples of 300 are like one of 150; two tests.
    assert row["detectable"] == pytest.approx(kstwo.isf(0.025, 150), rel=0.03)


def test_documents_without_a_number_are_left_out():
    old = sample_of({"score": np.array([0.5, np.nan]), "none": np.array([np.nan])})
    assert old == {"score": [0.5, None], "none": [None]}
    assert [row["name"] for row in compare_samples(old, {"score": np.array([np.nan, 0.5]), "none": np.ones(1)})] == [
        "score"
    ]


def test_a_large_sample_is_thinned_evenly():
    assert len(sample_of({"length": np.arange(20_000.0)})["length"]) == 5000


def test_recall_is_tested_from_below():
    def misses(share):
        return Misses.of([[("LC", 0.9 if at < share * 300 else 0.1)] for at in range(300)], ("LC", "PS"))

    good, bad = (check_recall(misses(share), point(threshold=GRID[460]))[0] for share in (0.9, 0.8))
    assert good["recall"] == pytest.approx(0.9) and good["p_value"] > 0.5
    assert bad["recall"] == pytest.approx(0.8) and bad["p_value"] < 1e-4 and bad["documents"] == 300


def test_labels_without_documents_are_left_out():
    misses = Misses.of([[("LC", 0.9)]], ("LC", "PS"))
    assert [row["name"] for row in check_recall(misses, point(documents={"LC": 5, "PS": 5}))] == ["LC"]


@pytest.mark.parametrize(
    ("differs", "below", "words"),
    [
        (False, False, "No difference was found. The test compares only the numbers in the table. It cannot detect"),
        (True, False, r"The guarantee no longer holds: the new texts differ from the calibration data \(score\)"),
        (True, True, "The guarantee no longer holds: the recall of recall-0.9 is below its level"),
    ],
)
def test_verdicts(differs, below, words):
    import re

    found = {
        "samples": [{"name": "score", "differs": differs}],
        "recall": {"recall-0.9": [{"name": "all", "differs": below}]},
    }
    assert re.match(words, verdict(found))
