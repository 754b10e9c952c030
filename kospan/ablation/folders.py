"""Folders of a study's runs, which hold their whole state.

outputs/studies/NAME/
  full-42/                a finished run, renamed into place as a whole
  report/                 the report of the finished runs
  .running/full-42/       an unfinished run: plan.json, recipe.yaml, log.txt, clock.json, work/checkpoint-*
  .running/full-42.lock   held by the process that trains in the folder
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from kospan.ablation.plan import Experiment, Run
from kospan.ablation.settings import fingerprint
from kospan.files import found_json_object

# The last file of a result; a folder without it is incomplete.
RUN_FILE = "run.json"
DONE, RUNNING, INTERRUPTED = "done", "running", "interrupted"
FAILED, WAITING, CHANGED = "failed", "waiting", "changed"


@dataclass(frozen=True)
class State:
    """State of a run.

    Args:
        kind: done, running, interrupted (resumes from its last checkpoint), failed (is tried again), waiting, or
            changed (its folder was made with other settings).
        metrics: Scores of a finished run, without `eval_`.
        note: The error of a failed run, the progress of an unfinished one, the folder of a changed one.
    """

    kind: str
    metrics: dict | None = None
    note: str = ""


def result_folder(experiment: Experiment, run: Run) -> Path:
    """Folder of a finished run."""
    return experiment.folder / run.name


def running_folder(experiment: Experiment, run: Run) -> Path:
    """Folder of an unfinished run."""
    return experiment.folder / ".running" / run.name


def lock_of(folder: Path) -> FileLock:
    """Lock of a running folder, beside the folder so that it outlives it."""
    return FileLock(f"{folder}.lock", timeout=0)


def study_lock(experiment: Experiment) -> FileLock:
    """Lock against two commands that run one experiment at the same time."""
    return FileLock(experiment.folder / ".running" / ".study.lock", timeout=0)


def state_of(experiment: Experiment, run: Run) -> State:
    """State of a run from its folders."""
    wanted = fingerprint(experiment.variants[run.variant].recipe, run.seed)
    result, folder = result_folder(experiment, run), running_folder(experiment, run)
    found = found_json_object(result / RUN_FILE)
    if found is not None and found.get("fingerprint") == wanted:
        return State(DONE, found["metrics"])
    plan = found_json_object(folder / "plan.json")
    if _held(folder):
        return State(RUNNING, note=progress(folder))
    # An unfinished run with the right settings resumes, even if it will replace an older result.
    if plan is None or plan.get("fingerprint") != wanted:
        if result.exists() or plan is not None:
            return State(CHANGED, note=str(result if result.exists() else folder))
        return State(WAITING)
    failed = found_json_object(folder / "failed.json")
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
    """Progress of an unfinished run, from the names of its checkpoints."""
    steps = [int(path.name.rpartition("-")[2]) for path in (folder / "work").glob("checkpoint-*[0-9]")]
    return f"checkpoint at step {max(steps):,}" if steps else "no checkpoint yet"


def clear(experiment: Experiment, run: Run) -> None:
    """Remove the folder of an unfinished run."""
    shutil.rmtree(running_folder(experiment, run), ignore_errors=True)


def remove_result(folder: Path) -> None:
    """Remove a result, renamed first so that half a folder never passes for a result."""
    if not folder.exists():
        return
    old = folder.with_name(f".old-{folder.name}")
    shutil.rmtree(old, ignore_errors=True)
    os.replace(folder, old)
    shutil.rmtree(old, ignore_errors=True)
