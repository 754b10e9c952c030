"""Figures of a report, drawn with matplotlib without a screen; each function returns one PNG."""

from collections.abc import Sequence

import numpy as np

from kospan.drawing import ACCENT, FAINT, INK, SECOND, Canvas, draw_curve, plain
from kospan.evaluation.explain import EncodedText, Evidence
from kospan.evaluation.speed import Speed
from kospan.evaluation.summary import CORRECT
from kospan.training.loss_parts import curve_points, part_names, score_names

# Colours of the parts of a loss, and of scores.
COLOURS = (ACCENT, SECOND, "#2e8b6f", "#8a5cd0")
VALIDATION_LOSS = "#c0395b"


def scores(rows: Sequence[dict], title: str, names: Sequence[str] = ("f1",), count: str = "gold") -> bytes:
    """Metrics of groups as bars with their intervals, and the size of each group.

    Args:
        rows: Rows of a table of groups.
        title: Title of the plot.
        names: Metrics, one bar of each for every group.
        count: Column with the size of a group.
    """
    thick = 0.62 / len(names)
    with Canvas(height=max(1.4, (0.24 + 0.18 * len(names)) * len(rows) + 0.9)) as canvas:
        (axes,) = canvas.axes
        for at, (name, colour) in enumerate(zip(names, (ACCENT, SECOND, "#8a5cd0"))):
            places = np.arange(len(rows)) + (at - (len(names) - 1) / 2) * thick
            values = [row[name] for row in rows]
            ends = np.array([row[f"{name} interval"] for row in rows]).reshape(-1, 2)
            # Rounding may put the end of an interval on the wrong side of its metric.
            error = np.abs(ends.T - np.array(values))
            axes.barh(places, values, color=colour, alpha=0.85, height=thick, label=name.replace("_", " "))
            axes.errorbar(values, places, xerr=error, fmt="none", ecolor=INK, elinewidth=1, capsize=3)
        axes.set_yticks(range(len(rows)), plain(f"{row['group']}  ({row[count]:,})" for row in rows))
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(0, max(1.0, *(1.05 * row[f"{name} interval"][1] for row in rows for name in names)))
        what = "mean" if len(names) > 1 else NAMED.get(names[0], names[0])
        axes.set_xlabel(f"{what}, 95 % interval ({COUNTED[count]} in brackets)")
        axes.set_title(title, loc="left")
        if len(names) > 1:
            canvas.figure.legend(ncols=len(names), loc="outside upper right", frameon=False)
    return canvas.png


COUNTED = {"gold": "gold spans", "questions": "questions", "documents": "texts"}
NAMED = {"f1": "F1", "mae": "mean absolute error"}
SHADES = ("#2f6fde", "#d9822b", "#8a5cd0", "#c0395b", "#7a8699", "#2e8b6f")


def error_classes(ways: dict[str, dict[str, int]]) -> bytes:
    """The classes of errors as shares, one bar per way of counting."""
    kinds = [kind for kind in next(iter(ways.values())) if kind not in CORRECT]
    with Canvas(height=0.5 * len(ways) + 0.9) as canvas:
        (axes,) = canvas.axes
        for at, counts in enumerate(ways.values()):
            total, left = max(1, sum(counts[kind] for kind in kinds)), 0.0
            for kind, colour in zip(kinds, SHADES):
                share = counts[kind] / total
                axes.barh(at, share, left=left, color=colour, height=0.6, label=kind if at == 0 else None)
                if share > 0.06:
                    axes.text(left + share / 2, at, f"{share:.0%}", ha="center", va="center", color="white")
                left += share
        axes.set_yticks(range(len(ways)), list(ways))
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        axes.set_xlabel("share of all errors")
        columns = 5 if len(kinds) < 6 else 3
        axes.legend(ncols=columns, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    return canvas.png


def heatmap(names: Sequence[str], counts: Sequence[Sequence[int]], title: str) -> bytes:
    """Confusion: gold down, predicted across, each row as shares of its sum."""
    table = np.array(counts, dtype=float)
    shares = table / np.maximum(1, table.sum(axis=1, keepdims=True))
    side = max(3.0, 0.42 * len(names) + 1.6)
    with Canvas(width=side + 0.8, height=side) as canvas:
        (axes,) = canvas.axes
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(len(names)), plain(names), rotation=90)
        axes.set_yticks(range(len(names)), plain(names))
        axes.set_xlabel("predicted")
        axes.set_ylabel("gold")
        for row in range(len(names)):
            for column in range(len(names)):
                if table[row, column]:
                    colour = "white" if shares[row, column] > 0.55 else INK
                    axes.text(column, row, _short(shares[row, column]), ha="center", va="center", color=colour, size=7)
        canvas.figure.colorbar(image, ax=axes, shrink=0.7)
        axes.set_title(title, loc="left")
    return canvas.png


