"""Recalibration of span scores beyond one temperature: by type, and by monotone maps of few parameters.

    python studies/score_recalibration.py --model MODEL --dataset klue_ner --data fit.tsv --report report.tsv --out FILE

All maps are fitted to the log loss of predicted spans on one part of the data and scored on another. They are monotone
and do not change which spans are predicted. Beta calibration: Kull, Silva Filho and Flach 2017.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize, minimize_scalar

from kospan.api import read_labelled
from kospan.data.text import write_text
from kospan.evaluation.calibration import calibration_metrics, log_loss
from kospan.evaluation.confidence import Claims, Confidence, fit_temperature
from kospan.tasks.loading import open_saved

# Parameters a >= 0, b >= 0, c of p' = sigmoid(a log p - b log(1 - p) + c), from those of the optimiser.
MAPS: dict[str, tuple[int, Callable]] = {
    "shift": (1, lambda v: (1.0, 1.0, v[0])),
    "Platt scaling": (2, lambda v: (np.exp(v[0]), np.exp(v[0]), v[1])),
    "beta calibration": (3, lambda v: (np.exp(v[0]), np.exp(v[1]), v[2])),
}


def mapped(confidence: np.ndarray, parameters: tuple) -> np.ndarray:
    """Confidences after a map."""
    a, b, c = parameters
    inner = np.clip(confidence, 1e-12, 1 - 1e-12)
    return 1 / (1 + np.exp(-(a * np.log(inner) - b * np.log1p(-inner) + c)))


def fitted_map(confidence: np.ndarray, right: np.ndarray, name: str) -> tuple:
    """Parameters of the map with the least log loss."""
    size, parameters = MAPS[name]
    found = minimize(lambda v: log_loss(mapped(confidence, parameters(v)), right), np.zeros(size), method="Nelder-Mead")
    return parameters(found.x)


def type_temperatures(found: Confidence, labels: list[str]) -> dict[str, float]:
    """Temperature of the whole chain at which the spans of one type have the least log loss."""
    right = found.claims("spans", "posterior", 1.0)
    chosen = {}
    for label in labels:
        own = right.labels == label

        def loss(logarithm: float, own=own) -> float:
            return log_loss(
                found.claims("spans", "posterior", float(np.exp(logarithm))).confidence[own], right.right[own]
            )

        chosen[label] = float(np.exp(minimize_scalar(loss, bounds=(-1.5, 1.5), options={"xatol": 0.01}).x))
    return chosen


def variants(fitted: Confidence, reported: Confidence) -> dict[str, np.ndarray]:
    """Confidences of the reported spans by method."""
    one = fit_temperature(fitted)
    own, other = (found.claims("spans", "posterior", one) for found in (fitted, reported))
    labels = sorted(set(other.labels.tolist()))
    found = {
        "none (temperature 1)": reported.claims("spans", "posterior", 1.0).confidence,
        f"one temperature ({one:g})": other.confidence,
    }
    temperatures = type_temperatures(fitted, labels)
    values = {label: reported.claims("spans", "posterior", each).confidence for label, each in temperatures.items()}
    found["a temperature for each type"] = np.choose(
        [labels.index(each) for each in other.labels], list(values.values())
    )
    for name in MAPS:
        found[f"one temperature, {name}"] = mapped(other.confidence, fitted_map(own.confidence, own.right, name))
        by_type = other.confidence.copy()
        for label in labels:
            part, place = own.labels == label, other.labels == label
            by_type[place] = mapped(by_type[place], fitted_map(own.confidence[part], own.right[part], name))
        found[f"one temperature, {name} for each type"] = by_type
    return found


def chance(confidence: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """ECE of exact confidences, each right as often as its confidence, in many draws."""
    generator = np.random.default_rng(seed)
    return np.array(
        [calibration_metrics(confidence, generator.random(len(confidence)) < confidence)["ece"] for _ in range(draws)]
    )


def rows(claims: Claims, found: dict[str, np.ndarray], draws: int, seed: int) -> tuple[list[str], list[str]]:
    """Rows of all methods, overall and by type."""
    overall, by_type = [], []
    labels = sorted(set(claims.labels.tolist()))
    for name, confidence in found.items():
        metrics, by_chance = calibration_metrics(confidence, claims.right), chance(confidence, draws, seed)
        p_value = (1 + (by_chance >= metrics["ece"]).sum()) / (1 + draws)
        overall.append(
            f"| {name} | {metrics['ece']:.4f} | {by_chance.mean():.4f} | {p_value:.3f} | {metrics['ece_mass']:.4f} | "
            f"{metrics['brier']:.4f} | {log_loss(confidence, claims.right):.4f} |"
        )
        cells = []
        for label in labels:
            own = claims.labels == label
            value = calibration_metrics(confidence[own], claims.right[own])["ece"]
            cells.append(f"{value:.3f} ({chance(confidence[own], draws, seed).mean():.3f})")
        by_type.append(f"| {name} | {' | '.join(cells)} |")
    return overall, by_type


def main(words: list[str] | None = None) -> None:
    """Fit, score and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--report", help="default: every second document of --data, from the second")
    parser.add_argument("--about", default="", help="a sentence about model and data")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args(words)
    torch.set_num_threads(1)
    data = read_labelled(arguments.data, dataset=arguments.dataset)[0]
    report = read_labelled(arguments.report, dataset=arguments.dataset)[0] if arguments.report else data[1::2]
    task = open_saved(arguments.model, dataset=arguments.dataset)
    fitted, reported = (task.spec.confidence(task, part) for part in (data if arguments.report else data[::2], report))
    claims = reported.claims("spans", "posterior", 1.0)
    overall, by_type = rows(claims, variants(fitted, reported), arguments.draws, arguments.seed)
    labels, counts = np.unique(claims.labels.astype(str), return_counts=True)
    page = PAGE.format(
        name=Path(arguments.model).name,
        about=arguments.about,
        command=f"--dataset {arguments.dataset} --data {Path(arguments.data).name}"
        + (f" --report {Path(arguments.report).name}" if arguments.report else ""),
        draws=arguments.draws,
        seed=arguments.seed,
        fitted=len(fitted.claims("spans", "posterior", 1.0).right),
        reported=len(claims.right),
        overall="\n".join(overall),
        labels=" | ".join(f"{label} ({count:,})" for label, count in zip(labels, counts)),
        rule="---:|" * len(labels),
        by_type="\n".join(by_type),
    )
    write_text(arguments.out, page)
    print(page)


PAGE = """# Recalibration of span scores: {name}

{about}

`python studies/score_recalibration.py --model {name} {command} --draws {draws} --seed {seed} --out FILE`

Fitted to {fitted:,} predicted spans, scored on {reported:,} others. "by chance" is the mean ECE of exact confidences on
as many spans, in {draws} draws; p is the share of draws with at least the measured ECE.

| recalibration | ECE | by chance | p | ECE, equal mass | Brier | log loss |
|---|---:|---:|---:|---:|---:|---:|
{overall}

ECE by type (by chance):

| recalibration | {labels} |
|---|{rule}
{by_type}
"""


if __name__ == "__main__":
    main()
