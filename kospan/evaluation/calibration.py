"""Calibration metrics: confidences against the share of right predictions.

Guo et al. 2017 for the calibration errors, Brier 1950, Geifman and El-Yaniv 2017 for risk and coverage.
"""

from typing import NamedTuple

import numpy as np

BINS = 15


class Bin(NamedTuple):
    """A bin of confidences.

    Args:
        low: Lower end.
        high: Upper end.
        count: Number of confidences.
        confidence: Their mean; 0.0 for an empty bin.
        accuracy: Share of right predictions; 0.0 for an empty bin.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


def reliability(confidence: np.ndarray, right: np.ndarray, equal: str = "width", bins: int = BINS) -> list[Bin]:
    """Sort confidences into bins, with the share of right predictions in each.

    Args:
        confidence: Probabilities in [0, 1] `(n,)`.
        right: True where the prediction is right `(n,)`.
        equal: "width": bins of one width between 0 and 1; "mass": bins of equal counts, except that equal confidences
            stay together.
        bins: Number of bins.

    Raises: ValueError if the shapes differ, a confidence is outside [0, 1], or `equal` is neither.

    >>> [bin.count for bin in reliability(np.array([0.1, 0.6, 0.9, 1.0]), np.array([0, 1, 1, 1]), bins=2)]
    [1, 3]
    """
    confidence, right = _checked(confidence, right)
    if equal not in ("width", "mass"):
        raise ValueError(f"expected equal to be 'width' or 'mass', got {equal!r}")
    if equal == "width":
        edges = np.linspace(0, 1, bins + 1)
        place = _places(confidence, edges)
        ends = list(zip(edges[:-1].tolist(), edges[1:].tolist()))
        members = [place == at for at in range(bins)]
    else:
        order = np.argsort(confidence, kind="stable")
        ranked = confidence[order]
        cuts = [len(part) for part in np.array_split(ranked, bins)]
        # The order of equal confidences is chance, so they stay together.
        cuts = {int(np.searchsorted(ranked, ranked[cut - 1], side="right")) for cut in np.cumsum(cuts) if cut}
        parts = [part for part in np.split(order, sorted(cuts)) if len(part)]
        ends = [(float(confidence[part[0]]), float(confidence[part[-1]])) for part in parts]
        members = parts
    return [_bin(low, high, confidence[chosen], right[chosen]) for (low, high), chosen in zip(ends, members)]


def _places(confidence: np.ndarray, edges: np.ndarray) -> np.ndarray:
    # A confidence on an edge belongs to the bin below, as in (low, high].
    return np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, len(edges) - 2)


def _bin(low: float, high: float, confidence: np.ndarray, right: np.ndarray) -> Bin:
    if not len(confidence):
        return Bin(low, high, 0, 0.0, 0.0)
    return Bin(low, high, len(confidence), float(confidence.mean()), float(right.mean()))


def calibration_errors(bins: list[Bin]) -> tuple[float, float]:
    """ECE and MCE: the mean gap between confidence and accuracy weighted by counts, and the largest gap of a bin.

    >>> calibration_errors([Bin(0, 0.5, 1, 0.25, 0.0), Bin(0.5, 1, 3, 0.75, 1.0)])
    (0.25, 0.25)
    """
    counts = np.array([bin.count for bin in bins], dtype=float)
    gaps = np.array([abs(bin.confidence - bin.accuracy) if bin.count else 0.0 for bin in bins])
    if not counts.sum():
        return 0.0, 0.0
    return float(gaps @ counts / counts.sum()), float(gaps.max())


def ece_by_chance(confidence: np.ndarray, draws: int = 200, seed: int = 0) -> float:
    """The mean ECE of exact confidences on as many predictions, each right as often as its confidence.

    Args:
        confidence: Probabilities in [0, 1] `(n,)`, in 15 bins of one width.
        draws: Sets of outcomes that are drawn.
        seed: Seed of numpy's generator.

    Returns: 0.0 without predictions.

    >>> few, many = (ece_by_chance(np.full(count, 0.5)) for count in (100, 10_000))
    >>> round(few, 2), round(many, 3)
    (0.04, 0.004)
    """
    confidence, _ = _checked(confidence, np.zeros(len(confidence), dtype=bool))
    if not len(confidence):
        return 0.0
    generator, total = np.random.default_rng(seed), 0.0
    place = _places(confidence, np.linspace(0, 1, BINS + 1))
    for _ in range(draws):
        right = generator.random(len(confidence)) < confidence
        total += np.abs(np.bincount(place, right - confidence)).sum()
    return float(total / draws / len(confidence))


def calibration_metrics(confidence: np.ndarray, right: np.ndarray) -> dict[str, float | None]:
    """Compute all metrics of a set of confidences.

    Args:
        confidence: Probabilities in [0, 1] `(n,)`.
        right: True where the prediction is right `(n,)`.

    Returns: `n`; `accuracy`, the share of right predictions; `confidence`, the mean; `ece` and `mce` over 15 bins of
        one width, `ece_mass` and `mce_mass` over 15 bins of equal counts; `brier`, the mean squared difference; `auroc`
        of right against wrong, None if all are one of the two; `aurc`, the mean risk over all coverages. Without
        confidences all but `n` are None.

    >>> metrics = calibration_metrics(np.array([0.2, 0.9, 0.8, 0.4]), np.array([0, 1, 1, 0]))
    >>> metrics["auroc"], round(metrics["brier"], 4)
    (1.0, 0.0625)
    """
    confidence, right = _checked(confidence, right)
    names = ("accuracy", "confidence", "ece", "mce", "ece_mass", "mce_mass", "brier", "auroc", "aurc")
    if not len(confidence):
        return {"n": 0, **dict.fromkeys(names)}
    metrics = {"n": len(confidence), "accuracy": float(right.mean()), "confidence": float(confidence.mean())}
    for suffix, equal in (("", "width"), ("_mass", "mass")):
        metrics["ece" + suffix], metrics["mce" + suffix] = calibration_errors(reliability(confidence, right, equal))
    metrics["brier"] = float(((confidence - right) ** 2).mean())
    metrics["auroc"] = _auroc(confidence, right)
    metrics["aurc"] = float(risk_coverage(confidence, right)[1].mean())
    return {name: metrics[name] for name in ("n", *names)}


def _auroc(confidence: np.ndarray, right: np.ndarray) -> float | None:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(right, confidence)) if 0 < right.sum() < len(right) else None


def risk_coverage(confidence: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of errors among the most confident predictions, for every share that is kept.

    Returns: Coverage `(n,)` and risk `(n,)`, most confident first; equal confidences are kept together, so their risk
        is that of the whole group.

    >>> coverage, risk = risk_coverage(np.array([0.9, 0.5]), np.array([1, 0]))
    >>> coverage.tolist(), risk.tolist()
    ([0.5, 1.0], [0.0, 0.5])
    """
    confidence, right = _checked(confidence, right)
    order = np.argsort(-confidence, kind="stable")
    kept = np.arange(1, len(order) + 1)
    risk = np.cumsum(1 - right[order]) / np.maximum(1, kept)
    # The order of equal confidences is chance, so all of them have the risk of the last.
    last = np.searchsorted(-confidence[order], -confidence[order], side="right") - 1
    return kept / max(1, len(order)), risk[last]


