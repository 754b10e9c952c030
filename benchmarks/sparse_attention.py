"""Time, peak memory and FLOPs of `SparseBigBird` against transformers' BigBird and against full attention.

    python benchmarks/sparse_attention.py

Writes docs/benchmarks/sparse_attention.md and its plot. Forward and backward of an encoder in training, hidden 768, 12
heads, 2 layers, blocks of 64 and 3 random ones, one text, one thread, float32. Time: all variants in one process, in
turn, CPU time, medians. Peak memory: each variant and length in a process of its own, highest resident size after one
step above that after building the model. FLOPs: torch's counter. Attention dropout is 0 in the variants that are
compared, since transformers' sparse attention has none; one more variant has BigBird's usual 0.1.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import BigBirdConfig, BigBirdModel
from transformers.utils import logging

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
from kospan.drawing import Canvas  # noqa: E402
from kospan.modeling.sparse_attention import SparseBigBird  # noqa: E402

LENGTHS = [512, 1024, 2048, 4096]
VARIANTS = {
    "transformers": "transformers' sparse attention",
    "sparse": "SparseBigBird",
    "full": "SparseBigBird, full attention",
    "dropout": "SparseBigBird, attention dropout 0.1",
}
RESULT = ROOT / "docs" / "benchmarks" / "sparse_attention.md"


def build(variant: str) -> torch.nn.Module:
    """An variant's encoder in training mode, drawn with a fixed seed."""
    torch.manual_seed(0)
    kind = "original_full" if variant == "full" else "block_sparse"
    dropout = 0.1 if variant == "dropout" else 0.0
    config = BigBirdConfig(
        vocab_size=1000, num_hidden_layers=2, attention_type=kind, attention_probs_dropout_prob=dropout
    )
    model = BigBirdModel(config, add_pooling_layer=False) if variant == "transformers" else SparseBigBird(config)
    return model.train()


def step(model: torch.nn.Module, length: int) -> None:
    """One forward and backward pass."""
    model.zero_grad()
    ids = torch.arange(length).remainder(1000).unsqueeze(0)
    states = model(ids).last_hidden_state
    # A plain sum or a sum of squares would not change behind a layer norm, and tiny gradients are slow on a CPU.
    (states * torch.linspace(-1, 1, states.shape[2])).mean().backward()


def resident(kind: str) -> float:
    """Resident size of this process in MiB: now (`VmRSS`), or the highest since it was reset (`VmHWM`). Linux alone."""
    line = next(line for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines() if kind in line)
    return int(line.split()[1]) / 1024


def child(variant: str, length: int) -> dict[str, float]:
    """Peak memory and FLOPs of one step."""
    model = build(variant)
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # Building has peaks of its own.
    before = resident("VmRSS")
    step(model, length)
    found = {"memory": resident("VmHWM") - before}
    # The counter does not know the CPU's fused kernel; its parts it knows.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        step(model, length)
    return found | {"flops": counter.get_total_flops() / 1e9}


def times(variants: list[str], length: int, repeats: int) -> dict[str, float]:
    """Median CPU seconds of each variant, called in turn."""
    models = {variant: build(variant) for variant in variants}
    taken = {variant: [] for variant in variants}
    for turn in range(repeats + 1):
        for variant, model in models.items():
            begun = time.process_time()
            step(model, length)
            if turn:  # The first call of each fills caches and is not counted.
                taken[variant].append(time.process_time() - begun)
    return {variant: statistics.median(each) for variant, each in taken.items()}


def fitted(values: list[float]) -> tuple[float, float, float]:
    """Slope and intercept of a straight line over the lengths, and its largest residual as a share of the value."""
    slope, intercept = np.polyfit(LENGTHS, values, 1)
    residual = max(
        abs(slope * length + intercept - value) / value for length, value in zip(LENGTHS, values, strict=True)
    )
    return slope, intercept, residual


def draw(found: dict, path: Path) -> None:
    """Time, memory and FLOPs over the length."""
    titles = {"time": "CPU seconds per step", "memory": "peak memory, MiB", "flops": "GFLOP per step"}
    with Canvas(width=13, height=4, columns=3) as canvas:
        for panel, (kind, title) in zip(canvas.axes, titles.items(), strict=True):
            for variant, name in VARIANTS.items():
                values = [found[f"{variant} {length}"][kind] for length in LENGTHS]
                panel.plot(LENGTHS, values, marker="o", label=name)
                if variant == "sparse":
                    slope, intercept, _ = fitted(values)
                    line = [slope * length + intercept for length in LENGTHS]
                    panel.plot(LENGTHS, line, "k:", label="straight line")
            panel.set_title(title)
            panel.set_xlabel("tokens")
            panel.set_xticks(LENGTHS)
            panel.set_ylim(bottom=0)
        canvas.axes[0].legend(fontsize=8)
    path.write_bytes(canvas.png)


