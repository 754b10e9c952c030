"""What the page of a tagger shows that no other does: matches, boundaries, types, and its examples."""

from kospan.evaluation.span_matching import CLASSES, Match, boundary_of, match_spans, material_of
from kospan.evaluation.summary import SPACES
from kospan.example import Example
from kospan.modeling.colors import colours_of
from kospan.modeling.spans import Span
from kospan.report import plots
from kospan.report.analysis import Analysis
from kospan.tasks.token_classification.breakdown import LENGTHS, SEEN_GROUPS, by_surface, length_groups

ABOUT = (
    "Strict F1 counts exact character spans of the right type, spaces kept. Intervals are 95 % bootstrap intervals "
    "over documents."
)
CONFIDENCE = (
    "The posterior of a span is its exact probability under the model; the softmax of the emissions, multiplied or "
    "averaged over the span, is the usual makeshift."
)
LOOKED = (
    "Attention says where subwords of an entity look, mean over heads; gradient times input says which subwords the "
    "tags' probability rises with."
)
SEARCHED = "text or id"


def lead(analysis: Analysis) -> str:
    """How much was scored, in a line."""
    classes = analysis.metrics["errors"]["classes"]
    gold, predicted = (
        sum(count for kind, count in classes.items() if kind != other) for other in ("spurious", "missed")
    )
    return (
        f"{analysis.metrics['documents']:,} documents, {gold:,} gold spans, {predicted:,} predicted spans, "
        f"{analysis.unit} units."
    )


def draw(analysis: Analysis) -> dict[str, bytes]:
    """The metrics of errors by name."""
    errors = analysis.metrics["errors"]
    names = [*errors["types"]["labels"], "none"]
    return {
        "error_classes": plots.error_classes({words: errors[name] for name, words in SPACES.items()}),
        "types": plots.heatmap(names, errors["types"]["counts"], "types"),
        "tags": plots.heatmap(errors["tags"]["tags"], errors["tags"]["counts"], f"tags of {analysis.unit}s"),
    }


def data(analysis: Analysis) -> dict:
    """What the page's script reads."""
    return {
        "examples": records(analysis),
        "kinds": CLASSES,
        "tops": LENGTHS,
        "lengths": length_groups(),
        "surfaces": SEEN_GROUPS,
        "colours": {label: list(pair) for label, pair in colours_of(analysis.labels).items()},
    }


def records(analysis: Analysis) -> list[dict]:
    """Every document with its spans and matches, as the page's script reads them.

    Returns: `id`, `text`, `source`; `gold` and `found`: `[start, end, label, score, surface group]`; `matches`:
        `[class, gold or -1, predicted or -1, boundary shape, materials]`.
    """
    surface = by_surface(analysis.training) if analysis.training is not None else None
    matches: list[list[Match]] = [[] for _ in analysis.examples]
    for match in match_spans(analysis.examples, analysis.predicted):
        matches[match.document].append(match)
    rows = []
    for example, predicted, found in zip(analysis.examples, analysis.predicted, matches):
        gold, spans = list(example.spans), list(predicted)

        def row(span: Span, score: float | None, example: Example = example) -> list:
            group = SEEN_GROUPS.index(surface(example, span)) if surface else -1
            return [span.start, span.end, span.label, score, group]

        rows.append(
            {
                "id": example.id,
                "text": example.text,
                "source": example.source,
                "gold": [row(span, None) for span in gold],
                "found": [row(span, round(float(span.score), 4)) for span in spans],
                "matches": [
                    [
                        CLASSES.index(match.kind),
                        gold.index(match.gold) if match.gold else -1,
                        spans.index(match.predicted) if match.predicted else -1,
                        *_boundary(example.text, match),
                    ]
                    for match in found
                ],
            }
        )
    return rows


def _boundary(text: str, match: Match) -> list:
    boundary = boundary_of(text, match)
    if boundary is None:
        return []
    sides = (("left", boundary.left), ("right", boundary.right))
    materials = [f"{material_of(between, side == 'right')}, {side}" for side, between in sides if between]
    return [f"{boundary.shape}, {boundary.side}", materials]