def _short(share: float) -> str:
    return "1" if share > 0.995 else f"{share:.2f}".removeprefix("0")


def confidence(kinds: dict[str, dict], title: str) -> bytes:
    """Reliability and risk against coverage.

    Args:
        kinds: Name of a confidence -> `bins` and `risk` as `kospan.evaluation.confidence.describe` gives them.
        title: Title of the plot.
    """
    with Canvas(height=3.4, columns=2) as canvas:
        left, right = canvas.axes
        left.plot([0, 1], [0, 1], color=FAINT, linewidth=1)
        for (name, described), colour in zip(kinds.items(), (ACCENT, SECOND, "#8a5cd0", "#2e8b6f", "#7a8699")):
            bins = np.array([each[2:] for each in described["bins"]["mass"]]).reshape(-1, 3)
            left.plot(bins[:, 1], bins[:, 2], marker="o", markersize=3, color=colour, label=name)
            risk = np.array(described["risk"]).reshape(-1, 2)
            right.plot(risk[:, 0], risk[:, 1], color=colour, label=name)
        left.set(
            xlim=(0, 1), ylim=(0, 1), xlabel="mean confidence (bins of equal counts)", ylabel="share that is right"
        )
        right.set(xlim=(0, 1), xlabel="share that is kept, surest first", ylabel="share of it that is wrong")
        right.set_ylim(bottom=0)
        left.legend(frameon=False, loc="upper left")
        left.set_title(title, loc="left")
    return canvas.png


def learning_curves(history: Sequence[dict]) -> bytes:
    """Training loss and its parts, validation loss, and validation scores by epoch.

    Args:
        history: The Trainer's log: dicts with `epoch`, `loss` and its parts, or `epoch` and `eval_` metrics.
    """
    parts = part_names(history)
    colours = dict(zip(parts, COLOURS * len(parts))) | {"eval_loss": VALIDATION_LOSS}
    losses = {name: points for name in ("loss", *parts, "eval_loss") if (points := curve_points(history, name))}
    scores = {name: points for name in score_names(history) if (points := curve_points(history, name))}
    with Canvas(columns=2) as canvas:
        left, right = canvas.axes
        for name, points in losses.items():
            words = "validation loss" if name == "eval_loss" else name.replace("_", " ")
            draw_curve(left, points, words, colours.get(name, INK), linewidth=1)
        if losses:
            lowest = min(value for points in losses.values() for _, value in points)
            left.set_yscale("log" if lowest > 0 else "linear")
        if len(losses) > 1:
            left.legend(frameon=False)
        left.set(xlabel="epoch", title="loss" if "eval_loss" in losses else "training loss")
        for (name, points), colour in zip(scores.items(), COLOURS * len(scores)):
            draw_curve(right, points, name.removeprefix("eval_").replace("_", " "), colour)
        right.set(xlabel="epoch", title="validation")
        # A correlation may be below 0.
        right.set_ylim(min([0.0, *(value for points in scores.values() for _, value in points)]), 1)
        if scores:
            right.legend(frameon=False, loc="lower right")
    return canvas.png


