"""Result of a finished run: metrics, predictions, counts per document and type, learning curve, and cost."""

import json
import os
import shutil
from pathlib import Path

import torch

from kospan.ablation.clock import Clock
from kospan.ablation.folders import RUN_FILE, remove_result
from kospan.data.jsonl import read_jsonl
from kospan.data.text import write_text
from kospan.recipe import save_recipe
from kospan.training.record import commit, device_in_words, versions

# Files that a result takes from the trainer's folder; with `keep_models` it takes all but the checkpoints.
TAKEN = ("eval_results.json", "predictions.jsonl", "training_record.json")
# Keys of a log entry that differ between runs of the same training.
_TIMED = ("runtime", "_per_second", "total_flos")


def write_result(trainer, clock: Clock, plan: dict, folder: Path, work: Path) -> None:
    """Collect the result beside the run, rename it into place, and remove the run's folder.

    Args:
        trainer: The trainer, after training and scoring.
        clock: Training time.
        plan: The study's `plan.json` of the run.
        folder: The run's folder.
        work: The trainer's output folder.
    """
    result, place = folder / "result", Path(plan["result"])
    shutil.rmtree(result, ignore_errors=True)
    result.mkdir()
    for path in sorted(work.iterdir()):
        kept = plan["keep_models"] and not path.name.startswith(("checkpoint-", ".writing-"))
        if path.name in TAKEN or kept:
            (shutil.copytree if path.is_dir() else shutil.copyfile)(path, result / path.name)
    task = trainer.task
    examples = task.examples("validation")
    predicted = [list(example.spans) for example in read_jsonl(work / "predictions.jsonl")]
    counts = task.spec.counts(task, examples, predicted)  # shape: (documents, labels, 3)
    documents = {"labels": list(task.labels), "ids": [example.id for example in examples], "counts": counts.tolist()}
    write_text(result / "counts.json", json.dumps(documents, ensure_ascii=False) + "\n")
    metrics = json.loads((work / "eval_results.json").read_text(encoding="utf-8"))
    described = {
        "variant": plan["variant"],
        "seed": plan["seed"],
        "fingerprint": plan["fingerprint"],
        "metrics": {name.removeprefix("eval_"): value for name, value in metrics.items()},
        "steps": trainer.state.global_step,
        "best_step": trainer.state.best_global_step,
        "curve": curve(trainer.state.log_history),
        "parameters": sum(each.numel() for each in trainer.model.parameters() if each.requires_grad),
        "seconds": {"wall": clock.wall, "cpu": clock.cpu, "starts": clock.starts},
        "machine": device_in_words(trainer.args.device),
        "threads": torch.get_num_threads(),
        "versions": versions(),
        "commit": commit(),
    }
    trainer.recipe.trainer["output_dir"] = str(Path("outputs", place.name))
    save_recipe(trainer.recipe, result / "recipe.yaml")
    log = folder / "log.txt"
    if log.is_file():
        shutil.copyfile(log, result / log.name)
    write_text(result / RUN_FILE, json.dumps(described, indent=1, ensure_ascii=False) + "\n")
    remove_result(place)
    os.replace(result, place)
    shutil.rmtree(folder, ignore_errors=True)


def curve(history: list[dict]) -> list[dict]:
    """The log without times, keys sorted as in a checkpoint.

    >>> curve([{"step": 1, "loss": 2.0}, {"step": 1, "eval_f1": 0.5, "eval_runtime": 3.0}, {"train_runtime": 4.0}])
    [{'loss': 2.0, 'step': 1}, {'eval_f1': 0.5, 'step': 1}]
    """
    entries = [
        {key: entry[key] for key in sorted(entry) if not any(sign in key for sign in _TIMED)}
        for entry in history
        if "train_runtime" not in entry
    ]
    return [entry for entry in entries if entry]
