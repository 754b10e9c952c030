"""Report of a study: `report.md`, `report.json` and plots, the same bytes for the same finished runs."""

import json
from pathlib import Path

import matplotlib
import numpy as np
from jinja2 import Environment, FileSystemLoader

from kospan.ablation.plan import Experiment
from kospan.ablation.statistics import SAMPLES, best_point, study_numbers
from kospan.data.text import write_text
from kospan.drawing import ACCENT, FAINT, INK, Canvas, draw_curve, plain
from kospan.evaluation.metrics import larger_is_better
from kospan.tasks.registry import task_spec
from kospan.training.saving import written_whole


def write_report(
    experiment: Experiment, folder: Path | None = None, measured: bool = True, samples: int = SAMPLES
) -> Path:
    """Write the report of the finished runs; returns the path of `report.md`.

    Args:
        experiment: The experiment, whose folders are read.
        folder: Folder of the report; None takes `report` in the experiment's folder.
        measured: Whether it holds seconds, machines and versions; everything else does not depend on the machine or on
            interruptions.
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
    spec, panels = task_spec(numbers["task"]), curve_panels(numbers)
    found = {name for variant in numbers["variants"].values() for name in variant["metrics"]}
    shown = [name for name in spec.metrics if name in found and spec.metrics[name].function]
    if numbers["metric"] not in shown:
        shown.insert(0, numbers["metric"])
    columns = [f"`{name}`" for name in shown] + ["best epoch"] * ("scores" in panels)

    def scores(variant: dict) -> list[str]:
        cells = [_spread(variant["metrics"].get(name)) for name in shown]
        return cells + [", ".join(map(_best_epoch, variant["curves"]))] * ("scores" in panels)

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters |= {"scores": scores, "difference": _difference}
    template = environment.get_template("report.md.jinja")
    return template.render(
        numbers, terms=spec.ablation, metrics=spec.metrics, panels=panels, shown=shown, columns=columns
    )


def _difference(row: dict) -> list[str]:
    ends = f"[{row['low']:+.4f}, {row['high']:+.4f}]"
    return [f"{row['difference']:+.4f}", ends, f"{row['p_value']:.4f}", f"{row['p_holm']:.4f}"]


def _best_epoch(curves: dict) -> str:
    return "–" if curves["best_epoch"] is None else f"{curves['best_epoch']:.3g}"


def _spread(metric: dict | None) -> str:
    """Mean, standard deviation and range of a metric over seeds."""
    if metric is None:
        return ""
    if metric["n"] == 1:
        return f"{metric['mean']:.4f}"
    low, high = metric["range"]
    return f"{metric['mean']:.4f} ± {metric['sd']:.4f} [{low:.4f}, {high:.4f}]"


def picture(numbers: dict) -> bytes:
    """Plot of the scores of all seeds with their mean, and of the difference from the baseline with its interval."""
    names, metric = list(numbers["variants"]), numbers["metric"]
    against = {row["variant"]: row for row in numbers["differences"]}
    with Canvas(width=8.4, height=max(2.0, 0.36 * len(names) + 1.1), columns=2) as canvas:
        scores, differences = canvas.axes
        for at, name in enumerate(names):
            found = numbers["variants"][name]["metrics"][metric]
            scores.plot(found["by_seed"], [at] * found["n"], "o", color=ACCENT, markersize=4, alpha=0.6)
            scores.plot([found["mean"]], [at], "|", color=INK, markersize=14, markeredgewidth=2)
            if name in against:
                row = against[name]
                error = np.abs(np.array([[row["low"]], [row["high"]]]) - row["difference"])
                differences.errorbar([row["difference"]], [at], xerr=error, fmt="o", color=INK, markersize=4, capsize=3)
        scores.set_yticks(range(len(names)), plain(names))
        differences.set_yticks(range(len(names)), [""] * len(names))
        for axes in (scores, differences):
            axes.set_ylim(len(names) - 0.5, -0.5)
            axes.grid(axis="x", color=FAINT, linewidth=0.6)
            axes.set_axisbelow(True)
        differences.axvline(0, color=FAINT, linewidth=1.5)
        scores.set_xlabel(f"{metric}: seeds and mean")
        differences.set_xlabel(*plain([f"f1 minus {numbers['baseline']}'s, 95 % interval"]))
    return canvas.png


def curve_panels(numbers: dict) -> dict[str, str]:
    """Panels of the learning curves that some run has data for: name in a run's curves -> title."""
    titles = {"scores": numbers["metric"], "validation_loss": "validation loss", "loss": "training loss"}
    every = [run for variant in numbers["variants"].values() for run in variant["curves"]]
    return {name: title for name, title in titles.items() if any(run[name] for run in every)}


def curves_picture(numbers: dict) -> bytes:
    """Plot with a panel per score and loss and a line per variant: the mean over seeds at common epochs."""
    panels, variants = curve_panels(numbers), numbers["variants"]
    larger = larger_is_better(task_spec(numbers["task"]).metrics, numbers["metric"])
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
                            *zip(best_point(points, larger)),
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
    """Mean of several curves at their common epochs.

    >>> mean_curve([[(1.0, 0.5), (2.0, 0.7)], [(1.0, 0.7)]])
    [(1.0, 0.6)]
    """
    if not runs:
        return []
    values = [dict(points) for points in runs]
    shared = [epoch for epoch in values[0] if all(epoch in each for each in values)]
    return [(epoch, sum(each[epoch] for each in values) / len(values)) for epoch in shared]
