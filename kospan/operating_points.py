"""Operating points of a model: thresholds with a guaranteed recall, from documents of their own, and their check."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from kospan.data.seen_texts import seen_among, text_key, text_keys
from kospan.evaluation.disjoint_sets import disjoint_misses, disjoint_set
from kospan.evaluation.guarantee import wording
from kospan.evaluation.operating_point import Goal, Misses, Predictions, certify, quality
from kospan.evaluation.risk_control import GRID
from kospan.evaluation.shift import adjusted, check_recall, compare_samples
from kospan.example import Example
from kospan.modeling.span_selection import MAX_SPAN_LENGTH
from kospan.modeling.spans import Span
from kospan.task import Task

# Parts of data that are cut: selection, calibration, report.
SHARES = (1, 2, 1)
NAMES = ("selection", "calibration", "report")


class Parts(NamedTuple):
    """Disjoint parts of labelled documents.

    Args:
        selection: The temperature and the kind of bound are chosen on these.
        calibration: The guarantee is computed from these.
        report: Metrics are reported on these.
    """

    selection: list[Example]
    calibration: list[Example]
    report: list[Example]


def cut_parts(
    data: Sequence[Example],
    selection: Sequence[Example] | None = None,
    report: Sequence[Example] | None = None,
    seed: int = 0,
) -> Parts:
    """Cut documents at random into the parts that are not given; equal texts stay together.

    Args:
        data: Documents; the calibration part is among them.
        selection: The selection part; None takes a share of `data`, half as large as the calibration part.
        report: The report part, in the same way.
        seed: Seed of numpy's generator.

    Raises: ValueError if there are fewer texts than parts.
    """
    asked = [name for name, part in zip(NAMES, (selection, None, report)) if part is None]
    texts = list(dict.fromkeys(text_key(example.text) for example in data))
    if len(texts) < len(asked):
        raise ValueError(
            f"expected {len(asked)} texts or more to cut into {', '.join(asked)}, got {len(texts)}; add more, or pass "
            "the parts as files with --selection and --report"
        )
    order = np.random.default_rng(seed).permutation(len(texts))
    shares = np.array([share for name, share in zip(NAMES, SHARES) if name in asked])
    # Every part has a text.
    ends = np.maximum(np.round(np.cumsum(shares) / shares.sum() * len(texts)), np.arange(1, len(asked) + 1))
    ends = np.minimum(ends, len(texts) - np.arange(len(asked) - 1, -1, -1))
    part_of = {texts[at]: asked[np.searchsorted(ends, place, side="right")] for place, at in enumerate(order)}
    cut = {name: [each for each in data if part_of[text_key(each.text)] == name] for name in asked}
    given = {"selection": selection, "report": report}
    return Parts(*(cut[name] if name in cut else list(given[name]) for name in NAMES))


def check_disjoint(parts: Parts, training: Collection[str]) -> None:
    """Check that no text is in two parts or among the training texts.

    Args:
        parts: The parts.
        training: Keys of the training texts, see `kospan.data.seen_texts`.

    Raises: ValueError naming the first text that is.
    """
    named = dict(zip(NAMES, parts))
    sources = {"training": training} | {name: text_keys(part) for name, part in named.items()}
    pairs = [("calibration", "training"), ("selection", "training"), ("report", "training")]
    pairs += [("calibration", "selection"), ("calibration", "report"), ("selection", "report")]
    for name, other in pairs:
        seen = seen_among(named[name], sources[other])
        if seen:
            advice = "pass --skip_seen to leave them out, or " if other == "training" else "remove them, or "
            raise ValueError(
                f"expected {name} data without texts of the {other} data, got {len(seen):,} of {len(named[name]):,}, "
                f"the first of them {seen[0].id!r}; {advice}calibrate with other texts"
            )


class Scored(NamedTuple):
    """Parts of data with the posteriors of a model.

    Args:
        labels: The model's labels.
        longest: Units of the longest span that the model scores.
        documents: Number of documents of each part.
        selection: Missed gold spans of the selection part.
        calibration: Those of the calibration part.
        report: Those of the report part.
        predicted: Predicted spans of the report part.
        parts: The documents.
        found: All spans of each document, by part.
    """

    labels: list[str]
    longest: int
    documents: dict[str, int]
    selection: Misses
    calibration: Misses
    report: Misses
    predicted: Predictions
    parts: Parts
    found: Sequence[Sequence[Sequence[Span]]]


def score_parts(task: Task, parts: Parts) -> Scored:
    """Compute the posteriors of all spans of the parts at the model's temperature."""
    found = [task.spec.every_span(task, part, float(GRID[0])) for part in parts]
    misses = [Misses.of(gold_scores(part, spans), task.labels) for part, spans in zip(parts, found)]
    sizes = {name: len(part) for name, part in zip(NAMES, parts)}
    return Scored(task.labels, MAX_SPAN_LENGTH, sizes, *misses, predictions(parts.report, found[2]), parts, found)


