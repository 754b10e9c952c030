"""Where the runs of a study live, and what state each is in: all of it stands in the folders, nothing beside them.

outputs/studies/NAME/
  full-42/                a finished run; renamed into place as a whole
  report/                 what `kospan.ablation.page` makes of the finished ones
  .running/full-42/       one that is not finished: plan.json, recipe.yaml, log.txt, clock.json, work/checkpoint-*
  .running/full-42.lock   held by the process that trains in it, and by nobody after its death
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from kospan.ablation.plan import Experiment, Run
from kospan.ablation.settings import fingerprint

# The last file that a result gets; a folder without it is none.
RUN_FILE = "run.json"
DONE, RUNNING, INTERRUPTED, FAILED, WAITING, CHANGED = (
    "done",
    "running",
    "interrupted",
    "failed",
    "waiting",
    "changed",
)


@dataclass(frozen=True)
class State:
    """Where a run stands.

    Args:
        kind: done, running, interrupted (goes on from its last checkpoint), failed (is tried again), waiting, or
            changed (what its folder holds was made with other settings).
        metrics: What a finished run scored, without `eval_`.
        note: The error of a failed run, how far an unfinished one is, where a changed one lies.
    """

    kind: str
    metrics: dict | None = None
    note: str = ""


def result_folder(experiment: Experiment, run: Run) -> Path:
    """Return the folder of a finished run."""
    return experiment.folder / run.name


def running_folder(experiment: Experiment, run: Run) -> Path:
    """Return the folder of a run in progress."""
    return experiment.folder / ".running" / run.name


def lock_of(folder: Path) -> FileLock:
    """The lock of a running folder; it stands beside the folder, which comes and goes."""
    return FileLock(f"{folder}.lock", timeout=0)


def study_lock(experiment: Experiment) -> FileLock:
    """What keeps two commands from running one experiment at the same time."""
    return FileLock(experiment.folder / ".running" / ".study.lock", timeout=0)


def read_json(path: Path) -> dict | None:
    """What a JSON file holds; None where there is none, or none that is whole."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def state_of(experiment: Experiment, run: Run) -> State:
    """What the folders tell about a run; changes nothing."""
    wanted = fingerprint(experiment.variants[run.variant].recipe, run.seed)
    result, folder = result_folder(experiment, run), running_folder(experiment, run)
    found = read_json(result / RUN_FILE)
    if found is not None and found.get("fingerprint") == wanted:
        return State(DONE, found["metrics"])
    plan = read_json(folder / "plan.json")
    if _held(folder):
        return State(RUNNING, note=progress(folder))
    # An unfinished run with the right settings goes on, also where it is going to replace an older result.
    if plan is None or plan.get("fingerprint") != wanted:
        if result.exists() or plan is not None:
            return State(CHANGED, note=str(result if result.exists() else folder))
        return State(WAITING)
    failed = read_json(folder / "failed.json")
    if failed is not None:
        return State(FAILED, note=str(failed.get("error", "")))
    return State(INTERRUPTED, note=progress(folder))


def _held(folder: Path) -> bool:
    if not Path(f"{folder}.lock").exists():
        return False
    try:
        with lock_of(folder):
            return False
    except (Timeout, OSError):
        return True


def progress(folder: Path) -> str:
    """How far an unfinished run has come, from the names of its checkpoints."""
    steps = [int(path.name.rpartition("-")[2]) for path in (folder / "work").glob("checkpoint-*[0-9]")]
    return f"checkpoint at step {max(steps):,}" if steps else "no checkpoint yet"


def clear(experiment: Experiment, run: Run) -> None:
    """Takes away what an unfinished run has left."""
    shutil.rmtree(running_folder(experiment, run), ignore_errors=True)


def take_away(folder: Path) -> None:
    """Removes a result as a whole: under another name first, so that half a folder never passes for a result."""
    if not folder.exists():
        return
    old = folder.with_name(f".old-{folder.name}")
    shutil.rmtree(old, ignore_errors=True)
    os.replace(folder, old)
    shutil.rmtree(old, ignore_errors=True)
