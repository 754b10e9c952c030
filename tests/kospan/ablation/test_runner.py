"""States and the flow of a study, with children that only pretend to train."""

import errno
import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from ablation_cases import experiment_of, finish_by_hand, write_study
from filelock import FileLock
from time_limits import SECONDS

import kospan.ablation.runner
from kospan.ablation.child import ORPHANED, error_line
from kospan.ablation.folders import result_folder, running_folder, state_of, study_lock
from kospan.ablation.page import write_report
from kospan.ablation.plan import Run
from kospan.ablation.runner import environment, last_error, run_experiment
from kospan.cli import main

VARIANTS = {"linear": {"head": "linear"}, "crf": {}, "fgm": {"fgm_epsilon": 0.5}}
COUNTS = [[1, 1, 2], [0, 1, 1]]
# Writes what a child writes; fails for the variant whose name stands in FAIL. It knows nothing of the house.
PRETEND = """
import json, os, pathlib, sys
folder = pathlib.Path(sys.argv[1])
plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
print("threads", os.environ.get("OMP_NUM_THREADS"))
if plan["variant"] == os.environ.get("FAIL"):
    print("error: expected luck, got none; try again")
    sys.exit(1)
if plan["variant"] == os.environ.get("BREAK"):
    os.kill(os.getpid(), 9)
best = {"linear": 0.1, "crf": 0.2, "fgm": 0.3}[plan["variant"]]
result = folder / "result"
result.mkdir()
counts = {"labels": ["PS"], "ids": ["a", "b"], "counts": [[[1, 1, 2]], [[0, 1, 1]]]}
(result / "counts.json").write_text(json.dumps(counts), encoding="utf-8")
described = {"fingerprint": plan["fingerprint"], "metrics": {"f1": best}, "parameters": 1, "commit": None,
    "seconds": {"wall": 1, "cpu": 1, "starts": 1}, "machine": "CPU", "versions": {}}
(result / "run.json").write_text(json.dumps(described), encoding="utf-8")
place = pathlib.Path(plan["result"])
if place.exists():
    os.replace(place, place.with_name(".old-" + place.name))
os.replace(result, place)
"""


