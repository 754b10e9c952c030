"""Speed of a token classifier, and spans with weights that are stored in half precision or as int8.

    python benchmarks/stored_weights.py --model ko-ner --data FILE --dataset klue_ner [--graph FOLDER] [--out FILE]

The settings take turns in one process with one thread; a rate is the median over the rounds, of CPU time. Weights are
rounded to the type and computed with in float32, as they load; the rates are also those of an encoder in bfloat16 and
of the graph of `kospan export --quantize int8`, which computes in int8. The data need not be unseen: spans are compared
with those of the model as it is stored.
"""

import argparse
import platform
import random
import statistics
import tempfile
import time
import zlib
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

import kospan
import kospan.runtime
from kospan.api import read_labelled
from kospan.export.int8_rows import rounded_weights
from kospan.modeling.int8_weights import restored_weights

# Order of the documents, and windows per batch.
SETTINGS = [
    ("as in the file", 1),
    ("as in the file", 8),
    ("as in the file", 32),
    ("as in the file", 128),
    ("sorted", 32),
]
# Function from weights to those of a file.
TYPES = {
    "float32": dict,
    "float16": lambda weights: rounded_weights(weights, 16),
    "bfloat16": lambda weights: {name: each.bfloat16() for name, each in weights.items()},
    "int8": rounded_weights,
    "int8, 7 bits": lambda weights: rounded_weights(weights, 7),
}


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


def rounded(model, store, texts: list[str]) -> tuple[list[list], int, int]:
    """Spans with rounded weights, and bytes of their file as it is and deflated; the model keeps its own weights."""
    own = {name: each.clone() for name, each in model.state_dict().items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.safetensors")
        save_file(store(own), path)
        model.load_state_dict(restored_weights(path) or load_file(path))
        size = path.stat().st_size, len(zlib.compress(path.read_bytes()))
    try:
        return model.extract(texts), *size
    finally:
        model.load_state_dict(own)


def micro_f1(gold: list[set], found: list[set]) -> float:
    """Strict micro F1."""
    correct = sum(len(one & other) for one, other in zip(gold, found, strict=True))
    return 2 * correct / (sum(map(len, gold)) + sum(map(len, found)))


def page(arguments, documents: int, speeds: dict, rows: list[tuple]) -> str:
    """The page of the result."""
    graph = f" --graph {arguments.graph.name}" if arguments.graph else ""
    lines = [
        "# Speed of a token classifier, and weights in half precision and int8",
        "",
        f"`python benchmarks/stored_weights.py --model {Path(arguments.model).name} --data "
        f"{Path(arguments.data).name} --dataset {arguments.dataset}{graph}` on one thread of a 2-core x86-64 virtual "
        f"machine, torch {torch.__version__}, CPython {platform.python_version()}. {documents:,} documents; "
        f"{arguments.rounds} rounds.",
        "",
        f"| order | windows per batch | {' | '.join(f'documents/s of CPU time, {name}' for name in speeds)} |",
        f"|---|---:|{'---:|' * len(speeds)}",
        *(
            f"| {order} | {batch} | {' | '.join(f'{each[order, batch]:.0f}' for each in speeds.values())} |"
            for order, batch in SETTINGS
        ),
        "",
        "| weights stored in | F1 | documents with the same spans | largest difference of a score | MB | MB in a zip |",
        "|---|---:|---:|---:|---:|---:|",
        *(
            f"| {name} | {f1:.4f} | {same:,} | {difference:.1e} | {size / 1e6:.2f} | {packed / 1e6:.2f} |"
            for name, f1, same, difference, size, packed in rows
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="ko-ner")
    parser.add_argument("--data", required=True)
    parser.add_argument("--dataset", default="klue_ner")
    parser.add_argument("--graph", type=Path, help="folder of the model exported to int8")
    parser.add_argument("--documents", type=int, default=1000, help="the first documents of the file (default: 1000)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    random.seed(0)
    model = kospan.load(arguments.model).to("cpu")
    examples = read_labelled(arguments.data, dataset=arguments.dataset)[0][: arguments.documents]
    texts, gold = [each.text for each in examples], [{span[:3] for span in each.spans} for each in examples]
    models = {"torch": model, "encoder in bfloat16": kospan.load(arguments.model, dtype="bfloat16").to("cpu")}
    rows, reference = [], model.extract(texts)
    results = {name: rounded(model, store, texts) for name, store in TYPES.items()}
    if arguments.graph:
        models["int8 graph"] = kospan.runtime.load(arguments.graph)
        data = (arguments.graph / "model.onnx").read_bytes()
        results["int8 graph"] = models["int8 graph"].extract(texts), len(data), len(zlib.compress(data))
    for name, (found, *sizes) in results.items():
        same = [[span[:3] for span in one] == [span[:3] for span in other] for one, other in zip(found, reference)]
        pairs = (zip(one, other) for one, other, equal in zip(found, reference, same) if equal)
        difference = max((abs(a.score - b.score) for spans in pairs for a, b in spans), default=0.0)
        f1 = micro_f1(gold, [{span[:3] for span in spans} for spans in found])
        rows.append((name, f1, sum(same), difference, *sizes))
    speeds = {name: rates(each, texts, arguments.rounds) for name, each in models.items()}
    text = page(arguments, len(texts), speeds, rows)
    print(text)
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
