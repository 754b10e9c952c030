"""Values that the templates of model cards show and that no file of a run holds as they are."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from kospan.recipe import default_of
from kospan.recipe_defaults import FILES
from kospan.training.loss_parts import part_names, score_names
from kospan.training.run_folder import HUB_KEYS

# Groups with fewer documents, or gold spans, say little.
FEW = 30
# Rows of a learning curve at most.
ROWS = 20
# Settings of one machine, or of one run's name.
_HIDDEN = {
    "name",
    "output_dir",
    "run_name",
    "logging_dir",
    "resume_from_checkpoint",
    "overwrite_output_dir",
    "disable_tqdm",
    "report_to",
}


class Groups(NamedTuple):
    """Groups of documents by how sure it is that the model is weak there.

    Args:
        weak: Groups whose whole interval is below the overall score, weakest first.
        few: Groups with too few members to judge.
        judged: Groups with enough members.
    """

    weak: list[Mapping]
    few: list[Mapping]
    judged: list[Mapping]


def groups_by_strength(rows: Sequence[Mapping], overall: float, metric: str, count: str) -> Groups:
    """Sort groups by strength.

    Args:
        rows: A row for each group.
        overall: The metric of all documents.
        metric: Its name in a row.
        count: The name of the number of members in a row.

    >>> rows = [{"group": "PS", "gold": 50, "f1": 0.5, "f1 interval": [0.4, 0.6]}, {"group": "LC", "gold": 2}]
    >>> [[row["group"] for row in part] for part in groups_by_strength(rows, 0.7, "f1", "gold")]
    [['PS'], ['LC'], ['PS']]
    """
    judged = [row for row in rows if row[count] >= FEW]
    weak = [row for row in judged if row[f"{metric} interval"][1] < overall]
    return Groups(sorted(weak, key=lambda row: row[metric]), [row for row in rows if 0 < row[count] < FEW], judged)


def class_names(config: Mapping) -> list[str]:
    """The names of a model's classes, or tags, in its order."""
    names = config["id2label"]
    return [names[key] for key in sorted(names, key=int)]


def changed_settings(recipe: Mapping) -> dict:
    """The settings of a recipe that differ from the defaults and concern others too."""
    return {
        key: value
        for key, value in recipe.items()
        if key not in _HIDDEN and not HUB_KEYS.match(key) and str(value) != str(default_of(key))
    }


def learning_curve(training: Mapping) -> dict:
    """Rows of the learning curve, thinned to `ROWS` and the best step.

    Returns:
        `columns`, the keys that occur, the parts of the loss behind it; `rows`; `evaluated`, whether they hold scores.
    """
    history, best = training["history"], training["best_step"]
    rows = history
    if len(history) > ROWS:
        kept = {round(at * (len(history) - 1) / (ROWS - 1)) for at in range(ROWS)}
        rows = [entry for at, entry in enumerate(history) if at in kept or entry["step"] == best]
    scores = score_names(history)
    columns = ["epoch", "step", "loss", *part_names(history), "eval_loss", *scores]
    return {
        "columns": [key for key in columns if any(entry.get(key) is not None for entry in rows)],
        "rows": rows,
        "evaluated": bool(scores),
    }


def stored_examples(folder: Path) -> Callable[[str, str], list[dict[str, str]]]:
    """Return the examples in a language from `examples.json` of a task, as a function for its card.

    They are the same for all data sets, whose licences differ.
    """
    return lambda dataset, language: json.loads((folder / "examples.json").read_text(encoding="utf-8"))[language]


def recipe_files(settings: Mapping) -> list[str]:
    """The files of data that a recipe needs."""
    split = str(settings["calibration_split"] or "")
    is_file = "." in split and not re.fullmatch(r"[\d.]+", split)
    files = [*map(settings.get, FILES), split if is_file else None]
    return [name for name in files if name]
