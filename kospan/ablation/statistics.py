"""Statistics of a study's finished runs: means and spread, differences with intervals, effects."""

import json
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from kospan.ablation.folders import DONE, RUN_FILE, result_folder, state_of
from kospan.ablation.plan import Experiment, Run
from kospan.ablation.runner import planned
from kospan.ablation.settings import differences, shown
from kospan.evaluation.bootstrap import holm, interval, mean_difference
from kospan.files import found_json_object
from kospan.training.loss_parts import curve_points

SAMPLES = 10_000
# Prefixes of numbers that are not scores of a variant.
_NOT_SCORES = ("support_", "loss", "temperature")


def study_numbers(experiment: Experiment, samples: int = SAMPLES) -> dict:
    """All numbers of a report.

    Args:
        experiment: The experiment, whose folders are read.
        samples: Resamples of each bootstrap.

    Returns: `variants`, `differences`, `effects`, `factors`, `missing`, `best`, `documents`, and under `measured` the
        numbers that differ between runs of the same study: seconds, machines, versions.

    Raises: ValueError where no run is finished, or two of them were scored on different documents.
    """
    runs, best = planned(experiment)
    done = [run for run in runs if state_of(experiment, run).kind == DONE]
    if not done:
        raise ValueError(
            f"{experiment.name}: expected finished runs in {experiment.folder}, found none; run the study first"
        )
    described = {run: found_json_object(result_folder(experiment, run) / RUN_FILE) for run in done}
    counts, documents = _counts(experiment, done)
    variants = {name: [run for run in done if run.variant == name] for name in experiment.variants}
    base = experiment.variants[experiment.baseline].recipe
    table = {}
    for name, own in variants.items():
        if own:
            keys = [key for keys in differences(base, experiment.variants[name].recipe).values() for key in keys]
            table[name] = {
                "settings": shown(experiment.variants[name].recipe, keys)
                if name != experiment.baseline
                else "baseline",
                "seeds": [run.seed for run in own],
                "metrics": _metrics([described[run]["metrics"] for run in own]),
                "f1_interval": list(interval(sum(counts[run] for run in own), samples)),
                "curves": [
                    curves(described[run].get("curve", []), experiment.metric, experiment.larger_is_better)
                    for run in own
                ],
                "parameters": described[own[0]]["parameters"],
            }
    return {
        "experiment": experiment.name,
        "task": experiment.variants[experiment.baseline].recipe.task,
        "recipe": experiment.recipe,
        "metric": experiment.metric,
        "baseline": experiment.baseline,
        "documents": documents,
        "samples": samples,
        "variants": table,
        "differences": _adjusted(_against(experiment.baseline, variants, counts, samples)),
        "effects": _adjusted(_single_effects(experiment, variants, counts, samples)),
        "factors": _adjusted(_factors(experiment, counts, samples)),
        "best": best if experiment.more.best else None,
        "best_of": experiment.more.best,
        "missing": [run.name for run in runs if run not in done],
        "measured": _measured(experiment, variants, described),
    }


def _counts(experiment: Experiment, runs: Sequence[Run]) -> tuple[dict[Run, np.ndarray], int]:
    """Counts `(documents, 3)` of each run over all types, and the number of documents."""
    counts, first = {}, None
    for run in runs:
        path = Path(result_folder(experiment, run), "counts.json")
        found = json.loads(path.read_text(encoding="utf-8"))
        first = first or found
        if found["ids"] != first["ids"]:
            raise ValueError(
                f"{path}: expected the documents of {runs[0].name}, got others; runs can only be compared on one "
                "validation set, train this one again"
            )
        # For question answering these are scores of questions between 0 and 1.
        counts[run] = np.array(found["counts"]).sum(axis=1)
    return counts, len(first["ids"])


def _metrics(rows: list[dict]) -> dict[str, dict]:
    """Mean and spread over seeds of every metric that all runs of a variant have."""
    found = {}
    for name in rows[0]:
        values = [row.get(name) for row in rows]
        if name.startswith(_NOT_SCORES) or not all(isinstance(value, (int, float)) for value in values):
            continue
        found[name] = {
            "mean": float(np.mean(values)),
            "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
            "range": [min(values), max(values)],
            "n": len(values),
            "by_seed": values,
        }
    return found


def curves(log: Sequence[dict], metric: str, larger_is_better: bool = True) -> dict:
    """Learning curves of a run.

    Args:
        log: Log entries of `kospan.ablation.result.curve`.
        metric: The metric that ranks variants.
        larger_is_better: Whether larger values of it are better.

    Returns: `scores`, `validation_loss` and `loss`: `(epoch, value)` of each measurement; `best_epoch`, the first one
        with the best score, None if the run was not scored while it trained.

    >>> curves([{"epoch": 1.0, "eval_f1": 0.5}, {"epoch": 2.0, "eval_f1": 0.75}, {"epoch": 3.0, "eval_f1": 0.75}], "f1")
    {'scores': [(1.0, 0.5), (2.0, 0.75), (3.0, 0.75)], 'validation_loss': [], 'loss': [], 'best_epoch': 2.0}
    """
    scores = curve_points(log, f"eval_{metric}")
    return {
        "scores": scores,
        "validation_loss": curve_points(log, "eval_loss"),
        "loss": curve_points(log, "loss"),
        "best_epoch": best_point(scores, larger_is_better)[0] if scores else None,
    }