@pytest.fixture
def pretend(monkeypatch):
    monkeypatch.setattr(kospan.ablation.runner, "CHILD", (sys.executable, "-c", PRETEND))
    for name in ("FAIL", "BREAK"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def kinds(experiment, *runs) -> list[str]:
    return [state_of(experiment, Run(*run)).kind for run in runs]


def plan_by_hand(experiment, run: Run, fingerprint: str = "other") -> None:
    folder = running_folder(experiment, run)
    (folder / "work" / "checkpoint-40").mkdir(parents=True)
    (folder / "plan.json").write_text(json.dumps({"fingerprint": fingerprint}), encoding="utf-8")


def test_the_folders_tell_the_state(tmp_path, pretend):
    experiment = experiment_of(tmp_path, variants=VARIANTS, seeds=[1, 2])
    assert kinds(experiment, ("linear", 1)) == ["waiting"]
    finish_by_hand(experiment, Run("linear", 1), COUNTS)
    plan_by_hand(experiment, Run("crf", 1))
    folder = running_folder(experiment, Run("linear", 2))
    assert kospan.ablation.runner._prepare(experiment, Run("linear", 2)) == folder
    (folder / "work" / "checkpoint-1200").mkdir(parents=True)
    assert kinds(experiment, ("linear", 1), ("crf", 1), ("linear", 2)) == ["done", "changed", "interrupted"]
    assert state_of(experiment, Run("linear", 2)).note == "checkpoint at step 1,200"
    with FileLock(f"{folder}.lock"):
        assert kinds(experiment, ("linear", 2)) == ["running"]
    (folder / "failed.json").write_text('{"error": "no luck"}', encoding="utf-8")
    assert state_of(experiment, Run("linear", 2)).note == "no luck"
    # A folder that a kill has left half empty is no result.
    (result_folder(experiment, Run("linear", 1)) / "run.json").write_text('{"fing', encoding="utf-8")
    assert kinds(experiment, ("linear", 1)) == ["changed"]


def test_first_seeds_run_first_and_the_best_get_more(tmp_path, pretend, capsys):
    experiment = experiment_of(
        tmp_path, variants=VARIANTS, seeds=[1], more_seeds={"seeds": [1, 2], "variants": ["linear"], "best": 1}
    )
    pretend.setenv("OMP_NUM_THREADS", "6")
    assert run_experiment(experiment, jobs=2) == []
    said = capsys.readouterr().out
    assert "best by f1: fgm" in said and "[5/5]" not in said and "[1/1] fgm-2" in said
    names = {path.name for path in experiment.folder.iterdir()}
    assert names == {"linear-1", "crf-1", "fgm-1", "linear-2", "fgm-2", ".running"}
    assert [path.name for path in (experiment.folder / ".running").iterdir()] == [".study.lock"]
    # Nothing is left to run.
    pretend.setattr(kospan.ablation.runner, "CHILD", (sys.executable, "-c", "raise SystemExit(1)"))
    assert run_experiment(experiment) == []


def test_a_failed_run_is_reported_and_tried_again_while_the_others_continue(tmp_path, pretend, capsys):
    path = write_study(
        tmp_path, variants=VARIANTS, seeds=[1], more_seeds={"seeds": [2], "best": 1}, settings={"use_cpu": True}
    )
    pretend.setenv("FAIL", "crf")
    assert main(["ablate", str(path)]) == 1
    said = capsys.readouterr()
    assert "crf-1                        failed: expected luck, got none; try again" in said.out
    assert "the best 1 variants get their further seeds after every first run" in said.out
    assert "1 of the runs failed: mine/crf-1; the same command tries them again" in said.err
    assert (tmp_path / "out" / "fgm-1" / "run.json").is_file() and (tmp_path / "out" / "report" / "report.md").is_file()
    assert main(["ablate", str(path), "--status"]) == 0
    said = capsys.readouterr().out
    assert "failed" in said and "got none; try again" in said and "after every first run" in said
    pretend.delenv("FAIL")
    assert main(["ablate", str(path)]) == 0
    said = capsys.readouterr().out
    assert "crf-1" in said and "linear-1" not in said and "fgm-2" in said
    page = (tmp_path / "out" / "report" / "report.md").read_text(encoding="utf-8")
    assert "by which they were chosen" in page and "Not finished" not in page
    before = {path.name: path.read_bytes() for path in (tmp_path / "out" / "report").iterdir()}
    assert main(["ablate", str(path), "--report"]) == 0
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "out" / "report").iterdir()}


def test_variants_are_run_by_their_names(tmp_path, pretend, capsys):
    more = {"seeds": [2], "variants": ["crf"], "best": 1}
    path = write_study(tmp_path, variants=VARIANTS, seeds=[1], more_seeds=more, settings={"use_cpu": True})
    runs = lambda: {run.name for run in (tmp_path / "out").iterdir() if (run / "run.json").is_file()}  # noqa: E731
    assert main(["ablate", str(path), "--experiment", "crf"]) == 0
    assert runs() == {"crf-1", "crf-2"} and "every first run" not in capsys.readouterr().out
    # The report shows what is there; the baseline is not.
    page = (tmp_path / "out" / "report" / "report.md").read_text(encoding="utf-8")
    assert "Not finished yet: linear-1, fgm-1." in page and "`crf`" in page
    assert main(["ablate", str(path), "--experiment", "crf", "--status"]) == 0
    said = capsys.readouterr().out
    assert "crf-1" in said and "linear-1" not in said and "fgm-1" not in said
    assert main(["ablate", str(path), "--experiment", "linear,crf"]) == 0
    assert runs() == {"crf-1", "crf-2", "linear-1"}
    # With the last first run the best is known, and gets its further seeds because it is named.
    assert main(["ablate", str(path), "--experiment", "fgm"]) == 0
    assert runs() == {"crf-1", "crf-2", "linear-1", "fgm-1", "fgm-2"}
    capsys.readouterr()
    assert main(["ablate", str(path), "--experiment", "fmg"]) == 2
    assert "got 'fmg'; did you mean fgm?" in capsys.readouterr().err


