"""Writes a report: `metrics.json`, figures as PNG, and one `index.html` that needs nothing beside it."""

import base64
import json
import os
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment

from kospan.evaluation.errors import CLASSES
from kospan.evaluation.groups import LENGTHS, SEEN_GROUPS, length_groups
from kospan.evaluation.report import GROUP_TITLES, SPACES
from kospan.publishing.report import figures
from kospan.publishing.report.analysis import Analysis, example_records
from kospan.training.saving import written_whole
from modeling.colours import colours_of


def write_report(folder: str | os.PathLike, title: str, analysis: Analysis) -> Path:
    """Writes the report of an analysis into a folder, whole or not at all.

    Returns: the page.
    """
    pictures = draw(analysis)
    with written_whole(folder, last="index.html") as temporary:
        metrics = {"confidence": analysis.confidence, "calibration": analysis.calibration, **analysis.metrics}
        if analysis.looked:
            metrics["attention"] = {"text": analysis.looked.reading.text, "deletion test": analysis.looked.deletion}
        (temporary / "metrics.json").write_text(
            json.dumps({"title": title, **metrics}, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
        )
        for name, png in pictures.items():
            (temporary / f"{name}.png").write_bytes(png)
        (temporary / "index.html").write_text(page(title, analysis, pictures), encoding="utf-8")
    return Path(folder) / "index.html"


def draw(analysis: Analysis) -> dict[str, bytes]:
    """Every figure of a report by name."""
    metrics, errors = analysis.metrics, analysis.metrics["errors"]
    found = {
        f"scores_{kind}": figures.scores(rows, GROUP_TITLES[kind])
        for kind, rows in metrics["groups"].items()
        if any(row["gold"] or row["predicted"] for row in rows)
    }
    found["error_classes"] = figures.error_classes({words: errors[name] for name, words in SPACES.items()})
    names = [*errors["types"]["labels"], "none"]
    found["types"] = figures.heatmap(names, errors["types"]["counts"], "types")
    found["tags"] = figures.heatmap(errors["tags"]["tags"], errors["tags"]["counts"], f"tags of {analysis.unit}s")
    spans = {name.removeprefix("spans: "): each for name, each in analysis.confidence.items() if "spans" in name}
    if spans:
        found["confidence"] = figures.confidence(spans, "confidence in spans")
    if analysis.calibration:
        posterior = analysis.calibration["spans"]["posterior"]
        found["calibration"] = figures.confidence({when: posterior[when] for when in ("before", "after")}, "posteriors")
    if any("loss" in line or "eval_f1" in line for line in analysis.history):
        found["learning_curves"] = figures.learning_curves(analysis.history)
    if analysis.looked:
        reading, evidences, deleted = analysis.looked
        if len(reading.attentions):
            found["attention_layers"] = figures.attention_layers(reading)
        for at, each in enumerate(evidences):
            found[f"evidence_{at}"] = figures.evidence(reading, each)
        if deleted["methods"]:
            found["deletion"] = figures.deletion(deleted)
    return found


def page(title: str, analysis: Analysis, pictures: dict[str, bytes]) -> str:
    """The page as one text. What comes from data stands in it escaped, or as JSON that no tag can end."""
    templates = files("kospan.publishing.report")
    css, js, html = ((templates / f"report.{kind}").read_text(encoding="utf-8") for kind in ("css", "js", "html.jinja"))
    classes = analysis.metrics["errors"]["classes"]
    totals = [sum(count for kind, count in classes.items() if kind != other) for other in ("spurious", "missed")]
    data = {
        "examples": example_records(analysis),
        "kinds": CLASSES,
        "tops": LENGTHS,
        "lengths": length_groups(),
        "surfaces": SEEN_GROUPS,
        "colours": {label: list(pair) for label, pair in colours_of(analysis.labels).items()},
    }
    sections = [("scores", "Scores"), ("errors", "Errors")]
    sections += [("confidence", "Confidence")] if analysis.confidence else []
    sections += [("training", "Training")] if "learning_curves" in pictures else []
    sections += [("attention", "Attention")] if analysis.looked else []
    names = [name for name in analysis.metrics["figures"] if not name.startswith(("f1_", "support_"))]
    return (
        Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
        .from_string(html)
        .render(
            title=title,
            metrics=analysis.metrics,
            unit=analysis.unit,
            gold=totals[0],
            predicted=totals[1],
            wrong=sum(count for kind, count in classes.items() if kind != "correct"),
            headline={name: analysis.metrics["figures"][name] for name in names},
            group_titles=GROUP_TITLES,
            spaces=SPACES,
            type_names=[*analysis.labels, "none"],
            labels=analysis.labels,
            kinds=CLASSES,
            confidence=analysis.confidence,
            confidence_words=CONFIDENCE,
            calibration=analysis.calibration,
            looked=analysis.looked,
            figures={name: base64.b64encode(png).decode("ascii") for name, png in pictures.items()},
            sections=[*sections, ("examples", "Examples")],
            css=css,
            js=js,
            data=_as_json(data),
        )
    )


CONFIDENCE = (
    "The posterior of a span is its exact probability under the model; the softmax of the emissions, multiplied or "
    "averaged over the span, is the usual makeshift."
)


def _as_json(value) -> str:
    """JSON that may stand inside a script element: no `<` that could end it, no line separators."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
