"""The tables and plots of the study of long documents, from the results that its runs keep."""

import json
from pathlib import Path

import numpy as np

from kospan.drawing import FAINT, Canvas
from studies.long_scores import WIDTH, apart, by_bucket, score

_COLOURS = ("#2f6fde", "#d9822b", "#2a9d6f", "#b03a5b", "#7a5cc4")
# The variant that others are compared with, and how metrics are called.
_AGAINST = {"entities": "windowed", "answers": "windowed", "pairs": "copied"}
_FIGURES = {"f1": "F1", "exact_match": "exact match", "accuracy": "accuracy"}
_TITLES = {"entities": "Entities, strict F1", "answers": "Answers, F1 of characters", "pairs": "Pairs of texts"}


def write_page(results: Path, out: Path) -> None:
    """Writes `tables.md` and the plots of what is there.

    Args:
        results: With a folder of each task, in it a file of each variant and seed.
        out: Where the page's folder is.
    """
    out.mkdir(parents=True, exist_ok=True)
    lines = []
    for task, against in _AGAINST.items():
        found = read_results(results / task)
        if any(variant != "baseline" for variant in found):
            lines += [f"## {task.capitalize()}", "", *task_tables(found, against)]
            if task != "pairs":
                _plot(found, out / f"{task}.png", _TITLES[task])
    (out / "tables.md").write_text("\n".join(lines).rstrip("\n") + "\n", encoding="utf-8")


def read_results(folder: Path) -> dict[str, list[dict]]:
    """The results of each variant, a seed each, in the order of their seeds."""
    found: dict[str, list[dict]] = {}
    for path in sorted(folder.glob("*.json")):
        found.setdefault(path.stem.rpartition("-")[0] or path.stem, []).append(json.loads(path.read_text("utf-8")))
    return found


def rows_of(results: list[dict], metric: str) -> list[np.ndarray]:
    """Rows `(items, buckets, 3)` of each seed."""
    return [np.array(each["rows"][metric]) for each in results]


def task_tables(found: dict[str, list[dict]], against: str) -> list[str]:
    """A table of each metric by place, one of differences, and one of seeds and seconds."""
    metrics = list(next(iter(found.values()))[0]["rows"])
    lines = []
    for metric in metrics:
        every = {variant: rows_of(results, metric) for variant, results in found.items()}
        lines += [*_by_place(every, metric), ""]
        if against in every:
            lines += [*_differences(every, against, metric), ""]
    lines += ["| variant | seeds | each seed | CPU seconds of a run |", "|---|---|---|---:|"]
    for variant, results in found.items():
        if variant != "baseline":
            seeds = ", ".join(str(each["seed"]) for each in results)
            each = ", ".join(f"{score(rows):.3f}" for rows in rows_of(results, metrics[0]))
            seconds = np.mean([each["cpu_seconds"] for each in results])
            lines.append(f"| {variant} | {seeds} | {each} | {seconds:.0f} |")
    return [*lines, ""]


def _by_place(every: dict[str, list[np.ndarray]], metric: str) -> list[str]:
    some = next(iter(every.values()))[0]
    held = [at for at in range(some.shape[1]) if some[:, at, 2].sum()]
    heads = [f"{WIDTH * at}-" for at in held] if len(held) > 1 else []
    lines = [f"| variant, {_FIGURES[metric]} | {' | '.join([*heads, 'all', 'spread of seeds'])} |"]
    lines.append("|---|" + "---:|" * (len(heads) + 2))
    for variant, seeds in every.items():
        means = np.mean([by_bucket(rows) for rows in seeds], axis=0)
        whole = [score(rows) for rows in seeds]
        cells = [f"{means[at]:.3f}" for at in held] if heads else []
        cells += [f"{np.mean(whole):.3f}", f"{max(whole) - min(whole):.3f}" if len(whole) > 1 else ""]
        lines.append(f"| {variant} | {' | '.join(cells)} |")
    counts = [f"{some[:, at, 2].sum():.0f}" for at in held]
    if heads:
        lines.append(f"| of so many | {' | '.join([*counts, f'{some[..., 2].sum():.0f}', ''])} |")
    return lines


def _differences(every: dict[str, list[np.ndarray]], against: str, metric: str) -> list[str]:
    long = next(iter(every.values()))[0].shape[1] > 1
    parts = {"all": (0, None), **({"0-127": (0, 1), "128-": (1, None)} if long else {})}
    lines = [f"| {_FIGURES[metric]} less that of {against} | {' | '.join(parts)} |", "|---|" + "---:|" * len(parts)]
    for variant, seeds in every.items():
        # Of variants that have not run equally often only what they share is compared.
        many = min(len(seeds), len(every[against]))
        if variant in (against, "baseline"):
            continue
        cells = []
        for first, last in parts.values():
            found = apart(seeds[:many], every[against][:many], first, last)
            cells.append(f"{found.difference:+.3f} ({found.low:+.3f} to {found.high:+.3f})")
        lines.append(f"| {variant} | {' | '.join(cells)} |")
    return lines


def _plot(found: dict[str, list[dict]], path: Path, title: str) -> None:
    with Canvas(height=3.6) as canvas:
        (axes,) = canvas.axes
        for colour, (variant, results) in zip(_COLOURS, found.items()):
            lines = np.array([by_bucket(rows) for rows in rows_of(results, "f1")])
            held = ~np.isnan(lines).any(axis=0)
            middles = (WIDTH * np.arange(lines.shape[1]) + WIDTH // 2)[held]
            style = "--" if variant == "baseline" else "-"
            axes.plot(middles, lines.mean(axis=0)[held], style, color=colour, label=variant, marker="o", markersize=3)
            axes.fill_between(middles, lines.min(0)[held], lines.max(0)[held], color=colour, alpha=0.12, linewidth=0)
        axes.set_xlabel("distance from the start of the document, subwords")
        axes.set_ylabel("F1")
        axes.set_ylim(0, None)
        canvas.figure.legend(loc="outside right upper", frameon=False, fontsize=8)
        axes.set_title(title, loc="left")
        axes.grid(color=FAINT, linewidth=0.6)
    path.write_bytes(canvas.png)
