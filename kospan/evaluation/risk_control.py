"""Thresholds whose risk is bounded without assumptions about the model.

A risk is the expected loss of a document. Losses are in [0, 1] and do not decrease with the threshold. Documents are
exchangeable for the bound on the mean ("conformal"), and independent draws for the bounds with a confidence.

Conformal risk control: Angelopoulos, Bates, Fisch, Lei and Schuster 2022. Upper bounds on the risk: Bates,
Angelopoulos, Lei, Malik and Jordan 2021 (Hoeffding-Bentkus), Waudby-Smith and Ramdas 2020 (betting).
"""

from collections.abc import Callable
from decimal import Decimal

import numpy as np

METHODS = ("conformal", "hoeffding-bentkus", "betting")
# Thresholds that can be chosen: posteriors at equal distances of their log odds, from 1e-6 to 0.999. They are fixed
# before the data are seen, so that the search over them costs no confidence.
GRID = np.array([float(f"{1 / (1 + np.exp(-odds)):.6g}") for odds in np.arange(-460, 231) * 0.03])
# Sums of fractions are exact up to this.
_ROUNDING = 1e-9


def risk_of(level: float) -> float:
    """The largest risk at a level of recall, without the rounding error of the difference.

    >>> risk_of(0.9), 1 - 0.9
    (0.1, 0.09999999999999998)
    """
    return float(1 - Decimal(repr(float(level))))


def conformal_bound(losses: np.ndarray) -> np.ndarray:
    """Smallest mean risk that conformal risk control certifies: (sum of the losses + 1) / (documents + 1).

    Args:
        losses: Losses in [0, 1] `(documents, thresholds)`.

    Returns: A bound for each threshold `(thresholds,)`.

    >>> conformal_bound(np.zeros((99, 1))).tolist()
    [0.01]
    """
    return (losses.sum(axis=0) + 1) / (len(losses) + 1)


def hoeffding_bentkus(mean: np.ndarray, documents: int, risk: float) -> np.ndarray:
    """P-values of "the risk is above `risk`": the smaller one of the Hoeffding and the Bentkus inequality.

    Args:
        mean: Mean loss of the documents at each threshold `(thresholds,)`.
        documents: Number of documents.
        risk: The largest risk that is allowed.

    >>> hoeffding_bentkus(np.zeros(1), 230, 0.01).round(4).tolist()
    [0.0991]
    """
    from scipy.special import rel_entr
    from scipy.stats import binom

    below = np.minimum(mean, risk)
    divergence = rel_entr(below, risk) + rel_entr(1 - below, 1 - risk)
    bentkus = np.e * binom.cdf(np.ceil(documents * mean - _ROUNDING), documents, risk)
    return np.minimum(np.minimum(np.exp(-documents * divergence), bentkus), 1.0)


def betting_p_value(losses: np.ndarray, risk: float, delta: float) -> np.ndarray:
    """P-values of "the risk is above `risk`": 1 / the largest capital of a gambler who bets on smaller losses.

    Under the hypothesis the capital is a supermartingale from 1, so that it reaches 1 / delta with a probability of at
    most delta (Ville's inequality). A bet depends on earlier documents alone.

    Args:
        losses: Losses in [0, 1] `(documents, thresholds)`.
        risk: The largest risk that is allowed.
        delta: Error probability that the bets are tuned for; the p-values are valid at any other, too.
    """
    counted = np.arange(1, len(losses) + 1)[:, None]
    means = (0.5 + np.cumsum(losses, axis=0)) / (1 + counted)
    variances = (0.25 + np.cumsum((losses - means) ** 2, axis=0)) / (1 + counted)
    before = np.concatenate([np.full((1, losses.shape[1]), 0.25), variances[:-1]])
    bets = np.minimum(1.0, np.sqrt(2 * np.log(1 / delta) / (len(losses) * before)))
    capital = np.cumsum(np.log1p(-bets * (losses - risk)), axis=0)
    return np.exp(-np.maximum(capital.max(axis=0), 0.0))


