"""A study's report: `report.md`, `report.json` and pictures, the same bytes for the same finished runs."""

import json
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np

from kospan.ablation.plan import Experiment
from kospan.ablation.statistics import SAMPLES, best_point, study_numbers
from kospan.data.text import write_text
from kospan.drawing import ACCENT, FAINT, INK, Canvas, draw_curve, plain
from kospan.training.saving import written_whole


class Words(NamedTuple):
    """How a report speaks of a task.

    Args:
        metrics: Figures of the first table, where the runs have them, and what they are.
        documents: What is scored.
        summed: What of a document the bootstrap sums over seeds.
    """

    metrics: dict[str, str]
    documents: str
    summed: str


WORDS = {
    "token-classification": Words(
        {
            "f1": "strict micro F1 over exact spans, spaces kept",
            "precision": "of `f1`",
            "recall": "of `f1`",
            "flat_f1": "F1 of the units' BIO tags, weighted by support, `O` left out",
            "flat_f1_with_o": "the same with `O`",
            "klue_entity_f1": "as the KLUE benchmark publishes it: characters without spaces, strict, macro over types",
            "klue_char_f1": "macro F1 over all character tags, `O` included",
        },
        "documents",
        "spans",
    ),
    "generative-ner": Words(
        {
            "f1": "strict micro F1 over exact spans, spaces kept",
            "precision": "of `f1`",
            "recall": "of `f1`",
            "exact_reply": "share of documents whose reply is, letter by letter, the one asked for",
            "unparsed": "share of documents with a reply in which nothing of the grammar was found",
            "dropped": "brackets that were none, a number",
            "unmatched": "surfaces without a free occurrence in the text, a number",
            "loss": "mean loss of a subword of the gold replies",
            "klue_entity_f1": "as the KLUE benchmark publishes it: characters without spaces, strict, macro over types",
        },
        "documents",
        "spans",
    ),
    "question-answering": Words(
        {
            "exact_match": "answers that are exactly right by the data set's rules",
            "f1": "what an answer shares with the gold one by the data set's rules, a mean over questions",
            "rouge_w": "ROUGE-W as KLUE-MRC publishes it",
        },
        "questions",
        "F1",
    ),
    "text-classification": Words(
        {
            "accuracy": "share of texts whose class is right",
            "macro_f1": "mean F1 of the classes, rare ones weighing as much as frequent ones",
            "f1": "micro F1 over classes, which is the accuracy where every text gets one",
            "pearson": "correlation of values with the gold ones",
            "spearman": "the same of their ranks",
            "mae": "mean absolute error of values",
            "klue_sts_f1": "F1 of the pairs with a value of at least 3, as the KLUE benchmark publishes it",
        },
        "texts",
        "labels",
    ),
}


def write_report(
    experiment: Experiment, folder: Path | None = None, measured: bool = True, samples: int = SAMPLES
) -> Path:
    """Writes the report of the finished runs; gives the path of `report.md`.

    Args:
        experiment: Whose folders are read.
        folder: Where the files go; default: `report` in the experiment's folder.
        measured: Whether seconds, machines and versions are in it: all else is equal wherever the study runs, however
            often it was interrupted.
        samples: Resamples of each bootstrap.

    Raises: ValueError where no run is finished.
    """
    numbers = study_numbers(experiment, samples)
    if not measured:
        del numbers["measured"]
    folder = folder or experiment.folder / "report"
    with written_whole(folder, last="report.md") as temporary:
        write_text(temporary / "report.json", json.dumps(numbers, indent=1, ensure_ascii=False) + "\n")
        write_text(temporary / "report.md", markdown(numbers))
        (temporary / "report.png").write_bytes(picture(numbers))
        if curve_panels(numbers):
            (temporary / "curves.png").write_bytes(curves_picture(numbers))
    return folder / "report.md"


