"""Printed tables of guaranteed recall, and of the check whether a guarantee still holds."""

from collections.abc import Mapping

from rich.console import Console

from kospan.evaluation.summary import print_table

# Limits of the check, said with every result that finds nothing.
BLIND = (
    "The test compares only the numbers in the table. It cannot detect spans that the model misses with certainty, "
    "changes in how labels are used, or differences smaller than the detectable ones. Recall is tested on labelled "
    "texts only."
)


def print_recall(points: Mapping[str, tuple[dict, dict]]) -> None:
    """Print the guarantee of each operating point, and its quality on the reported documents.

    Args:
        points: Operating point and results, as `kospan.operating_points.operating_points` gives them, by name.
    """
    console = Console(width=120)
    for name, (point, result) in points.items():
        guarantee, shown = point["guarantee"], result["report"]
        documents, thresholds = guarantee["documents"], point["thresholds"]
        cells = []
        for label, row in shown.items():
            threshold = thresholds.get(label)
            if label == "all" and "all" in documents:  # One threshold of all labels.
                threshold = next(iter(thresholds.values()))
            cells.append(
                [
                    label,
                    None if threshold is None else f"{threshold:.3g}",
                    documents.get(label),
                    *(_with_interval(row, metric) for metric in ("document_recall", "recall", "precision")),
                    f"{row['spans_per_document']:.2f}",
                ]
            )
        header = [
            "",
            "threshold",
            "documents",
            "recall of a document",
            "recall of all spans",
            "precision",
            "spans/doc.",
        ]
        title = f"{name}: thresholds from {result['documents']['calibration']:,} documents, metrics [95 %] on "
        print_table(console, f"{title}{result['documents']['report']:,} others", header, cells)
        console.print(guarantee["wording"]["en"], highlight=False)
        console.print(f'Use it with model.extract(texts, operating_point="{name}").', highlight=False, markup=False)


def _with_interval(row: dict, name: str) -> str | None:
    if row[name] is None:
        return None
    low, high = row[f"{name} interval"]
    return f"{row[name]:.3f}  [{low:.3f}, {high:.3f}]"


def print_check(name: str, found: dict) -> None:
    """Print whether new documents resemble those of the calibration.

    Args:
        name: The new data.
        found: Result of `kospan.operating_points.check_shift`.
    """
    console = Console(width=120)
    old, new = found["documents"]
    cells = [
        [row["name"], f"{row['old']:.4g}", f"{row['new']:.4g}", row["distance"], row["detectable"], row["p_holm"]]
        + ["differs" if row["differs"] else ""]
        for row in found["samples"]
    ]
    header = ["of a document", "median", "new median", "distance", "detectable", "p (Holm)", ""]
    print_table(console, f"{name}: {new:,} documents against {old:,} of the calibration", header, cells)
    rows = [(point, row) for point, rows in found["recall"].items() for row in rows]
    if rows:
        cells = [
            [point, row["name"], row["documents"], f"{row['recall']:.4f}", f"{row['level']:g}", row["p_holm"]]
            + ["below" if row["differs"] else ""]
            for point, row in rows
        ]
        header = ["operating point", "label", "documents", "recall", "guaranteed", "p (Holm)", ""]
        print_table(console, "recall of the operating points on the new documents", header, cells)
    console.print(verdict(found), highlight=False, markup=False)


def verdict(found: dict) -> str:
    """State whether the guarantees still hold for new documents.

    >>> verdict({"samples": [], "recall": {"recall-0.9": [{"name": "all", "differs": True}]}})
    'The guarantee no longer holds: the recall of recall-0.9 is below its level. Calibrate again with new texts.'
    """
    below = [point for point, rows in found["recall"].items() if any(row["differs"] for row in rows)]
    changed = [row["name"] for row in found["samples"] if row["differs"]]
    if below:
        return (
            f"The guarantee no longer holds: the recall of {', '.join(below)} is below its level. Calibrate again with "
            "new texts."
        )
    if changed:
        return (
            f"The guarantee no longer holds: the new texts differ from the calibration data ({', '.join(changed)}), "
            "and it covers only texts like these data. The recall may be lower or higher; calibrate again with new "
            "texts."
        )
    return f"No difference was found. {BLIND}"
