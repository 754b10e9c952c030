"""Thresholds at which a share of the gold spans is found, with a guarantee, and their quality on other documents.

A span is found if it is predicted with exactly its ends and label. The predicted set of a threshold is nested: a lower
threshold only adds spans, so a document's loss does not decrease with the threshold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kospan.evaluation.bootstrap import intervals
from kospan.evaluation.risk_control import GRID, METHODS, best_level, choose_bound, largest_threshold, risk_of

# Units of a recall: the mean of each document's share, or the share of all spans together.
RECALLS = ("document", "corpus")


class Misses(NamedTuple):
    """Gold spans that each threshold of `GRID` misses.

    Args:
        labels: The labels.
        gold: Number of gold spans `(documents, labels)`.
        missed: Number of those that a threshold misses `(documents, labels, thresholds)`.
    """

    labels: tuple[str, ...]
    gold: np.ndarray
    missed: np.ndarray

    @classmethod
    def of(cls, gold: Sequence[Sequence[tuple[str, float]]], labels: Sequence[str]) -> "Misses":
        """Count the gold spans of each document.

        Args:
            gold: Label and posterior of each gold span of each document; -1 for a span that is never predicted, such as
                a longer one than the model scores.
            labels: The labels.

        >>> misses = Misses.of([[("PS", 0.5), ("PS", -1)]], ["PS"])
        >>> misses.gold.tolist(), misses.missed[0, 0, [0, -1]].tolist()
        ([[2]], [1, 2])
        """
        place = {label: at for at, label in enumerate(labels)}
        document = np.array([at for at, spans in enumerate(gold) for _ in spans], dtype=np.int64)
        label = np.array([place[name] for spans in gold for name, _ in spans], dtype=np.int64)
        reached = np.searchsorted(GRID, [score for spans in gold for _, score in spans], side="right")
        # The largest array of a calibration, so its numbers are small and it is computed in place.
        lost = np.zeros((len(gold), len(labels), len(GRID) + 1), dtype=np.uint16)
        np.add.at(lost, (document, label, reached), 1)
        np.cumsum(lost, axis=2, out=lost)
        return cls(tuple(labels), lost[:, :, -1].astype(np.int64), lost[:, :, :-1])

    def losses(self, labels: Sequence[str], recall_of: str, risk: float, most: int | None = None) -> np.ndarray:
        """Losses of the documents that hold a gold span of one of the labels `(documents, thresholds)`.

        Of a document it is the share of missed spans. Of the corpus it is (missed + risk * (most - gold)) / most, whose
        mean is at most `risk` where the share of missed spans of all documents is.

        Args:
            labels: The labels, counted together.
            recall_of: One of `RECALLS`.
            risk: The largest share of missed spans.
            most: Of the corpus: documents with more gold spans are left out, as a bound needs bounded losses.
        """
        chosen = [self.labels.index(label) for label in labels]
        gold, missed = self.gold[:, chosen].sum(axis=1), self.missed[:, chosen].sum(axis=1, dtype=np.int32)
        if recall_of == "document":
            return missed[gold > 0] / gold[gold > 0, None]
        kept = (gold > 0) & (gold <= most)
        return (missed[kept] + risk * (most - gold[kept, None])) / most

    def recall(self, labels: Sequence[str], recall_of: str, at: int) -> float:
        """Mean share of found spans of the documents with a gold span, or of all spans, at a threshold's index."""
        if recall_of == "document":
            return float(1 - self.losses(labels, recall_of, 0.0)[:, at].mean())
        chosen = [self.labels.index(label) for label in labels]
        return float(1 - self.missed[:, chosen, at].sum(dtype=np.int64) / self.gold[:, chosen].sum())

    @staticmethod
    def threshold_index(threshold: float) -> int:
        """Index of a threshold in `GRID`; of another number, that of the next larger one.

        >>> GRID[Misses.threshold_index(GRID[3])] == GRID[3]
        np.True_
        """
        return int(min(np.searchsorted(GRID, threshold - 1e-12), len(GRID) - 1))

    def most(self, labels: Sequence[str]) -> int:
        """Largest number of gold spans of a document."""
        return int(self.gold[:, [self.labels.index(label) for label in labels]].sum(axis=1).max(initial=1))


