"""Scores of the baselines that nothing is trained for, on the validation part of a data set.

    python studies/baselines.py --task question-answering --dataset korquad --data FILE
    --out docs/benchmarks/baselines/korquad.json

For entities the baseline is a dictionary of the training spans with patterns, for questions the word nearest to where
the question's words occur.
"""

import argparse
import json
from pathlib import Path

from kospan.data.text import write_text
from kospan.recipe import load_recipe
from kospan.tasks.registry import task_spec
from kospan.training.record import commit


def main(words: list[str] | None = None) -> None:
    """Writes the scores as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--task", default="token-classification", choices=("token-classification", "question-answering")
    )
    parser.add_argument("--dataset", default="sample")
    parser.add_argument("--data", help="the data set's file, where it is not part of the package")
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args(words)
    # The task's smallest model: it is built with the data and asked for nothing.
    settings = {
        "task": arguments.task,
        "dataset": arguments.dataset,
        "train_file": arguments.data,
        "encoder_input": "units",
        "encoder_options": {"num_hidden_layers": 0, "hidden_size": 8, "embedding_size": 8},
    }
    task = task_spec(arguments.task).task.from_recipe(load_recipe(None, settings))
    examples = task.examples("validation")
    scores = task.metrics(examples, task.spec.baseline(task, examples))
    written = {
        "baseline": task.spec.baseline_name(task),
        "dataset": arguments.dataset,
        "documents": {"train": len(task.examples("train")), "validation": len(examples)},
        "scores": scores,
        "commit": commit(),
    }
    Path(arguments.out).parent.mkdir(parents=True, exist_ok=True)
    write_text(Path(arguments.out), json.dumps(written, indent=1, ensure_ascii=False) + "\n")
    print(json.dumps(written, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
