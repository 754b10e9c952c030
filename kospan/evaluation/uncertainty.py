"""Uncertainty of probability distributions, by which texts are ranked for annotation."""

import numpy as np

STRATEGIES = ("least_confidence", "margin", "entropy")


def uncertainties(probabilities: np.ndarray, strategy: str) -> np.ndarray:
    """Compute the uncertainty of distributions (Settles 2009, "Active Learning Literature Survey", section 3.1).

    - "least_confidence": -log p1, in nats
    - "margin": 1 - (p1 - p2)
    - "entropy": -sum p log p, in nats

    where p1 and p2 are the two largest probabilities.

    Args:
        probabilities: Distributions `(..., outcomes)`, with at least one outcome.
        strategy: One of `STRATEGIES`.

    Returns:
        `(...)`, float64; 0 where one outcome is certain.

    Raises:
        ValueError: If the strategy is unknown.

    >>> uncertainties(np.array([[0.5, 0.5], [1.0, 0.0]]), "margin").tolist()
    [1.0, 0.0]
    """
    check_strategy(strategy)
    values = np.asarray(probabilities, dtype=np.float64)
    if strategy == "entropy":
        logs = np.log(np.where(values > 0, values, 1.0))
        return np.maximum(-(values * logs).sum(axis=-1), 0.0)
    ordered = np.sort(values, axis=-1)
    if strategy == "least_confidence":
        return negative_log(ordered[..., -1])
    second = ordered[..., -2] if values.shape[-1] > 1 else 0.0
    return np.clip(1 - (ordered[..., -1] - second), 0.0, 1.0)


def negative_log(probabilities: np.ndarray) -> np.ndarray:
    """Return -log p in nats, finite for p = 0, and 0 for p above 1 by rounding."""
    values = np.asarray(probabilities, dtype=np.float64)
    return np.maximum(-np.log(np.maximum(values, np.finfo(np.float64).tiny)), 0.0)


def check_strategy(strategy: str) -> None:
    """Check the name of a strategy.

    Raises:
        ValueError: If it is unknown.
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"expected strategy to be one of {', '.join(STRATEGIES)}, got {strategy!r}; choose one")
