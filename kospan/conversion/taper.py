"""TAPER: a short table of positions made long, repeated and weaker with every repetition.

After KoBigBird-large (arXiv 2309.10339); the laws are ours, the paper's own formula is not public to us.
"""

import math
from collections.abc import Callable

import torch

# Default tau of the default law.
LAW, TAU = "exp", 2.0

# a_k for k = 0, 1, 2, ... and tau; each is 1 at k = 0.
LAWS: dict[str, Callable[[int, float], float]] = {
    "exp": lambda k, tau: math.exp(-k / tau),
    "power": lambda k, tau: (1 + k) ** (-1 / tau),
    "geometric": lambda k, tau: tau**-k,
    "none": lambda k, tau: 1.0,
}


def check_law(law: str, tau: float) -> None:
    """Raises:
        ValueError: If a law is unknown, or its tau would not let positions grow weaker.

    >>> check_law("geometric", 0.5)
    Traceback (most recent call last):
    ...
    ValueError: expected tau of 1 or more for the law geometric, got 0.5; repetitions would grow stronger
    """
    if law not in LAWS:
        raise ValueError(f"expected law to be one of {', '.join(LAWS)}, got {law!r}; choose one of them")
    if isinstance(tau, bool) or not isinstance(tau, (int, float)):
        raise TypeError(f"expected tau to be a number above 0, got {tau!r}; {TAU} is the default")
    if not (math.isfinite(tau) and tau > 0):
        raise ValueError(f"expected tau to be a number above 0, got {tau}; {TAU} is the default")
    if law == "geometric" and tau < 1:
        raise ValueError(f"expected tau of 1 or more for the law geometric, got {tau}; repetitions would grow stronger")


def factor(k: int, law: str = LAW, tau: float = TAU) -> float:
    """a_k, the strength of repetition k; 1 for k = 0.

    >>> [round(factor(k), 3) for k in range(4)]
    [1.0, 0.607, 0.368, 0.223]
    """
    return LAWS[law](k, tau)


def stretched(positions: torch.Tensor, length: int, law: str = LAW, tau: float = TAU) -> torch.Tensor:
    """E'(p) = a_k * E(p mod n) with k = floor(p / n): a table for `length` positions.

    Args:
        positions: E, the source's table `(n, hidden)`, any float type.
        length: Positions of the new table, n or more, no multiple of anything.
        law: A name of `LAWS`.
        tau: How slowly strength fades; larger is slower (for `geometric`: faster).

    Returns:
        `(length, hidden)` of the same type. The first n rows are the source's, bit for bit; others are multiplied in
        float64.

    >>> stretched(torch.ones(2, 1), 5).flatten().tolist()
    [1.0, 1.0, 0.6065306663513184, 0.6065306663513184, 0.3678794503211975]
    """
    n = positions.shape[0]
    wide, parts = positions.double(), [positions]
    for k in range(1, -(-length // n)):
        parts.append((wide[: length - k * n] * factor(k, law, tau)).to(positions.dtype))
    return torch.cat(parts)[:length].contiguous()
