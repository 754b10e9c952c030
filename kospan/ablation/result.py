"""What a finished run leaves: metrics, predictions, counts per document and type, the learning curve, and its cost."""

import json
import os
import shutil
from pathlib import Path

import torch

from kospan.ablation.clock import Clock
from kospan.ablation.folders import RUN_FILE, take_away
from kospan.data.jsonl import read_jsonl
from kospan.data.text import write_text
from kospan.recipe import save_recipe
from kospan.training.record import commit, device_in_words, versions

# What a result takes over from the trainer's folder; with `keep_models` it takes all but the checkpoints.
LEFT = ("eval_results.json", "predictions.jsonl", "training_record.json")
# Of a log entry, what differs from run to run of the same training.
_TIMED = ("runtime", "_per_second", "total_flos")


def leave_result(trainer, clock: Clock, plan: dict, folder: Path, work: Path) -> None:
    """Gathers the result beside the run and renames it into place; afterwards the run's folder is gone.

    Args:
        trainer: Trained and scored; its files lie in `work`.
        clock: What the training took.
        plan: What the study said about the run (`plan.json`).
        folder: The run's folder.
        work: The trainer's output folder.
    """
    result, place = folder / "result", Path(plan["result"])
    shutil.rmtree(result, ignore_errors=True)
    result.mkdir()
    for path in sorted(work.iterdir()):
        kept = plan["keep_models"] and not path.name.startswith(("checkpoint-", ".writing-"))
        if path.name in LEFT or kept:
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
    take_away(place)
    os.replace(result, place)
    shutil.rmtree(folder, ignore_errors=True)


def curve(history: list[dict]) -> list[dict]:
    """The log without what tells the time, keys in order: a checkpoint sorts the keys of what it has seen.

    >>> curve([{"step": 1, "loss": 2.0}, {"step": 1, "eval_f1": 0.5, "eval_runtime": 3.0}, {"train_runtime": 4.0}])
    [{'loss': 2.0, 'step': 1}, {'eval_f1': 0.5, 'step': 1}]
    """
    entries = [
        {key: entry[key] for key in sorted(entry) if not any(sign in key for sign in _TIMED)}
        for entry in history
        if "train_runtime" not in entry
    ]
    return [entry for entry in entries if entry]
