"""Report of token classification: matches, boundaries, types and tags."""

from kospan.evaluation.span_matching import CLASSES, Match, boundary_of, match_spans, material_of
from kospan.evaluation.summary import ERROR_COUNTS
from kospan.modeling.colors import colours_of
from kospan.report import plots
from kospan.report.analysis import Analysis, TaskReport
from kospan.tasks.token_classification.breakdown import LENGTH_GROUPS, LENGTHS, SEEN_GROUPS, surface_groups


def draw(analysis: Analysis) -> dict[str, bytes]:
    """Draw classes of errors, and confusions of types and of tags."""
    errors = analysis.metrics["errors"]
    names = [*errors["types"]["labels"], "none"]
    return {
        "error_classes": plots.error_classes({words: errors[name] for name, words in ERROR_COUNTS.items()}),
        "types": plots.heatmap(names, errors["types"]["counts"], "types"),
        "tags": plots.heatmap(errors["tags"]["tags"], errors["tags"]["counts"], f"tags of {analysis.unit}s"),
    }


def data(analysis: Analysis) -> dict:
    """Data of the page's script."""
    return {
        "examples": records(analysis),
        "kinds": CLASSES,
        "tops": LENGTHS,
        "lengths": LENGTH_GROUPS,
        "surfaces": SEEN_GROUPS,
        "colours": {label: list(pair) for label, pair in colours_of(analysis.labels).items()},
    }


def records(analysis: Analysis) -> list[dict]:
    """Every document with its spans and matches, for the page's script.

    Returns: `id`, `text`, `source`; `gold` and `found`: `[start, end, label, score, surface group]`; `matches`:
        `[class, gold or -1, predicted or -1, boundary shape, materials]`.
    """
    surface_group = surface_groups(analysis.training) if analysis.training is not None else None
    matches: list[list[Match]] = [[] for _ in analysis.examples]
    for match in match_spans(analysis.examples, analysis.predicted):
        matches[match.document].append(match)
    records = []
    for example, predicted, found in zip(analysis.examples, analysis.predicted, matches):
        gold, spans = list(example.spans), list(predicted)
        rows = [
            [*span[:3], score, SEEN_GROUPS.index(surface_group(example, span)) if surface_group else -1]
            for side in ([(span, None) for span in gold], [(span, round(float(span.score), 4)) for span in spans])
            for span, score in side
        ]
        records.append(
            {
                "id": example.id,
                "text": example.text,
                "source": example.source,
                "gold": rows[: len(gold)],
                "found": rows[len(gold) :],
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
    return records


def _boundary(text: str, match: Match) -> list:
    boundary = boundary_of(text, match)
    if boundary is None:
        return []
    sides = (("left", boundary.left), ("right", boundary.right))
    materials = [f"{material_of(between, side == 'right')}, {side}" for side, between in sides if between]
    return [f"{boundary.shape}, {boundary.side}", materials]


REPORT = TaskReport("kospan.tasks.token_classification", draw, data)
