"""Speed, scores, start and size of exported models against torch; writes docs/benchmarks/onnx_speed.md.

    python benchmarks/onnx_speed.py --model FOLDER --data FILE --dataset NAME [--documents N] [--rounds N]

The first three options can be repeated. Each model is exported in float32 and int8. All methods take turns in one
process with one thread; a speed is the number of documents over the median CPU time of the rounds. The pipeline of
transformers runs the model's encoder with a linear head, at its best batch size. Start and memory are those of new
processes, the CPU time and the largest resident set of the median run.
"""

import argparse
import importlib.util
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import yaml
from transformers import AutoModelForTokenClassification, TokenClassificationPipeline

import kospan
from kospan.api import open_labelled
from kospan.data.registry import dataset_spec
from kospan.export.export import export
from kospan.export.quantize import instruction_set
from kospan.runtime import load
from kospan.tasks.loading import has_bfloat16

RESULT = Path(__file__).parent.parent / "docs" / "benchmarks" / "onnx_speed.md"
BATCHES = (1, 8, 32)
PACKAGES = ("numpy", "numpy.libs", "tokenizers", "onnxruntime")
START = {
    "runtime": "import sys; sys.path.insert(0, sys.argv[1]); import kospan_runtime as runtime\n"
    "model = runtime.load(sys.argv[1], threads=1)",
    "torch": "import sys, torch, kospan; torch.set_num_threads(1); model = kospan.load(sys.argv[1])",
}
# The largest resident set of the process itself; that of getrusage may be its parent's.
MEASURED = "\nfound = model.extract(sys.argv[2])\nimport re, time\n"
MEASURED += "peak = int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) / 1024\n"
MEASURED += "print('USED', time.process_time(), peak)"


def stock_pipeline(model, batch_size: int):
    """Build the pipeline of transformers over the model's encoder and a linear head."""
    config = model.config.encoder_config
    stock = AutoModelForTokenClassification.from_config(type(config)(**config.to_dict() | {"num_labels": 9})).eval()
    getattr(stock, stock.base_model_prefix).load_state_dict(model.encoder.state_dict(), strict=False)
    return TokenClassificationPipeline(
        model=stock, tokenizer=model.tokenizer, aggregation_strategy="simple", batch_size=batch_size, device="cpu"
    )


def measure(folder: str, data: str, dataset: str, count: int, rounds: int, place: Path) -> dict:
    """Time all methods on the first `count` documents of a file, and score torch and the exports on all of them."""
    task, examples, *_ = open_labelled(kospan.load(folder), data, dataset=dataset, say=lambda line: None)
    model = task.model
    exports = {precision: place / precision for precision in ("float32", "int8")}
    for precision, target in exports.items():
        export(folder, target, precision=precision)
    exported = {precision: load(target, threads=1) for precision, target in exports.items()}
    documents = [example.document for example in examples[:count]]
    runs = {f"torch, batch {size}": lambda size=size: model.extract(documents, batch_size=size) for size in BATCHES}
    for size in BATCHES:
        runs[f"ONNX float32, batch {size}"] = lambda size=size: exported["float32"].extract(documents, batch_size=size)
    if has_bfloat16():
        half = kospan.load(folder, dtype="bfloat16")
        runs["bfloat16 encoder in torch, batch 32"] = lambda: half.extract(documents, batch_size=32)
    runs["ONNX int8"] = lambda: exported["int8"].extract(documents)
    if model.config.encoder_config.num_hidden_layers:
        for size in BATCHES:
            pipeline = stock_pipeline(model, size)
            texts = [text if isinstance(text, str) else " ".join(text) for text in documents]
            runs[f"pipeline of transformers, batch {size}"] = lambda pipeline=pipeline, texts=texts: pipeline(texts)
    seconds = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            begun = time.process_time()
            run()
            seconds[name].append(time.process_time() - begun)
    found = {"torch": task.predict(examples)}
    found |= {"bfloat16": task.predict(examples, model=half)} if has_bfloat16() else {}
    found |= {precision: task.predict(examples, model=each) for precision, each in exported.items()}
    triples = {name: [[span[:3] for span in spans] for spans in each] for name, each in found.items()}
    scores = [
        abs(one.score - other.score) for pair in zip(found["torch"], found["float32"]) for one, other in zip(*pair)
    ]
    starts = {"ONNX int8": start("runtime", exports["int8"], documents[0], rounds)}
    starts["ONNX float32"] = start("runtime", exports["float32"], documents[0], rounds)
    starts["torch"] = start("torch", folder, documents[0], rounds)
    return {
        "name": f"{dataset_spec(dataset).title}, `{Path(data).name}`",
        "recipe": yaml.safe_load((Path(folder) / "recipe.yaml").read_text(encoding="utf-8"))["name"],
        "speeds": {name: len(documents) / statistics.median(each) for name, each in seconds.items()},
        "documents": len(documents),
        "scored": len(examples),
        "f1": {name: task.metrics(examples, each)["f1"] for name, each in found.items()},
        "equal": triples["torch"] == triples["float32"],
        "score": max(scores, default=0.0),
        "starts": starts,
        "sizes": {precision: size_of(target) for precision, target in exports.items()},
    }


