"""A table of studies that `seeds.py` and the peers have written, with a paired bootstrap of f1 against the first.

python benchmarks/compare.py docs/studies/a.json docs/studies/b.json [--figure f1] [--last 1]
"""

import argparse
import json
from pathlib import Path

import numpy as np

from kospan.evaluation.bootstrap import paired


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="+")
    parser.add_argument("--figure", default="f1")
    parser.add_argument("--last", type=int, default=1, help="mean of the last N epochs")
    arguments = parser.parse_args()
    first = None
    print(
        f"| study | seeds | {arguments.figure}, mean of the last {arguments.last} epoch(s) | by seed | "
        f"train CPU s | f1 after the last epoch against the first study's, 95 % |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for path in map(Path, arguments.studies):
        runs = json.loads(path.read_text(encoding="utf-8"))["runs"]
        values = [np.mean([epoch[arguments.figure] for epoch in run["epochs"][-arguments.last :]]) for run in runs]
        seconds = np.mean([run["epochs"][-1]["train_cpu_seconds"] for run in runs])
        counts = {run["seed"]: np.array(run["counts"]) for run in runs}
        against = ""
        if first is None:
            first = counts
        else:
            # All common seeds' spans of a document together: seeds are no new documents.
            common = sorted(set(counts) & set(first))
            found = paired(sum(counts[seed] for seed in common), sum(first[seed] for seed in common))
            against = f"{found.difference:+.4f} [{found.low:+.4f}, {found.high:+.4f}], p {found.p_value:.4f}"
        print(
            f"| {path.stem} | {', '.join(str(run['seed']) for run in runs)} | {np.mean(values):.4f} | "
            f"{', '.join(f'{value:.4f}' for value in values)} | {seconds:.0f} | {against} |"
        )


if __name__ == "__main__":
    main()
