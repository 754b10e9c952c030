"""Contents of `training_record.json`: course of the training, machine, and scores.

It does not identify the machine: no host, user or path, and no text of the data.
"""

import contextlib
import math
import os
import platform
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from kospan import __version__
from kospan.example import Example
from kospan.training.log_lines import precision_in_use
from kospan.training.loss_parts import curve_log, part_names, score_names

NAME = "training_record.json"
PACKAGES = ("torch", "transformers", "accelerate", "tokenizers", "datasets", "numpy", "pytorch-crf")
_REPOSITORY = Path(__file__).resolve().parents[2]


def training_record(trainer, documents: int, windowed: int) -> dict:
    """Record of a training.

    Args:
        trainer: A `KospanTrainer` that has trained.
        documents: Training documents.
        windowed: Those of them that needed more than one window.

    Returns: `device`, `precision`, `processes`, `batch` (windows per step), `parameters`, `documents`, `windows`,
        `windowed`, `steps`, `epochs`, `seconds` (None where the run was resumed: only its last part was timed),
        `best_step` (None where the last weights were kept), `skipped_steps` (whose loss or gradient was not finite),
        `batch_parts` (above 1 where memory ran out), `data_files` (size and hash), `history`, `versions`, `commit`.
    """
    args, state = trainer.args, trainer.state
    model = trainer.accelerator.unwrap_model(trainer.model)
    ended = next((entry for entry in reversed(state.log_history) if "train_runtime" in entry), {})
    resumed = bool(args.resume_from_checkpoint) or bool(
        getattr(getattr(trainer, "recipe", None), "resume_from_checkpoint", False)
    )
    return {
        "device": device_in_words(args.device),
        "precision": precision_in_use(trainer),
        "processes": args.world_size,
        "batch": args.train_batch_size * args.gradient_accumulation_steps * args.world_size,
        "parameters": {
            "all": sum(parameter.numel() for parameter in model.parameters()),
            "trained": sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
        },
        "documents": documents,
        "windows": len(trainer.train_dataset),
        "windowed": windowed,
        "steps": state.global_step,
        "epochs": finite(state.epoch),
        "seconds": None if resumed else finite(ended.get("train_runtime")),
        "best_step": best_step(state) if args.load_best_model_at_end else None,
        "skipped_steps": trainer.non_finite.skipped,
        "batch_parts": trainer.halving.parts,
        "data_files": trainer.data_files.files,
        "history": learning_curve(curve_log(state.log_history, trainer.task.spec.curves)),
        "versions": versions(),
        "commit": commit(),
    }


def evaluation_record(
    training: Sequence[Example], examples: Sequence[Example], scored: dict, seconds: float, device: torch.device | str
) -> dict:
    """Record of the evaluation of a saved model.

    Args:
        training: Training documents.
        examples: Validation documents.
        scored: Scores with intervals, of the task.
        seconds: Duration of the prediction.
        device: Device of the model.

    Returns: `documents`, the entries of `scored`, `hangul` (share of the training texts' letters), `speed`.
    """
    letters = Counter("가" <= letter <= "힣" for example in training for letter in example.text if letter.isalpha())
    return {
        "documents": len(examples),
        **scored,
        "hangul": letters[True] / max(1, letters.total()),
        "speed": {
            "seconds": seconds,
            "texts_per_second": len(examples) / max(seconds, 1e-9),
            "characters_per_second": sum(len(example.text) for example in examples) / max(seconds, 1e-9),
            "device": device_in_words(device),
        },
    }


class Stopwatch:
    """Duration of a block in seconds, the device synchronised.

    >>> with Stopwatch("cpu") as watch:
    ...     pass
    >>> watch.seconds >= 0
    True
    """

    def __init__(self, device: torch.device | str):
        self.device = torch.device(device)
        self.seconds = 0.0

    def __enter__(self) -> "Stopwatch":
        self._wait()
        self._begin = time.perf_counter()
        return self

    def __exit__(self, *error) -> None:
        self._wait()
        self.seconds = time.perf_counter() - self._begin

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def learning_curve(history: Sequence[dict]) -> list[dict]:
    """One entry per evaluation, with the last logged loss and its parts; without evaluations one per log entry.

    >>> learning_curve([{"step": 1, "epoch": 0.5, "loss": 2.0}, {"step": 2, "epoch": 1.0, "eval_f1": 0.5}])
    [{'step': 2, 'epoch': 1.0, 'eval_f1': 0.5, 'loss': 2.0}]
    """
    parts = part_names(history)
    names = ("step", "epoch", "loss", "eval_loss", *score_names(history), *parts)
    entries = [{key: finite(entry[key]) for key in names if key in entry} for entry in history]
    evaluated, logged = [], {"loss": None}
    for entry in entries:
        logged |= {key: entry[key] for key in ("loss", *parts) if key in entry}
        if any(key.startswith("eval_") for key in entry):
            evaluated.append(entry | logged)
    return evaluated or [entry for entry in entries if "loss" in entry]


def best_step(state) -> int | None:
    """The step of the best weights, if these were kept."""
    step = getattr(state, "best_global_step", None)
    if step is None and state.best_model_checkpoint:
        tail = str(state.best_model_checkpoint).rpartition("-")[2]
        step = int(tail) if tail.isdigit() else None
    return step


def finite(value):
    """The number, None if it is not finite."""
    return None if value is None or not math.isfinite(value) else value


def device_in_words(device: torch.device | str) -> str:
    """The kind of device with its number of cores or its memory.

    >>> "thread" in device_in_words("cpu")
    True
    """
    device = torch.device(device)
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        return f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    if device.type != "cpu":
        return f"{device.type} ({platform.machine()})"
    threads, cores = torch.get_num_threads(), os.cpu_count() or 1
    return (
        f"CPU ({_processor()}), {threads} thread{'s' if threads > 1 else ''} of {cores} core{'s' if cores > 1 else ''}"
    )


def _processor() -> str:
    """The processor's model if the system names it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return name or platform.machine() or "unknown"


def versions() -> dict[str, str]:
    """Versions of Python, the system, kospan and the installed packages."""
    found = {"python": platform.python_version(), "system": f"{sys.platform} {platform.machine()}".strip()}
    found["kospan"] = __version__
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def commit() -> str | None:
    """The commit of the clone that this code runs from; None outside a clone.

    It is marked if files differ from it, other than those of `docs`, where studies write their results.
    """
    if not (_REPOSITORY / ".git").exists():
        return None
    try:
        name = _git("rev-parse", "HEAD").strip()
        changes = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)docs")
        return f"{name} with changes" if changes.strip() else name
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(_REPOSITORY), *words], capture_output=True, check=True, timeout=300, stdin=subprocess.DEVNULL
    )
    return done.stdout.decode("utf-8", errors="replace")
