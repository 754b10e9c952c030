"""The scores of a card: those of its kind, the other metrics, calibration and threshold, each from its file."""

from typing import Any

from kospan.card.kinds.base import Kind
from kospan.card.kinds.registry import kind_of
from kospan.card.markdown import decimal, plain, table
from kospan.card.metadata import metric
from kospan.card.run_record import RunRecord


def score_parts(left: RunRecord) -> dict[str, Any]:
    """Everything under "Scores"; what has no file is None or not there."""
    kind = kind_of(left)
    return {**kind.score_parts(left), "other_metrics": _others(left, kind), **_calibration(left, kind)}


def _others(left: RunRecord, kind: Kind) -> str | None:
    rows = []
    for name, value in left.results.items():
        _, words, settings = metric(kind, name)
        if kind.stands_above(name) or name.startswith("calibration_") or value is None:
            continue
        rows.append([plain(words), plain("; ".join(settings.values())), decimal(value)])
    return table(["metric", "how", "value"], rows, 2) if rows else None


def _calibration(left: RunRecord, kind: Kind) -> dict[str, str | None]:
    """Confidence before and after the temperature where calibration.json is there, else after it alone."""
    meaning = (
        "ECE is the mean gap between confidence and share of right ones over 15 bins of one width; Brier the mean "
        f"squared gap; AUROC the chance that a right {kind.CLAIM} is surer than a wrong one."
    )
    header = [f"{kind.CLAIM} probabilities", "ECE", "Brier", "AUROC"]
    if left.calibration is not None:
        report = left.calibration
        spans, fitted, reported = report["spans"]["posterior"], report["fitted"], report["reported"]
        rows = [
            [name, *(decimal(spans[when]["metrics"][each]) for each in ("ece", "brier", "auroc"))]
            for name, when in (("temperature 1", "before"), (f"temperature {report['temperature']:g}", "after"))
        ]
        return {
            "calibration_intro": (
                f"The temperature {report['temperature']:g} was fitted on {kind.counted(fitted, 'other ')}; the "
                f"metrics are those of {kind.counted(reported)}. {meaning}"
            ),
            "calibration": table(header, rows),
            "threshold": _threshold(report, kind),
        }
    if "calibration_temperature" in left.results:
        names = ("calibration_ece", "calibration_brier", "calibration_auroc")
        temperature = left.results["calibration_temperature"]
        row = [f"temperature {temperature:g}", *(decimal(left.results[name]) for name in names)]
        return {
            "calibration_intro": f"The temperature was fitted on texts on which no score is reported. {meaning}",
            "calibration": table(header, [row]),
        }
    return {"calibration": None}


def _threshold(report: dict, kind: Kind) -> str | None:
    """What is kept above the threshold that was chosen for a wished precision, and how much of it is right."""
    chosen = report.get("threshold")
    if chosen is None or chosen["value"] is None:
        return None
    kept = chosen["reported"]
    right = f"{kept['precision']:.1%} of them are right" if kept["kept"] else "so nothing can be said of them"
    return (
        f"With `threshold={chosen['value']:g}`, chosen so that at least {chosen['wished']:.1%} of the kept "
        f"{kind.CLAIM}s are right where the temperature was fitted, {kept['kept']:,} of the {kept['all']:,} "
        f"{kind.CLAIM}s ({kept['coverage']:.1%}) have at least this probability, and {right}."
    )
