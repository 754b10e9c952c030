"""The page of the study of long positions: tables and plots from the JSON that its parts keep."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kospan.drawing import FAINT, INK, Canvas
from studies.taper_measure import Sums, difference
from studies.taper_variants import TAUS, VARIANTS

_COLOURS = ("#2f6fde", "#d9822b", "#2a9d6f", "#b03a5b", "#7a5cc4", "#5b6472")
_IN_WORDS = {"full": "Full attention", "sparse": "Block-sparse attention"}


def write_page(work: Path, out: Path, names: list[str]) -> None:
    """Writes `tables.md` and the plots of what is there into a folder.

    Args:
        work: Where the parts keep their results.
        out: Where the page's folder is.
        names: The source of each held-out document.
    """
    out.mkdir(parents=True, exist_ok=True)
    lines = _pretraining(work, out)
    windows = {path.stem: read_sums(path) for path in sorted((work / "schedules" / "windows").glob("*.json"))}
    for attention, words in _IN_WORDS.items():
        found = {
            variant.name: read_sums(path)
            for variant in VARIANTS
            if (path := work / "schedules" / attention / f"{variant.name}.json").is_file()
        }
        if "tiling" in found:
            lines += ["", f"## {words}", "", *variants_table(found, windows, names)]
            _plot_buckets(found, windows, out / f"buckets_{attention}.png", words)
            _plot_taus(found, out / f"taus_{attention}.png", words)
    lines += _heads(work)
    lines += _further(work, out)
    (out / "tables.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_sums(path: Path) -> Sums:
    """An variant's sums as `taper.py` keeps them."""
    return _sums(json.loads(path.read_text(encoding="utf-8")))


def _sums(kept: dict) -> Sums:
    return Sums(np.array(kept["losses"]), np.array(kept["counts"]))


def with_mean_of_random(found: dict[str, Sums]) -> dict[str, Sums]:
    """The variants with "random (mean)", the mean loss over the seeds at each place, instead of each seed."""
    drawn = [sums for name, sums in found.items() if name.startswith("random ")]
    rest = {name: sums for name, sums in found.items() if not name.startswith("random ")}
    if drawn:
        rest[f"random, {len(drawn)} seeds"] = Sums(np.mean([each.losses for each in drawn], 0), drawn[0].counts)
    return rest