def main() -> None:
    """Measure all variants and write the page, or one variant's memory as a child."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--child", nargs=2, metavar=("VARIANT", "LENGTH"), help="memory and FLOPs of one variant, as JSON"
    )
    parser.add_argument("--repeats", type=int, default=5, help="calls of each variant and length that are timed")
    parser.add_argument("--output", type=Path, default=RESULT)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    if arguments.child:
        print(json.dumps(child(arguments.child[0], int(arguments.child[1]))))
        return
    found: dict[str, dict[str, float]] = {}
    for length in LENGTHS:
        taken = times(list(VARIANTS), length, arguments.repeats)
        for variant in VARIANTS:
            command = [sys.executable, "-W", "ignore", __file__, "--child", variant, str(length)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[f"{variant} {length}"] = {"time": taken[variant], **json.loads(done.stdout.splitlines()[-1])}
            print(variant, length, found[f"{variant} {length}"], flush=True)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    draw(found, arguments.output.with_suffix(".png"))
    arguments.output.write_text(page(found), encoding="utf-8")
    print(f"wrote {arguments.output}")


def page(found: dict) -> str:
    """The result as Markdown."""
    parts = [
        "# Block-sparse attention: time, memory, FLOPs",
        "",
        "Forward and backward of an encoder in training: hidden 768, 12 heads, 2 layers, intermediate 3072, block "
        f"64, 3 random blocks, batch 1, float32. 2-core x86-64 VM, 1 thread, torch {torch.__version__.split('+')[0]} "
        "CPU; other jobs ran beside this one. Time: CPU time of all variants in turn in one process, medians. "
        "Memory: highest resident size of a process of its own after one step, above that after building the model. "
        "Attention dropout is 0, since transformers' sparse attention has none, but for the last variant. At 512 "
        "tokens SparseBigBird and transformers' read in full attention, as up to 704. Reproduce: `python "
        "benchmarks/sparse_attention.py`.",
        "",
        "![Time, memory and FLOPs over the length](sparse_attention.png)",
    ]
    for kind, title in (("time", "CPU seconds"), ("memory", "Peak memory, MiB"), ("flops", "GFLOP")):
        parts += ["", f"## {title}", "", "| variant | " + " | ".join(f"{length:,}" for length in LENGTHS) + " |"]
        parts.append("|---" * (len(LENGTHS) + 1) + "|")
        for variant, name in VARIANTS.items():
            cells = [f"{found[f'{variant} {length}'][kind]:,.{2 if kind == 'time' else 0}f}" for length in LENGTHS]
            parts.append(f"| {name} | " + " | ".join(cells) + " |")
        slope, intercept, residual = fitted([found[f"sparse {length}"][kind] for length in LENGTHS])
        parts += [
            "",
            f"Straight line through SparseBigBird: {1024 * slope:.3g} per 1,024 tokens, {intercept:+.3g}; the "
            f"largest residual is {100 * residual:.1f} % of the value.",
        ]
    last = LENGTHS[-1]
    ours, stock, full = (found[f"{variant} {last}"] for variant in ("sparse", "transformers", "full"))
    parts += ["", f"## Goals at {last:,} tokens", "", "| metric | goal | seen | |", "|---|---|---|---|"]
    speed, memory = stock["time"] / ours["time"], ours["memory"] / stock["memory"]
    parts += [
        f"| speed over transformers' sparse attention | >= 2 | {speed:.2f} | {'held' if speed >= 2 else 'MISSED'} |",
        f"| peak memory over transformers' | <= 0.25 | {memory:.3f} | {'held' if memory <= 0.25 else 'MISSED'} |",
        "",
        f"Against full attention (SDPA, the same encoder): {full['time'] / ours['time']:.2f} times as fast, "
        f"{ours['memory'] / full['memory']:.2f} of the memory, {ours['flops'] / full['flops']:.2f} of the FLOPs.",
        "",
    ]
    return "\n".join(parts)


if __name__ == "__main__":
    main()
