"""Gradients of one step of two and four processes on gloo, compared with those of one process.

    python studies/processes.py [--out docs/studies/processes.md]

float64 weights, no dropout, two accumulated batches per process; DDP, and FSDP2 by torch's `fully_shard`. The cases are
those of `tests/kospan/training/test_distributed.py`, which runs two processes.
"""

import argparse
import dataclasses
import os
import platform
import sys
import tempfile
from pathlib import Path

import torch

from kospan.data.text import write_text
from kospan.run import build_trainer
from kospan.training.record import commit, versions

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests"))  # After the package, which the tests mirror.
import distributed_cases as cases  # noqa: E402
from resume_cases import ENCODER, data_of, people, recipe_of  # noqa: E402

NO_DROPOUT = {"num_hidden_layers": 2, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
SPLITS = {1: (16, 1), 2: (4, 2), 4: (2, 2)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=str(ROOT / "docs" / "studies" / "processes.md"))
    arguments = parser.parse_args()
    rows, worst = [], 0.0
    for task in ("token-classification", "question-answering"):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            options = {"encoder_options": ENCODER | NO_DROPOUT, "lstm_hidden_size": 8, "dropout": 0.0}
            examples = data_of(task)
            if task == "token-classification":  # Three labels, as the windows of the cases have them.
                examples = [*(dataclasses.replace(each, id=f"og-{each.id}") for each in people(3, "OG")), *examples]
            trainer = build_trainer(recipe_of(task, folder / "data", examples, **options))
            trainer.task.save(trainer.model, folder / "model")
            one = cases.start(folder, 1, "plain", *SPLITS[1])
            for mode in ("ddp", "fsdp2"):
                found = {count: cases.start(folder, count, mode, *SPLITS[count]) for count in (2, 4)}
                for name in found[2]:
                    apart = [cases.largest_difference(one[name], found[count][name]) for count in (2, 4)]
                    worst = max(worst, *apart)
                    rows.append(f"| {task} | {mode} | {name} | {apart[0]:.1e} | {apart[1]:.1e} |")
                    print(rows[-1], flush=True)
    page = [
        "# Several processes",
        "",
        "`python studies/processes.py`: gradients of one step over sixteen windows, computed by two and by four "
        "processes (two accumulated batches each, gloo) and by one process with one batch. Tiny models with two layers "
        "and a BiLSTM, float64 weights, no dropout; with R-Drop the scores of the second copies are shifted, so "
        "that the divergence is not zero. FSDP2 is torch's `fully_shard`; LoRA on an encoder is refused there. The "
        "numbers are the largest difference of any entry as a share of the largest gradient; losses, divergences and "
        "perturbations are float32 in every precision of the weights.",
        "",
        f"Largest difference: {worst:.1e}.",
        "",
        "| task | processes by | case | two processes | four processes |",
        "| --- | --- | --- | --- | --- |",
        *rows,
        "",
        f"Machine: {os.cpu_count()}-core {platform.machine()} virtual machine, one thread per process; torch "
        f"{torch.__version__}, transformers {versions()['transformers']}; commit {commit()}.",
    ]
    write_text(arguments.out, "\n".join(page) + "\n")
    return int(worst > 1e-6)


if __name__ == "__main__":
    sys.exit(main())