@dataclass(frozen=True)
class Goal:
    """A requested guarantee.

    Args:
        level: Share of the gold spans that is found.
        confidence: Probability of the calibration data for which the level holds; None bounds the mean over them.
        recall_of: One of `RECALLS`.
        per_label: Whether each label has a threshold and a guarantee of its own.
        joint: With `per_label` and `confidence`: whether the guarantees hold together with the confidence.
        overlapping: Whether every span above its threshold is predicted; otherwise disjoint ones, of one threshold.
    """

    level: float
    confidence: float | None = None
    recall_of: str = "document"
    per_label: bool = False
    joint: bool = False
    overlapping: bool = True

    def __post_init__(self):
        for name, value in (("recall", self.level), ("confidence", self.confidence)):
            if value is not None and not 0 < value < 1:
                raise ValueError(f"expected a {name} above 0 and below 1, got {value:g}; 0.95 asks for 95 of 100")
        if self.recall_of not in RECALLS:
            raise ValueError(f"expected recall_of to be one of {', '.join(RECALLS)}, got {self.recall_of!r}")
        if self.joint and not (self.per_label and self.confidence):
            raise ValueError(
                "expected per_label and a confidence with joint, which divides the probability of an error by the "
                "number of labels, got one without the other; pass all three, or remove joint"
            )
        if self.per_label and not self.overlapping:
            raise ValueError(
                "expected overlapping spans with per_label, got disjoint ones, whose choice depends on the thresholds "
                "of all labels together; remove one of the two"
            )

    @property
    def name(self) -> str:
        """Name of the operating point.

        >>> Goal(0.95).name
        'recall-0.95'
        """
        return f"recall-{self.level:.12g}"

    def groups(self, labels: Sequence[str]) -> dict[str, list[str]]:
        """Labels of each guarantee, by the label's name or "all"."""
        return {label: [label] for label in labels} if self.per_label else {"all": list(labels)}

    def delta(self, groups: int) -> float | None:
        """Probability of an error of each guarantee."""
        if self.confidence is None:
            return None
        return risk_of(self.confidence) / (groups if self.joint else 1)


def certify(goal: Goal, calibration: Misses, selection: Misses) -> dict:
    """Choose the largest thresholds that are certified to find a share of the gold spans.

    Args:
        goal: The guarantee.
        calibration: Documents that the guarantee is computed from.
        selection: Other documents, on which bound and size limit are chosen.

    Returns: `thresholds` by label; `documents`, `methods`, and for the corpus `most` (gold spans of a document, up to
        which the guarantee holds), by label or "all".

    Raises: ValueError if a level cannot be certified; the message names the highest one that can.
    """
    groups, risk = goal.groups(calibration.labels), risk_of(goal.level)
    delta = goal.delta(len(groups))
    found = {"thresholds": {}, "documents": {}, "methods": {}, "most": {}}
    refused = []
    for name, labels in groups.items():
        most = selection.most(labels) if goal.recall_of == "corpus" else None
        losses = calibration.losses(labels, goal.recall_of, risk, most)
        method = METHODS[0]
        if delta is not None:
            others = selection.losses(labels, goal.recall_of, risk, most)
            method = choose_bound(others, len(losses), risk, delta)
        at = largest_threshold(losses, risk, method, delta)
        if at is None:
            best = best_level(
                lambda other, labels=labels, most=most: calibration.losses(labels, goal.recall_of, other, most)[:, :1],
                method,
                delta,
            )
            refused.append(_refusal(name, len(losses), losses[:, 0].mean() if len(losses) else 0.0, best, goal))
            continue
        found["thresholds"] |= dict.fromkeys(labels, float(GRID[at]))
        found["documents"][name], found["methods"][name] = len(losses), method
        if most is not None:
            found["most"][name] = most
    if refused:
        raise ValueError(
            f"expected data that certify a recall of {goal.level:g}, got {'; '.join(refused)}; request a lower level, "
            "or calibrate with more documents"
        )
    return found


