"""What a run leaves for its model card: `training_record.json`."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from kospan.data.about import about
from kospan.publishing.card.kinds.registry import kind_named
from kospan.training.record import NAME, evaluation_record, training_record
from kospan.training.saving import write_whole
from modeling.spans import Span


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
    kind = kind_named(task.model_type)
    training = task.examples("train")
    examples = task.examples("validation")
    scored = task.scored(training, examples, predicted, found)
    # The names of sources may be titles of texts, or files of whoever trained it.
    scored.get("groups", {}).pop("source", None)
    evaluation = evaluation_record(training, examples, scored, seconds, trainer.args.device)
    names = names_on_hub(recipe.dataset, recipe.encoder)
    language = about(recipe.dataset).language or ("ko" if evaluation["hangul"] > 0.5 else "en")
    record = {
        "training": training_record(trainer, len(training), task.windowed),
        "evaluation": evaluation,
        "names": names,
        "adjusted": kind.adjusted(task) | {"skipped": sum(part.invalid for part in task.corpus.missing.values())},
        "missing": {
            split: {"invalid": part.invalid, "left_out": part.left_out}
            for split, part in task.corpus.missing.items()
            if part.invalid or part.left_out
        },
        "examples": asked(model, kind.examples(recipe.dataset, language)),
    }
    path = Path(trainer.args.output_dir) / NAME
    write_whole(path, json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def asked(model, items: Sequence[dict]) -> list[dict]:
    """Examples of a card with what the model finds.

    Args:
        model: A model of ours.
        items: What is asked; `spans` of an earlier time are left out.
    """
    items = [{key: value for key, value in item.items() if key != "spans"} for item in items]
    found = kind_named(model.config.model_type).show(model, items)
    return [item | {"spans": [list(Span(*span)) for span in spans]} for item, spans in zip(items, found)]


def names_on_hub(dataset: str, encoder: str) -> dict[str, str | None]:
    """Which of the two are names on the Hub and not folders of this machine.

    >>> names_on_hub("sample", "scratch"), names_on_hub("hub:user/set", "monologg/koelectra-base-v3-discriminator")
    ({'dataset': None, 'encoder': None}, {'dataset': 'user/set', 'encoder': 'monologg/koelectra-base-v3-discriminator'})
    """
    named = dataset.startswith(("hub:", "hub-characters:"))
    place = dataset.partition(":")[2]
    on_hub = named and not os.path.exists(place) and about(dataset, on_hub=True).hub
    base = encoder != "scratch" and not encoder.startswith("package:") and not os.path.exists(encoder)
    # A name on the Hub is `user/name` or `name`; anything else was a path.
    base = base and encoder.count("/") <= 1 and not encoder.startswith((".", "/", "~")) and "\\" not in encoder
    return {"dataset": on_hub or None, "encoder": encoder if base else None}