def markdown(numbers: dict) -> str:
    """The report as a page."""
    variants, metric, words = numbers["variants"], numbers["metric"], WORDS[numbers["task"]]
    shown = [name for name in words.metrics if any(name in variant["metrics"] for variant in variants.values())]
    if metric not in shown:
        shown.insert(0, metric)
    lines = [
        f"# {numbers['experiment']}",
        "",
        f"Runs of `{numbers['recipe']}` on {numbers['documents']:,} validation {words.documents}; the baseline is "
        f"`{numbers['baseline']}`. Every variant that has ended is shown, those that did not help as well.",
        "",
    ]
    if numbers["missing"]:
        lines += [f"Not finished yet: {', '.join(numbers['missing'])}.", ""]
    lines += ["![scores and differences](report.png)", "", "## Variants", ""]
    lines += ["Mean over seeds, ± the standard deviation, and the range; one seed has no spread.", ""]
    lines += [f"- `{name}`: {words.metrics[name]}" for name in shown if name in words.metrics]
    panels = curve_panels(numbers)
    scored = "scores" in panels
    if scored:
        lines += [f"- best epoch: that of the best `{metric}` while training, seed by seed"]
    head = ["variant", "against the baseline", "seeds", *(f"`{name}`" for name in shown), *(["best epoch"] * scored)]
    lines += ["", *_row(head, head=True)]
    for name, variant in variants.items():
        cells = [_spread(variant["metrics"].get(each)) for each in shown]
        cells += [", ".join(map(_epoch, variant["curves"]))] * scored
        lines += _row([f"`{name}`", variant["settings"], ", ".join(map(str, variant["seeds"])), *cells])
    if numbers["best_of"]:
        lines += ["", _about_best(numbers)]
    if panels:
        lines += ["", "## Learning curves", "", "![learning curves](curves.png)", ""]
        lines += ["Mean over seeds where each was measured, thin lines for single seeds, a ring at the best score."]
    lines += ["", f"## Against `{numbers['baseline']}`", ""]
    lines += [
        f"Difference in `f1`, paired bootstrap over {words.documents} ({words.summed} of a {words.documents[:-1]} "
        f"summed over the common seeds; {numbers['samples']:,} resamples), 95 % interval, two-sided p, and the same "
        "adjusted by Holm for the number of rows.",
        "",
        *_row(["variant", "common seeds", "difference", "95 %", "p", "p (Holm)"], head=True),
    ]
    for row in numbers["differences"]:
        lines += _row([f"`{row['variant']}`", ", ".join(map(str, row["seeds"])), *_difference(row)])
    if numbers["factors"]:
        lines += ["", "## Factors", "", "Mean over all combinations of the other factors' levels.", ""]
        lines += _row(["factor", "level", "against", "combinations", "difference", "95 %", "p", "p (Holm)"], head=True)
        for row in numbers["factors"]:
            pairs = f"{row['pairs']} of {row['of']}"
            lines += _row([row["factor"], row["level"], row["against"], pairs, *_difference(row)])
    if numbers["effects"]:
        lines += ["", "## Single effects", "", "Variants that differ by one technique alone.", ""]
        head = ["technique", "variant", "against", "from", "to", "common seeds", "difference", "95 %", "p", "p (Holm)"]
        lines += _row(head, head=True)
        for row in numbers["effects"]:
            names = [row["what"], f"`{row['variant']}`", f"`{row['against']}`", row["from"], row["to"]]
            lines += _row([*names, ", ".join(map(str, row["seeds"])), *_difference(row)])
    if "measured" in numbers:
        lines += _cost(numbers["measured"], numbers["baseline"])
    return "\n".join(lines) + "\n"


def _about_best(numbers: dict) -> str:
    if numbers["best"] is None:
        return f"The best {numbers['best_of']} variants get further seeds when every first run has ended."
    return (
        f"The best {numbers['best_of']} by `{numbers['metric']}` of the first seeds got further ones: "
        f"{', '.join(f'`{name}`' for name in numbers['best'])}. They were chosen by those first seeds, so these "
        "flatter them; the further seeds do not."
    )


def _cost(measured: dict, baseline: str) -> list[str]:
    lines = ["", "## Cost", "", f"Seconds of training without evaluation; ratio of CPU seconds to `{baseline}`'s.", ""]
    lines += _row(["variant", "CPU s", "wall s", "ratio"], head=True)
    for name, row in measured["cost"].items():
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        lines += _row([f"`{name}`", f"{row['cpu']:.1f}", f"{row['wall']:.1f}", ratio])
    lines += [""]
    for title in ("machines", "versions", "commits"):
        lines += [f"- {title}: {'; '.join(measured[title])}"]
    return lines


def _difference(row: dict) -> list[str]:
    ends = f"[{row['low']:+.4f}, {row['high']:+.4f}]"
    return [f"{row['difference']:+.4f}", ends, f"{row['p_value']:.4f}", f"{row['p_holm']:.4f}"]


def _epoch(curves: dict) -> str:
    return "–" if curves["best_epoch"] is None else f"{curves['best_epoch']:.3g}"


