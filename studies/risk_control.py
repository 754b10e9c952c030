"""Guaranteed recall on real data: share of found spans, precision and number of spans at several levels.

    python studies/risk_control.py --model MODEL --dataset klue_ner --data fit.tsv --report report.tsv --out OUT.md

The temperature is fitted to the selection part. Levels that cannot be certified are reported with the highest one that
can. Random cuts of calibration and report documents show how the guarantees hold beyond a single cut.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from kospan.api import read_labelled
from kospan.data.text import write_text
from kospan.evaluation.confidence import fit_temperature
from kospan.evaluation.operating_point import Goal, Misses, certify
from kospan.evaluation.risk_control import risk_of
from kospan.operating_points import Scored, cut_parts, operating_points, score_parts
from kospan.tasks.encoders import load_ours
from kospan.tasks.loading import open_saved

LEVELS, CONFIDENCE = (0.9, 0.95, 0.99), 0.9
KINDS = {
    "mean of documents, on average": {},
    "all spans, on average": {"recall_of": "corpus"},
    "mean of documents, confidence 0.9": {"confidence": CONFIDENCE},
    "all spans, confidence 0.9": {"confidence": CONFIDENCE, "recall_of": "corpus"},
}
DISJOINT = {"mean of documents, on average, disjoint spans": {"overlapping": False}}


def cell(row: dict, name: str) -> str:
    """A metric with its interval."""
    if row[name] is None:
        return ""
    low, high = row[f"{name} interval"]
    return f"{row[name]:.3f} [{low:.3f}, {high:.3f}]"


def level_rows(scored: Scored) -> list[str]:
    """Rows of all kinds and levels, one threshold for all labels."""
    rows = []
    for kind, settings in (KINDS | DISJOINT).items():
        for level in LEVELS:
            goal = Goal(level, **settings)
            try:
                points, results = operating_points(scored, [goal])
            except ValueError as error:
                rows.append(f"| {kind} | {level} | refused: {reason(error)} | | | | | |")
                continue
            point, row = points[goal.name], results[goal.name]["report"]["all"]
            metric = "recall" if goal.recall_of == "corpus" else "document_recall"
            rows.append(
                f"| {kind} | {level} | {point['guarantee']['method']['all']} | "
                f"{next(iter(point['thresholds'].values())):.3g} | {cell(row, metric)} | {cell(row, 'recall')} | "
                f"{cell(row, 'precision')} | {row['spans_per_document']:.1f} |"
            )
    return rows


def reason(error: ValueError) -> str:
    """The reason of a refusal."""
    return str(error).partition(", got ")[2].partition("; request")[0]


def label_rows(scored: Scored) -> list[str]:
    """Rows of each label with a guarantee of its own, on average over documents."""
    rows = []
    for level in LEVELS:
        for label in scored.labels:
            at = [scored.labels.index(label)]
            own = scored._replace(
                labels=[label],
                selection=only(scored.selection, at),
                calibration=only(scored.calibration, at),
                report=only(scored.report, at),
                predicted=type(scored.predicted)(
                    *(each[scored.predicted.labels == label] for each in scored.predicted)
                ),
            )
            goal = Goal(level, per_label=True)
            try:
                points, results = operating_points(own, [goal])
            except ValueError as error:
                rows.append(f"| {level} | {label} | refused: {reason(error)} | | | | |")
                continue
            point, row = points[goal.name], results[goal.name]["report"][label]
            rows.append(
                f"| {level} | {label} | {point['guarantee']['documents'][label]:,} | "
                f"{point['thresholds'][label]:.3g} | {cell(row, 'document_recall')} | {cell(row, 'precision')} | "
                f"{row['spans_per_document']:.1f} |"
            )
    return rows


def only(misses: Misses, at: list[int]) -> Misses:
    """The misses of some labels."""
    return Misses(tuple(misses.labels[each] for each in at), misses.gold[:, at], misses.missed[:, at])


def cut_rows(scored: Scored, cuts: int, seed: int) -> list[str]:
    """Rows about random cuts of all documents but the selection part into two halves."""
    both = [np.concatenate(pair) for pair in zip(scored.calibration[1:], scored.report[1:])]
    generator, rows = np.random.default_rng(seed), []
    for kind, settings in KINDS.items():
        for level in LEVELS:
            goal, found = Goal(level, **settings), []
            for _ in range(cuts):
                order = generator.permutation(len(both[0]))
                halves = [
                    Misses(scored.calibration.labels, *(each[part] for each in both))
                    for part in np.array_split(order, 2)
                ]
                try:
                    threshold = next(iter(certify(goal, halves[0], scored.selection)["thresholds"].values()))
                except ValueError:
                    continue
                at = Misses.threshold_index(threshold)
                found.append(halves[1].recall(scored.labels, goal.recall_of, at))
            if found:
                below = np.mean(np.array(found) < 1 - risk_of(level))
                low, high = np.quantile(found, [0.05, 0.95])
                spread = f"{np.mean(found):.4f} | {low:.4f} to {high:.4f} | {below:.3f}"
            rows.append(f"| {kind} | {level} | {cuts - len(found)} | {spread if found else ' | | '} |")
    return rows


def main(words: list[str] | None = None) -> None:
    """Compute all tables and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--report")
    parser.add_argument("--about", default="", help="a sentence about model and data")
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args(words)
    torch.set_num_threads(1)
    data, report = (
        path and read_labelled(path, dataset=arguments.dataset)[0] for path in (arguments.data, arguments.report)
    )
    parts = cut_parts(data, None, report, arguments.seed)
    task = open_saved(arguments.model, dataset=arguments.dataset)
    temperature = fit_temperature(task.spec.confidence(task, parts.selection))
    model = load_ours(arguments.model, calibration_temperature=temperature, dtype=torch.float32).eval()
    scored = score_parts(task.over(model, arguments.dataset), parts)
    gold = scored.calibration.gold.sum()
    page = PAGE.format(
        name=Path(arguments.model).name,
        about=arguments.about,
        command=f"--dataset {arguments.dataset} --data {Path(arguments.data).name}"
        + (f" --report {Path(arguments.report).name}" if arguments.report else ""),
        seed=arguments.seed,
        cuts=arguments.cuts,
        sizes=", ".join(f"{name} {count:,}" for name, count in scored.documents.items()),
        temperature=temperature,
        per_document=scored.report.gold.sum() / len(scored.report.gold),
        unreachable=scored.calibration.missed[:, :, 0].sum(),
        gold=gold,
        levels="\n".join(level_rows(scored)),
        labels="\n".join(label_rows(scored)),
        random="\n".join(cut_rows(scored, arguments.cuts, arguments.seed)),
    )
    write_text(arguments.out, page)
    print(page)


