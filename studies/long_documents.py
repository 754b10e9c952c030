"""Converted encoders on long documents, against windows and truncation; and segment embeddings.

    python studies/long_documents.py --data DATA --source outputs/taper/source --work outputs/long_documents

A short encoder of 128 positions (`studies/taper.py --parts pretrain` makes one) is converted to 1,024 by `kospan
convert bigbird`; every variant is trained by `kospan train`. A run with a result under --work is not repeated:
other settings need another --work.
"""

import argparse
import json
import shutil
import sys
import time
from pathlib import Path

import torch

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
from transformers import AutoTokenizer  # noqa: E402

from kospan.cli import main as kospan  # noqa: E402
from kospan.data.jsonl import read_jsonl, write_jsonl  # noqa: E402
from kospan.data.text import write_text  # noqa: E402
from studies.joined_text import Subwords  # noqa: E402
from studies.long_scores import BASELINES, ROWS  # noqa: E402
from studies.long_sets import answers, beginnings, entities, pairs  # noqa: E402
from studies.long_variants import (  # noqa: E402
    BLOCK,
    COMMON,
    CONVERSIONS,
    DOCUMENT,
    DOCUMENT_VARIANTS,
    LONG,
    SEGMENTS,
    SHORT,
    SHORT_QUESTION,
    STRETCH,
    TASKS,
    VARIANTS,
)


def main() -> None:
    """Makes the data and the conversions, runs every variant with every seed, and writes the page's tables and
    plots."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with klue-ner/ and korquad-v1/")
    parser.add_argument("--source", type=Path, required=True, help=f"folder of an encoder of {SHORT} positions")
    parser.add_argument("--work", type=Path, required=True, help="where results are kept")
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument(
        "--variants", nargs="+", choices=[*DOCUMENT_VARIANTS, *SEGMENTS], default=[*DOCUMENT_VARIANTS, *SEGMENTS]
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43, 44])
    parser.add_argument("--questions", type=int, default=1000, help="training questions")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "studies" / "long_documents")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    subwords = Subwords(AutoTokenizer.from_pretrained(arguments.source))
    for task in arguments.tasks:
        make_data(task, arguments, subwords)
    for name in CONVERSIONS:
        make_conversion(arguments, name)
    for task in arguments.tasks:
        baseline(arguments, subwords, task)
    for seed in arguments.seeds:
        for task, variant in VARIANTS:
            if task in arguments.tasks and variant in arguments.variants:
                one_run(arguments, subwords, task, variant, seed)
    from studies.long_documents_page import write_page

    write_page(arguments.work / "results", arguments.out)


def make_data(task: str, arguments, subwords: Subwords) -> None:
    """JSON Lines of a task in `data/`, written once: whole documents, and truncated ones."""
    folder = arguments.work / "data" / task
    if folder.is_dir():
        return
    if task == "entities":
        found, room = entities(arguments.data, subwords, DOCUMENT), SHORT - 2
    elif task == "answers":
        most = {"train": arguments.questions, "validation": 300}
        found, room = answers(arguments.data, subwords, STRETCH, most), SHORT - SHORT_QUESTION - 4
        # Whoever cuts can afford every question, and has use for those alone that are answered at once.
        whole = answers(arguments.data, subwords, STRETCH, {"train": 10**9, "validation": 0})
        found["beginnings"] = beginnings(whole["train"], subwords, room, training=True)
    else:
        found = pairs(arguments.data, subwords, {"train": 1600, "validation": 400})
    half = folder.with_suffix(".half")
    half.mkdir(parents=True, exist_ok=True)
    if task == "entities":
        found["beginnings"] = beginnings(found["train"], subwords, room, training=True)
    if task != "pairs":
        found["validation_beginnings"] = beginnings(found["validation"], subwords, room, training=False)
    for split, examples in found.items():
        write_jsonl(half / f"{split}.jsonl", examples)
    half.rename(folder)


def make_conversion(arguments, name: str) -> None:
    """A long encoder by `kospan convert bigbird`, made once."""
    folder = arguments.work / "encoders" / name
    if not folder.is_dir():
        settings = {"max_length": LONG, "block_size": BLOCK} | CONVERSIONS[name]
        flags = [str(word) for key, value in settings.items() for word in (f"--{key}", value)]
        run_command(["convert", "bigbird", str(arguments.source), str(folder), *flags])


def run_command(words: list[str]) -> None:
    """One command of kospan in this process. Raises: RuntimeError where it fails."""
    print(f"\nkospan {' '.join(words)}", flush=True)
    status = kospan(words)
    if status:
        raise RuntimeError(f"expected `kospan {words[0]}` to end well, got exit status {status}; see what it printed")


def one_run(arguments, subwords: Subwords, task: str, variant: str, seed: int) -> None:
    """Train a variant and write its command, seconds and counts of each item."""
    path = arguments.work / "results" / task / f"{variant}-{seed}.json"
    if path.is_file():
        return
    folder, data = arguments.work / "runs" / f"{task}-{variant}-{seed}", arguments.work / "data" / task
    cut = variant == "truncated"
    long = arguments.work / "encoders" / (variant if variant in CONVERSIONS else "copied")
    encoder = arguments.source if variant in ("windowed", "truncated") else long
    settings = COMMON | TASKS[task] | VARIANTS[task, variant] | {"seed": seed}
    places = {
        "encoder": encoder,
        "train_file": data / ("beginnings.jsonl" if cut else "train.jsonl"),
        "validation_file": data / ("validation_beginnings.jsonl" if cut else "validation.jsonl"),
        "output_dir": folder,
    }
    flags = [str(word) for name, value in (settings | places).items() for word in (f"--{name}", value)]
    started = time.process_time()
    run_command(["train", *flags, "--overwrite_output_dir"])
    seconds = time.process_time() - started
    predictions = arguments.work / "predictions" / f"{folder.name}.jsonl"
    predictions.parent.mkdir(exist_ok=True)
    shutil.copy(folder / "predictions.jsonl", predictions)
    predicted = [each.spans for each in read_jsonl(predictions)]
    keep(path, task, data, predicted, subwords, {"seed": seed, "settings": settings, "cpu_seconds": seconds})
    shutil.rmtree(folder)


def baseline(arguments, subwords: Subwords, task: str) -> None:
    """Write the counts of a baseline in the form of a variant's result."""
    path, data = arguments.work / "results" / task / "baseline.json", arguments.work / "data" / task
    if not path.is_file():
        predicted = BASELINES[task](read_jsonl(data / "train.jsonl"), read_jsonl(data / "validation.jsonl"))
        keep(path, task, data, predicted, subwords, {})


def keep(path: Path, task: str, data: Path, predicted: list, subwords: Subwords, about: dict) -> None:
    """Writes a result: what is said about it, and what was right of each whole document. An variant that read less of a
    document is scored on the whole of it too."""
    examples = read_jsonl(data / "validation.jsonl")
    rows = {name: rows_of(examples, predicted, subwords).tolist() for name, rows_of in ROWS[task].items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(about | {"rows": rows}) + "\n")


if __name__ == "__main__":
    main()