def _spread(metric: dict | None) -> str:
    if metric is None:
        return ""
    if metric["n"] == 1:
        return f"{metric['mean']:.4f}"
    low, high = metric["range"]
    return f"{metric['mean']:.4f} ± {metric['sd']:.4f} [{low:.4f}, {high:.4f}]"


def _row(cells: list, head: bool = False) -> list[str]:
    line = "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"
    return [line, "|" + " --- |" * len(cells)] if head else [line]


def picture(numbers: dict) -> bytes:
    """RunRecord every seed's score and the mean, right the difference from the baseline with its interval."""
    names, metric = list(numbers["variants"]), numbers["metric"]
    against = {row["variant"]: row for row in numbers["differences"]}
    with Canvas(width=8.4, height=max(2.0, 0.36 * len(names) + 1.1), columns=2) as canvas:
        left, right = canvas.axes
        for at, name in enumerate(names):
            found = numbers["variants"][name]["metrics"][metric]
            left.plot(found["by_seed"], [at] * found["n"], "o", color=ACCENT, markersize=4, alpha=0.6)
            left.plot([found["mean"]], [at], "|", color=INK, markersize=14, markeredgewidth=2)
            if name in against:
                row = against[name]
                error = np.abs(np.array([[row["low"]], [row["high"]]]) - row["difference"])
                right.errorbar([row["difference"]], [at], xerr=error, fmt="o", color=INK, markersize=4, capsize=3)
        left.set_yticks(range(len(names)), plain(names))
        right.set_yticks(range(len(names)), [""] * len(names))
        for axes in (left, right):
            axes.set_ylim(len(names) - 0.5, -0.5)
            axes.grid(axis="x", color=FAINT, linewidth=0.6)
            axes.set_axisbelow(True)
        right.axvline(0, color=FAINT, linewidth=1.5)
        left.set_xlabel(f"{metric}: seeds and mean")
        right.set_xlabel(*plain([f"f1 minus {numbers['baseline']}'s, 95 % interval"]))
    return canvas.png


def curve_panels(numbers: dict) -> dict[str, str]:
    """What can be drawn over the epochs, because some run has measured it: name in a run's curves -> title."""
    titles = {"scores": numbers["metric"], "validation_loss": "validation loss", "loss": "training loss"}
    every = [run for variant in numbers["variants"].values() for run in variant["curves"]]
    return {name: title for name, title in titles.items() if any(run[name] for run in every)}


def curves_picture(numbers: dict) -> bytes:
    """Plot scores and losses in a panel each, with a line per variant: the mean over seeds measured for all."""
    panels, variants = curve_panels(numbers), numbers["variants"]
    colours = matplotlib.colormaps["tab10" if len(variants) <= 10 else "tab20"].colors
    width = 3.4 * len(panels) + 0.6
    with Canvas(width=width, height=3.4 + 0.2 * -(-len(variants) // len(panels)), columns=len(panels)) as canvas:
        for axes, (name, title) in zip(canvas.axes, panels.items()):
            for at, (label, variant) in enumerate(zip(plain(variants), variants.values())):
                colour = colours[at % len(colours)]
                runs = [[tuple(point) for point in run[name]] for run in variant["curves"] if run[name]]
                for points in runs if len(runs) > 1 else ():
                    draw_curve(axes, points, None, colour, linewidth=0.5, alpha=0.4)
                if points := mean_curve(runs):
                    draw_curve(axes, points, label, colour, linewidth=1.6)
                    if name == "scores":
                        axes.plot(
                            *zip(best_point(points, numbers["metric"])),
                            marker="o",
                            markersize=8,
                            markerfacecolor="none",
                            color=colour,
                        )
            axes.set(xlabel="epoch", title=title)
            axes.grid(color=FAINT, linewidth=0.6)
            axes.set_axisbelow(True)
        handles = {}
        for axes in canvas.axes:
            handles |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels())}
        canvas.figure.legend(
            handles.values(), handles.keys(), loc="outside lower center", ncols=len(panels), frameon=False
        )
    return canvas.png


def mean_curve(runs: list[list[tuple[float, float]]]) -> list[tuple[float, float]]:
    """The mean of several curves at the epochs that all of them have.

    >>> mean_curve([[(1.0, 0.5), (2.0, 0.7)], [(1.0, 0.7)]])
    [(1.0, 0.6)]
    """
    if not runs:
        return []
    values = [dict(points) for points in runs]
    shared = [epoch for epoch in values[0] if all(epoch in each for each in values)]
    return [(epoch, sum(each[epoch] for each in values) / len(values)) for epoch in shared]
