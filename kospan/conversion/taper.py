"""TAPER: extension of a position table by weakening repetition.

After KoBigBird-large (arXiv 2309.10339); the decay schedules are ours, the paper's own formula is not public to us.
"""

import math
from collections.abc import Callable

import torch

# Default tau of the default schedule.
SCHEDULE, TAU = "exp", 2.0

# a_k for k = 0, 1, 2, ... and tau; each is 1 at k = 0.
SCHEDULES: dict[str, Callable[[int, float], float]] = {
    "exp": lambda k, tau: math.exp(-k / tau),
    "power": lambda k, tau: (1 + k) ** (-1 / tau),
    "geometric": lambda k, tau: tau**-k,
    "none": lambda k, tau: 1.0,
}


def check_schedule(schedule: str, tau: float) -> None:
    """Check a decay schedule and its tau.

    Raises:
            ValueError: If a schedule is unknown, or its tau would not let positions grow weaker.

    >>> check_schedule("geometric", 0.5)
    Traceback (most recent call last):
    ...
    ValueError: expected tau of 1 or more for the schedule geometric, got 0.5; repetitions would grow stronger
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"expected schedule to be one of {', '.join(SCHEDULES)}, got {schedule!r}; choose one of them")
    if isinstance(tau, bool) or not isinstance(tau, (int, float)):
        raise TypeError(f"expected tau to be a number above 0, got {tau!r}; {TAU} is the default")
    if not (math.isfinite(tau) and tau > 0):
        raise ValueError(f"expected tau to be a number above 0, got {tau}; {TAU} is the default")
    if schedule == "geometric" and tau < 1:
        raise ValueError(
            f"expected tau of 1 or more for the schedule geometric, got {tau}; repetitions would grow stronger"
        )


def factor(k: int, schedule: str = SCHEDULE, tau: float = TAU) -> float:
    """Return a_k, the strength of repetition k; 1 for k = 0.

    >>> [round(factor(k), 3) for k in range(4)]
    [1.0, 0.607, 0.368, 0.223]
    """
    return SCHEDULES[schedule](k, tau)


def stretched(positions: torch.Tensor, length: int, schedule: str = SCHEDULE, tau: float = TAU) -> torch.Tensor:
    """Return a table for `length` positions: E'(p) = a_k * E(p mod n) with k = floor(p / n).

    Args:
        positions: E, the source's table `(n, hidden)`, any float type.
        length: Positions of the new table, n or more.
        schedule: A name of `SCHEDULES`.
        tau: Speed of the decay; larger is slower (for `geometric`: faster).

    Returns:
        `(length, hidden)` of the same type. The first n rows are the source's, bit for bit; others are multiplied in
        float64.

    >>> stretched(torch.ones(2, 1), 5).flatten().tolist()
    [1.0, 1.0, 0.6065306663513184, 0.6065306663513184, 0.3678794503211975]
    """
    n = positions.shape[0]
    wide, parts = positions.double(), [positions]
    for k in range(1, -(-length // n)):
        parts.append((wide[: length - k * n] * factor(k, schedule, tau)).to(positions.dtype))
    return torch.cat(parts)[:length].contiguous()
