"""A study of question answering that is killed once gives the numbers of an undisturbed one."""

import os
from pathlib import Path

import numpy as np
import pytest
from ablation_cases import experiment_of, finish_by_hand, kill_in_training, write_study
from filelock import FileLock
from time_limits import SECONDS

from kospan.ablation.page import write_report
from kospan.ablation.plan import Run, load_study
from kospan.ablation.statistics import study_numbers
from kospan.cli import main
from kospan.data.jsonl import write_jsonl
from kospan.evaluation.bootstrap import interval
from kospan.example import Example
from kospan.files import found_json_object
from kospan.modeling.spans import Span

PLACES = ["서울", "부산", "대구", "인천", "광주", "대전", "울산", "제주"]
NAMES = ["민수", "영희", "철수", "지은", "현우", "수진"]
SIZES = {"hidden_size": 16, "embedding_size": 16, "num_attention_heads": 2, "intermediate_size": 16}
SETTINGS = {
    "task": "question-answering",
    "dataset": "jsonl",
    "encoder_options": {"num_hidden_layers": 0, "hidden_dropout_prob": 0.2, **SIZES},
    "encoder_input": "units",
    "lstm_hidden_size": 8,
    "max_length": 64,
    "stride": 8,
    "learning_rate": 0.02,
    "per_device_train_batch_size": 8,
    "num_train_epochs": 4,
    "eval_strategy": "no",
    "load_best_model_at_end": False,
    "use_cpu": True,
}
VARIANTS = {"plain": {}, "matches": {"exact_match_feature": True}}


def questions(count: int) -> list[Example]:
    """Sentences about who goes where, with questions for both."""
    found = []
    for at in range(count):
        name, place = NAMES[at % 6], PLACES[at * 5 % 8]
        text = f"{name}는 {place}에 간다."
        asked, start, end = ("누가 가는가?", 0, 2) if at % 2 else ("어디에 가는가?", 4, 6)
        found.append(Example(f"{count}-{at}", text, (Span(start, end, "answer"),), asked))
    return found


@pytest.fixture
def study(tmp_path):
    """Writes a study of two variants and two seeds, three of its runs finished, into a folder of the given name."""
    write_jsonl(tmp_path / "train.jsonl", questions(48))
    write_jsonl(tmp_path / "validation.jsonl", questions(12))
    files = {f"{split}_file": str(tmp_path / f"{split}.jsonl") for split in ("train", "validation")}
    ids = [example.id for example in questions(12)]

    def write(name: str) -> Path:
        (tmp_path / name).mkdir()
        path = write_study(
            tmp_path / name, settings=SETTINGS | files, variants=VARIANTS, seeds=[7, 8], metric="exact_match"
        )
        [experiment] = load_study(path)
        for run in (Run("plain", 7), Run("plain", 8), Run("matches", 8)):
            counts = [[0.25 * (at % 3) + 0.1 * (run.seed == 8), 1.0, 1.0] for at in range(12)]
            finish_by_hand(experiment, run, counts, ids=ids, exact_match=0.0)
        return path

    return write


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_killed_study_of_question_answering_gives_the_same_report(study, tmp_path, capsys):
    whole, broken = study("whole"), study("broken")
    assert main(["ablate", str(whole)]) == 0
    out = tmp_path / "broken" / "out"
    running = out / ".running" / "matches-7"
    # In the third epoch of six steps.
    kill_in_training(broken, 14)
    with FileLock(f"{running}.lock", timeout=SECONDS):
        assert not (out / "matches-7").exists()
    assert main(["ablate", str(broken)]) == 0
    assert (out / "matches-7" / "log.txt").read_text(encoding="utf-8").count("resumes from") == 1
    reports = []
    for path in (whole, broken):
        [experiment] = load_study(path)
        folder = write_report(experiment, path.parent / "report", measured=False, samples=200).parent
        reports.append({file.name: file.read_bytes() for file in sorted(folder.iterdir())})
    assert reports[0] == reports[1] and "report.md" in reports[0]
    for name in ("predictions.jsonl", "eval_results.json", "counts.json"):
        pair = [(tmp_path / each / "out" / "matches-7" / name).read_bytes() for each in ("whole", "broken")]
        assert pair[0] == pair[1], name
    found = found_json_object(out / "matches-7" / "run.json")["metrics"]
    counts = np.array(found_json_object(out / "matches-7" / "counts.json")["counts"])
    assert counts.shape == (12, 1, 3) and counts[..., 0].mean() == pytest.approx(found["f1"]) and found["f1"] > 0


def test_scores_of_questions_are_summed_as_parts(tmp_path):
    experiment = experiment_of(tmp_path, variants=VARIANTS, settings={"task": "question-answering"}, seeds=[1, 2])
    scores = {
        Run("plain", 1): [0.0, 0.5, 0.25, 1.0, 0.0, 0.4],
        Run("plain", 2): [0.1, 0.5, 0.25, 0.7, 0.0, 0.4],
        Run("matches", 1): [0.3, 0.5, 0.75, 1.0, 0.2, 0.9],
        Run("matches", 2): [0.3, 0.6, 0.75, 1.0, 0.2, 0.9],
    }
    for run, values in scores.items():
        finish_by_hand(experiment, run, [[value, 1.0, 1.0] for value in values], exact_match=0.1 * run.seed)
    numbers = study_numbers(experiment, 400)
    means = {variant: np.mean([scores[Run(variant, seed)] for seed in (1, 2)]) for variant in VARIANTS}
    [row] = numbers["differences"]
    assert row["difference"] == pytest.approx(means["matches"] - means["plain"])
    assert row["low"] < row["difference"] < row["high"]
    found = numbers["variants"]["plain"]
    assert found["metrics"]["f1"]["mean"] == pytest.approx(means["plain"])
    low, high = found["f1_interval"]
    assert 0 < low < means["plain"] < high < 1
    # The interval of a mean, drawn by hand.
    values = np.mean([scores[Run("plain", seed)] for seed in (1, 2)], axis=0)
    drawn = values[np.random.default_rng(5).integers(0, 6, (4000, 6))].mean(axis=1)
    ends = interval(np.stack([values, np.ones(6), np.ones(6)], axis=1), 4000)
    assert ends == pytest.approx(np.quantile(drawn, [0.025, 0.975]).tolist(), abs=0.03)
    page = write_report(experiment, tmp_path / "report", samples=50).read_text(encoding="utf-8")
    assert "on 6 validation questions" in page and "(F1 of a question summed over" in page
    assert "- `exact_match`: exact match" in page and "micro F1" not in page