def best_point(scores: Sequence[tuple[float, float]], larger_is_better: bool = True) -> tuple[float, float]:
    """Epoch and value of the best score of a curve, the first of equal ones."""
    best = max if larger_is_better else min
    return best(scores, key=lambda point: point[1])


def _common(variants: dict[str, list[Run]], names: Sequence[str]) -> list[int]:
    """Seeds that all of these variants have."""
    shared = set.intersection(*({run.seed for run in variants[name]} for name in names))
    return [run.seed for run in variants[names[0]] if run.seed in shared]


def _pair(one: str, other: str, variants, counts, samples: int) -> dict | None:
    """Difference of two variants, counts of a document summed over common seeds: seeds are not new documents."""
    seeds = _common(variants, [one, other])
    if not seeds:
        return None
    mine, theirs = (sum(counts[Run(name, seed)] for seed in seeds) for name in (one, other))
    found = mean_difference([(mine, theirs)], samples)
    return {"variant": one, "against": other, "seeds": seeds, **found._asdict()}


def _against(baseline: str, variants, counts, samples: int) -> list[dict]:
    if not variants[baseline]:
        return []
    found = [
        _pair(name, baseline, variants, counts, samples) for name in variants if name != baseline and variants[name]
    ]
    return [row for row in found if row]


def _single_effects(experiment: Experiment, variants, counts, samples: int) -> list[dict]:
    """Differences of named variants that differ by one technique: the later one in the file minus the earlier."""
    named = [name for name in variants if variants[name] and not experiment.variants[name].levels]
    rows = []
    for earlier, later in combinations(named, 2):
        one, other = experiment.variants[later].recipe, experiment.variants[earlier].recipe
        apart = differences(one, other)
        if len(apart) != 1:
            continue
        row = _pair(later, earlier, variants, counts, samples)
        if row:
            ((technique, keys),) = apart.items()
            rows.append(row | {"what": technique, "from": shown(other, keys), "to": shown(one, keys)})
    return rows


def _factors(experiment: Experiment, counts: dict[Run, np.ndarray], samples: int) -> list[dict]:
    """Differences of each level of a grid's factor from its first, averaged over the levels of the other factors."""
    cells = {tuple(variant.levels.items()): variant for variant in experiment.variants.values() if variant.levels}
    factors: dict[str, list[str]] = {}
    for cell in cells:
        for factor, level in cell:
            if level not in factors.setdefault(factor, []):
                factors[factor].append(level)
    rows = []
    for factor, (first, *others) in factors.items():
        for level in others:
            pairs, wanted = [], 0
            for cell, variant in cells.items():
                if dict(cell)[factor] != level:
                    continue
                wanted += 1
                twin = cells[tuple((key, first if key == factor else value) for key, value in cell)]
                seeds = [
                    seed
                    for seed in variant.seeds
                    if Run(variant.name, seed) in counts and Run(twin.name, seed) in counts
                ]
                if seeds:
                    pairs.append(tuple(sum(counts[Run(each.name, seed)] for seed in seeds) for each in (variant, twin)))
            if pairs:
                found = mean_difference(pairs, samples)
                rows.append(
                    {"factor": factor, "level": level, "against": first, "pairs": len(pairs), "of": wanted}
                    | found._asdict()
                )
    return rows


def _adjusted(rows: list[dict]) -> list[dict]:
    adjusted = holm([row["p_value"] for row in rows])
    return [row | {"p_holm": value} for row, value in zip(rows, adjusted)]


def _measured(experiment: Experiment, variants, described) -> dict:
    """Training seconds with the ratio to the baseline on the same seeds; machines, versions and commits."""
    cost = {}
    for name, own in variants.items():
        if not own:
            continue
        cpu, wall = ([described[run]["seconds"][key] for run in own] for key in ("cpu", "wall"))
        row = {"cpu": float(np.mean(cpu)), "wall": float(np.mean(wall)), "ratio": None}
        seeds = _common(variants, [name, experiment.baseline])
        theirs = sum(described[Run(experiment.baseline, seed)]["seconds"]["cpu"] for seed in seeds)
        if theirs:
            row["ratio"] = sum(described[Run(name, seed)]["seconds"]["cpu"] for seed in seeds) / theirs
        row["starts"] = [described[run]["seconds"]["starts"] for run in own]
        cost[name] = row
    found = described.values()
    return {
        "cost": cost,
        "machines": sorted({f"{each['machine']}" for each in found}),
        "versions": sorted({", ".join(f"{key} {value}" for key, value in each["versions"].items()) for each in found}),
        "commits": sorted({each["commit"] or "none" for each in found}),
    }
