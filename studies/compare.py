"""Table of the studies of `seeds.py` and of the baselines, with a paired bootstrap of f1 against the first.

p-values are adjusted for the number of studies by Holm's procedure.

    python studies/compare.py docs/studies/a.json docs/studies/b.json [--metric f1] [--last 1]
"""

import argparse
import json
from pathlib import Path

import numpy as np

from kospan.evaluation.bootstrap import holm, paired


def against_first(studies: list[list[dict]]) -> list[str]:
    """Difference of each study's runs from the first study's: f1 after the last epoch, 95 % interval, p, p (Holm)."""
    counts = [{run["seed"]: np.array(run["counts"]) for run in runs} for runs in studies]
    found = []
    for one in counts[1:]:
        # Counts of a document summed over common seeds: seeds are not new documents.
        common = sorted(set(one) & set(counts[0]))
        found.append(paired(sum(one[seed] for seed in common), sum(counts[0][seed] for seed in common)))
    adjusted = holm([each.p_value for each in found])
    return [
        f"{each.difference:+.4f} [{each.low:+.4f}, {each.high:+.4f}] | {each.p_value:.4f} | {p:.4f}"
        for each, p in zip(found, adjusted)
    ]


def main(words: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="+")
    parser.add_argument("--metric", default="f1")
    parser.add_argument("--last", type=int, default=1, help="mean of the last N epochs")
    arguments = parser.parse_args(words)
    print(
        f"| study | seeds | {arguments.metric}, mean of the last {arguments.last} epoch(s) | by seed | train CPU s | "
        "f1 after the last epoch against the first study's, 95 % | p | p (Holm) |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    paths = [Path(path) for path in arguments.studies]
    studies = [json.loads(path.read_text(encoding="utf-8"))["runs"] for path in paths]
    for path, runs, against in zip(paths, studies, [" | | ", *against_first(studies)]):
        values = [np.mean([epoch[arguments.metric] for epoch in run["epochs"][-arguments.last :]]) for run in runs]
        seconds = np.mean([run["epochs"][-1]["train_cpu_seconds"] for run in runs])
        print(
            f"| {path.stem} | {', '.join(str(run['seed']) for run in runs)} | {np.mean(values):.4f} | "
            f"{', '.join(f'{value:.4f}' for value in values)} | {seconds:.0f} | {against} |"
        )


if __name__ == "__main__":
    main()
