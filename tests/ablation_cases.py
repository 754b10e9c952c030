"""Hand-made result folders for the tests of states and reports, without training."""

import json
import subprocess
import sys
from pathlib import Path

import yaml
from time_limits import SECONDS

from kospan.ablation.folders import result_folder
from kospan.ablation.plan import Experiment, Run, load_study
from kospan.ablation.runner import environment
from kospan.ablation.settings import fingerprint

RECIPE = Path(__file__).parents[1] / "recipes" / "quickstart.yaml"


def write_study(folder: Path, name: str = "mine", **keys) -> Path:
    """A study file; every key that is not given is left out."""
    path = folder / f"{name}.yaml"
    text = yaml.safe_dump({"recipe": str(RECIPE), "output_dir": str(folder / "out"), **keys}, sort_keys=False)
    path.write_text(text, encoding="utf-8")
    return path


def experiment_of(folder: Path, **keys) -> Experiment:
    """The only experiment of a study of these keys."""
    return load_study(write_study(folder, **keys))[0]


def finish_by_hand(
    experiment: Experiment,
    run: Run,
    counts: list,
    cpu: float = 2.0,
    ids: list[str] | None = None,
    curve: list[dict] | None = None,
    **metrics,
) -> None:
    """A finished folder with these counts `(documents, 3)` of a single type, and the F1 that follows from them."""
    folder = result_folder(experiment, run)
    folder.mkdir(parents=True)
    correct, predicted, gold = (sum(column) for column in zip(*counts))
    metrics = {"f1": 2 * correct / (predicted + gold), "support_PS": float(gold), **metrics}
    described = {
        "variant": run.variant,
        "seed": run.seed,
        "fingerprint": fingerprint(experiment.variants[run.variant].recipe, run.seed),
        "metrics": metrics,
        "parameters": 10,
        "curve": curve or [],
        "seconds": {"wall": 2 * cpu, "cpu": cpu, "starts": 1},
        "machine": "CPU",
        "versions": {"torch": "2"},
        "commit": None,
    }
    by_type = {
        "labels": ["PS"],
        "ids": ids or [f"문서-{at}" for at in range(len(counts))],
        "counts": [[list(row)] for row in counts],
    }
    (folder / "counts.json").write_text(json.dumps(by_type), encoding="utf-8")
    (folder / "run.json").write_text(json.dumps(described), encoding="utf-8")


# A child that trains up to a step, where it kills the study and itself.
_CHILD = """
import os, runpy, signal
from kospan.training.trainer import KospanTrainer

step = KospanTrainer.training_step

def killed(self, *args, **kwargs):
    if self.state.global_step == {step}:
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, *args, **kwargs)

KospanTrainer.training_step = killed
runpy.run_module("kospan.ablation.child", run_name="__main__", alter_sys=True)
"""
_STUDY = """
import sys
from kospan.cli import main
from kospan.ablation import runner

runner.CHILD = (sys.executable, "-u", sys.argv[1])
sys.exit(main(["ablate", sys.argv[2]]))
"""


def kill_in_training(path: Path, step: int) -> str:
    """Runs a study that is killed with its child once a run has done so many steps; gives what it printed before."""
    child = path.with_name("child.py")
    child.write_text(_CHILD.format(step=step), encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-c", _STUDY, str(child), str(path)],
        env=environment(1, 0),
        capture_output=True,
        encoding="utf-8",
        timeout=SECONDS,
    )
    assert ended.returncode == -9, ended.stdout + ended.stderr
    return ended.stdout
