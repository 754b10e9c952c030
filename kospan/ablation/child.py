"""Process of one run of a study: `python -m kospan.ablation.child FOLDER`, with a pipe as stdin.

It trains in FOLDER/work, resumes from the last complete checkpoint there, and renames the result into place. It ends
when the pipe closes, so that no run outlives a killed study, and holds the lock of FOLDER until then, so that a new
process waits for it.
"""

import json
import os
import shutil
import sys
import threading
from pathlib import Path

from filelock import FileLock, Timeout

from kospan.redaction import print_exception, redacted
from kospan.training.saving import is_out_of_space

ORPHANED = 3
# Time that a new process waits for one whose study was killed.
PATIENCE_SECONDS = 120


def main(folder: Path) -> int:
    """Run; returns the exit status: 0 done, 1 failed with the error as the last line printed."""
    try:
        with FileLock(f"{folder}.lock", timeout=PATIENCE_SECONDS, poll_interval=0.05):
            print(f"process             {os.getpid()}", flush=True)
            run_one(folder)
        return 0
    except Timeout:
        print(f"error: expected {folder} to be free, another process trains in it; end that process, then run again")
    except Exception as error:
        print_exception(type(error), error, error.__traceback__)
        print(f"error: {error_line(error, folder)}", flush=True)
    return 1


def error_line(error: BaseException, folder: Path) -> str:
    """An error in one line; a full disk is named as such, however deep the error was raised."""
    text = redacted(" ".join(str(error).split())) or type(error).__name__
    if is_out_of_space(error):
        free = shutil.disk_usage(folder).free / 2**20
        return (
            f"expected free space on the disk of {folder}, got {free:,.0f} MiB ({text}); free some and run the same "
            "command again, which resumes from the last checkpoint"
        )
    return text if isinstance(error, (ValueError, OSError)) else f"{type(error).__name__}: {text}"


def run_one(folder: Path) -> None:
    """Train, or resume, and rename the result into place."""
    from kospan.ablation.clock import Clock
    from kospan.ablation.result import write_result
    from kospan.recipe import load_recipe
    from kospan.run import fit, prepare
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
    print(f"resumes from        {checkpoint}" if checkpoint else "starts", flush=True)
    fit(trainer, checkpoint)
    write_result(trainer, clock, plan, folder, work)


def logged_where_saved(settings: dict) -> dict:
    """Settings that log at every checkpoint: a resumed Trainer loses the sums since its last log entry.

    >>> logged_where_saved({"save_strategy": "epoch", "logging_steps": 50})
    {'logging_strategy': 'epoch'}
    """
    strategy = settings.get("save_strategy")
    if strategy == "steps":
        return {"logging_strategy": "steps", "logging_steps": settings.get("save_steps", 500)}
    return {"logging_strategy": "epoch"} if strategy == "epoch" else {}


def end_with_parent() -> None:
    """End this process when the other end of stdin is closed, which the system does when the parent dies."""

    def watch() -> None:
        try:
            # Without Python's buffer, whose lock would block an orderly end.
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
    # Not sys.exit: threads of libraries may delay the end.
    os._exit(status)
