"""Training of a recipe with several seeds: settings, scores and training seconds per epoch, and counts per document.

    python studies/seeds.py recipes/x.yaml --out docs/studies/x.json --seeds 42 43 44 --threads 1 --
    --num_train_epochs 3

Flags after `--` override the recipe's. Only the JSON file is kept: `settings` is the recipe as it was used, with flags
and defaults, and without the paths of this machine. A seed in the file is not run again; a file with other settings is
refused.
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch
from study import run_study
from transformers import TrainerCallback

from kospan.ablation.settings import flat
from kospan.flags import parse_flags
from kospan.recipe import load_recipe
from kospan.recipe_defaults import FILES
from kospan.run import build_trainer, without_unused

# What the script itself sets: no checkpoint is kept, and the weights after the last epoch are scored.
MANAGED = {"save_strategy": "no", "load_best_model_at_end": "false"}


class Clock(TrainerCallback):
    """Seconds spent in training, without evaluation."""

    def __init__(self):
        self.wall, self.cpu, self.epochs = 0.0, 0.0, []

    def on_epoch_begin(self, args, state, control, **kwargs):
        self.started = time.perf_counter(), time.process_time()

    def on_epoch_end(self, args, state, control, **kwargs):
        self.wall += time.perf_counter() - self.started[0]
        self.cpu += time.process_time() - self.started[1]

    def on_evaluate(self, args, state, control, metrics=None, **kwargs):
        metrics = {key.removeprefix("eval_"): value for key, value in metrics.items() if "_per_second" not in key}
        self.add(state.epoch, metrics)

    def add(self, epoch: float, metrics: dict) -> None:
        self.epochs.append({"epoch": epoch, "train_wall_seconds": self.wall, "train_cpu_seconds": self.cpu, **metrics})


def one_seed(path: str, flags: dict, seed: int) -> dict:
    """Trains once; metrics per epoch, and `(correct, predicted, gold)` per validation document of the last epoch, for
    questions (F1, 1, 1)."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = build_trainer(load_recipe(path, {**flags, **MANAGED, "output_dir": folder, "seed": seed}))
        clock = Clock()
        trainer.add_callback(clock)
        trainer.train()
        task = trainer.task
        examples = task.examples("validation")
        predicted = task.predict(examples)
        counts = task.spec.counts(task, examples, predicted).sum(axis=1).tolist()
        if trainer.args.eval_strategy == "no":
            clock.add(trainer.state.epoch, task.metrics(examples, predicted))
    trained = sum(parameter.numel() for parameter in trainer.model.parameters() if parameter.requires_grad)
    return {"trained_parameters": trained, "epochs": clock.epochs, "counts": counts}


def settings_of(path: str, flags: dict) -> dict:
    """The recipe as it is used, without seed and output folder; of a path on this machine only the name is kept."""
    settings = flat(without_unused(load_recipe(path, {**flags, **MANAGED})))
    return {key: _without_folder(key, value) for key, value in settings.items()}


def _without_folder(key: str, value):
    is_path = isinstance(value, str) and (key in FILES or Path(value).is_absolute())
    return Path(value).name if is_path else value


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--out", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43, 44])
    parser.add_argument("--threads", type=int, default=1)
    arguments, rest = parser.parse_known_args(words)
    _, flags = parse_flags([word for word in rest if word != "--"])
    torch.set_num_threads(arguments.threads)
    header = {"recipe": Path(arguments.recipe).name, "settings": settings_of(arguments.recipe, flags)}
    run_study(arguments.out, header, arguments.seeds, lambda seed: one_seed(arguments.recipe, flags, seed))


if __name__ == "__main__":
    main()
