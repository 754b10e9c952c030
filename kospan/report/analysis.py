"""Everything that a report shows about one model on one set of labelled texts."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kospan.evaluation.confidence import Claims, confidence_tables, describe
from kospan.evaluation.explain import Explainer, Explanation
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.task import Task
from kospan.training.loss_parts import curve_log
from kospan.training.saving import read_object


class TaskReport(NamedTuple):
    """Parts of a report that one task adds; its templates extend `kospan/report/base.html.jinja`.

    Args:
        package: Package that holds the task's `report.html.jinja` and `report.js`.
        plots: Draws the plots of the task; gives PNG files by name.
        data: Gives the data of the page's script.
    """

    package: str
    plots: Callable[["Analysis"], dict[str, bytes]]
    data: Callable[["Analysis"], dict]


class Analysis(NamedTuple):
    """Analysis of one model on one set of labelled texts.

    Args:
        report: What the task adds to a report.
        examples: The documents with gold spans.
        predicted: Predicted spans of each document.
        labels: The labels.
        unit: "character" or "word".
        metrics: Result of the task's `analyze`.
        confidence: Metrics, bins and risk by name of a confidence; empty without predictions.
        calibration: Content of the model's `calibration.json`; None without one.
        history: The Trainer's log of the model's run; empty if it is not known.
        training: Training documents; None if they are not known.
        explanation: Explanation of one text and of the documents; None if it was not requested.
    """

    report: TaskReport
    examples: Sequence[Example]
    predicted: list[list[Span]]
    labels: list[str]
    unit: str
    metrics: dict
    confidence: dict[str, dict]
    calibration: dict | None
    history: list[dict]
    training: Sequence[Example] | None
    explanation: Explanation | None = None


def analyze(
    task: Task, folder: str, examples: Sequence[Example], training: Sequence[Example] | None = None
) -> Analysis:
    """Predict the texts and analyze the predictions.

    Args:
        task: A task over a saved model, from `kospan.tasks.loading.open_saved`.
        folder: Folder of the model, which may hold a calibration and the log of its run.
        examples: Documents with gold spans.
        training: Training documents, to tell seen from unseen surfaces.
    """
    found = task.spec.confidence(task, examples)
    if found is None:
        predicted = task.predict(examples)
        confidence = _pipeline_confidence(examples, predicted)
    else:
        temperature = task.model.config.calibration_temperature
        predicted, confidence = found.predicted(temperature), confidence_tables(found, temperature)
    return Analysis(
        task.spec.report,
        examples,
        predicted,
        task.labels,
        task.unit,
        task.spec.analyze(task, examples, predicted, training),
        confidence,
        _read(Path(folder) / "calibration.json"),
        curve_log(history_of(Path(folder)), task.spec.curves),
        training,
    )


def _pipeline_confidence(examples: Sequence[Example], predicted: list[list[Span]]) -> dict[str, dict]:
    """Confidence of a model that gives no probabilities but scores."""
    rows = [
        (span.label, span[:3] in {gold[:3] for gold in example.spans}, span.score)
        for example, spans in zip(examples, predicted)
        for span in spans
    ]
    if not rows:
        return {}
    labels, right, score = zip(*rows)
    claims = Claims(np.array(labels, dtype=object), np.array(right), np.array(score))
    return {"spans: the pipeline's score": describe(claims)}


def explainer_of(task: Task) -> Explainer:
    """The explainer of a task's model. Raises: ValueError if its predictions cannot be explained."""
    if task.spec.explainer is None or task.model.config.model_type != task.spec.model_type:
        got = "a generative one" if task.spec.explainer is None else "a stock one"
        raise ValueError(
            f"expected a model of ours with an encoder to explain, got {got}; remove --attention, or train one with "
            "kospan"
        )
    return task.spec.explainer(task.model)


def history_of(folder: Path) -> list[dict]:
    """The Trainer's log of the newest checkpoint, else that in `training_record.json`; else empty."""
    states = sorted(folder.glob("checkpoint-*/trainer_state.json"), key=lambda path: path.stat().st_mtime)
    if states:
        return (_read(states[-1]) or {}).get("log_history", [])
    return ((_read(folder / "training_record.json") or {}).get("training") or {}).get("history", [])


def _read(path: Path) -> dict | None:
    return read_object(path) if path.is_file() else None
