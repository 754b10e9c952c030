"""The scores of a card: overall and by type with intervals, errors and calibration, each from its file."""

from kospan.publishing.card.left import Left
from kospan.publishing.card.markdown import figure, plain, table
from kospan.publishing.card.metadata import metric
from kospan.publishing.card.procedure import held_out
from kospan.training.record import SAMPLES

OWN_ROWS = ("f1", "precision", "recall")
KINDS = {
    "correct": "position and type right",
    "boundary": "type right, position wrong",
    "type": "position right, type wrong",
    "boundary and type": "overlaps a gold entity, both wrong",
    "spurious": "found where nothing is",
    "missed": "not found",
}


def score_parts(left: Left) -> dict[str, str | None]:
    """Everything under "Scores"; what has no file is None."""
    found: dict[str, str | None] = {}
    unit = left.config["unit"]
    split, title = held_out(left)[0], plain(left.about.title)
    definition = (
        f"An entity counts as right where start, end and type are all exactly right, spaces kept (strict); offsets "
        f"count characters, tags stand on {unit}s. The overall row is the micro average over all types."
    )
    if left.record is None:
        rows = [[metric(name)[1], figure(value)] for name, value in left.results.items() if name in OWN_ROWS]
        rows += [
            [plain(metric(name)[1]), figure(value)] for name, value in left.results.items() if name.startswith("f1_")
        ]
        found["scores_intro"] = f"Measured on {title}: {split}. {definition}"
        found["scores"] = table(["figure", "value"], rows)
    else:
        found |= _recorded(left, split, title, definition)
    found["other_figures"] = _others(left)
    return found | _calibration(left)


def _recorded(left: Left, split: str, title: str, definition: str) -> dict[str, str | None]:
    record = left.record["evaluation"]
    overall = record["overall"]
    documents, gold = record["documents"], overall["gold"]
    stored = left.results.get("f1")
    if stored is not None and abs(stored - overall["f1"]) > 1e-9:
        raise ValueError(
            f"expected training_record.json and eval_results.json of one run, got F1 {overall['f1']:.6f} and "
            f"{stored:.6f}; take both from the same run"
        )
    rows = [("**overall**", overall, record["baseline"]["overall"])]
    plainly = {row["group"]: row for row in record["baseline"]["types"]}
    rows += [(plain(row["group"]), row, plainly[row["group"]]) for row in record["types"]]
    header = ["type", "precision", "recall", "F1", "95 % interval of F1", "gold entities", "F1 of a dictionary"]
    cells = [
        [
            name,
            *(figure(row[each]) for each in ("precision", "recall", "f1")),
            f"{row['f1 interval'][0]:.4f} – {row['f1 interval'][1]:.4f}",
            f"{row['gold']:,}",
            figure(base["f1"]),
        ]
        for name, row, base in rows
        if row["gold"] or row["predicted"]
    ]
    lengths = [
        [
            plain(row["group"]),
            *(figure(row[each]) for each in ("precision", "recall", "f1")),
            f"{row['f1 interval'][0]:.4f} – {row['f1 interval'][1]:.4f}",
            f"{row['gold']:,}",
        ]
        for row in record["lengths"]
        if row["gold"]
    ]
    counts = record["errors"]
    wrong = sum(count for kind, count in counts.items() if kind != "correct")
    errors = [
        [kind, KINDS.get(kind, ""), f"{count:,}", "" if kind == "correct" or not wrong else f"{count / wrong:.1%}"]
        for kind, count in counts.items()
    ]
    return {
        "scores_intro": f"Measured on {title}: {split}, {documents:,} texts with {gold:,} entities. {definition}",
        "scores": table(header, cells),
        "intervals": (
            f"Intervals: percentile bootstrap over texts, {SAMPLES:,} resamples. The dictionary knows the entities of "
            "the training data by heart, with patterns for Korean dates, times and quantities where the data mark them."
        ),
        "lengths": table(["characters", "precision", "recall", "F1", "95 % interval of F1", "gold entities"], lengths),
        "errors_intro": (
            "Every predicted entity is matched with at most one gold entity: an exact one, else one at the same place, "
            "else the one it overlaps most."
        ),
        "errors": table(["outcome", "", "entities", "of the errors"], errors, 2),
    }


def _others(left: Left) -> str | None:
    rows = []
    for name, value in left.results.items():
        if name in OWN_ROWS or name.startswith(("f1_", "support_", "calibration_")) or value is None:
            continue
        _, words, settings = metric(name)
        how = "; ".join(settings.values())
        rows.append([plain(words), plain(how), figure(value)])
    return table(["figure", "how", "value"], rows, 2) if rows else None


def _calibration(left: Left) -> dict[str, str | None]:
    """Confidence before and after the temperature where calibration.json is there, else after it alone."""
    meaning = (
        "ECE is the mean gap between confidence and share of right ones over 15 bins of one width; Brier the mean "
        "squared gap; AUROC the chance that a right span is surer than a wrong one."
    )
    if left.calibration is not None:
        report = left.calibration
        spans, fitted, reported = report["spans"]["posterior"], report["fitted"], report["reported"]
        rows = [
            [name, *(figure(spans[when]["figures"][each]) for each in ("ece", "brier", "auroc"))]
            for name, when in (("temperature 1", "before"), (f"temperature {report['temperature']:g}", "after"))
        ]
        return {
            "calibration_intro": (
                f"The temperature {report['temperature']:g} was fitted on {fitted['documents']:,} other texts "
                f"({fitted['spans']:,} predicted spans); the figures are those of {reported['spans']:,} predicted "
                f"spans in {reported['documents']:,} texts. {meaning}"
            ),
            "calibration": table(["span probabilities", "ECE", "Brier", "AUROC"], rows),
        }
    if "calibration_temperature" in left.results:
        names = ("calibration_ece", "calibration_brier", "calibration_auroc")
        temperature = left.results["calibration_temperature"]
        row = [f"temperature {temperature:g}", *(figure(left.results[name]) for name in names)]
        return {
            "calibration_intro": f"The temperature was fitted on texts on which no score is reported. {meaning}",
            "calibration": table(["span probabilities", "ECE", "Brier", "AUROC"], [row]),
        }
    return {"calibration": None}
