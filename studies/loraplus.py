"""Steps and sizes of a finished study of LoRA+: how many steps LoRA+ needs for what LoRA reaches, and which variant
wins with how many sentences.

    kospan ablate recipes/studies/loraplus.yaml --train_file TRAIN --validation_file VALIDATION --use_cpu true
    python studies/loraplus.py outputs/studies/loraplus [--out docs/studies/loraplus]

Reads `run.json` of the variants `lora`, `lora_plus`, `full`, `bilstm_crf` and of those with a size behind their names,
such as `lora_plus_100`, and `counts.json` of all variants. Writes `curves.md` and `curves.png`, in which a curve is the
mean over the seeds that all variants of a size have.
"""

import argparse
import json
import re
from pathlib import Path

import numpy as np

from kospan.data.text import write_text
from kospan.drawing import ACCENT, FAINT, INK, SECOND, Canvas
from kospan.evaluation.bootstrap import Difference, paired

ARMS = {"lora": SECOND, "lora_plus": ACCENT, "full": INK, "bilstm_crf": "#2e8b6f"}
# Of the variants without a size behind their names.
USUAL_SIZE = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="the study's folder, outputs/studies/NAME")
    parser.add_argument("--figure", default="f1")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    found = curves(arguments.study, arguments.metric)
    told = page(arguments.study.name, arguments.metric, found, differences(arguments.study))
    print(told)
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        write_text(arguments.out / "curves.md", told)
        (arguments.out / "curves.png").write_bytes(picture(arguments.metric, found))


def curves(study: Path, metric: str) -> dict[int, dict[str, np.ndarray]]:
    """By size and variant: steps and the metric's values `(seeds, evaluations, 2)`, over the seeds that the variants
    share.

    Raises: ValueError where the folder holds no such run.
    """
    runs: dict[int, dict[str, dict[int, list]]] = {}
    for file in sorted(study.glob("*/run.json")):
        run = json.loads(file.read_text(encoding="utf-8"))
        name, size = re.fullmatch(r"(.*?)(?:_(\d+))?", run["variant"]).groups()
        if name not in ARMS:
            continue
        key = f"eval_{metric}"
        points = {each["step"]: each[key] for each in run["curve"] if key in each}
        runs.setdefault(int(size or USUAL_SIZE), {}).setdefault(name, {})[run["seed"]] = sorted(points.items())
    if not runs:
        raise ValueError(f"expected runs of {', '.join(ARMS)} in {study}, found none; run the study first")
    found = {}
    for size, variants in sorted(runs.items()):
        seeds = sorted(set.intersection(*(set(each) for each in variants.values())))
        found[size] = {name: np.array([variants[name][seed] for seed in seeds]) for name in ARMS if name in variants}
    return found


def steps_to(points: np.ndarray, target: float) -> float:
    """The first step at which a curve `(evaluations, 2)` is at the target, on straight lines between evaluations from
    (0, 0); infinite where it never is.

    >>> steps_to(np.array([[100, 0.2], [200, 0.4]]), 0.3), steps_to(np.array([[100, 0.2]]), 0.3)
    (150.0, inf)
    """
    before = (0.0, 0.0)
    for step, value in points:
        if value >= target:
            return float(before[0] + (step - before[0]) * (target - before[1]) / (value - before[1]))
        before = (step, value)
    return float("inf")


def fraction(lora: np.ndarray, plus: np.ndarray) -> tuple[float, float, float]:
    """LoRA's last mean value, the steps it first took to it, and the share of these that LoRA+ took."""
    mean_lora, mean_plus = lora.mean(axis=0), plus.mean(axis=0)
    target = mean_lora[-1, 1]
    own = steps_to(mean_lora, target)
    return target, own, steps_to(mean_plus, target) / own


def differences(study: Path) -> list[tuple[str, str, int, Difference]]:
    """How far variants that differ in one thing lie apart in F1, by paired bootstrap over documents: names, common
    seeds, difference. Sizes are compared within themselves, ratios and ranks with LoRA+."""
    counts: dict[str, dict[str, np.ndarray]] = {}
    for file in sorted(study.glob("*/counts.json")):
        variant, _, seed = file.parent.name.rpartition("-")
        counts.setdefault(variant, {})[seed] = np.array(json.loads(file.read_text(encoding="utf-8"))["counts"]).sum(
            axis=1
        )
    pairs = []
    for variant in counts:
        name, size = re.fullmatch(r"(.*?)(_\d+)?", variant).groups()
        if name in ("ratio", "rank"):
            pairs.append((variant, "lora_plus"))
        elif name == "lora_plus":
            pairs.append((variant, f"lora{size or ''}"))
        elif name == "full":
            pairs += [(variant, f"{other}{size or ''}") for other in ("lora", "lora_plus")]
    found = []
    for variant, other in pairs:
        if shared := sorted(counts[variant].keys() & counts.get(other, {}).keys()):
            summed = [sum(counts[name][seed] for seed in shared) for name in (variant, other)]
            found.append((variant, other, len(shared), paired(*summed)))
    return found


