"""Report of text classification: confusion of classes, or errors of values."""

from types import SimpleNamespace

from kospan.modeling.colors import colours_of
from kospan.report import plots
from kospan.report.analysis import Analysis, TaskReport
from kospan.tasks.text_classification.breakdown import (
    CLASS_OUTCOMES,
    LENGTH_GROUPS,
    NO_CLASS,
    VALUE_OUTCOMES,
    text_rows,
)


def has_values(analysis: Analysis) -> bool:
    """Whether the model predicts values, which have no confusion."""
    return "types" not in analysis.metrics["errors"]


def draw(analysis: Analysis) -> dict[str, bytes]:
    """Draw the confusion of classes, or errors of values."""
    errors = analysis.metrics["errors"]
    if has_values(analysis):
        return {"error_classes": plots.error_classes({"values": errors["classes"]})}
    names = [*errors["types"]["labels"], *(["none"] if errors["classes"][NO_CLASS] else [])]
    counts = [row[: len(names)] for row in errors["types"]["counts"][: len(names)]]
    return {"types": plots.heatmap(names, counts, "classes")}


def data(analysis: Analysis) -> dict:
    """Data of the page's script."""
    values = has_values(analysis)
    return {
        "examples": records(analysis),
        "kinds": list(VALUE_OUTCOMES if values else CLASS_OUTCOMES),
        "lengths": LENGTH_GROUPS,
        "values": values,
        "colours": {label: list(pair) for label, pair in colours_of(analysis.labels).items()},
    }


def records(analysis: Analysis) -> list[dict]:
    """Every text with its labels, for the page's script.

    Returns: `id`, `text`, `pair` (the second text), `source`; `gold`, its class or value; `found`, `[class, score]` or
        null, the score being the value where values are predicted; `kind` and `length`, places in the lists of `data`;
        `error`, the error of a value, else 0 or 1.
    """
    values = has_values(analysis)
    outcomes = VALUE_OUTCOMES if values else CLASS_OUTCOMES
    task = SimpleNamespace(values=values, labels=analysis.labels)
    rows = text_rows(task, analysis.examples, analysis.predicted).to_dict("records")
    records = []
    for example, spans, row in zip(analysis.examples, analysis.predicted, rows):
        best = spans[0] if spans else None
        error = row["mae"] if values else 1.0 - row["accuracy"]
        records.append(
            {
                "id": example.id,
                "text": example.text,
                "pair": example.text_pair,
                "source": example.source,
                "gold": round(row["gold"], 4) if values else row["gold"],
                "found": [best.label, round(float(best.score), 4)] if best else None,
                "kind": outcomes.index(row["outcome"]),
                "length": LENGTH_GROUPS.index(row["text length"]),
                "error": round(error, 4),
            }
        )
    return records


REPORT = TaskReport("kospan.tasks.text_classification", draw, data)
