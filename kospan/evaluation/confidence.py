"""Confidence of a model in its predictions: temperature, report before and after, and threshold.

A task's `confidence.py` gives a `Confidence`: its predictions on labelled documents, computed once, at any temperature.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from kospan.evaluation.calibration import (
    calibration_metrics,
    ece_by_chance,
    kept_above,
    log_loss,
    reliability,
    risk_coverage,
    threshold_for,
)
from kospan.modeling.spans import Span

# The temperature is fitted between these; beyond them all confidences are nearly 0 or 1, or nearly equal.
LOWEST, HIGHEST = 0.05, 20.0


class Claims(NamedTuple):
    """Predictions with their confidences.

    Args:
        labels: The predicted labels `(n,)`.
        right: True where the prediction is right `(n,)`.
        confidence: The confidences `(n,)`.
    """

    labels: np.ndarray
    right: np.ndarray
    confidence: np.ndarray


class Confidence(Protocol):
    """Predictions of a model on labelled documents at any temperature.

    The best prediction stays the best at every temperature, so that labels and `right` do not change with it.

    Attributes:
        kinds: Kinds of confidence for "spans" and "tags", the one that the model itself reports first. A part without
            kinds is left out.
        documents: Number of documents with predictions that can be right or wrong.
    """

    kinds: Mapping[str, Sequence[str]]
    documents: int

    def claims(self, part: str, kind: str, temperature: float) -> Claims:
        """Return the predictions of a part with confidences of a kind."""

    def predicted(self, temperature: float) -> list[list[Span]]:
        """Return the spans that the model predicts for each document at a temperature."""


def fit_temperature(found: Confidence, part: str = "spans", kind: str = "posterior") -> float:
    """Fit the temperature at which confidences best predict which predictions are right (least mean log loss).

    The likelihood of whole tag sequences is not used: the reported confidence is that of spans. The temperature is
    rounded to four digits, so that a config holds all of it.

    Raises: ValueError if there are no predicted spans, or all of them are right or all wrong: then any temperature
        would fit.
    """
    from scipy.optimize import minimize_scalar

    right = found.claims(part, kind, 1.0).right
    if part == "spans" and not 0 < right.sum() < len(right):
        state = "none" if not len(right) else f"{len(right):,} that are all {'right' if right.all() else 'wrong'}"
        raise ValueError(
            f"expected predicted spans of which some are right and some wrong to fit a temperature to, got {state}; "
            "fit it on more data"
        )

    def loss(logarithm: float) -> float:
        return log_loss(found.claims(part, kind, float(np.exp(logarithm))).confidence, right)

    bounds = (np.log(LOWEST), np.log(HIGHEST))
    best = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-3})
    return float(f"{np.exp(best.x):.4g}")


def calibration_report(fitted: Confidence, reported: Confidence) -> dict:
    """Temperatures fitted on one set of documents, and metrics on another before and after.

    Args:
        fitted: Confidence on the documents that temperatures are fitted to.
        reported: Confidence on the documents that metrics are reported on.

    Returns: `temperature`, for the config; `fitted` and `reported`, numbers of documents and spans; `spans` and `tags`
        by kind, each with the `temperature` used after, and `before` (temperature 1) and `after` as `describe` gives
        them. The model's own kinds use the temperature of the config; each other kind its own best one, so that kinds
        are compared at their best.

    Raises: ValueError as `fit_temperature`.
    """
    temperature = fit_temperature(fitted)
    report = {"temperature": temperature}
    for name, found in (("fitted", fitted), ("reported", reported)):
        spans = len(found.claims("spans", "posterior", 1.0).right)
        report[name] = {"documents": found.documents, "spans": spans}
    report |= {"spans": {}, "tags": {}}
    for part, kinds in fitted.kinds.items():
        for kind in kinds:
            own = temperature if kind == kinds[0] else fit_temperature(fitted, part, kind)
            before, after = (describe(reported.claims(part, kind, value)) for value in (1.0, own))
            report[part][kind] = {"temperature": own, "before": before, "after": after}
    return report


def threshold_report(fitted: Confidence, reported: Confidence, temperature: float, precision: float) -> dict:
    """The threshold for a requested precision, fitted on one set of documents, and what it keeps of another.

    Args:
        fitted: As in `calibration_report`.
        reported: As in `calibration_report`.
        temperature: Temperature of the confidences.
        precision: Share of the kept predictions that should be right.

    Returns: `wished`, the precision; `value`, the threshold, None if none gives it; `fitted` and `reported`, what the
        threshold keeps, as `kept_above` gives it, None without a threshold; `best`, the highest precision that any
        threshold gives on the fitted documents, None without predictions.
    """
    own = fitted.claims("spans", "posterior", temperature)
    value = threshold_for(own.confidence, own.right, precision)
    best = float(1 - risk_coverage(own.confidence, own.right)[1].min()) if len(own.right) else None
    report = {"wished": precision, "value": value, "fitted": None, "reported": None, "best": best}
    if value is not None:
        other = reported.claims("spans", "posterior", temperature)
        report["fitted"] = kept_above(own.confidence, own.right, value)
        report["reported"] = kept_above(other.confidence, other.right, value)
    return report


def confidence_tables(found: Confidence, temperature: float) -> dict[str, dict]:
    """Describe every kind of confidence, by names such as "spans: posterior"; empty without predictions.

    The model's own kinds are at the given temperature, the others at 1.
    """
    described = {}
    for part, kinds in found.kinds.items():
        for kind in kinds:
            claims = found.claims(part, kind, temperature if kind == kinds[0] else 1.0)
            if part == "spans" and not len(claims.right):
                return {}
            described[f"{part}: {kind}"] = describe(claims)
    return described


def describe(claims: Claims) -> dict:
    """Metrics and curves of confidences.

    Returns: `metrics` as `calibration_metrics` gives them; `by_chance`, the ECE that exact confidences would show;
        `types`, metrics by label; `bins` by "width" and "mass" without empty ones; `risk`, pairs of coverage and risk,
        101 at most.
    """
    labels, right, confidence = claims
    coverage, risk = risk_coverage(confidence, right)
    shown = np.unique(np.linspace(0, len(coverage) - 1, 101).round().astype(int)) if len(coverage) else []
    return {
        "metrics": calibration_metrics(confidence, right),
        "by_chance": ece_by_chance(confidence),
        "types": {
            label: calibration_metrics(confidence[labels == label], right[labels == label])
            for label in sorted(set(labels.tolist()))
        },
        "bins": {
            equal: [list(each) for each in reliability(confidence, right, equal) if each.count]
            for equal in ("width", "mass")
        },
        "risk": [[float(coverage[at]), float(risk[at])] for at in shown],
    }