def p_values(losses: np.ndarray, risk: float, method: str, delta: float) -> np.ndarray:
    """P-values of "the risk is above `risk`" by a bound with a confidence `(thresholds,)`; see `is_certified`.

    The bets go through the documents in a random order with a fixed seed: files are often sorted.
    """
    if method == "hoeffding-bentkus":
        return hoeffding_bentkus(losses.mean(axis=0), len(losses), risk)
    return betting_p_value(losses[np.random.default_rng(0).permutation(len(losses))], risk, delta)


def is_certified(losses: np.ndarray, risk: float, method: str, delta: float | None = None) -> np.ndarray:
    """Return for each threshold whether its risk is certified to be at most `risk`.

    Args:
        losses: Losses in [0, 1] `(documents, thresholds)`.
        risk: The largest risk that is allowed.
        method: One of `METHODS`.
        delta: Probability of an error; None for "conformal", which bounds the mean risk.

    Returns: Booleans `(thresholds,)`; all False without documents.

    Raises: ValueError if `method` is unknown.
    """
    if method not in METHODS:
        raise ValueError(f"expected a method among {', '.join(METHODS)}, got {method!r}; choose one of them")
    if not len(losses):
        return np.zeros(losses.shape[1], dtype=bool)
    if method == "conformal":
        return conformal_bound(losses) <= risk + _ROUNDING
    found = losses.mean(axis=0) <= risk
    found[found] = p_values(losses[:, found], risk, method, delta) <= delta
    return found


def largest_threshold(losses: np.ndarray, risk: float, method: str, delta: float | None = None) -> int | None:
    """Index of the largest threshold that is certified together with all smaller ones; None without one.

    >>> losses = np.repeat([[0.0, 0.0, 1.0]], 99, axis=0)
    >>> largest_threshold(losses, 0.01, "conformal"), largest_threshold(losses[:98], 0.01, "conformal")
    (1, None)
    """
    failed = np.flatnonzero(~is_certified(losses, risk, method, delta))
    count = failed[0] if len(failed) else losses.shape[1]
    return int(count) - 1 if count else None


def best_level(losses_at: Callable[[float], np.ndarray], method: str, delta: float | None = None) -> float | None:
    """The highest level of recall, in steps of 0.0001, that the smallest threshold certifies; None without one.

    Args:
        losses_at: Losses of the smallest threshold `(documents, 1)` for a largest risk.
        method: As in `is_certified`.
        delta: As in `is_certified`.

    >>> best_level(lambda risk: np.zeros((50, 1)), "conformal")
    0.9803
    """

    def fits(steps: int) -> bool:
        risk = risk_of(steps / 10_000)
        return bool(is_certified(losses_at(risk), risk, method, delta)[0])

    low, high = 0, 9_999
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low / 10_000 if low and fits(low) else None


def choose_bound(losses: np.ndarray, documents: int, risk: float, delta: float, seed: int = 0) -> str:
    """The bound with a confidence that gives the larger threshold on other documents than those to certify.

    The choice costs no confidence, because it does not depend on the documents that the bound is computed from.

    Args:
        losses: Losses of the other documents `(others, thresholds)`.
        documents: Number of documents to certify with: as many are drawn from the others.
        risk: The largest risk that is allowed.
        delta: Probability of an error.
        seed: Seed of numpy's generator.

    Returns: "hoeffding-bentkus" or "betting"; if neither gives a threshold, the one with the smaller p-value at the
        smallest threshold.
    """
    if not len(losses):
        return METHODS[1]
    drawn = losses[np.random.default_rng(seed).integers(len(losses), size=documents)]

    def preference(method: str) -> tuple[int, float]:
        at = largest_threshold(drawn, risk, method, delta)
        return (-1, -p_values(drawn[:, :1], risk, method, delta)[0]) if at is None else (at, 0.0)

    return max(METHODS[1:], key=preference)