def variants_table(found: dict[str, Sums], windows: dict[str, Sums], names: list[str]) -> list[str]:
    """Loss by bucket, and the difference to tiling behind the first bucket with both intervals."""
    tiling = found["tiling"]
    width = len(tiling.means())
    heads = [f"{128 * at}-" for at in range(width)]
    lines = [f"| variant | {' | '.join(heads)} | all | behind 128, against tiling | interval, documents | sources |"]
    lines += ["|---|" + "---:|" * (width + 4)]
    for name, sums in {**with_mean_of_random(found), **{f"windows, {k}": each for k, each in windows.items()}}.items():
        cells = [f"{each:.3f}" for each in [*sums.means(), sums.mean()]]
        if sums is tiling:
            cells += ["", "", ""]
        else:
            apart, low, high = difference(sums, tiling, 1)
            _, wide_low, wide_high = difference(sums, tiling, 1, names)
            cells += [f"{apart:+.4f}", f"{low:+.4f} to {high:+.4f}", f"{wide_low:+.4f} to {wide_high:+.4f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _pretraining(work: Path, out: Path) -> list[str]:
    kept = json.loads((work / "pretrain.json").read_text(encoding="utf-8"))
    losses = kept["losses"]

    def draw(axes) -> None:
        axes.plot([each["step"] for each in losses], [each["loss"] for each in losses], color=_COLOURS[0])
        axes.set_xlabel("steps of 16 stretches of 128")
        axes.set_ylabel("loss, nats per masked subword")

    _picture(out / "pretraining.png", "Pretraining of the short model", draw)
    last = f"{losses[-1]['loss']:.2f}" if losses else "none"
    return [f"Pretraining: {kept['parameters']:,} parameters, {kept['cpu_seconds']:.0f} CPU seconds, last loss {last}."]


def _plot_buckets(found: dict[str, Sums], windows: dict[str, Sums], path: Path, words: str) -> None:
    tiling = found["tiling"]
    shown = ("exp 1", "exp 2", "exp 8", "zero")
    every = with_mean_of_random(found)
    lines = {name: each for name, each in every.items() if name in shown or name.startswith("random")}
    lines |= {f"windows of 128, {name}": each for name, each in list(windows.items())[-1:]}
    middles = 128 * np.arange(len(tiling.means())) + 64

    def draw(axes) -> None:
        axes.axhline(0, color=INK, linewidth=1, label="tiling")
        for colour, (name, sums) in zip(_COLOURS, lines.items()):
            ends = [_of_bucket(sums, tiling, at) for at in range(len(middles))]
            points = np.array(ends)
            axes.plot(middles, points[:, 0], color=colour, label=name, marker="o", markersize=3)
            axes.fill_between(middles, points[:, 1], points[:, 2], color=colour, alpha=0.12, linewidth=0)
        axes.set_xlabel("position in the document")
        axes.set_ylabel("loss minus that of tiling, nats")

    _picture(path, f"{words}: difference to tiling by position", draw)


def _of_bucket(variant: Sums, other: Sums, at: int) -> tuple[float, float, float]:
    one, two = (Sums(each.losses[:, at : at + 1], each.counts[:, at : at + 1]) for each in (variant, other))
    return difference(one, two, samples=2000)


def _plot_taus(found: dict[str, Sums], path: Path, words: str) -> None:
    def draw(axes) -> None:
        axes.axhline(0, color=INK, linewidth=1, label="tiling")
        for shift, (colour, schedule) in enumerate(zip(_COLOURS, ("exp", "power", "geometric"))):
            taus = [tau for tau in TAUS if f"{schedule} {tau:g}" in found]
            points = np.array([difference(found[f"{schedule} {tau:g}"], found["tiling"], 1) for tau in taus])
            if len(points):
                errors = np.abs(points[:, 1:].T - points[:, 0])
                axes.errorbar(
                    np.log2(taus) + 0.05 * (shift - 1), points[:, 0], errors, color=colour, label=schedule, marker="o"
                )
        if "zero" in found:
            axes.axhline(difference(found["zero"], found["tiling"], 1)[0], color=_COLOURS[3], ls="--", label="zero")
        axes.set_xticks(np.log2(TAUS), [f"{tau:g}" for tau in TAUS])
        axes.set_xlabel("tau")
        axes.set_ylabel("loss behind 128 minus that of tiling, nats")

    _picture(path, f"{words}: decay schedules and tau", draw)


def _heads(work: Path) -> list[str]:
    path = work / "heads.json"
    if not path.is_file():
        return []
    found = json.loads(path.read_text(encoding="utf-8"))
    many = len(next(iter(found.values())))
    lines = ["", "## Where the first layer's heads look", ""]
    lines += ["Share of attention on the right place / on the same place of the other repetitions, full attention.", ""]
    lines += [f"| variant | {' | '.join(f'{128 * at}-' for at in range(many))} |", "|---|" + "---:|" * many]
    for name, masses in found.items():
        lines.append(f"| {name} | {' | '.join(f'{own:.2f} / {other:.2f}' for own, other in masses)} |")
    return lines


def _further(work: Path, out: Path) -> list[str]:
    found = {
        path.stem: {int(step): _sums(kept) for step, kept in json.loads(path.read_text(encoding="utf-8")).items()}
        for path in sorted((work / "further").glob("*.json"))
        if not path.stem.endswith(".done")
    }
    if not found:
        return []

    def draw(axes) -> None:
        for colour, (name, looks) in zip(_COLOURS, found.items()):
            label = "short model in\nwindows, trained on\nas many subwords" if name == "short" else f"from {name}"
            style = "--" if name == "short" else "-"
            axes.plot(list(looks), [each.mean() for each in looks.values()], style, color=colour, label=label)
        axes.set_xlabel("steps of 2,048 subwords")
        axes.set_ylabel("loss on held-out documents of 1,024")

    _picture(out / "further.png", "Further training on long text", draw)
    steps = sorted({step for looks in found.values() for step in looks})
    lines = ["", "## Further training", "", f"| from | {' | '.join(f'step {step}' for step in steps)} |"]
    lines += ["|---|" + "---:|" * len(steps)]
    for name, looks in found.items():
        cells = [f"{looks[step].mean():.3f}" if step in looks else "" for step in steps]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    if "tiling" in found:
        lines += ["", "Against tiling at the same step, all positions:", ""]
        for name, looks in found.items():
            last = max(set(looks) & set(found["tiling"]))
            for step in (0, last):
                apart, low, high = difference(looks[step], found["tiling"][step])
                lines.append(f"- {name}, step {step}: {apart:+.4f} ({low:+.4f} to {high:+.4f})")
    return lines


def _picture(path: Path, title: str, draw: Callable) -> None:
    with Canvas(height=3.6) as canvas:
        (axes,) = canvas.axes
        draw(axes)
        if axes.get_legend_handles_labels()[0]:
            canvas.figure.legend(loc="outside right upper", frameon=False, fontsize=8)
        axes.set_title(title, loc="left")
        axes.grid(color=FAINT, linewidth=0.6)
    path.write_bytes(canvas.png)