def start(kind: str, folder, document, rounds: int) -> tuple[float, float]:
    """Return CPU seconds and MiB of a new process that loads a model and extracts from one text, medians."""
    text = document if isinstance(document, str) else " ".join(document)
    command = [sys.executable, "-c", START[kind] + MEASURED, str(folder), text]
    used = []
    for _ in range(rounds):
        output = subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout
        used.append([float(value) for value in output.rpartition("USED")[2].split()])
    return tuple(statistics.median(column) for column in zip(*used))


def size_of(folder: Path) -> float:
    """MiB of the files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20


def package_sizes() -> dict[str, float]:
    """MiB of each package that the runtime needs, without compiled Python files."""
    found = {}
    for name in PACKAGES:
        root = Path(importlib.util.find_spec(name.removesuffix(".libs")).submodule_search_locations[0])
        files = [path for path in (root.parent / name).rglob("*") if path.is_file() and path.suffix != ".pyc"]
        found[name] = sum(path.stat().st_size for path in files) / 2**20
    return found


def page(results: list[dict], packages: dict[str, float], command: str) -> str:
    """Write the page."""
    lines = [
        "# Exported models without torch",
        "",
        f"`{command}` on one thread of a 2-core x86-64 virtual machine, int8 with {instruction_set()}, torch "
        f"{torch.__version__}, {platform.python_implementation()} {platform.python_version()}. Documents per second of "
        "CPU time, medians of interleaved rounds; `extract` and the pipeline from strings to spans.",
    ]
    names = {"int8": "ONNX int8", "bfloat16": "torch with a bfloat16 encoder"}
    for each in results:
        speeds = each["speeds"]
        best = {
            kind: max(value for name, value in speeds.items() if name.startswith(kind))
            for kind in ("torch", "pipe")
            if any(name.startswith(kind) for name in speeds)
        }
        lines += ["", f"## {each['name']}: `{each['recipe']}`", ""]
        lines += [f"The first {each['documents']:,} documents.", ""]
        columns = ["method", "documents/s", "/ torch at its best"] + ["/ pipeline at its best"] * ("pipe" in best)
        lines += ["| " + " | ".join(columns) + " |", "|---" + "|---:" * (len(columns) - 1) + "|"]
        for name, value in speeds.items():
            lines.append(
                "| " + " | ".join([name, f"{value:.0f}"] + [f"{value / base:.2f}" for base in best.values()]) + " |"
            )
        f1, equal = each["f1"], "equal spans" if each["equal"] else "other spans"
        changes = [
            f"{names[kind]} {value:.4f} ({100 * (value - f1['torch']):+.2f} points)"
            for kind, value in f1.items()
            if kind in names
        ]
        lines += [
            "",
            f"F1 on all {each['scored']:,} documents: torch {f1['torch']:.4f}; ONNX float32 {f1['float32']:.4f} "
            f"({equal}, largest difference of a score {each['score']:.1e}); {'; '.join(changes)}.",
        ]
        lines += [
            "",
            "| start: import, load, first extract | CPU seconds | MiB resident | MiB of the folder |",
            "|---|---:|---:|---:|",
        ]
        for name, (seconds, memory) in each["starts"].items():
            size = each["sizes"].get(name.removeprefix("ONNX "))
            lines.append(f"| {name} | {seconds:.2f} | {memory:.0f} | {'' if size is None else f'{size:.1f}'} |")
    total = sum(packages.values())
    listed = ", ".join(f"{name} {size:.0f}" for name, size in packages.items())
    smallest = ", ".join(f"{each['recipe']} {total + each['sizes']['int8']:.0f}" for each in results)
    lines += ["", f"Installed packages in MiB: {listed}; together {total:.0f}. With the folder in int8: {smallest}."]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "data", "dataset"):
        parser.add_argument(f"--{name}", action="append", required=True)
    parser.add_argument("--documents", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for at, (model, data, dataset) in enumerate(
            zip(arguments.model, arguments.data, arguments.dataset, strict=True)
        ):
            place = Path(folder, str(at))
            place.mkdir()
            results.append(measure(model, data, dataset, arguments.documents, arguments.rounds, place))
            print(json.dumps(results[-1], indent=1), flush=True)
    command = "python benchmarks/onnx_speed.py " + " ".join(
        f"--model {Path(model).name} --data {Path(data).name} --dataset {dataset}"
        for model, data, dataset in zip(arguments.model, arguments.data, arguments.dataset)
    )
    command += f" --documents {arguments.documents} --rounds {arguments.rounds}"
    arguments.out.write_text(page(results, package_sizes(), command), encoding="utf-8")


if __name__ == "__main__":
    main()
