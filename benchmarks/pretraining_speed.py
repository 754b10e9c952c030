r"""Speed of pretraining on one CPU thread: packed rows with plain or fused attention, against one text per row.

Every way trains on the same texts; the ways take turns in one process. Characters per CPU second of forward and
backward pass and optimizer, in bf16, with collating and masking.

    python benchmarks/pretraining_speed.py recipes/pretraining_ko.yaml --train_file reviews.txt.xz \
        --out docs/benchmarks/pretraining_speed.md
"""

import argparse
import statistics
import tempfile
import time
from itertools import islice
from pathlib import Path

import torch

from kospan.recipe import load_recipe
from kospan.run import build_trainer

# Name of each way, its settings, and its implementation of attention.
WAYS = {
    "packed rows, plain attention": ({}, "eager"),
    "packed rows, fused attention": ({}, "sdpa"),
    "a text per row, at random": ({"packing": False, "per_device_train_batch_size": 96}, "sdpa"),
    "a text per row, by length": (
        {"packing": False, "per_device_train_batch_size": 96, "train_sampling_strategy": "group_by_length"},
        "sdpa",
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--train_file", help="raw texts in place of the recipe's sources")
    parser.add_argument("--texts", type=int, default=20_000, help="training texts, from the first")
    parser.add_argument("--steps", type=int, default=6, help="steps of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        runs = {name: Run(arguments, settings, attention, folder) for name, (settings, attention) in WAYS.items()}
        for _ in range(arguments.rounds + 1):
            for run in runs.values():
                run.round(arguments.steps)
    first = next(iter(runs))
    speeds = {name: [run.speeds[at] for at in range(1, arguments.rounds + 1)] for name, run in runs.items()}
    rows = ["| way | characters per CPU second | against the first | padding |", "|---|---:|---:|---:|"]
    for name, values in speeds.items():
        ratio = statistics.median(value / base for value, base in zip(values, speeds[first]))
        rows.append(f"| {name} | {statistics.median(values):,.0f} | {ratio:.2f} | {runs[name].padding:.1%} |")
    print("\n".join(rows))
    if arguments.out:
        title = (
            f"# Speed of pretraining\n\n`{arguments.recipe}`, the first {arguments.texts:,} texts, bf16, one thread "
        )
        title += (
            f"of a 2-core x86-64 virtual machine.\nMedians of {arguments.rounds} rounds of {arguments.steps} steps; "
        )
        title += (
            "the ways take turns in one process. A batch has 32 rows of 128 positions,\nor 96 texts. Padding is the "
        )
        title += "share of positions without a subword.\n\n"
        arguments.out.write_text(title + "\n".join(rows) + "\n", encoding="utf-8")


class Run:
    """Training by one of the ways.

    Args:
        arguments: Those of the command.
        settings: Settings that differ from the recipe's.
        attention: Implementation of attention.
        folder: Output folder, in which nothing is written.
    """

    def __init__(self, arguments, settings: dict, attention: str, folder: str):
        texts = {"max_train_samples": arguments.texts, "max_eval_samples": 1, "output_dir": folder}
        if arguments.train_file:
            texts |= {"sources": {}, "train_file": arguments.train_file}
        self.trainer = build_trainer(load_recipe(arguments.recipe, {**texts, **settings}))
        self.trainer.model.set_attn_implementation(attention)
        self.trainer.create_optimizer()
        self.batches = iter(self.trainer.get_train_dataloader())
        self.step, self.speeds, self.positions, self.subwords = 0, [], 0, 0

    @property
    def padding(self) -> float:
        """Share of the positions without a subword."""
        return 1 - self.subwords / self.positions

    def round(self, steps: int) -> None:
        """Train some steps and note the characters per CPU second."""
        trainer, began, characters = self.trainer, time.process_time(), 0
        model, task = trainer.model.train(), trainer.task
        for batch in islice(self.batches, steps):
            characters += int((batch["words"] >= -1).sum())
            self.positions += batch["words"].numel()
            self.subwords += int((batch["windows"] >= 0).sum())
            with trainer.compute_loss_context_manager(), trainer.accelerator.autocast():
                loss = model(**task.batch_of_step(batch, (0, self.step))).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            trainer.optimizer.step()
            trainer.optimizer.zero_grad()
            self.step += 1
        self.speeds.append(characters / (time.process_time() - began))


if __name__ == "__main__":
    main()
