"""A study that is killed with all its processes resumes and gives the results of an undisturbed one."""

import os
from pathlib import Path

import pytest
from ablation_cases import finish_by_hand, kill_in_training, write_study
from filelock import FileLock
from time_limits import SECONDS

from kospan.ablation.clock import Clock
from kospan.ablation.page import write_report
from kospan.ablation.plan import Run, load_study
from kospan.ablation.result import curve
from kospan.cli import main
from kospan.data.jsonl import read_jsonl, write_jsonl
from kospan.files import found_json_object

SAMPLE = Path(__file__).parents[3] / "kospan" / "data" / "sample"
SIZES = {"hidden_size": 32, "embedding_size": 32, "num_attention_heads": 2, "intermediate_size": 16}
# Patience ends the training early, and dropout draws from the random state that a checkpoint has to bring back.
SETTINGS = {
    "dataset": "jsonl",
    "encoder_options": {"num_hidden_layers": 0, "hidden_dropout_prob": 0.2, **SIZES},
    "lstm_hidden_size": 32,
    "learning_rate": 0.02,
    "per_device_train_batch_size": 8,
    "num_train_epochs": 6,
    "early_stopping_patience": 2,
    "use_cpu": True,
}


@pytest.fixture
def study(tmp_path):
    """A study of two variants on a few sentences of the sample, one of them finished, in a folder of the given name."""
    for split, count in (("train", 120), ("validation", 24)):
        examples = read_jsonl(SAMPLE / f"{split}.jsonl")[:count]
        write_jsonl(tmp_path / f"{split}.jsonl", examples)
    files = {f"{split}_file": str(tmp_path / f"{split}.jsonl") for split in ("train", "validation")}

    def write(name: str) -> Path:
        (tmp_path / name).mkdir()
        keys = {"settings": SETTINGS | files, "variants": {"linear": {"head": "linear"}, "crf": {}}, "seeds": [7]}
        path = write_study(tmp_path / name, **keys)
        # A finished folder is all that a study knows of a run.
        counts = [[0, 1, len(example.spans)] for example in examples]
        [experiment] = load_study(path)
        finish_by_hand(experiment, Run("linear", 7), counts, ids=[example.id for example in examples])
        return path

    return write


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_killed_study_gives_the_same_report(study, tmp_path, capsys):
    whole, broken = study("whole"), study("broken")
    assert main(["ablate", str(whole)]) == 0
    done = tmp_path / "whole" / "out"
    names = {"counts.json", "eval_results.json", "log.txt", "predictions.jsonl", "recipe.yaml", "run.json"}
    assert names <= {path.name for path in (done / "crf-7").iterdir()} and not list(done.rglob("*.safetensors"))
    out = tmp_path / "broken" / "out"
    running = out / ".running" / "crf-7"
    # In the third epoch of fifteen steps.
    assert "linear-7" not in kill_in_training(broken, 33)
    with FileLock(f"{running}.lock", timeout=SECONDS):
        assert not (out / "crf-7").exists()
    assert {path.name for path in running.glob("work/checkpoint-*")} == {"checkpoint-15", "checkpoint-30"}

    capsys.readouterr()
    assert main(["ablate", str(broken)]) == 0
    assert "linear-7" not in capsys.readouterr().out
    log = (out / "crf-7" / "log.txt").read_text(encoding="utf-8")
    assert log.count("process  ") == 2 and log.count("resumes from") == 1
    for name in ("predictions.jsonl", "eval_results.json", "counts.json"):
        assert (out / "crf-7" / name).read_bytes() == (done / "crf-7" / name).read_bytes(), name
    first, second = (found_json_object(each / "crf-7" / "run.json") for each in (done, out))
    assert first["metrics"]["f1"] > 0 and second["seconds"]["cpu"] > 0
    for key in ("curve", "steps", "best_step", "metrics"):
        assert first[key] == second[key], key
    reports = []
    for path in (whole, broken):
        [experiment] = load_study(path)
        folder = write_report(experiment, path.parent / "report", measured=False, samples=200).parent
        reports.append({file.name: file.read_bytes() for file in sorted(folder.iterdir())})
    assert reports[0] == reports[1]
    assert set(reports[0]) == {"report.json", "report.md", "report.png", "curves.png"}


class Control:
    should_evaluate, should_save = False, True


class At:
    def __init__(self, step: int):
        self.global_step = step


def test_seconds_are_summed_over_interruptions(tmp_path):
    path = tmp_path / "clock.json"
    first = Clock(path, None)
    for step in (10, 20):
        first.on_step_begin(None, None, None)
        sum(range(1000))
        first.on_epoch_end(None, At(step), Control())
    counts = found_json_object(path)["counts"]
    assert 0 < counts["10"][0] < counts["20"][0]
    # What came after the checkpoint bought nothing; what came before it counts.
    second = Clock(path, "work/checkpoint-10")
    assert [second.wall, second.cpu, second.starts] == [*counts["10"][:2], 2]
    assert Clock(path, "work/checkpoint-15").wall == 0.0 and Clock(path, None).starts == 1


def test_a_curve_has_no_times_and_one_order_of_keys():
    history = [{"step": 1, "loss": 1.0}, {"eval_f1": 0.5, "eval_runtime": 2.0, "eval_samples_per_second": 1.0}]
    found = curve([*history, {"train_runtime": 1.0, "train_loss": 2.0}])
    assert found == [{"loss": 1.0, "step": 1}, {"eval_f1": 0.5}]
    # As a checkpoint has them, or a run that was killed would leave another file.
    assert list(found[0]) == ["loss", "step"]
