"""The training record of a run."""

import json
import re
import subprocess
from types import SimpleNamespace

import pytest
import torch

from kospan.evaluation.bootstrap import intervals
from kospan.evaluation.breakdown import SAMPLES
from kospan.evaluation.span_counts import counts_per_document
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.tasks.token_classification.breakdown import scores
from kospan.training import record as recording
from kospan.training.record import best_step, device_in_words, evaluation_record, learning_curve, versions

TRAIN = [
    Example("t-1", "김민수 기자가 서울에서", (Span(0, 3, "PS"), Span(8, 10, "LC"))),
    Example("t-2", "비가 온다 abc", ()),
]
GOLD = [
    Example("v-1", "김민수 기자가 부산에서", (Span(0, 3, "PS"), Span(8, 10, "LC"))),
    Example("v-2", "서울에 눈이 온다", (Span(0, 2, "LC"),)),
]
FOUND = [[Span(0, 3, "PS", 0.9), Span(8, 11, "LC", 0.4)], [Span(0, 2, "LC", 0.8)]]


def test_scores_counts_and_intervals():
    scored = scores(SimpleNamespace(labels=["LC", "PS"]), TRAIN, GOLD, FOUND, [[], []])
    found = evaluation_record(TRAIN, GOLD, scored, 0.5, "cpu")
    assert found["labels"] == {"LC": {"training": 1, "validation": 2}, "PS": {"training": 1, "validation": 1}}
    overall = found["overall"]
    assert (overall["gold"], overall["predicted"], overall["correct"]) == (3, 3, 2)
    assert overall["f1"] == overall["precision"] == overall["recall"] == 2 / 3
    expected = intervals(counts_per_document(GOLD, FOUND), samples=SAMPLES)
    assert overall["f1 interval"] == expected["f1"]
    assert {row["group"]: (row["correct"], row["gold"]) for row in found["types"]} == {"LC": (1, 2), "PS": (1, 1)}
    assert {row["group"]: row["gold"] for row in found["surfaces"]} == {
        "seen with this type": 2,
        "seen with another type": 0,
        "unseen": 1,
    }
    assert found["errors"]["boundary"] == 1 and found["errors"]["correct"] == 2
    assert found["baseline"]["overall"]["f1"] == 0.0
    assert found["speed"]["texts_per_second"] == 4.0 and found["speed"]["characters_per_second"] == 42.0
    assert found["hangul"] == pytest.approx(14 / 17)
    json.dumps(found, allow_nan=False)


def test_nothing_found_and_nothing_there():
    row = scores(SimpleNamespace(labels=["LC"]), [], [Example("a", "", ())], [[]], [[]])["overall"]
    assert (row["f1"], row["f1 interval"]) == (0.0, [0.0, 0.0])


def test_learning_curve_keeps_the_last_loss_and_drops_what_is_no_number():
    history = [
        {"loss": 3.0, "step": 1, "epoch": 0.5},
        {"loss": float("nan"), "step": 2, "epoch": 1.0, "grad_norm": 1.0},
        {"eval_f1": 0.5, "eval_runtime": 3.0, "step": 2, "epoch": 1.0},
        {"train_runtime": 3.0, "step": 2, "epoch": 1.0},
    ]
    assert learning_curve(history) == [{"step": 2, "epoch": 1.0, "eval_f1": 0.5, "loss": None}]
    assert [entry["loss"] for entry in learning_curve(history[:2])] == [3.0, None]
    assert learning_curve([]) == []


@pytest.mark.parametrize(
    "state, step",
    [
        ({"best_global_step": 7, "best_model_checkpoint": "/home/kim/out/checkpoint-7"}, 7),
        ({"best_model_checkpoint": "/home/kim/out/checkpoint-12"}, 12),
        ({"best_model_checkpoint": "/home/kim/out/best"}, None),
        ({"best_model_checkpoint": None}, None),
    ],
)
def test_best_step(state, step):
    assert best_step(SimpleNamespace(**state)) == step


def test_versions_and_device_name_no_machine(monkeypatch):
    found = versions()
    assert found["torch"] == torch.__version__ and found["kospan"]
    monkeypatch.setattr(recording, "_processor", lambda: "Model X")
    monkeypatch.setattr(recording.os, "cpu_count", lambda: 2)
    threads = torch.get_num_threads()
    assert device_in_words("cpu") == f"CPU (Model X), {threads} thread{'s' if threads > 1 else ''} of 2 cores"


def test_a_gpu_is_named_with_its_memory(monkeypatch):
    properties = SimpleNamespace(name="NVIDIA X", total_memory=80 * 2**30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    assert device_in_words("cuda:0") == "NVIDIA X, 80 GiB"


def test_commit_is_a_name_or_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(recording, "_REPOSITORY", tmp_path)
    assert recording.commit() is None
    (tmp_path / ".git").mkdir()  # no clone after all
    assert recording.commit() is None
    answers = {"rev-parse": "a" * 40 + "\n", "status": " M kospan/run.py\n"}
    monkeypatch.setattr(recording, "_git", lambda word, *rest: answers[word])
    assert recording.commit() == "a" * 40 + " with changes"
    answers["status"] = ""
    assert recording.commit() == "a" * 40


def test_results_under_docs_are_no_changes_of_the_code(monkeypatch, tmp_path):
    def git(*words):
        subprocess.run(["git", "-C", tmp_path, *words], check=True, capture_output=True)

    files = tmp_path / "docs" / "table.md", tmp_path / "run.py"
    files[0].parent.mkdir()
    for path in files:
        path.write_text("1", encoding="utf-8")
    git("init")
    git("add", ".")
    git("-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-m", "first")
    monkeypatch.setattr(recording, "_REPOSITORY", tmp_path)
    files[0].write_text("2", encoding="utf-8")
    assert re.fullmatch("[0-9a-f]{40}", recording.commit())
    files[1].write_text("2", encoding="utf-8")
    assert recording.commit().endswith(" with changes")
