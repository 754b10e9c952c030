"""Speed of a model: latency and throughput by length and batch size, and the memory used."""

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import psutil
import torch

from kospan.example import Example

# Question about texts without one; only question answering uses it.
QUESTION = "이 글에서 가장 중요한 것은 무엇인가?"
LENGTHS, BATCHES = (32, 128, 512), (1, 8, 32)


class Speed(NamedTuple):
    """Speed at one length and batch size.

    Args:
        length: Characters of each text.
        batch: Texts per call, and windows per batch.
        median: Seconds of a call, median.
        slowest: Seconds of a call, 95th percentile.
        texts: Texts per second, at the median.
        characters: Characters per second, at the median.
        memory: Bytes: on a GPU the peak during the calls, on a CPU those of the process after them.
    """

    length: int
    batch: int
    median: float
    slowest: float
    texts: float
    characters: float
    memory: int


def measure(
    task,
    examples: Sequence[Example],
    lengths: Sequence[int] = LENGTHS,
    batches: Sequence[int] = BATCHES,
    calls: int = 10,
) -> list[Speed]:
    """Time a task's `predict`, from strings to spans.

    Settings are measured in turn, one call each at a time, so that a slower phase of the machine affects all of them.

    Args:
        task: A task over a saved model.
        examples: Source of the measured documents: their texts joined by spaces and cut to length from different
            starts, and their questions and text pairs in turn, or a neutral one.
        lengths: Characters of a text.
        batches: Texts per call.
        calls: Calls of each setting, after one that is not counted.

    Raises: ValueError if there is no text, or a number is below 1.
    """
    for name, values in (("lengths", lengths), ("batches", batches), ("calls", [calls])):
        if not values or min(values) < 1:
            raise ValueError(f"expected {name} of 1 or more, got {list(values)}")
    joined = " ".join(example.text for example in examples if example.text.strip())
    if not joined:
        raise ValueError("expected texts to measure, got none with a character; pass some with --data")
    beside = [
        [value for example in examples if (value := getattr(example, key)).strip()] or [QUESTION]
        for key in ("question", "text_pair")
    ]
    settings = [(length, batch) for length in lengths for batch in batches]
    documents = {setting: _documents(joined, *beside, *setting) for setting in settings}
    seconds: dict[tuple[int, int], list[float]] = {setting: [] for setting in settings}
    memory: dict[tuple[int, int], int] = {}
    device = getattr(task.model, "device", torch.device("cpu"))
    for call in range(calls + 1):
        for setting in settings:
            took, used = _call(task, documents[setting], setting[1], device)
            memory[setting] = max(used, memory.get(setting, 0))
            if call:  # The first call fills caches.
                seconds[setting].append(took)
    return [_speed(*setting, seconds[setting], memory[setting]) for setting in settings]


def _call(task, documents: list[Example], batch: int, device: torch.device) -> tuple[float, int]:
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
        torch.cuda.synchronize(device)
    started = time.perf_counter()
    task.predict(documents, batch_size=batch)
    if on_gpu:
        torch.cuda.synchronize(device)
    took = time.perf_counter() - started
    return took, torch.cuda.max_memory_allocated(device) if on_gpu else psutil.Process().memory_info().rss


def _documents(joined: str, questions: Sequence[str], pairs: Sequence[str], length: int, batch: int) -> list[Example]:
    longer = joined * (2 + (length + batch * 7) // len(joined))
    return [
        Example(
            str(at),
            longer[at * 7 : at * 7 + length],
            None,
            questions[at % len(questions)],
            text_pair=pairs[at % len(pairs)],
        )
        for at in range(batch)
    ]


def _speed(length: int, batch: int, seconds: list[float], memory: int) -> Speed:
    median = float(np.median(seconds))
    slowest = float(np.quantile(seconds, 0.95))
    return Speed(length, batch, median, slowest, batch / median, batch * length / median, memory)
