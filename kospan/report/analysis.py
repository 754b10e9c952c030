"""Everything that a report shows about one model on one set of labelled texts."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kospan.evaluation.attention import Evidence, deletion_test, entity_mass, evidence
from kospan.evaluation.explain import EncoderView, view_of
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.task import Task
from kospan.tasks.token_classification.confidence import described
from kospan.training.saving import read_object


class Explained(NamedTuple):
    """
    Args:
        reading: The sentence that is shown.
        shown: Positions of its subwords that metrics show.
        evidences: What speaks for each of its spans.
        deletion: What `kospan.evaluation.attention.deletion_test` gives for the documents.
        mass: What `kospan.evaluation.attention.entity_mass` gives for them; empty where the head has no attention.
    """

    reading: EncoderView
    shown: list[int]
    evidences: list[Evidence]
    deletion: dict
    mass: dict = {}


class Analysis(NamedTuple):
    """
    Args:
        model_type: What kind of model it is, see `kospan.report.kinds`.
        examples: The documents with gold spans.
        predicted: Spans of each document.
        labels: The types.
        unit: "character" or "word".
        metrics: What the task's `examine` gives.
        confidence: Name of a confidence -> its metrics, bins and risk; empty where nothing was predicted.
        calibration: What lies in the model's `calibration.json`; None where it has none.
        history: The Trainer's log of the run that made the model; empty where it left none.
        training: What the model was trained on; None where that is not known.
        looked: Where it looks; None where that was not asked for.
    """

    model_type: str
    examples: Sequence[Example]
    predicted: list[list[Span]]
    labels: list[str]
    unit: str
    metrics: dict
    confidence: dict[str, dict]
    calibration: dict | None
    history: list[dict]
    training: Sequence[Example] | None
    looked: Explained | None = None


def analyze(
    task: Task, folder: str, examples: Sequence[Example], training: Sequence[Example] | None = None
) -> Analysis:
    """Runs the model over the texts and counts everything.

    Args:
        task: What `kospan.tasks.loading.open_saved` gave.
        folder: Where the model came from; beside it calibration and the run's log are looked for.
        examples: Documents with gold spans.
        training: What the model was trained on, for seen and unseen surfaces.
    """
    claims = task.spec.confidence(task, examples)
    if claims is not None:
        temperature = task.model.config.calibration_temperature
        found = iter(claims.predicted(temperature))
        kept = {example.id for example, _ in claims.rows}
        predicted = [next(found) if example.id in kept else [] for example in examples]
        confidence = _confidence(claims, temperature)
    else:
        predicted = task.predict(examples)
        confidence = _stock_confidence(examples, predicted)
    metrics = task.spec.analyze(task, examples, predicted, training)
    calibration = _read(Path(folder) / "calibration.json")
    history = history_of(Path(folder))
    return Analysis(
        *(task.spec.model_type, examples, predicted, task.labels, task.unit),
        *(metrics, confidence, calibration, history, training),
    )


def _confidence(claims, temperature: float) -> dict[str, dict]:
    if not any(claims.found):
        return {}
    found = {}
    for kind in claims.span_kinds:
        spans = claims.spans(temperature if kind == "posterior" else 1.0, [kind])
        found[f"spans: {kind}"] = described(spans.labels, spans.right, spans.confidence[kind])
    for kind in claims.tag_kinds:
        found[f"tags: {kind}"] = described(*claims.tags_at(temperature if kind == "marginal" else 1.0, kind))
    return found


def _stock_confidence(examples: Sequence[Example], predicted: list[list[Span]]) -> dict[str, dict]:
    rows = [
        (span.label, span[:3] in {gold[:3] for gold in example.spans}, span.score)
        for example, spans in zip(examples, predicted)
        for span in spans
    ]
    if not rows:
        return {}
    labels, right, score = zip(*rows)
    return {"spans: the pipeline's score": described(np.array(labels, dtype=object), np.array(right), np.array(score))}


# Spans of what is shown that get a metric.
FIGURES = 6


def check_look(model, examples: Sequence[Example], sentence: str = "") -> None:
    """Tells what `look` would refuse, without running the model. Raises: ValueError as `look`."""
    view = view_of(model)
    chosen = [view.one(examples, sentence)] if sentence else _read_at(examples, view.most)
    if not any(map(view.fits, chosen)):
        got = f"one of {len(sentence):,} characters" if sentence else "none in the data"
        raise ValueError(
            f"expected a text that fits into one window of the model ({model.config.max_length} subwords), got "
            f"{got}; pass a shorter sentence with --attention"
        )


def _read_at(examples: Sequence[Example], most: int) -> Sequence[Example]:
    return examples[:: max(1, len(examples) // most)][:most]


def look(model, examples: Sequence[Example], sentence: str = "") -> Explained:
    """Where the model looks: in one sentence, and, in numbers, in the documents.

    Args:
        model: A model that has a view.
        examples: The documents, of which some are read, spread evenly.
        sentence: What is shown, a tagger's text or a question of the documents or its id; empty takes one in which
            much is found.

    Raises: ValueError where the model is of another kind, the sentence is no question of the documents, or it is empty
        or does not fit into one window.
    """
    check_look(model, examples, sentence)
    view = view_of(model)
    read = [(found, example.spans) for example in _read_at(examples, view.most) if (found := view.read(example))]
    readings = [found for found, _ in read]
    shown = view.read(view.one(examples, sentence)) if sentence else view.best(readings)
    found = [evidence(model, shown, span) for span in shown.spans[:FIGURES]]
    mass = entity_mass(readings, [spans or () for _, spans in read])
    return Explained(shown, view.shown(shown), found, deletion_test(model, readings), mass)


def history_of(folder: Path) -> list[dict]:
    """The Trainer's log: of the newest checkpoint, else what `training_record.json` keeps of it; else empty."""
    states = sorted(folder.glob("checkpoint-*/trainer_state.json"), key=lambda path: path.stat().st_mtime)
    if states:
        return (_read(states[-1]) or {}).get("log_history", [])
    return ((_read(folder / "training_record.json") or {}).get("training") or {}).get("history", [])


def _read(path: Path) -> dict | None:
    return read_object(path) if path.is_file() else None
