"""What a conversion leaves to be read: `conversion.md`, `conversion.png`, and lines on the screen."""

from collections.abc import Sequence

import numpy as np
import torch

from kospan.conversion.parity import BOUND, Parity
from kospan.conversion.settings import Settings
from kospan.conversion.taper import factor
from kospan.drawing import ACCENT, FAINT, SECOND, Canvas

PAGE, PICTURE = "conversion.md", "conversion.png"
_LAW_IN_WORDS = {
    "exp": "a_k = exp(-k / tau)",
    "power": "a_k = (1 + k)^(-1 / tau)",
    "geometric": "a_k = tau^-k",
    "none": "a_k = 1, plain repetition",
}
_SEGMENTS_IN_WORDS = {
    "own": "the source's own rows",
    "copied": "row 1 is a copy of row 0",
    "noised": "row 1 is row 0 with noise",
    "absent": "one row alone, two texts are not told apart",
}


def position_norms(table: torch.Tensor, reach: int) -> list[np.ndarray]:
    """Euclidean norm of every row of a position table, a list entry per repetition of `reach` rows.

    >>> [norms.tolist() for norms in position_norms(torch.tensor([[3.0, 4.0], [0.0, 1.0], [0.0, 2.0]]), 2)]
    [[5.0, 1.0], [2.0]]
    """
    norms = table.double().norm(dim=1).numpy()
    return [norms[start : start + reach] for start in range(0, len(norms), reach)]


def in_lines(papers: dict, parities: Sequence[Parity], lengths: Sequence[int], settings: Settings) -> list[str]:
    """What the screen shows.

    Args:
        papers: What `conversion.json` says.
        parities: The comparisons with the source.
        lengths: What `read_in_full` gave.
        settings: What was asked for.
    """
    asked = settings.max_length
    rounded = f" ({asked:,} in whole blocks of {settings.block_size})" if asked != papers["max_length"] else ""
    lines = [
        f"source              {papers['source']} ({papers['model_type']}, {papers['source_length']:,} positions)",
        f"positions           {papers['max_length']:,}{rounded}, law {papers['law']}{_tau(papers)}",
        f"segments            {_SEGMENTS_IN_WORDS[papers['segments']]}",
        f"parameters          {papers['parameters']:,}, {_head(papers)}",
    ]
    for parity in parities:
        scores = "" if parity.logits is None else f", scores {parity.logits:.1e}"
        lines.append(
            f"parity              states {parity.states:.1e}{scores}: {parity.what} ({parity.length} subwords)"
        )
    return [*lines, f"long inputs         {_lengths(lengths)} read by the stock class"]


def page(papers: dict, parities: Sequence[Parity], lengths: Sequence[int], norms: Sequence[np.ndarray]) -> str:
    """The page about a conversion, Markdown."""
    full = (5 + 2 * papers["random_blocks"]) * papers["block_size"]
    lines = [
        f"# {papers['source']} as a BigBird of {papers['max_length']:,} positions",
        "",
        f"Converted without training from an encoder of type `{papers['model_type']}` that reads "
        f"{papers['source_length']:,} positions; {papers['parameters']:,} parameters, {_head(papers)}.",
        "",
        "## Does it read short inputs as the source does?",
        "",
        "Largest absolute differences in float32 with full attention, step by step in both; the bound is "
        f"{BOUND:.0e} (of the largest value, where that is above 1).",
        "",
        "| input | subwords | last hidden states | their largest value | scores of the head | their largest value |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for parity in parities:
        scores = ("", "") if parity.logits is None else (f"{parity.logits:.1e}", f"{parity.logit_scale:.1f}")
        cells = [parity.what, f"{parity.length:,}", f"{parity.states:.1e}", f"{parity.scale:.1f}", *scores]
        lines.append(f"| {' | '.join(cells)} |")
    if papers["segments"] == "noised":
        lines += ["", "Two texts are not compared: the noise makes them differ from the source by intent."]
    lines += ["", f"The stock class of transformers also read an input of {_lengths(lengths)}."]
    lines += [
        "",
        "## Positions",
        "",
        f"TAPER: E'(p) = a_k E(p mod n), n = {papers['source_length']}, k = floor(p / n), "
        f"{_LAW_IN_WORDS[papers['law']]}{_tau(papers)}.",
        "",
        f"![Norm of each position's vector]({PICTURE})",
        "",
        "| repetition k | positions | a_k | mean norm | smallest | largest |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for k, row in enumerate(norms):
        start = k * papers["source_length"]
        strength = factor(k, papers["law"], papers["tau"])
        lines.append(
            f"| {k} | {start:,} to {start + len(row) - 1:,} | {strength:.4f} | {row.mean():.4f} | {row.min():.4f} | "
            f"{row.max():.4f} |"
        )
    segments = _SEGMENTS_IN_WORDS[papers["segments"]]
    if papers["segments"] == "noised":
        segments += f" (standard deviation {papers['segment_noise']} of the row's, seed {papers['seed']})"
    lines += ["", f"Segments: {segments}.", "", "## What lies in this folder", ""]
    lines += [
        "- A stock `big_bird` checkpoint with a fast tokenizer: every class of transformers for BigBird opens it.",
        "- `conversion.json`, `conversion.safetensors`: what BigBird has no place for. `kospan convert back FOLDER "
        "OUT` writes the source again, bit for bit.",
    ]
    if papers["head_left_out"]:
        lines.append(f"- The source's masked-language-model head stays aside: {papers['head_left_out']}.")
    if papers["left_over"]:
        lines.append(f"- SavedScores aside: {_names(papers['left_over'])}.")
    if papers["added"]:
        passes = (
            " (a pooler that passes the first state on)" if any("pooler" in name for name in papers["added"]) else ""
        )
        lines.append(f"- Added, since the source has none: {_names(papers['added'])}{passes}.")
    lines += [
        "",
        "## Opened without kospan",
        "",
        f"Plain `AutoModel` builds transformers' BigBird. It attends to everything up to {full:,} positions and "
        "sparsely above, and in version 5.23 it fails under autocast in sparse mode, builds tables of length x "
        "length there, attends to other blocks in training than in evaluation, sets NumPy's global random state in "
        f"training, and stays with full attention for good after one input of {full:,} positions or fewer. kospan's "
        "own models read the same weights without these defects.",
        "",
        f"Made with transformers {papers['versions']['transformers']}, torch {papers['versions']['torch']}.",
    ]
    return "\n".join(lines) + "\n"


def picture(papers: dict, norms: Sequence[np.ndarray]) -> bytes:
    """Norm of each position's vector, with the repetitions marked, as PNG."""
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
        title = f"{papers['source_length']:,} positions, repeated to {papers['max_length']:,}: law {papers['law']}"
        axes.set_title(f"{title}{_tau(papers)}", loc="left")
        axes.legend(frameon=False, fontsize=8, loc="upper right")
    return canvas.png


def _lengths(lengths: Sequence[int]) -> str:
    return " and one of ".join(f"{length:,} positions" for length in sorted(lengths))


def _tau(papers: dict) -> str:
    return "" if papers["law"] == "none" else f", tau {papers['tau']:g}"


def _head(papers: dict) -> str:
    return "with the masked-language-model head" if papers["head"] else "without a masked-language-model head"


def _names(names: Sequence[str], most: int = 12) -> str:
    """Names of parameters in a sentence, the first of many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f"`{name}`" for name in names[:most]) + more
