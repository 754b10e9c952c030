"""Time of `Trainer.evaluate` from 1,000 to 100,000 sentences, on copies of the shipped sample with a small model.

python benchmarks/evaluation_time.py [--out docs/benchmarks/evaluation_time.md]
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from kospan.recipe import load_recipe
from kospan.run import build_trainer

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        flags = {"output_dir": folder, "lstm_hidden_size": 32, "use_cpu": True}
        trainer = build_trainer(load_recipe("recipes/quickstart.yaml", flags))
        examples = trainer.task.examples("validation")
        trainer.evaluate()  # Imports and first calls are not what grows.
        rows = []
        for size in arguments.sizes:
            copies = [replace(examples[at % len(examples)], id=str(at)) for at in range(size)]
            started = time.process_time()
            trainer.evaluate(copies)
            rows.append((size, time.process_time() - started))
            print(rows[-1], flush=True)
    sizes, seconds = (np.array(column, dtype=float) for column in zip(*rows))
    slope = np.polyfit(np.log(sizes), np.log(seconds), 1)[0]
    lines = ["| sentences | CPU seconds | ms per sentence |", "| --- | --- | --- |"]
    lines += [f"| {size:,.0f} | {spent:.1f} | {1000 * spent / size:.2f} |" for size, spent in zip(sizes, seconds)]
    lines += ["", f"Seconds grow as sentences to the power {slope:.2f} (least squares over logarithms)."]
    print("\n".join(lines))
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        head = "# Evaluation time\n\nDecoding, posteriors and all KLUE metrics; "
        head += "one thread, 2-core x86-64 virtual machine.\n\n"
        arguments.out.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
