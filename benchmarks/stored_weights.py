"""Speed of a token classifier, and spans with weights that are stored in half precision.

    python benchmarks/stored_weights.py --model ko-ner --data FILE --dataset klue_ner [--documents 1000] [--out FILE]

The settings take turns in one process with one thread; a rate is the median over the rounds, of CPU time. Weights are
rounded to the type and computed with in float32, as they load. The data need not be unseen: spans are compared with
those of the model as it is stored.
"""

import argparse
import platform
import random
import statistics
import time
from pathlib import Path

import torch

import kospan
from kospan.api import read_labelled

# Order of the documents, and windows per batch.
SETTINGS = [
    ("as in the file", 1),
    ("as in the file", 8),
    ("as in the file", 32),
    ("as in the file", 128),
    ("sorted", 32),
]
TYPES = (torch.float32, torch.float16, torch.bfloat16)


def rates(model, texts: list[str], rounds: int) -> dict[tuple[str, int], float]:
    """Documents per second of CPU time for each setting."""
    orders = {"as in the file": texts, "sorted": sorted(texts, key=len)}
    seconds: dict = {setting: [] for setting in SETTINGS}
    for _ in range(rounds):
        for order, batch in random.sample(SETTINGS, len(SETTINGS)):
            begun = time.process_time()
            model.extract(orders[order], batch_size=batch)
            seconds[order, batch].append(time.process_time() - begun)
    return {setting: len(texts) / statistics.median(each) for setting, each in seconds.items()}


def rounded(model, dtype: torch.dtype, texts: list[str]) -> list[list]:
    """Spans with the weights rounded to a type; the model keeps its own."""
    own = {name: each.clone() for name, each in model.state_dict().items()}
    model.load_state_dict({name: each.to(dtype).to(each.dtype) for name, each in own.items()})
    try:
        return model.extract(texts)
    finally:
        model.load_state_dict(own)


def micro_f1(gold: list[set], found: list[set]) -> float:
    """Strict micro F1."""
    correct = sum(len(one & other) for one, other in zip(gold, found, strict=True))
    return 2 * correct / (sum(map(len, gold)) + sum(map(len, found)))


def page(arguments, documents: int, speeds: dict, rows: list[tuple]) -> str:
    """The page of the result."""
    lines = [
        "# Speed of a token classifier, and weights in half precision",
        "",
        f"`python benchmarks/stored_weights.py --model {Path(arguments.model).name} --data "
        f"{Path(arguments.data).name} --dataset {arguments.dataset}` on one thread of a 2-core x86-64 virtual machine, "
        f"torch {torch.__version__}, CPython {platform.python_version()}. {documents:,} documents; "
        f"{arguments.rounds} rounds.",
        "",
        "| order | windows per batch | documents/s of CPU time |",
        "|---|---:|---:|",
        *(f"| {order} | {batch} | {speeds[order, batch]:.0f} |" for order, batch in SETTINGS),
        "",
        "| weights stored in | F1 | documents with the same spans | largest difference of a score |",
        "|---|---:|---:|---:|",
        *(f"| {name} | {f1:.4f} | {same:,} | {difference:.1e} |" for name, f1, same, difference in rows),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="ko-ner")
    parser.add_argument("--data", required=True)
    parser.add_argument("--dataset", default="klue_ner")
    parser.add_argument("--documents", type=int, default=1000, help="the first documents of the file (default: 1000)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    random.seed(0)
    model = kospan.load(arguments.model).to("cpu")
    examples = read_labelled(arguments.data, dataset=arguments.dataset)[0][: arguments.documents]
    texts, gold = [each.text for each in examples], [{span[:3] for span in each.spans} for each in examples]
    rows, reference = [], model.extract(texts)
    for dtype in TYPES:
        found = rounded(model, dtype, texts)
        same = [[span[:3] for span in one] == [span[:3] for span in other] for one, other in zip(found, reference)]
        pairs = (zip(one, other) for one, other, equal in zip(found, reference, same) if equal)
        difference = max((abs(a.score - b.score) for spans in pairs for a, b in spans), default=0.0)
        f1 = micro_f1(gold, [{span[:3] for span in spans} for spans in found])
        rows.append((str(dtype).removeprefix("torch."), f1, sum(same), difference))
    text = page(arguments, len(texts), rates(model, texts, arguments.rounds), rows)
    print(text)
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