def test_the_best_variant_gets_no_further_seeds_where_it_is_not_named(tmp_path, pretend, capsys):
    path = write_study(tmp_path, variants=VARIANTS, seeds=[1], more_seeds={"seeds": [2], "best": 1})
    assert main(["ablate", str(path), "--experiment", "linear,fgm"]) == 0
    assert main(["ablate", str(path), "--experiment", "crf"]) == 0
    assert "best by f1: fgm" in capsys.readouterr().out and not (tmp_path / "out" / "fgm-2").exists()
    assert main(["ablate", str(path), "--experiment", "fgm"]) == 0
    assert (tmp_path / "out" / "fgm-2").exists()


def test_only_what_is_run_is_checked(tmp_path, pretend, capsys):
    variants = {**VARIANTS, "broken": {"train_file": str(tmp_path / "none.jsonl")}}
    path = write_study(tmp_path, variants=variants, seeds=[1], settings={"use_cpu": True})
    assert main(["ablate", str(path)]) == 2
    assert "variant broken: expected train_file at " in capsys.readouterr().err
    assert main(["ablate", str(path), "--experiment", "crf"]) == 0
    assert main(["ablate", str(path), "--experiment", "crf,broken"]) == 2


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_run_that_the_system_ended_is_reported(tmp_path, pretend, capsys):
    experiment = experiment_of(tmp_path, variants=VARIANTS, seeds=[1])
    pretend.setenv("BREAK", "linear")
    assert run_experiment(experiment) == [Run("linear", 1)]
    assert "ended by signal 9; the system may have run out of memory" in capsys.readouterr().out
    assert last_error(tmp_path, ORPHANED) == "ended with the study"
    assert last_error(tmp_path, 4) == "it printed nothing (exit status 4)"


def test_changed_settings_are_refused_and_replaced_on_request(tmp_path, pretend, capsys):
    experiment = experiment_of(tmp_path, variants=VARIANTS, seeds=[1], settings={"use_cpu": True})
    run_experiment(experiment)
    changed = write_study(
        tmp_path, variants={**VARIANTS, "crf": {"dropout": 0.2}}, seeds=[1], settings={"use_cpu": True}
    )
    old = (tmp_path / "out" / "crf-1" / "run.json").read_bytes()
    capsys.readouterr()
    assert main(["ablate", str(changed)]) == 2
    said = capsys.readouterr().err
    assert "crf-1; pass --overwrite to train it again" in said and "linear-1" not in said
    assert main(["ablate", str(changed), "--overwrite"]) == 0
    said = capsys.readouterr().out
    assert "crf-1" in said and "linear-1" not in said
    assert (tmp_path / "out" / "crf-1" / "run.json").read_bytes() != old
    assert not list((tmp_path / "out").glob(".old-*"))


def test_one_command_at_a_time(tmp_path, pretend):
    experiment = experiment_of(tmp_path, variants=VARIANTS, seeds=[1])
    (experiment.folder / ".running").mkdir(parents=True)
    with study_lock(experiment), pytest.raises(FileExistsError, match="another `kospan ablate` does"):
        run_experiment(experiment)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))])
def test_a_stop_ends_the_children_and_says_how_to_resume(tmp_path, pretend, capsys, stop):
    path = write_study(tmp_path, variants=VARIANTS, seeds=[1], settings={"use_cpu": True})
    started = []
    # Like a real child it ends when its stdin closes.
    pretend.setattr(kospan.ablation.runner, "CHILD", (sys.executable, "-c", "import os; os.read(0, 1)"))

    def interrupted(children):
        started.extend(child for child, _ in children.running.values())
        raise stop

    pretend.setattr(kospan.ablation.runner.Children, "next_ended", interrupted)
    status = main(["ablate", str(path), "--jobs", "2"])
    said = capsys.readouterr().err
    assert len(started) == 2 and all(child.poll() is not None for child in started)
    if stop is KeyboardInterrupt:
        assert status == 130 and "the same command resumes" in said
    else:
        assert status == 2 and "expected free space on the disk of" in said
    assert main(["ablate", str(path), "--status"]) == 0
    assert "interrupted" in capsys.readouterr().out


