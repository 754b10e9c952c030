"""Everything that a report shows about one model on one set of labelled texts."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kospan.evaluation.attention import Evidence, Reading, deletion_test, evidence, read
from kospan.evaluation.confidence import SPAN_KINDS, TAG_KINDS, Claims, described
from kospan.evaluation.errors import Match, boundary_of, match_spans, material_of
from kospan.evaluation.examine import examine
from kospan.evaluation.groups import SEEN_GROUPS, by_surface
from kospan.example import Example
from kospan.tasks.saved import labels_and_unit
from kospan.training.saving import read_object
from modeling.spans import Span


class Looked(NamedTuple):
    """
    Args:
        reading: The sentence that is shown.
        evidences: What speaks for each of its spans.
        deletion: What `kospan.evaluation.attention.deletion_test` gives for the documents.
    """

    reading: Reading
    evidences: list[Evidence]
    deletion: dict


class Analysis(NamedTuple):
    """
    Args:
        examples: The documents with gold spans.
        predicted: Spans of each document.
        labels: The types.
        unit: "character" or "word".
        metrics: What `kospan.evaluation.examine.examine` gives.
        confidence: Name of a confidence -> its figures, bins and risk; empty where nothing was predicted.
        calibration: What lies in the model's `calibration.json`; None where it has none.
        history: The Trainer's log of the run that made the model; empty where it left none.
        training: What the model was trained on; None where that is not known.
        looked: Where it looks; None where that was not asked for.
    """

    examples: Sequence[Example]
    predicted: list[list[Span]]
    labels: list[str]
    unit: str
    metrics: dict
    confidence: dict[str, dict]
    calibration: dict | None
    history: list[dict]
    training: Sequence[Example] | None
    looked: Looked | None = None


def analyze(
    model, folder: str, examples: Sequence[Example], unit: str, training: Sequence[Example] | None = None
) -> Analysis:
    """Runs the model over the texts and counts everything.

    Args:
        model: What `kospan.tasks.saved.load_saved` gave.
        folder: Where the model came from; beside it calibration and the run's log are looked for.
        examples: Documents with gold spans.
        unit: The data's unit, for a model that has none of its own.
        training: What the model was trained on, for seen and unseen surfaces.
    """
    labels, unit = labels_and_unit(model, unit)
    if hasattr(model, "head"):
        claims = Claims(model, examples)
        temperature = model.config.calibration_temperature
        found = iter(claims.predicted(temperature))
        kept = {example.id for example, _ in claims.rows}
        predicted = [next(found) if example.id in kept else [] for example in examples]
        confidence = _confidence(claims, temperature)
    else:
        predicted = model.extract([example.text for example in examples])
        confidence = _stock_confidence(examples, predicted)
    metrics = examine(examples, predicted, labels, unit, training)
    calibration = _read(Path(folder) / "calibration.json")
    return Analysis(
        examples, predicted, labels, unit, metrics, confidence, calibration, history_of(Path(folder)), training
    )


def _confidence(claims: Claims, temperature: float) -> dict[str, dict]:
    if not any(claims.found):
        return {}
    found = {}
    for kind in SPAN_KINDS:
        spans = claims.spans(temperature if kind == "posterior" else 1.0, [kind])
        found[f"spans: {kind}"] = described(spans.labels, spans.right, spans.confidence[kind])
    for kind in TAG_KINDS:
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


# Documents that are read for the deletion test at most, and spans of the shown sentence that get a figure.
LOOKED_AT, FIGURES = 200, 6


def check_look(model, examples: Sequence[Example], sentence: str = "") -> None:
    """Tells what `look` would refuse, without running the model. Raises: ValueError as `look`."""
    if not hasattr(model, "inspect"):
        raise ValueError(
            "expected a model of ours to look inside, got a stock one; leave --attention out, or train one with kospan"
        )
    texts = [sentence] if sentence else [example.text for example in _read_at(examples)]
    aligner = model.aligner
    counts = (len(aligner.windows(document)) for text in texts for document in aligner.documents([text]))
    if 1 not in counts:
        got = f"one of {len(sentence):,} characters" if sentence else "none in the data"
        raise ValueError(
            f"expected a text that fits into one window of the model ({model.config.window} pieces), got {got}; pass "
            "a shorter sentence with --attention"
        )


def _read_at(examples: Sequence[Example]) -> Sequence[Example]:
    return examples[:: max(1, len(examples) // LOOKED_AT)][:LOOKED_AT]


def look(model, examples: Sequence[Example], sentence: str = "") -> Looked:
    """Where the model looks: in one sentence, and, in numbers, in the documents.

    Args:
        model: A `SpanTagger`.
        examples: The documents, of which at most 200 are read, spread evenly.
        sentence: What is shown; empty takes the one of at most 60 characters in which most is found.

    Raises: ValueError where the model is of another kind, or the sentence is empty or does not fit into one window.
    """
    check_look(model, examples, sentence)
    readings = [found for example in _read_at(examples) if (found := read(model, example.text))]
    if sentence:
        shown = read(model, sentence)
    else:
        short = [found for found in readings if len(found.text) <= 60] or readings
        shown = max(short, key=lambda found: len(found.spans))
    found = [evidence(model, shown, span) for span in shown.spans[:FIGURES]]
    return Looked(shown, found, deletion_test(model, readings))


def history_of(folder: Path) -> list[dict]:
    """The Trainer's log: of the newest checkpoint, else what `training_record.json` keeps of it; else empty."""
    states = sorted(folder.glob("checkpoint-*/trainer_state.json"), key=lambda path: path.stat().st_mtime)
    if states:
        return (_read(states[-1]) or {}).get("log_history", [])
    return ((_read(folder / "training_record.json") or {}).get("training") or {}).get("history", [])


def _read(path: Path) -> dict | None:
    return read_object(path) if path.is_file() else None


def example_records(analysis: Analysis) -> list[dict]:
    """Every document with its spans and matches, as the page's script reads them.

    Returns: `id`, `text`, `source`; `gold` and `found`: `[start, end, label, score, surface group]`; `matches`:
        `[class, gold or -1, predicted or -1, boundary shape, materials]`.
    """
    from kospan.evaluation.errors import CLASSES

    surface = by_surface(analysis.training) if analysis.training is not None else None
    matches: list[list[Match]] = [[] for _ in analysis.examples]
    for match in match_spans(analysis.examples, analysis.predicted):
        matches[match.document].append(match)
    records = []
    for example, predicted, found in zip(analysis.examples, analysis.predicted, matches):
        gold, spans = list(example.spans), list(predicted)

        def row(span: Span, score: float | None, example: Example = example) -> list:
            group = SEEN_GROUPS.index(surface(example, span)) if surface else -1
            return [span.start, span.end, span.label, score, group]

        records.append(
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
    return records


def _boundary(text: str, match: Match) -> list:
    boundary = boundary_of(text, match)
    if boundary is None:
        return []
    sides = (("left", boundary.left), ("right", boundary.right))
    materials = [f"{material_of(between, side == 'right')}, {side}" for side, between in sides if between]
    return [f"{boundary.shape}, {boundary.side}", materials]
