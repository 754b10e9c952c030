"""One run of a study, a process of its own: `python -m kospan.ablation.child FOLDER`, with a pipe as stdin.

It trains in FOLDER/work, goes on from the last whole checkpoint there, and renames the result into place. It ends when
the pipe closes, so nothing trains on behind a study that was killed; and it holds FOLDER's lock while it lives, so a
new one waits for it.
"""

import json
import os
import shutil
import sys
import threading
import traceback
from pathlib import Path

from filelock import FileLock, Timeout

from kospan.training.saving import is_out_of_space

ORPHANED = 3
# A child whose study was killed ends at its next free moment; the one that takes over waits this long for it.
PATIENCE_SECONDS = 120


def main(folder: Path) -> int:
    """Gives the exit status: 0 done, 1 failed with the error as the last line printed."""
    try:
        with FileLock(f"{folder}.lock", timeout=PATIENCE_SECONDS, poll_interval=0.05):
            print(f"process             {os.getpid()}", flush=True)
            run_one(folder)
        return 0
    except Timeout:
        print(f"error: expected {folder} to be free, another process trains in it; end that one, then run again")
    except Exception as error:
        traceback.print_exc()
        print(f"error: {in_words(error, folder)}", flush=True)
    return 1


def in_words(error: BaseException, folder: Path) -> str:
    """The error in one line; a full disk is called that, however deep it was met."""
    text = " ".join(str(error).split()) or type(error).__name__
    if is_out_of_space(error):
        free = shutil.disk_usage(folder).free / 2**20
        return (
            f"expected room on the disk that holds {folder}, {free:,.0f} MiB are free ({text}); make room and run "
            "the same command again, which goes on from the last checkpoint"
        )
    return text if isinstance(error, (ValueError, OSError)) else f"{type(error).__name__}: {text}"


def run_one(folder: Path) -> None:
    """Trains, or goes on with training, and renames the result into place."""
    from kospan.ablation.clock import Clock
    from kospan.recipe import load_recipe
    from kospan.run import prepare, train
    from kospan.training.saving import last_whole_checkpoint

    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    work = folder / "work"
    try:
        checkpoint, _ = last_whole_checkpoint(work)
    except FileNotFoundError:
        checkpoint = None
    flags = {
        "output_dir": str(work),
        "resume_from_checkpoint": checkpoint is not None,
        "overwrite_output_dir": checkpoint is None,
    }
    recipe = load_recipe(folder / "recipe.yaml", flags)
    recipe.trainer |= logged_where_saved(recipe.trainer)
    trainer, checkpoint = prepare(recipe)
    clock = Clock(folder / "clock.json", checkpoint)
    trainer.add_callback(clock)
    print(f"goes on from        {checkpoint}" if checkpoint else "begins", flush=True)
    train(trainer, checkpoint)
    from kospan.ablation.result import leave_result

    leave_result(trainer, clock, plan, folder, work)


def logged_where_saved(settings: dict) -> dict:
    """Settings that log where checkpoints are saved: the Trainer forgets what it has summed up since its last line.

    >>> logged_where_saved({"save_strategy": "epoch", "logging_steps": 50})
    {'logging_strategy': 'epoch'}
    """
    strategy = settings.get("save_strategy")
    if strategy == "steps":
        return {"logging_strategy": "steps", "logging_steps": settings.get("save_steps", 500)}
    return {"logging_strategy": "epoch"} if strategy == "epoch" else {}


def end_with_parent() -> None:
    """Ends this process when the other end of stdin is closed, which the system does for a parent that dies."""

    def watch() -> None:
        try:
            # Past Python's buffer: a lock on it would stand in the way of an orderly end.
            while os.read(0, 1024):
                pass
        except OSError:
            pass
        os._exit(ORPHANED)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    end_with_parent()
    status = main(Path(sys.argv[1]))
    sys.stdout.flush()
    # Not sys.exit: threads of libraries may hold up an end that has nothing left to do.
    os._exit(status)
