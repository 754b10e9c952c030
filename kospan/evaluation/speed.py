"""How fast a model reads: latency and throughput by length and batch, and the memory that takes."""

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import psutil
import torch

LENGTHS, BATCHES = (32, 128, 512), (1, 8, 32)


class Speed(NamedTuple):
    """One setting.

    Args:
        length: Characters of each text.
        batch: Texts in a call, and windows that the encoder reads at once.
        median: Seconds of a call, median.
        slowest: Seconds of a call, 95th percentile.
        texts: Texts per second, at the median.
        characters: Characters per second, at the median.
        memory: Bytes: on a GPU the most that was allocated during the calls, on a CPU the process's after them.
    """

    length: int
    batch: int
    median: float
    slowest: float
    texts: float
    characters: float
    memory: int


def measure(
    model,
    sentences: Sequence[str],
    lengths: Sequence[int] = LENGTHS,
    batches: Sequence[int] = BATCHES,
    calls: int = 10,
) -> list[Speed]:
    """Times `model.extract`, from strings to spans.

    Settings are measured in turn, one call each at a time, so that a machine that slows down slows all of them.

    Args:
        model: What `kospan.tasks.saved.load_saved` gives.
        sentences: Texts to make the measured ones from: joined by spaces and cut to length, each beginning elsewhere.
        lengths: Characters of a text.
        batches: Texts in a call.
        calls: Calls of each setting, after one that is not counted.

    Raises: ValueError where there is no text, or a number is not 1 or more.
    """
    for name, values in (("lengths", lengths), ("batches", batches), ("calls", [calls])):
        if not values or min(values) < 1:
            raise ValueError(f"expected {name} of 1 or more, got {list(values)}")
    joined = " ".join(sentence for sentence in sentences if sentence.strip())
    if not joined:
        raise ValueError("expected texts to read, got none that holds a character; pass some with --data")
    settings = [(length, batch) for length in lengths for batch in batches]
    texts = {setting: _texts(joined, *setting) for setting in settings}
    seconds: dict[tuple[int, int], list[float]] = {setting: [] for setting in settings}
    memory: dict[tuple[int, int], int] = {}
    device = getattr(model, "device", torch.device("cpu"))
    for call in range(calls + 1):
        for setting in settings:
            took, used = _call(model, texts[setting], setting[1], device)
            memory[setting] = max(used, memory.get(setting, 0))
            if call:  # The first one pays for caches.
                seconds[setting].append(took)
    return [_speed(*setting, seconds[setting], memory[setting]) for setting in settings]


def _call(model, texts: list[str], batch: int, device: torch.device) -> tuple[float, int]:
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
        torch.cuda.synchronize(device)
    started = time.perf_counter()
    model.extract(texts, batch_size=batch)
    if on_gpu:
        torch.cuda.synchronize(device)
    took = time.perf_counter() - started
    return took, torch.cuda.max_memory_allocated(device) if on_gpu else psutil.Process().memory_info().rss


def _texts(joined: str, length: int, batch: int) -> list[str]:
    longer = joined * (2 + (length + batch * 7) // len(joined))
    return [longer[at * 7 : at * 7 + length] for at in range(batch)]


def _speed(length: int, batch: int, seconds: list[float], memory: int) -> Speed:
    median = float(np.median(seconds))
    slowest = float(np.quantile(seconds, 0.95))
    return Speed(length, batch, median, slowest, batch / median, batch * length / median, memory)
