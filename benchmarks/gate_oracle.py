"""What gold labels in the gates of positional attention would be worth: an upper bound that LEAKS LABELS.

    python benchmarks/gate_oracle.py MODEL --dataset gmb --data ner_dataset.csv.zip

The published mechanism masks by gold labels, which nobody has for a new text. A model trained so (`head_options:
{oracle: true}`) is scored twice on the validation part: with gold gates, which is leakage and no result, and with the
gates that it predicts itself, as `extract` does. Of texts that need several windows none is scored; their number is
printed.
"""

import argparse
import json
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
from kospan.data.corpus import load_corpus  # noqa: E402
from kospan.tasks.saved import open_saved  # noqa: E402
from modeling.spans import Span  # noqa: E402
from modeling.tags import tags_to_spans  # noqa: E402


@torch.no_grad()
def found_with_labels(task, examples: list, batch_size: int) -> list[list[Span]]:
    """Spans of each text from a forward pass that is given the labels."""
    model, found = task.model.eval(), []
    for start in range(0, len(examples), batch_size):
        some = examples[start : start + batch_size]
        batch = model.placed(model.collate(task.train_features(some)))
        units = [document.units for document in model.aligner.documents([example.text for example in some])]
        for own, row in zip(units, model(**batch).tags):
            paths = tags_to_spans([model.config.tags[tag] for tag in row[: len(own)].tolist()], model.config.scheme)
            found.append([Span(own[first][0], own[last - 1][1], label) for first, last, label in paths])
    return found


def main() -> None:
    """Prints both scores as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="folder of a tagger with head: positional, trained with oracle: true")
    parser.add_argument("--dataset", default="gmb")
    parser.add_argument("--data", required=True, help="the file it was trained on")
    parser.add_argument("--batch-size", type=int, default=64)
    arguments = parser.parse_args()
    task = open_saved(arguments.model, dataset=arguments.dataset)
    if not getattr(task.model.config, "head_options", {}).get("oracle"):
        parser.error("expected a model trained with head_options {oracle: true}, got one without")
    examples = load_corpus(arguments.dataset, arguments.data).splits["validation"]
    aligner = task.model.aligner
    whole = [each for each in examples if len(list(aligner.windows(aligner.documents([each.text])[0]))) == 1]
    scores = {}
    for name, found in (
        ("LEAKAGE: gold gates", found_with_labels(task, whole, arguments.batch_size)),
        ("predicted gates", task.find(task.model, whole)),
    ):
        figures = task.metrics(whole, found)
        scores[name] = {key: figures[key] for key in ("f1", "flat_f1", "flat_f1_with_o")}
    print(json.dumps({"texts": len(whole), "left out": len(examples) - len(whole)} | scores, indent=1))


if __name__ == "__main__":
    main()
