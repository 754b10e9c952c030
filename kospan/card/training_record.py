"""`training_record.json`: the facts about a run that its model card needs."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from kospan.data.corpus import Origin
from kospan.data.registry import dataset_spec
from kospan.data.text import write_text
from kospan.model_names import is_installed
from kospan.modeling.spans import Span
from kospan.redaction import redacted_values
from kospan.task import TaskSpec
from kospan.training.record import NAME, evaluation_record, training_record


def write_training_record(trainer, model, predicted: Sequence, baseline: Sequence, seconds: float) -> None:
    """Write the record into the run's output folder.

    Args:
        trainer: A trained `kospan.training.trainer.KospanTrainer` with its task and recipe.
        model: The saved model, loaded again.
        predicted: Its spans of each validation document.
        baseline: The baseline's spans of them.
        seconds: Time that the model needed for them.
    """
    task, spec, recipe = trainer.task, trainer.task.spec, trainer.recipe
    training, examples = task.examples("train"), task.examples("validation")
    scored = spec.scores(task, training, examples, predicted, baseline)
    # Names of sources may be titles of texts, or private names of files.
    scored.get("groups", {}).pop("source", None)
    evaluation = evaluation_record(training, examples, scored, seconds, trainer.args.device)
    origins = task.corpus.origins  # empty for a corpus made in Python
    hub = origins["train"].hub if origins else None
    language = dataset_spec(recipe.dataset).language or ("ko" if evaluation["hangul"] > 0.5 else "en")
    missing = task.corpus.issues
    record = {
        "training": training_record(trainer, len(training), task.windowed),
        "evaluation": evaluation,
        "names": {"dataset": hub.name if hub else None, "encoder": encoder_on_hub(recipe.encoder)},
        "origins": origins_record(origins, len(examples)) if origins else {},
        "adjusted": spec.adjustments(task) | {"skipped": sum(part.invalid for part in missing.values())},
        "missing": {
            split: {"invalid": part.invalid, "left_out": part.left_out}
            for split, part in missing.items()
            if part.invalid or part.left_out
        },
        "examples": predicted_examples(spec, model, spec.card.examples(recipe.dataset, language)),
    }
    path = Path(trainer.args.output_dir) / NAME
    write_text(path, json.dumps(redacted_values(record), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def predicted_examples(spec: TaskSpec, model, items: Sequence[dict]) -> list[dict]:
    """Inputs of a card with the model's `spans`; earlier ones are replaced."""
    items = [{key: value for key, value in item.items() if key != "spans"} for item in items]
    predicted = spec.card.predict(model, items)
    return [item | {"spans": [list(Span(*span)) for span in spans]} for item, spans in zip(items, predicted)]


def origins_record(origins: Mapping[str, Origin], scored: int) -> dict[str, dict]:
    """The origins of a corpus's splits as JSON, each with the verdict `whole`.

    Args:
        origins: Those of the corpus.
        scored: Number of validation examples that the task scores: it skips those that a prompt shows.
    """
    origins = {**origins, "validation": origins["validation"]._replace(used=scored)}
    return {
        split: {**origin._asdict(), "hub": origin.hub and origin.hub._asdict(), "whole": origin.whole}
        for split, origin in origins.items()
    }


def encoder_on_hub(encoder: str) -> str | None:
    """The name of an encoder on the Hub; None for a folder, an installed one, or no pretrained encoder.

    >>> encoder_on_hub("scratch"), encoder_on_hub("monologg/koelectra-base-v3-discriminator")
    (None, 'monologg/koelectra-base-v3-discriminator')
    """
    if encoder == "scratch" or encoder.startswith(("package:", ".", "/", "~")) or os.path.exists(encoder):
        return None
    if is_installed(encoder):
        return None
    # A name on the Hub is `user/name` or `name`; anything else is a path.
    return encoder if encoder.count("/") <= 1 and "\\" not in encoder else None
