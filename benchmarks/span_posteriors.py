"""CPU time of decoding by the posteriors of all spans against the best path; writes docs/benchmarks/span_posteriors.md.

    python benchmarks/span_posteriors.py --model FOLDER --data FILE --dataset NAME [--lengths FILE NAME]

All options can be repeated. The emissions of each model are computed once, so that decoding alone is timed. The
decodings take turns in one process with one thread; a cell is the median over the rounds. The spans of all files are
counted by length.
"""

import argparse
import platform
import statistics
import time
from pathlib import Path

import torch
import yaml

import kospan
from kospan.api import read_labelled
from kospan.data.registry import dataset_spec
from kospan.modeling.alignment import unit_spans
from kospan.modeling.span_decoding import decode_spans
from kospan.modeling.span_selection import MAX_SPAN_LENGTH, decoding_of
from kospan.modeling.tags import labels_of
from kospan.modeling.words import document_words

RESULT = Path(__file__).parent.parent / "docs" / "benchmarks" / "span_posteriors.md"
# Name of each decoding -> its settings; the first is the reference.
DECODINGS = {
    "viterbi": {},
    "posterior, overlapping, threshold 0.5": {"decode": "posterior", "overlapping": True, "threshold": 0.5},
    "posterior, overlapping, threshold 0.05": {"decode": "posterior", "overlapping": True, "threshold": 0.05},
    "posterior, overlapping, threshold 0.01": {"decode": "posterior", "overlapping": True, "threshold": 0.01},
    "posterior, threshold 0.5": {"decode": "posterior", "threshold": 0.5},
    "mbr": {"decode": "mbr"},
}


def measure(folder: str, data: str, dataset: str, count: int, rounds: int) -> dict:
    """Time all decodings of the first `count` documents of a file, or all if there are fewer."""
    model = kospan.load(folder)
    examples, _ = read_labelled(data, dataset=dataset)
    with model.evaluating(), torch.no_grad():
        documents = model.aligner.documents([example.document for example in examples[:count]])
        emissions = model.chains(documents, 32)
        labels = labels_of(model.config.tags)
        settings = {name: decoding_of(labels, **each) for name, each in DECODINGS.items()}
        seconds, spans = {name: [] for name in settings}, {}
        for _ in range(rounds):
            for name, decoding in settings.items():
                begun = time.process_time()
                found = decode_spans(model.head, documents, emissions, decoding, 32)
                seconds[name].append(time.process_time() - begun)
                spans[name] = sum(map(len, found))
    return {
        "name": f"{dataset_spec(dataset).title}, `{Path(data).name}`",
        "recipe": yaml.safe_load((Path(folder) / "recipe.yaml").read_text(encoding="utf-8"))["name"],
        "documents": len(emissions),
        "units": sum(map(len, emissions)),
        "unit": model.config.unit,
        "labels": len(labels),
        "seconds": {name: statistics.median(values) for name, values in seconds.items()},
        "spans": spans,
    }


def long_spans(data: str, dataset: str) -> tuple[str, int, int]:
    """Return the name of a file, and its numbers of spans and of spans longer than the maximum."""
    spec = dataset_spec(dataset)
    examples, _ = read_labelled(data, dataset=dataset, say=lambda line: None)
    lengths = []
    for example in examples:
        spans = sorted(example.spans)
        if spec.unit == "word":
            spans = unit_spans(document_words(example.document), spans)
        lengths += [span[1] - span[0] for span in spans]
    return f"{spec.title}, `{Path(data).name}`", len(lengths), sum(length > MAX_SPAN_LENGTH for length in lengths)


def page(results: list[dict], lengths: list[tuple[str, int, int]], rounds: int, words: str) -> str:
    """Return the result as Markdown."""
    reference = next(iter(DECODINGS))
    lines = [
        "# Span posteriors: time of decoding",
        "",
        "CPU time of decoding by the exact posteriors of all spans of up to "
        f"{MAX_SPAN_LENGTH} units ([guide](../guides/ner.md#choose-spans-by-their-posteriors)), against the best path "
        "with the posteriors of its spans. Emissions are computed once and not timed. The decodings take turns in one "
        f"process, batches of 32; medians of {rounds} rounds, one thread of a 2-core {platform.machine()} virtual "
        f"machine, torch {torch.__version__.split('+')[0]}. Ratios are against `viterbi`.",
    ]
    for result in results:
        seconds = result["seconds"]
        lines += [
            "",
            f"## {result['name']}",
            "",
            f"{result['documents']:,} sentences, {result['units']:,} units ({result['unit']}s), {result['labels']} "
            f"labels; a model of the recipe `{result['recipe']}`.",
            "",
            "| decoding | ms per 1,000 sentences | ratio | spans |",
            "| --- | --- | --- | --- |",
        ]
        lines += [
            f"| {name} | {1e6 * seconds[name] / result['documents']:,.0f} | {seconds[name] / seconds[reference]:.2f} | "
            f"{result['spans'][name]:,} |"
            for name in DECODINGS
        ]
    lines += [
        "",
        f"## Spans of more than {MAX_SPAN_LENGTH} units",
        "",
        "Only `viterbi` finds spans of this length.",
        "",
        "| file | gold spans | longer | share |",
        "| --- | --- | --- | --- |",
    ]
    lines += [f"| {name} | {gold:,} | {more:,} | {more / max(1, gold):.2%} |" for name, gold, more in lengths]
    return "\n".join([*lines, "", "```bash", words, "```", ""])


def main() -> None:
    """Measure all models and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, text in (("model", "folder of a model"), ("data", "labelled file"), ("dataset", "format of the file")):
        parser.add_argument(f"--{name}", action="append", required=True, help=f"{text}; repeatable")
    parser.add_argument(
        "--lengths",
        action="append",
        nargs=2,
        default=[],
        metavar=("FILE", "NAME"),
        help="count the spans of a file too",
    )
    parser.add_argument("--count", type=int, default=1000, help="sentences that are decoded")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    given = [arguments.model, arguments.data, arguments.dataset]
    if len({len(each) for each in given}) > 1:
        parser.error(
            f"expected as many --data and --dataset as --model, got {', '.join(str(len(each)) for each in given)}"
        )
    torch.set_num_threads(1)
    results = [measure(*each, arguments.count, arguments.rounds) for each in zip(*given)]
    files = [*zip(arguments.data, arguments.dataset), *arguments.lengths]
    words = ["python benchmarks/span_posteriors.py"]
    words += [
        f"--model {Path(folder).name} --data {Path(data).name} --dataset {dataset}"
        for folder, data, dataset in zip(*given)
    ]
    words += [f"--lengths {Path(data).name} {dataset}" for data, dataset in arguments.lengths]
    text = page(results, [long_spans(*each) for each in files], arguments.rounds, " \\\n  ".join(words))
    print(text)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