def threshold_for(confidence: np.ndarray, right: np.ndarray, precision: float) -> float | None:
    """The smallest threshold at which the kept predictions have a precision.

    Of all thresholds that keep the same predictions it is the one with the fewest decimals, so that a config holds all
    of it and a confidence is kept in spite of a rounding error.

    Args:
        confidence: Probabilities in [0, 1] `(n,)`; those of the threshold and above are kept.
        right: True where the prediction is right `(n,)`.
        precision: The precision, above 0 and at most 1.

    Returns: 0 if all can be kept; None if no threshold gives the precision.

    Raises: ValueError if `precision` is out of range, or as `reliability`.

    >>> threshold_for(np.array([0.9, 0.72, 0.4]), np.array([1, 1, 0]), 0.9)
    0.6
    """
    check_precision(precision)
    confidence, right = _checked(confidence, right)
    order = np.argsort(-confidence, kind="stable")
    ranked, correct = confidence[order], np.cumsum(right[order])
    # Equal confidences are kept together or not at all, so only the last of them counts.
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)[: len(ranked)])
    enough = last[correct[last] >= precision * (last + 1) - 1e-9]
    if not len(enough):
        return None
    if enough[-1] == len(ranked) - 1:
        return 0.0
    return _between(float(ranked[enough[-1] + 1]), float(ranked[enough[-1]]))


def _between(below: float, lowest: float) -> float:
    """The number with the fewest decimals above `below` and not above `lowest`, near their middle."""
    for digits in range(1, 17):
        middle = round((below + lowest) / 2, digits)
        if below < middle <= lowest:
            return middle
    return lowest


def kept_above(confidence: np.ndarray, right: np.ndarray, threshold: float) -> dict[str, float | int | None]:
    """Predictions that a threshold keeps.

    Returns: `all` and `kept`, their numbers; `coverage`, the share of kept ones; `precision`, the share of right ones
        among them, None if none is kept.

    >>> kept_above(np.array([0.9, 0.5]), np.array([1, 0]), 0.6)
    {'all': 2, 'kept': 1, 'coverage': 0.5, 'precision': 1.0}
    """
    confidence, right = _checked(confidence, right)
    chosen = right[confidence >= threshold]
    return {
        "all": len(right),
        "kept": len(chosen),
        "coverage": len(chosen) / max(1, len(right)),
        "precision": float(chosen.mean()) if len(chosen) else None,
    }


def check_precision(precision: float) -> None:
    """Raise ValueError if a precision is not above 0 and at most 1."""
    if not 0 < precision <= 1:
        raise ValueError(
            "expected a precision above 0 and at most 1, the share of kept answers that should be right, got "
            f"{precision}; 0.9 asks for nine in ten"
        )


def log_loss(confidence: np.ndarray, right: np.ndarray) -> float:
    """Mean negative log-likelihood of the outcomes, in nats; confidences are kept 1e-12 away from 0 and 1."""
    confidence, right = _checked(confidence, right)
    confidence = np.clip(confidence, 1e-12, 1 - 1e-12)
    return float(-np.where(right > 0, np.log(confidence), np.log1p(-confidence)).mean())


def _checked(confidence: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 `(n,)`; rounding errors of up to 1e-6 beyond 0 and 1 are removed."""
    confidence, right = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    if confidence.ndim != 1 or confidence.shape != right.shape:
        raise ValueError(
            f"expected confidence and right of one length, got shapes {confidence.shape} and {right.shape}; give one "
            "of each for every prediction"
        )
    if not ((confidence >= -1e-6) & (confidence <= 1 + 1e-6)).all():
        raise ValueError(
            f"expected confidences from 0 to 1, got {confidence.min()} to {confidence.max()}; give probabilities"
        )
    return np.clip(confidence, 0, 1), right
