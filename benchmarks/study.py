"""The file that every study writes and `compare.py` reads: one JSON object with a list of runs, a run a seed.

A run holds `seed`, `epochs` (figures after each one; `train_cpu_seconds` and `train_wall_seconds` count from the start
of training, without evaluation) and `counts`, the (correct, predicted, gold) spans of each document after the last.
"""

import json
import os
import platform
from collections.abc import Callable
from pathlib import Path

import torch
import transformers

from kospan.training.saving import write_whole


def run_study(out: str, header: dict, seeds: list[int], one_seed: Callable[[int], dict]) -> dict:
    """Runs the seeds that `out` does not hold yet and writes the file after each.

    Args:
        out: JSON file; made with its folder where it is missing.
        header: What is said about all runs: recipe, flags, data.
        seeds: All seeds of the study.
        one_seed: Trains with one seed; returns the run, without the seed.

    Returns: The study.
    """
    path = Path(out)
    path.parent.mkdir(parents=True, exist_ok=True)
    runs = json.loads(path.read_text(encoding="utf-8"))["runs"] if path.exists() else []
    study = header | {
        "machine": f"{os.cpu_count()}-core {platform.machine()} virtual machine, {torch.get_num_threads()} thread(s)",
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "runs": runs,
    }
    for seed in seeds:
        if seed not in {run["seed"] for run in runs}:
            runs.append({"seed": seed} | one_seed(seed))
            write_whole(path, json.dumps(study, ensure_ascii=False) + "\n")
    return study
