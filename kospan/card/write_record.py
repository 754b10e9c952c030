"""What a run leaves for its model card: `training_record.json`."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from kospan.card.kinds.registry import kind_named
from kospan.data.corpus import Origin
from kospan.data.registry import dataset_spec
from kospan.data.text import write_text
from kospan.modeling.spans import Span
from kospan.training.record import NAME, evaluation_record, training_record


def leave_record(trainer, model, predicted: Sequence, found: Sequence, seconds: float) -> None:
    """Writes the record into the run's output folder.

    Args:
        trainer: What `kospan.run.build_trainer` gave, trained.
        model: The saved model, loaded again.
        predicted: Its spans of each validation document.
        found: The baseline's.
        seconds: How long the model needed.
    """
    task, recipe = trainer.task, trainer.recipe
    kind = kind_named(task.spec.model_type)
    training = task.examples("train")
    examples = task.examples("validation")
    scored = task.spec.scores(task, training, examples, predicted, found)
    # The names of sources may be titles of texts, or files of whoever trained it.
    scored.get("groups", {}).pop("source", None)
    evaluation = evaluation_record(training, examples, scored, seconds, trainer.args.device)
    # A corpus that was put together in Python has none.
    origins = task.corpus.origins
    hub = origins["train"].hub if origins else None
    names = {"dataset": hub.name if hub else None, "encoder": encoder_on_hub(recipe.encoder)}
    language = dataset_spec(recipe.dataset).language or ("ko" if evaluation["hangul"] > 0.5 else "en")
    record = {
        "training": training_record(trainer, len(training), task.windowed),
        "evaluation": evaluation,
        "names": names,
        "origins": origins_record(origins, len(examples)) if origins else {},
        "adjusted": task.spec.adjustments(task)
        | {"skipped": sum(part.invalid for part in task.corpus.issues.values())},
        "missing": {
            split: {"invalid": part.invalid, "left_out": part.left_out}
            for split, part in task.corpus.issues.items()
            if part.invalid or part.left_out
        },
        "examples": asked(model, kind.examples(recipe.dataset, language)),
    }
    path = Path(trainer.args.output_dir) / NAME
    write_text(path, json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def asked(model, items: Sequence[dict]) -> list[dict]:
    """Examples of a card with what the model finds.

    Args:
        model: A model of ours.
        items: What is asked; `spans` of an earlier time are left out.
    """
    items = [{key: value for key, value in item.items() if key != "spans"} for item in items]
    found = kind_named(model.config.model_type).show(model, items)
    return [item | {"spans": [list(Span(*span)) for span in spans]} for item, spans in zip(items, found)]


def origins_record(origins: Mapping[str, Origin], scored: int) -> dict[str, dict]:
    """The origins of a corpus's splits as the record keeps them, each with the verdict `whole`.

    Args:
        origins: Those of the corpus.
        scored: How many validation examples the task scores: it leaves out what a prompt shows.
    """
    origins = {**origins, "validation": origins["validation"]._replace(used=scored)}
    return {
        split: {**origin._asdict(), "hub": origin.hub and origin.hub._asdict(), "whole": origin.whole}
        for split, origin in origins.items()
    }


def encoder_on_hub(encoder: str) -> str | None:
    """An encoder's name on the Hub; None where it is a folder or nothing pretrained.

    >>> encoder_on_hub("scratch"), encoder_on_hub("monologg/koelectra-base-v3-discriminator")
    (None, 'monologg/koelectra-base-v3-discriminator')
    """
    base = encoder != "scratch" and not encoder.startswith("package:") and not os.path.exists(encoder)
    # A name on the Hub is `user/name` or `name`; anything else was a path.
    base = base and encoder.count("/") <= 1 and not encoder.startswith((".", "/", "~")) and "\\" not in encoder
    return encoder if base else None