PAGE = """# Guaranteed recall: {name}

{about}

`python studies/risk_control.py --model {name} {command} --seed {seed} --cuts {cuts} --out FILE`

Documents: {sizes}. Temperature {temperature:g}, fitted to the selection part. A document of the report part holds
{per_document:.2f} gold spans. Of the {gold:,} gold spans of the calibration part, {unreachable:,} are missed at every
threshold: they are longer than 16 units or have a posterior below 1e-6.

## One threshold for all labels

Metrics on the report part with 95 % bootstrap intervals over documents. "guaranteed recall" is the quantity that the
guarantee is about, "recall" that of all spans.

| guarantee | level | bound | threshold | guaranteed recall | recall | precision | spans per document |
|---|---:|---|---:|---:|---:|---:|---:|
{levels}

## A threshold for each label

Mean of documents, on average; each label by itself.

| level | label | documents | threshold | guaranteed recall | precision | spans per document |
|---:|---|---:|---:|---:|---:|---:|
{labels}

## Random cuts

Calibration and report documents, put together and cut into halves at random {cuts} times: one half certifies, recall is
measured on the other. The cuts share documents, and the measured recall has an error of its own, so "below the level"
may be more than the guarantee's own error probability; about half of the cuts are expected for a guarantee on average.

| guarantee | level | refused | mean recall | 5 % to 95 % of the cuts | cuts below the level |
|---|---:|---:|---:|---:|---:|
{random}
"""


if __name__ == "__main__":
    main()
