"""Writes a report: `metrics.json`, plots as PNG, and one `index.html` that needs no other file."""

import base64
import json
import os
from importlib.resources import files
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader

from kospan.evaluation.summary import (
    CORRECT,
    ERROR_COUNTS,
    GROUP_TITLES,
    WITHOUT_INTERVAL,
    counted_rows,
    headline,
    metrics_and_counts,
)
from kospan.report import plots
from kospan.report.analysis import Analysis
from kospan.training.loss_parts import curve_points, score_names
from kospan.training.saving import written_whole


def write_report(folder: str | os.PathLike, title: str, analysis: Analysis) -> Path:
    """Write the report of an analysis into a folder, whole or not at all.

    Returns: Path of the page.
    """
    pictures = draw(analysis)
    with written_whole(folder, last="index.html") as temporary:
        metrics = {"confidence": analysis.confidence, "calibration": analysis.calibration, **analysis.metrics}
        if analysis.explanation:
            encoded, deletion = analysis.explanation.encoded, analysis.explanation.deletion
            asked = {"question": encoded.question} if encoded.question else {}
            metrics["attention"] = asked | {"text": encoded.text, "deletion test": deletion}
            if analysis.explanation.mass:
                metrics["attention"]["mass on entities"] = analysis.explanation.mass
        (temporary / "metrics.json").write_text(
            json.dumps({"title": title, **metrics}, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
        )
        for name, png in pictures.items():
            (temporary / f"{name}.png").write_bytes(png)
        (temporary / "index.html").write_text(page(title, analysis, pictures), encoding="utf-8")
    return Path(folder) / "index.html"


def draw(analysis: Analysis) -> dict[str, bytes]:
    """Draw every plot of a report, by name."""
    found = {}
    for kind, rows in analysis.metrics["groups"].items():
        if rows := counted_rows(rows):
            names, counts = metrics_and_counts(rows)
            names = [name for name in names if name not in WITHOUT_INTERVAL]
            found[f"scores_{kind}".replace(" ", "_")] = plots.scores(rows, GROUP_TITLES[kind], names, counts[0])
    found |= analysis.report.plots(analysis)
    spans = {name.removeprefix("spans: "): each for name, each in analysis.confidence.items() if "spans" in name}
    if spans:
        found["confidence"] = plots.confidence(spans, "confidence")
    if analysis.calibration:
        posterior = analysis.calibration["spans"]["posterior"]
        found["calibration"] = plots.confidence({when: posterior[when] for when in ("before", "after")}, "posteriors")
    if any(curve_points(analysis.history, name) for name in ("loss", "eval_loss", *score_names(analysis.history))):
        found["learning_curves"] = plots.learning_curves(analysis.history)
    if analysis.explanation:
        encoded, shown, evidence, deletion, _ = analysis.explanation
        if len(encoded.attentions):
            found["attention_layers"] = plots.attention_layers(encoded, shown)
        for at, each in enumerate(evidence):
            found[f"evidence_{at}"] = plots.evidence(encoded, shown, each)
        if deletion["methods"]:
            found["deletion"] = plots.deletion(deletion)
    return found


def page(title: str, analysis: Analysis, pictures: dict[str, bytes]) -> str:
    """Return the page as one text; data is escaped, or JSON that cannot end its script element."""
    metrics, package = analysis.metrics, analysis.report.package
    loader = ChoiceLoader([PackageLoader(name, "") for name in (package, "kospan.report")])
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    groups = {each: counted_rows(metrics["groups"][each]) for each in GROUP_TITLES if each in metrics["groups"]}
    script = [
        (files(name) / file).read_text(encoding="utf-8")
        for name, file in ((package, "report.js"), ("kospan.report", "base.js"))
    ]
    return environment.get_template("report.html.jinja").render(
        title=title,
        analysis=analysis,
        metrics=metrics,
        correct=CORRECT,
        wrong=sum(count for each, count in metrics["errors"]["classes"].items() if each not in CORRECT),
        headline=headline(metrics),
        groups=groups,
        group_titles=GROUP_TITLES,
        without_interval=WITHOUT_INTERVAL,
        columns={each: metrics_and_counts(rows) for each, rows in groups.items()},
        error_counts=ERROR_COUNTS,
        labels=analysis.labels,
        explanation=analysis.explanation,
        plots={each: base64.b64encode(png).decode("ascii") for each, png in pictures.items()},
        css=(files("kospan.report") / "report.css").read_text(encoding="utf-8"),
        js="".join(script),
        data=_as_json(analysis.report.data(analysis)),
    )


def _as_json(value) -> str:
    """JSON for a script element: without `<`, which could end it, and without line separators."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
