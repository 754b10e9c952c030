"""Report of a conversion: `conversion.md`, `conversion.png`, and lines for the screen."""

from collections.abc import Sequence
from importlib.resources import files

import numpy as np
import torch
from jinja2 import Environment

from kospan.conversion.parity import BOUND, Parity
from kospan.conversion.settings import Settings
from kospan.conversion.taper import factor
from kospan.drawing import ACCENT, FAINT, SECOND, Canvas

PAGE, PICTURE = "conversion.md", "conversion.png"
_FORMULAS = {
    "exp": "a_k = exp(-k / tau)",
    "power": "a_k = (1 + k)^(-1 / tau)",
    "geometric": "a_k = tau^-k",
    "none": "a_k = 1, plain repetition",
}
_SEGMENTS_IN_WORDS = {
    "own": "the source's own rows",
    "copied": "row 1 is a copy of row 0",
    "noised": "row 1 is row 0 with noise",
    "absent": "one row, two texts are not distinguished",
}


def position_norms(table: torch.Tensor, source_length: int) -> list[np.ndarray]:
    """Euclidean norm of every row of a position table, a list entry per repetition of `source_length` rows.

    >>> [norms.tolist() for norms in position_norms(torch.tensor([[3.0, 4.0], [0.0, 1.0], [0.0, 2.0]]), 2)]
    [[5.0, 1.0], [2.0]]
    """
    norms = table.double().norm(dim=1).numpy()
    return [norms[start : start + source_length] for start in range(0, len(norms), source_length)]


def summary_lines(info: dict, parities: Sequence[Parity], lengths: Sequence[int], settings: Settings) -> list[str]:
    """Lines for the screen.

    Args:
        info: Contents of `conversion.json`.
        parities: The comparisons with the source.
        lengths: The lengths that `check_full_length` has read.
        settings: The requested settings.
    """
    asked = settings.max_length
    rounded = f" ({asked:,} in whole blocks of {settings.block_size})" if asked != info["max_length"] else ""
    lines = [
        f"source              {info['source']} ({info['model_type']}, {info['source_length']:,} positions)",
        f"positions           {info['max_length']:,}{rounded}, schedule {info['schedule']}{_tau(info)}",
        f"segments            {_SEGMENTS_IN_WORDS[info['segments']]}",
        f"parameters          {info['parameters']:,}, {_head(info)}",
    ]
    for parity in parities:
        scores = "" if parity.logits is None else f", scores {parity.logits:.1e}"
        lines.append(
            f"parity              states {parity.states:.1e}{scores}: {parity.what} ({parity.length} subwords)"
        )
    return [*lines, f"long inputs         {_lengths(lengths)} read by the stock class"]


def page(info: dict, parities: Sequence[Parity], lengths: Sequence[int], norms: Sequence[np.ndarray]) -> str:
    """The page about a conversion, in Markdown.

    Args:
        info: Contents of `conversion.json`.
        parities: The comparisons with the source.
        lengths: The lengths that `check_full_length` has read.
        norms: Norms of the position table, by repetition.
    """
    rows = []
    for k, row in enumerate(norms):
        first, strength = k * info["source_length"], factor(k, info["schedule"], info["tau"])
        numbers = {"factor": strength, "mean": row.mean(), "least": row.min(), "most": row.max()}
        rows.append({"k": k, "first": first, "last": first + len(row) - 1, **numbers})
    environment = Environment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    environment.filters |= {"fmt": format, "names": _names}
    template = (files("kospan.conversion") / "conversion.md.jinja").read_text(encoding="utf-8")
    return environment.from_string(template).render(
        info=info,
        parities=parities,
        lengths=_lengths(lengths),
        rows=rows,
        head=_head(info),
        bound=BOUND,
        formula=_FORMULAS[info["schedule"]],
        tau=_tau(info),
        picture=PICTURE,
        segments=_SEGMENTS_IN_WORDS[info["segments"]],
        full=(5 + 2 * info["random_blocks"]) * info["block_size"],
    )


def picture(info: dict, norms: Sequence[np.ndarray]) -> bytes:
    """Plot of the norm of each position's vector, with the repetitions marked, as PNG."""
    whole, starts = np.concatenate(norms), np.cumsum([0, *map(len, norms)])
    with Canvas() as canvas:
        (axes,) = canvas.axes
        axes.plot(whole, color=ACCENT, linewidth=0.8, label="norm of the position's vector")
        means = [row.mean() for row in norms]
        axes.hlines(means, starts[:-1], starts[1:], color=SECOND, linewidth=2, label="mean of the repetition")
        for start in starts[1:-1]:
            axes.axvline(start, color=FAINT, linewidth=1, zorder=0)
        axes.set_xlim(0, len(whole))
        # The last row of a source may be many times as long as the rest, which would be flat beside it.
        top = max(1.6 * np.quantile(norms[0], 0.98), 1e-9)
        axes.set_ylim(0, top)
        axes.set_xlabel("position")
        axes.set_ylabel(f"norm (the largest, {whole.max():.2f}, is cut off)" if whole.max() > top else "norm")
        title = f"{info['source_length']:,} positions, repeated to {info['max_length']:,}: schedule {info['schedule']}"
        axes.set_title(f"{title}{_tau(info)}", loc="left")
        axes.legend(frameon=False, fontsize=8, loc="upper right")
    return canvas.png


def _lengths(lengths: Sequence[int]) -> str:
    return " and one of ".join(f"{length:,} positions" for length in sorted(lengths))


def _tau(info: dict) -> str:
    return "" if info["schedule"] == "none" else f", tau {info['tau']:g}"


def _head(info: dict) -> str:
    return "with the masked-language-model head" if info["head"] else "without a masked-language-model head"


def _names(names: Sequence[str], most: int = 12) -> str:
    """List names of parameters, the first of many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f"`{name}`" for name in names[:most]) + more
