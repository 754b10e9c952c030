"""What the page of a classifier shows that no other does: the confusion of classes, or how far values lie apart."""

from kospan.data.values import value_of
from kospan.modeling.colors import colours_of
from kospan.report import plots
from kospan.report.analysis import Analysis
from kospan.tasks.text_classification.breakdown import (
    CLASS_OUTCOMES,
    OTHER,
    SILENT,
    spread_of,
    text_length,
    text_length_groups,
    value_outcome,
    value_outcomes,
)
from kospan.tasks.text_classification.metrics import gold_label

ABOUT = (
    "Each text counts once. F1 of a class weighs its precision against its recall; accuracy is the share of texts "
    "whose class is right. Intervals are 95 % bootstrap intervals over texts."
)
CONFIDENCE = "The posterior of a class is its probability, a softmax over the classes at the model's temperature."
LOOKED = (
    "Attention says where the subwords of the text look, mean over heads; gradient times input says which subwords "
    "make the class more probable, or the value higher. Of a long text one passage is read by itself."
)
SEARCHED = "text or id"


def lead(analysis: Analysis) -> str:
    """How much was scored, in a line."""
    pairs = sum(bool(example.text_pair) for example in analysis.examples)
    what = "pairs of texts" if pairs else "texts"
    classes = "values" if values_in(analysis) else f"{len(analysis.labels):,} classes"
    return f"{analysis.metrics['documents']:,} {what}, {classes}."


def values_in(analysis: Analysis) -> bool:
    """Whether values were given in place of classes: then nothing is confused with anything."""
    return "types" not in analysis.metrics["errors"]


def draw(analysis: Analysis) -> dict[str, bytes]:
    """The metrics of errors by name."""
    errors = analysis.metrics["errors"]
    if values_in(analysis):
        return {"error_classes": plots.error_classes({"values": errors["classes"]})}
    silent = errors["classes"][SILENT] > 0
    names = [*errors["types"]["labels"], *(["none"] if silent else [])]
    counts = [row[: len(names)] for row in errors["types"]["counts"][: len(names)]]
    return {"types": plots.heatmap(names, counts, "classes")}


def data(analysis: Analysis) -> dict:
    """What the page's script reads."""
    return {
        "examples": records(analysis),
        "kinds": value_outcomes() if values_in(analysis) else list(CLASS_OUTCOMES),
        "lengths": text_length_groups(),
        "values": values_in(analysis),
        "colours": {label: list(pair) for label, pair in colours_of(analysis.labels).items()},
    }


def records(analysis: Analysis) -> list[dict]:
    """Every text with its labels, as the page's script reads them.

    Returns: `id`, `text`, `pair` (the second text), `source`; `gold`, its class or value; `found`, `[class,
        score]` or null, the score the value where values are given; `kind` and `length`, places in what `data`
        names; `error`, how far a value lies off, else 0 or 1.
    """
    given = values_in(analysis)
    kinds = value_outcomes() if given else list(CLASS_OUTCOMES)
    golds = [
        value_of(example.spans[0], f"example {example.id!r}") if given else gold_label(example)
        for example in analysis.examples
    ]
    spread = spread_of(golds) if given else 1.0
    rows = []
    for example, spans, gold in zip(analysis.examples, analysis.predicted, golds):
        best = spans[0] if spans else None
        if given:
            error = abs(best.score - gold)
            kind = value_outcome(error, spread)
        else:
            error = float(best is None or best.label != gold)
            kind = (OTHER if best else SILENT) if error else "correct"
        rows.append(
            {
                "id": example.id,
                "text": example.text,
                "pair": example.text_pair,
                "source": example.source,
                "gold": round(gold, 4) if given else gold,
                "found": [best.label, round(float(best.score), 4)] if best else None,
                "kind": kinds.index(kind),
                "length": text_length_groups().index(text_length(example)),
                "error": round(error, 4),
            }
        )
    return rows