def test_a_child_ends_when_its_study_is_gone(tmp_path):
    """It waits for the lock, as one that takes over does; nothing of it may outlive the pipe."""
    with FileLock(tmp_path / "run.lock"):
        child = subprocess.Popen(
            [sys.executable, "-m", "kospan.ablation.child", str(tmp_path / "run")],
            stdin=subprocess.PIPE,
            env=environment(1, 0),
        )
        child.stdin.close()
        assert child.wait(SECONDS) == ORPHANED


def test_children_share_threads_and_cards():
    given = {"OMP_NUM_THREADS": "5", "CUDA_VISIBLE_DEVICES": "3,4", "PYTHONPATH": "mine"}
    assert environment(1, 0, given)["OMP_NUM_THREADS"] == "5"
    assert environment(1, 0, given)["CUDA_VISIBLE_DEVICES"] == "3,4"
    second = environment(2, 1, given)
    assert (second["OMP_NUM_THREADS"], second["CUDA_VISIBLE_DEVICES"]) == ("2", "4")
    assert second["PYTHONPATH"].split(os.pathsep)[1] == "mine"
    assert environment(64, 0, given)["OMP_NUM_THREADS"] == "1"
    assert int(environment(2, 0, {})["OMP_NUM_THREADS"]) >= 1


def test_a_full_disk_is_called_that(tmp_path):
    for error in (OSError(errno.ENOSPC, "x"), RuntimeError("PytorchStreamWriter failed writing file")):
        assert error_line(error, tmp_path).startswith("expected free space on the disk of")
    assert error_line(ValueError("expected a,\n got b"), tmp_path) == "expected a, got b"
    assert error_line(KeyError("a"), tmp_path) == "KeyError: 'a'"


MISTAKES = {
    "a file that is not there": (
        {"settings": {"train_file": "none.jsonl"}},
        [],
        "linear: expected train_file at none.jsonl",
    ),
    "a trainer's value": ({"settings": {"num_train_epochs": "many"}}, [], "variant linear: .*num_train_epochs"),
    "a head": ({"variants": {"a": {"head": "cfr"}}}, [], "variant a: expected head to be one of"),
    "an encoder input": (
        {"variants": {"a": {"encoder_input": "x"}}},
        [],
        "variant a: expected encoder_input to be one",
    ),
    "an encoder": ({"variants": {"a": {"encoder": "/no/such/folder"}}}, [], "variant a: expected an encoder .*, found"),
    "a place": ({"variants": {"a": {"head": "crf"}}}, ["--output_dir", __file__], "folder to write to at .*got a file"),
    "a data set": ({"settings": {"dataset": "nowhere"}}, [], "variant linear: .*nowhere"),
    "a rate": ({"settings": {"learning_rates": {"head": "fast"}}}, [], "variant linear: .*fast"),
    "a metric": ({"metric": "klue_entty_f1"}, [], "variant linear: expected metric .*did you mean klue_entity_f1"),
    "a metric of a type": (
        {"metric": "f1_PER"},
        [],
        "variant linear: expected metric .*got 'f1_PER'; did you mean f1_PS",
    ),
    "a best metric": (
        {"settings": {"metric_for_best_model": "loss"}},
        [],
        "expected metric_for_best_model .*there are",
    ),
    "a flag": ({}, ["--drpout", "1"], "flags: .*did you mean dropout"),
    "jobs": ({}, ["--jobs", "0"], "expected --jobs of 1 or more, got 0"),
    "no runs to report": ({}, ["--report"], "found none; run the study first"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_reported_before_anything_runs(tmp_path, pretend, capsys, case):
    keys, flags, message = MISTAKES[case]
    path = write_study(tmp_path, **{"variants": VARIANTS, **keys})
    assert main(["ablate", str(path), *flags]) == 2
    import re

    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_a_report_says_when_the_best_are_not_known(tmp_path):
    experiment = experiment_of(tmp_path, variants=VARIANTS, seeds=[1], more_seeds={"seeds": [2], "best": 1})
    finish_by_hand(experiment, Run("linear", 1), COUNTS)
    page = write_report(replace(experiment, keep_models=True), samples=10).read_text(encoding="utf-8")
    assert "after every first run" in page