def operating_points(scored: Scored, goals: Sequence[Goal]) -> tuple[dict, dict]:
    """Certify goals.

    Args:
        scored: Result of `score_parts`.
        goals: The requested guarantees.

    Returns: The operating points for the config, and their results for `calibration.json`, both by name.

    Raises: ValueError if a level cannot be certified.
    """
    points, results = {}, {}
    for goal in goals:
        certified, predicted = _certified(scored, goal)
        guarantee = {
            "kind": "expectation" if goal.confidence is None else "confidence",
            "level": goal.level,
            "confidence": goal.confidence,
            "recall_of": goal.recall_of,
            "unit": "document",
            "per_label": goal.per_label,
            "joint": goal.joint,
            "documents": certified["documents"],
            "method": certified["methods"],
            "most_spans": certified["most"] or None,
        }
        guarantee["wording"] = {language: wording(guarantee, language) for language in ("en", "ko")}
        points[goal.name] = {
            "decode": "posterior",
            "overlapping": goal.overlapping,
            "max_span_length": scored.longest,
            "thresholds": certified["thresholds"],
            "guarantee": guarantee,
        }
        results[goal.name] = {
            "thresholds": certified["thresholds"],
            "guarantee": guarantee,
            "documents": scored.documents,
            "unreachable": dict(zip(scored.labels, scored.calibration.missed[:, :, 0].sum(axis=0, dtype=int).tolist())),
            "report": quality(predicted, scored.report.gold, scored.labels, certified["thresholds"]),
        }
    return points, results


def _certified(scored: Scored, goal: Goal) -> tuple[dict, Predictions]:
    """Result of `certify`, and the predicted spans of the report part, of which those above the thresholds count."""
    if goal.overlapping:
        return certify(goal, scored.calibration, scored.selection), scored.predicted
    selection, calibration = (disjoint_misses(*part) for part in list(zip(scored.parts, scored.found))[:2])
    certified = certify(goal, calibration, selection)
    threshold = certified["thresholds"]["all"]
    chosen = [disjoint_set(spans, threshold) for spans in scored.found[2]]
    return certified | {"thresholds": dict.fromkeys(scored.labels, threshold)}, predictions(scored.parts.report, chosen)


def gold_scores(examples: Sequence[Example], found: Sequence[Sequence[Span]]) -> list[list[tuple[str, float]]]:
    """Label and posterior of each gold span; -1 for one that is not among the found spans."""
    scores = []
    for example, spans in zip(examples, found):
        posteriors = {tuple(span[:3]): span.score for span in spans}
        scores.append([(gold.label, posteriors.get(tuple(gold[:3]), -1.0)) for gold in example.spans])
    return scores


def predictions(examples: Sequence[Example], found: Sequence[Sequence[Span]]) -> Predictions:
    """The found spans of all documents, with whether they are gold."""
    gold = [{tuple(span[:3]) for span in example.spans} for example in examples]
    rows = [
        (span.label, at, span.score, tuple(span[:3]) in gold[at]) for at, spans in enumerate(found) for span in spans
    ]
    labels, document, score, right = zip(*rows) if rows else ((), (), (), ())
    return Predictions(
        np.array(labels, dtype=object), np.array(document, int), np.array(score, float), np.array(right, bool)
    )


def check_shift(task: Task, sample: dict, examples: Sequence[Example]) -> dict:
    """Compare new documents with those that the operating points were computed from.

    Args:
        task: The task over the model.
        sample: Content of the model's `calibration_sample.json`.
        examples: New documents; recall is tested if all have gold spans.

    Returns: `documents`, old and new; `samples`, rows of `compare_samples`; `recall`, rows of `check_recall` by
        operating point, empty for unlabelled documents. The p-values of all rows are adjusted together.
    """
    points = task.model.config.operating_points
    rows = compare_samples(sample["summaries"], task.spec.document_summaries(task, examples))
    tested = [("samples", row) for row in rows]
    if all(example.spans is not None for example in examples):
        found = task.spec.every_span(task, examples, float(GRID[0]))
        nested = Misses.of(gold_scores(examples, found), task.labels)
        disjoint = None if all(point["overlapping"] for point in points.values()) else disjoint_misses(examples, found)
        for name, point in points.items():
            tested += [(name, row) for row in check_recall(nested if point["overlapping"] else disjoint, point)]
    results = list(zip((name for name, _ in tested), adjusted([row for _, row in tested])))
    return {
        "documents": [sample["documents"], len(examples)],
        "samples": [row for name, row in results if name == "samples"],
        "recall": {point: [row for name, row in results if name == point] for point in points} if points else {},
    }
