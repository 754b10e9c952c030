"""Runs of an experiment, each a child process; after a kill the next call resumes."""

import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

from filelock import Timeout

from kospan.ablation.child import ORPHANED, PATIENCE_SECONDS
from kospan.ablation.folders import (
    CHANGED,
    DONE,
    clear,
    lock_of,
    progress,
    result_folder,
    running_folder,
    state_of,
    study_lock,
)
from kospan.ablation.plan import Experiment, Run
from kospan.ablation.settings import fingerprint
from kospan.data.text import write_text
from kospan.files import FULL
from kospan.recipe import save_recipe

CHILD = (sys.executable, "-u", "-m", "kospan.ablation.child")
_REPOSITORY = Path(__file__).resolve().parents[2]
_ENDS_WITHIN_SECONDS = 20


class Children:
    """At most `jobs` processes; each one ends when this process closes its stdin, or dies."""

    def __init__(self, jobs: int):
        self.jobs, self.ended, self.running = jobs, queue.Queue(), {}
        self.slots = list(range(jobs))

    def start(self, run: Run, folder: Path) -> None:
        """Start the child of a run; its output goes to the folder's log."""
        slot = self.slots.pop(0)
        # Its own process group: Ctrl-C reaches only this process, which then ends its children in order.
        group = (
            {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if os.name == "nt" else {"start_new_session": True}
        )
        with open(folder / "log.txt", "ab") as log:
            child = subprocess.Popen(
                [*CHILD, str(folder)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment(self.jobs, slot),
                **group,
            )
        self.running[run] = child, slot

        def wait() -> None:
            self.ended.put((run, child.wait()))

        threading.Thread(target=wait, daemon=True).start()

    def next_ended(self) -> tuple[Run, int]:
        """Wait until a child ends; returns its run and exit status."""
        while True:
            try:
                run, status = self.ended.get(timeout=1.0)  # Windows handles Ctrl-C only between two waits.
                break
            except queue.Empty:
                continue
        child, slot = self.running.pop(run)
        child.stdin.close()
        self.slots.append(slot)
        return run, status

    def end(self) -> None:
        """End all children: close their stdin, then kill them."""
        for child, _ in self.running.values():
            child.stdin.close()
        for child, _ in self.running.values():
            try:
                child.wait(_ENDS_WITHIN_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self.running.clear()


def environment(jobs: int, slot: int, given: dict | None = None) -> dict[str, str]:
    """Environment of a child, with the threads and GPUs of this process divided among `jobs` children.

    >>> environment(2, 1, {"OMP_NUM_THREADS": "8", "CUDA_VISIBLE_DEVICES": "0,1"})["OMP_NUM_THREADS"]
    '4'
    """
    found = dict(os.environ if given is None else given)
    if jobs > 1:
        asked = found.get("OMP_NUM_THREADS", "").strip()
        threads = int(asked) if asked.isdigit() and int(asked) else os.cpu_count() or 1
        found["OMP_NUM_THREADS"] = str(max(1, threads // jobs))
        cards = [card for card in found.get("CUDA_VISIBLE_DEVICES", "").split(",") if card.strip()]
        if len(cards) > 1:
            found["CUDA_VISIBLE_DEVICES"] = cards[slot % len(cards)]
    found["PYTHONPATH"] = os.pathsep.join([str(_REPOSITORY), *filter(None, [found.get("PYTHONPATH")])])
    found["PYTHONIOENCODING"] = "utf-8"
    return found


def run_experiment(experiment: Experiment, jobs: int = 1, overwrite: bool = False) -> list[Run]:
    """Run all unfinished runs, first seeds first; prints a line at the start and end of each.

    Args:
        experiment: The experiment.
        jobs: Number of children at the same time.
        overwrite: Whether runs with changed settings are replaced.

    Returns: The runs that failed.

    Raises:
        FileExistsError: A run was made with other settings and `overwrite` is not set, or another command runs the
            experiment.
        KeyboardInterrupt: Ctrl-C, after the children have ended.
    """
    (experiment.folder / ".running").mkdir(parents=True, exist_ok=True)
    lock = study_lock(experiment)
    try:
        lock.acquire()
    except Timeout:
        raise FileExistsError(
            f"expected no other process to run {experiment.folder}, another `kospan ablate` does; wait for it, or see "
            "--status"
        ) from None
    with lock:
        known = experiment.of_chosen(experiment.first() + experiment.further([]))
        _refuse_changed(experiment, known, overwrite)
        failed = _run_all(experiment, known, jobs, overwrite)
        best = experiment.best(scores(experiment))
        if best is None and experiment.chosen is not None:
            pass  # The other variants are not run now, so nothing is ranked.
        elif best is None:
            print(
                f"{experiment.name}: the best {experiment.more.best} variants get their further seeds after every "
                "first run; run the same command again",
                flush=True,
            )
        elif best:
            print(f"{experiment.name}: best by {experiment.metric}: {', '.join(best)}", flush=True)
            further = experiment.of_chosen(run for run in experiment.further(best) if run.variant in best)
            _refuse_changed(experiment, further, overwrite)
            failed += _run_all(experiment, further, jobs, overwrite)
        _clean(experiment)
    return failed


def scores(experiment: Experiment) -> dict[Run, float]:
    """The experiment's metric of each finished first run.

    Raises: ValueError where the runs do not have this metric.
    """
    found = {}
    for run in experiment.first():
        metrics = state_of(experiment, run).metrics
        if metrics is None:
            continue
        if experiment.metric not in metrics:
            raise ValueError(
                f"{experiment.name}: expected metric to be one that the runs have, got {experiment.metric!r}; there "
                f"are {', '.join(sorted(metrics))}"
            )
        found[run] = metrics[experiment.metric]
    return found


def planned(experiment: Experiment) -> tuple[list[Run], list[str] | None]:
    """All runs that are known so far, and the best variants (None: not known yet)."""
    best = experiment.best(scores(experiment))
    return experiment.first() + experiment.further(best or []), best


def _refuse_changed(experiment: Experiment, runs: list[Run], overwrite: bool) -> None:
    states = {run: state_of(experiment, run) for run in runs}
    changed = [run for run, state in states.items() if state.kind == CHANGED]
    if changed and not overwrite:
        raise FileExistsError(
            f"{experiment.name}: expected runs made with the present settings, got other settings in "
            f"{', '.join(states[run].note for run in changed)}; pass --overwrite to train "
            f"{'it' if len(changed) == 1 else 'them'} again, or undo the change"
        )
    for run in changed:
        clear(experiment, run)


def _run_all(experiment: Experiment, runs: list[Run], jobs: int, overwrite: bool) -> list[Run]:
    """Run those that are not done; returns those that failed."""
    waiting, failed = [run for run in runs if state_of(experiment, run).kind != DONE], []
    for run in runs:
        if run not in waiting:
            clear(experiment, run)  # Still there after a kill between the last rename and the cleaning.
    if not waiting:
        return []
    children, started = Children(jobs), {}
    count, at = len(runs), len(runs) - len(waiting)
    try:
        while waiting or children.running:
            while waiting and children.slots:
                run, at = waiting.pop(0), at + 1
                folder = _prepare(experiment, run)
                if folder is None:
                    continue
                children.start(run, folder)
                started[run] = time.monotonic()
                print(f"[{at}/{count}] {run.name:<28} {progress(folder)}; log: {folder / 'log.txt'}", flush=True)
            if not children.running:
                break
            run, status = children.next_ended()
            minutes = (time.monotonic() - started[run]) / 60
            state = state_of(experiment, run)
            if state.kind == DONE:
                clear(experiment, run)
                shown = state.metrics.get(experiment.metric)
                value = f"{experiment.metric} {shown:.4f}" if shown is not None else "done"
                print(f"      {run.name:<28} {value}, {minutes:.1f} min", flush=True)
            else:
                failed.append(run)
                error = last_error(running_folder(experiment, run), status)
                _write_failure(experiment, run, error)
                print(f"      {run.name:<28} failed: {error}", flush=True)
    finally:
        children.end()
    return failed


def _prepare(experiment: Experiment, run: Run) -> Path | None:
    """The run's folder with recipe and plan for the child; None if the run is done by now.

    Raises: TimeoutError where a process of an earlier call still trains in it.
    """
    folder = running_folder(experiment, run)
    variant = experiment.variants[run.variant]
    try:
        with lock_of(folder).acquire(timeout=PATIENCE_SECONDS, poll_interval=0.05):
            if state_of(experiment, run).kind == DONE:
                clear(experiment, run)
                return None
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "failed.json").unlink(missing_ok=True)
            own = {"seed": run.seed, "run_name": run.name, "output_dir": str(folder / "work")}
            trainer = variant.recipe.trainer | own
            save_recipe(replace(variant.recipe, name=run.name, trainer=trainer), folder / "recipe.yaml")
            plan = {
                "variant": run.variant,
                "seed": run.seed,
                "fingerprint": fingerprint(variant.recipe, run.seed),
                "result": str(result_folder(experiment, run)),
                "keep_models": experiment.keep_models,
            }
            _write_json(folder / "plan.json", plan)
    except Timeout:
        raise TimeoutError(
            f"expected {folder} to be free, another process still trains in it; end that process, then run again"
        ) from None
    return folder


def _write_json(path: Path, value: dict) -> None:
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def _write_failure(experiment: Experiment, run: Run, error: str) -> None:
    try:
        _write_json(running_folder(experiment, run) / "failed.json", {"error": error})
    except OSError as full:
        if full.errno not in FULL:
            raise


def last_error(folder: Path, status: int) -> str:
    """Reason of a child's end: the last line it printed, or its signal."""
    if status < 0:
        reason = "; the system may have run out of memory" if status == -9 else ""
        return f"ended by signal {-status}{reason}"
    if status == ORPHANED:
        return "ended with the study"
    try:
        lines = (folder / "log.txt").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    last = next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")
    return f"{last.removeprefix('error: ')} (exit status {status})" if not last.startswith("error: ") else last[7:]


def _clean(experiment: Experiment) -> None:
    """Remove locks of runs without a folder; the study's own lock is held by this process."""
    for lock in (experiment.folder / ".running").glob("*.lock"):
        if lock.name != ".study.lock" and not lock.with_suffix("").exists():
            with contextlib.suppress(OSError):
                lock.unlink(missing_ok=True)
    for old in experiment.folder.glob(".old-*"):
        shutil.rmtree(old, ignore_errors=True)
