"""File format of the studies, which `compare.py` reads: one JSON object with a list of runs, one per seed.

A run holds `seed`, `commit`, `machine`, `versions`, `epochs` (scores after each one; `train_cpu_seconds` and
`train_wall_seconds` count from the start of training, without evaluation) and `counts`, the (correct, predicted, gold)
spans of each document after the last.
"""

import json
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path

import torch
import transformers

from kospan.data.text import write_text
from kospan.training.record import commit


def run_study(out: str, header: dict, seeds: list[int], one_seed: Callable[[int], dict]) -> dict:
    """Run the seeds that `out` does not hold yet, and write the file after each.

    Args:
        out: JSON file; created with its folder where it is missing.
        header: Settings and data of all runs.
        seeds: All seeds of the study.
        one_seed: Trains with one seed; returns the run without the seed.

    Returns: The study.

    Raises: SystemExit where `out` holds runs with another header; the file is not changed.
    """
    path = Path(out)
    path.parent.mkdir(parents=True, exist_ok=True)
    study = json.loads(json.dumps(header)) | {"runs": []}
    if path.exists():
        found = json.loads(path.read_text(encoding="utf-8"))
        if others := differences(study, {key: found.get(key) for key in header} | {"runs": []}):
            sys.exit(
                f"expected {path} to hold runs of the same settings, found others: {'; '.join(others)}. Write to "
                "another file, or delete this one"
            )
        study = found
    where = {
        "commit": commit(),
        "machine": f"{os.cpu_count()}-core {platform.machine()} virtual machine, {torch.get_num_threads()} thread(s)",
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }
    for seed in seeds:
        if seed not in {run["seed"] for run in study["runs"]}:
            study["runs"].append({"seed": seed} | where | one_seed(seed))
            write_text(path, json.dumps(study, ensure_ascii=False) + "\n")
    return study


def differences(wanted: dict, found: dict, within: str = "") -> list[str]:
    """Settings in which two headers differ, as `name: expected, found`.

    >>> differences({"recipe": {"epochs": 4}}, {"recipe": {"epochs": 3, "clip": 1.0}})
    ['recipe.epochs: expected 4, found 3', 'recipe.clip: expected null, found 1.0']
    """
    lines = []
    for key in wanted | found:
        one, other = wanted.get(key), found.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            lines += differences(one, other, f"{within}{key}.")
        elif one != other:
            lines.append(f"{within}{key}: expected {json.dumps(one)}, found {json.dumps(other)}")
    return lines