def _refusal(name: str, documents: int, missed: float, best: float | None, goal: Goal) -> str:
    of = "" if name == "all" else f" of {name}"
    holding = f"{documents:,} document{'s' * (documents != 1)} with a gold span{of}"
    reach = "" if goal.recall_of == "corpus" or not missed else f", {missed:.2%} of whose spans no threshold finds"
    return f"{holding}{reach}, which certify " + ("none" if best is None else f"at most {best:g}")


class Predictions(NamedTuple):
    """Predicted spans of all documents.

    Args:
        labels: Their labels `(spans,)`.
        document: Their documents `(spans,)`.
        score: Their posteriors `(spans,)`.
        right: Whether they are gold `(spans,)`.
    """

    labels: np.ndarray
    document: np.ndarray
    score: np.ndarray
    right: np.ndarray


def quality(
    predicted: Predictions, gold: np.ndarray, labels: Sequence[str], thresholds: Mapping[str, float]
) -> dict[str, dict]:
    """Recall, precision and number of spans at thresholds, of all labels and of each.

    Args:
        predicted: Spans of the nested set of the lowest threshold.
        gold: Number of gold spans `(documents, labels)`.
        labels: The labels.
        thresholds: Threshold of each label.

    Returns: By "all" and label: `documents` (with a gold span), `gold`, `predicted`, `recall` (of the corpus),
        `document_recall` (mean share of a document), `precision`, `spans_per_document` (of all documents), and 95 %
        bootstrap intervals of the first three as `... interval`; a metric without a denominator is None.
    """
    least = np.array([thresholds[label] for label in labels])
    place = {label: at for at, label in enumerate(labels)}
    label = np.array([place[name] for name in predicted.labels], dtype=np.int64)
    kept = predicted.score >= least[label] if len(label) else np.zeros(0, dtype=bool)
    counts = np.zeros((2, *gold.shape))
    np.add.at(counts[0], (predicted.document[kept], label[kept]), 1)
    right = kept & predicted.right
    np.add.at(counts[1], (predicted.document[right], label[right]), 1)
    result = {"all": _metrics(counts[1].sum(axis=1), counts[0].sum(axis=1), gold.sum(axis=1))}
    return result | {name: _metrics(counts[1][:, at], counts[0][:, at], gold[:, at]) for name, at in place.items()}


def _metrics(right: np.ndarray, predicted: np.ndarray, gold: np.ndarray) -> dict:
    holds = gold > 0
    share = np.where(holds, right / np.maximum(gold, 1), 0.0)
    columns = np.stack([right, predicted, gold, share, holds], axis=1).astype(float)

    def metrics(totals: np.ndarray) -> dict[str, np.ndarray]:
        right, predicted, gold, share, holds = np.moveaxis(totals, -1, 0)
        return {
            "recall": right / np.maximum(gold, 1),
            "document_recall": share / np.maximum(holds, 1),
            "precision": right / np.maximum(predicted, 1),
        }

    totals = columns.sum(axis=0)
    known = {"recall": totals[2] > 0, "document_recall": totals[4] > 0, "precision": totals[1] > 0}
    values, ends = metrics(totals), intervals(columns, metrics)
    found = {"documents": int(holds.sum()), "gold": int(gold.sum()), "predicted": int(predicted.sum())}
    for name, is_known in known.items():
        found[name] = float(values[name]) if is_known else None
        found[f"{name} interval"] = ends[name] if is_known else None
    return found | {"spans_per_document": float(predicted.mean())}
