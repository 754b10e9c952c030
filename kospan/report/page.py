"""Writes a report: `metrics.json`, metrics as PNG, and one `index.html` that needs nothing beside it."""

import base64
import json
import os
from importlib.resources import files
from pathlib import Path

from jinja2 import DictLoader, Environment

from kospan.evaluation.summary import (
    GROUP_TITLES,
    PARTS,
    RIGHT,
    SPACES,
    counted_rows,
    headline,
    metrics_and_counts,
)
from kospan.report import plots
from kospan.report.analysis import Analysis
from kospan.report.kinds import kind_of
from kospan.training.loss_parts import curve_points
from kospan.training.saving import written_whole


def write_report(folder: str | os.PathLike, title: str, analysis: Analysis) -> Path:
    """Writes the report of an analysis into a folder, whole or not at all.

    Returns: the page.
    """
    pictures = draw(analysis)
    with written_whole(folder, last="index.html") as temporary:
        metrics = {"confidence": analysis.confidence, "calibration": analysis.calibration, **analysis.metrics}
        if analysis.looked:
            reading = analysis.looked.reading
            asked = {"question": reading.question} if reading.question else {}
            metrics["attention"] = asked | {"text": reading.text, "deletion test": analysis.looked.deletion}
            if analysis.looked.mass:
                metrics["attention"]["mass on entities"] = analysis.looked.mass
        (temporary / "metrics.json").write_text(
            json.dumps({"title": title, **metrics}, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
        )
        for name, png in pictures.items():
            (temporary / f"{name}.png").write_bytes(png)
        (temporary / "index.html").write_text(page(title, analysis, pictures), encoding="utf-8")
    return Path(folder) / "index.html"


def draw(analysis: Analysis) -> dict[str, bytes]:
    """Every metric of a report by name."""
    found = {}
    for kind, rows in analysis.metrics["groups"].items():
        if rows := counted_rows(rows):
            names, counts = metrics_and_counts(rows)
            names = [name for name in names if name not in PARTS]
            found[f"scores_{kind}".replace(" ", "_")] = plots.scores(rows, GROUP_TITLES[kind], names, counts[0])
    found |= kind_of(analysis.model_type).draw(analysis)
    spans = {name.removeprefix("spans: "): each for name, each in analysis.confidence.items() if "spans" in name}
    if spans:
        found["confidence"] = plots.confidence(spans, "confidence")
    if analysis.calibration:
        posterior = analysis.calibration["spans"]["posterior"]
        found["calibration"] = plots.confidence({when: posterior[when] for when in ("before", "after")}, "posteriors")
    if any(curve_points(analysis.history, name) for name in ("loss", "eval_loss", *plots.SCORE_COLOURS)):
        found["learning_curves"] = plots.learning_curves(analysis.history)
    if analysis.looked:
        reading, shown, evidences, deleted, _ = analysis.looked
        if len(reading.attentions):
            found["attention_layers"] = plots.attention_layers(reading, shown)
        for at, each in enumerate(evidences):
            found[f"evidence_{at}"] = plots.evidence(reading, shown, each)
        if deleted["methods"]:
            found["deletion"] = plots.deletion(deleted)
    return found


def page(title: str, analysis: Analysis, pictures: dict[str, bytes]) -> str:
    """The page as one text. What comes from data stands in it escaped, or as JSON that no tag can end."""
    kind, metrics = kind_of(analysis.model_type), analysis.metrics
    name = kind.__name__.rpartition(".")[2]
    folder = files("kospan.report")
    parts = {
        path.name: path.read_text(encoding="utf-8")
        for path in folder.iterdir()
        if path.name.endswith((".jinja", ".css", ".js"))
    }
    sections = [("scores", "Scores"), ("errors", "Errors")]
    sections += [("confidence", "Confidence")] if analysis.confidence else []
    sections += [("training", "Training")] if "learning_curves" in pictures else []
    sections += [("attention", "Attention")] if analysis.looked else []
    groups = {each: counted_rows(metrics["groups"][each]) for each in GROUP_TITLES if each in metrics["groups"]}
    return (
        Environment(loader=DictLoader(parts), autoescape=True, trim_blocks=True, lstrip_blocks=True)
        .get_template("report.html.jinja")
        .render(
            title=title,
            name=name,
            kind=kind,
            lead=kind.lead(analysis),
            metrics=metrics,
            right=RIGHT,
            wrong=sum(count for each, count in metrics["errors"]["classes"].items() if each not in RIGHT),
            headline=headline(metrics),
            groups=groups,
            group_titles=GROUP_TITLES,
            parts=PARTS,
            columns={each: metrics_and_counts(rows) for each, rows in groups.items()},
            spaces=SPACES,
            labels=analysis.labels,
            confidence=analysis.confidence,
            calibration=analysis.calibration,
            looked=analysis.looked,
            plots={each: base64.b64encode(png).decode("ascii") for each, png in pictures.items()},
            sections=[*sections, ("examples", "Examples")],
            css=parts["report.css"],
            js=parts[f"{name}.js"] + parts["report.js"],
            data=_as_json(kind.data(analysis)),
        )
    )


def _as_json(value) -> str:
    """JSON that may stand inside a script element: no `<` that could end it, no line separators."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