def page(
    study: str, metric: str, found: dict[int, dict[str, np.ndarray]], apart: list[tuple[str, str, int, Difference]]
) -> str:
    """What was found, as Markdown."""
    lines = [f"# {study}: steps and sizes", "", "![curves](curves.png)", ""]
    lines += [
        f"`{metric}` after the last step, mean ± standard deviation over seeds; in the last columns the steps in "
        "which LoRA's mean curve first reaches its own last value, and the share of these steps in which LoRA+ "
        "reaches the same value (straight lines between evaluations; of single seeds in brackets).",
        "",
    ]
    names = [name for name in ARMS if any(name in variants for variants in found.values())]
    head = ["sentences", "seeds", *(f"`{name}`" for name in names), "first", "LoRA's steps", "LoRA+'s share"]
    lines += ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for size, variants in found.items():
        last = {name: points[:, -1, 1] for name, points in variants.items()}
        cells = [str(size), str(len(next(iter(last.values()))))]
        cells += [in_words(last[name]) if name in last else "" for name in names]
        cells.append(f"`{max(last, key=lambda name: last[name].mean())}`")
        if "lora" in variants and "lora_plus" in variants:
            _, own, share = fraction(variants["lora"], variants["lora_plus"])
            single = [
                fraction(lora[None], plus[None])[2]
                for lora, plus in zip(variants["lora"], variants["lora_plus"], strict=True)
            ]
            cells += [f"{own:.0f}", f"{told(share)} ({', '.join(map(told, single))})"]
        else:
            cells += ["", ""]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "## Differences", "", "In points of strict F1, paired bootstrap over documents, 95 %.", ""]
    lines += ["| variant | against | seeds | points | 95 % |", "|" + " --- |" * 5]
    for variant, other, seeds, by in apart:
        points, low, high = (f"{100 * value:+.2f}" for value in (by.difference, by.low, by.high))
        lines.append(f"| `{variant}` | `{other}` | {seeds} | {points} | [{low}, {high}] |")
    lines += ["", "## Curves", ""]
    for size, variants in found.items():
        steps = [f"{step:.0f}" for step in next(iter(variants.values()))[0, :, 0]]
        lines += [f"{size} sentences, means over seeds:", "", "| step | " + " | ".join(steps) + " |"]
        lines += ["|" + " --- |" * (1 + len(steps))]
        for name, points in variants.items():
            lines.append(f"| `{name}` | " + " | ".join(f"{value:.4f}" for value in points[:, :, 1].mean(axis=0)) + " |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def told(share: float) -> str:
    """A share as a percentage."""
    return "not reached" if np.isinf(share) else f"{100 * share:.0f} %"


def in_words(values: np.ndarray) -> str:
    """Mean and standard deviation over seeds; one seed has no spread."""
    return f"{values.mean():.4f}" + (f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else "")


def picture(metric: str, found: dict[int, dict[str, np.ndarray]]) -> bytes:
    """A panel for every size: the mean curve of each variant, thin lines for its seeds."""
    with Canvas(width=3.0 * len(found) + 0.6, height=3.2, columns=len(found)) as canvas:
        for axes, (size, variants) in zip(canvas.axes, found.items()):
            for name, points in variants.items():
                for row in points:
                    axes.plot(row[:, 0], row[:, 1], color=ARMS[name], linewidth=0.5, alpha=0.4)
                axes.plot(*points.mean(axis=0).T, color=ARMS[name], linewidth=1.8, label=name)
            axes.set_title(f"{size} sentences")
            axes.set_xlabel("step")
            axes.grid(color=FAINT, linewidth=0.6)
        canvas.axes[0].set_ylabel(metric)
        canvas.axes[0].legend(frameon=False)
    return canvas.png


if __name__ == "__main__":
    main()