def attention_layers(encoded: EncodedText, shown: Sequence[int]) -> bytes:
    """A heatmap per layer: from each subword (down) to each subword (across), mean over heads; subwords at `shown`."""
    layers, subwords = len(encoded.attentions), plain(encoded.subwords[at] for at in shown)
    columns = min(3, layers)
    rows = -(-layers // columns)
    side = max(2.4, 0.13 * len(shown) + 0.9)
    with Canvas(width=side * columns, height=side * rows, columns=columns, rows=rows) as canvas:
        for at, axes in enumerate(canvas.axes):
            if at >= layers:
                axes.set_visible(False)
                continue
            axes.imshow(encoded.attentions[at][np.ix_(shown, shown)], cmap="Blues", vmin=0)
            axes.set_xticks(range(len(shown)), subwords, rotation=90, size=5)
            axes.set_yticks(range(len(shown)), subwords, size=5)
            axes.set_title(f"layer {at + 1}", loc="left")
    return canvas.png


def evidence(encoded: EncodedText, shown: Sequence[int], found: Evidence) -> bytes:
    """Evidence for one span: attention from it, layer by layer, and below it gradient times input."""
    subwords = plain(encoded.subwords[at] for at in shown)
    layers = len(found.attention)
    width, height = max(5.0, 0.19 * len(subwords) + 1.4), 1.7 + 0.19 * layers
    with Canvas(width=width, height=height, rows=2 if layers else 1) as canvas:
        axes = canvas.axes[-1]
        values = found.attribution[list(shown)]
        axes.bar(range(len(subwords)), values, color=[ACCENT if value >= 0 else "#c0395b" for value in values])
        axes.axhline(0, color=FAINT, linewidth=1)
        axes.set_xlim(-0.5, len(subwords) - 0.5)
        axes.set_xticks(range(len(subwords)), subwords, rotation=90, size=7)
        axes.set_ylabel("gradient\ntimes input", size=7)
        surface = encoded.text[found.span.start : found.span.end]
        [title] = plain([f"{surface}  {found.span.label}  {found.span.score:.2f}"])
        canvas.axes[0].set_title(title, loc="left")
        if layers:
            axes = canvas.axes[0]
            axes.imshow(found.attention[:, list(shown)], cmap="Blues", vmin=0, aspect="auto")
            axes.set_yticks(range(layers), [str(at + 1) for at in range(layers)], size=7)
            axes.set_xticks([])
            axes.set_ylabel("layer", size=7)
    return canvas.png


def deletion(found: dict) -> bytes:
    """Mean probability of a span while subwords are hidden in the order of each method."""
    with Canvas(width=5.2) as canvas:
        (axes,) = canvas.axes
        for (method, summary), colour in zip(found["methods"].items(), (ACCENT, SECOND, "#7a8699")):
            axes.plot(summary["curve"], marker="o", markersize=3, color=colour, label=method)
        axes.set(xlabel="subwords hidden, most important first", ylabel="mean probability of the span")
        axes.set_ylim(0, 1)
        axes.legend(frameon=False)
    return canvas.png


def speed(rows: Sequence[Speed]) -> bytes:
    """Throughput and latency by length, one line per batch size."""
    with Canvas(columns=2) as canvas:
        left, right = canvas.axes
        for batch, colour in zip(
            sorted({row.batch for row in rows}), (ACCENT, SECOND, "#8a5cd0", "#2e8b6f", "#7a8699")
        ):
            own = [row for row in rows if row.batch == batch]
            lengths = [row.length for row in own]
            left.plot(lengths, [row.characters for row in own], marker="o", color=colour, label=f"batch {batch}")
            right.plot(lengths, [1000 * row.median for row in own], marker="o", color=colour)
        left.set(xlabel="characters of a text", ylabel="characters per second", xscale="log", yscale="log")
        right.set(xlabel="characters of a text", ylabel="milliseconds per call, median", xscale="log", yscale="log")
        left.legend(frameon=False)
    return canvas.png
