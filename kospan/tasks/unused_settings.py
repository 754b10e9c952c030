"""Settings of a recipe without effect in its task: they are errors, or dropped.

The spec of a task declares the settings with an effect (`uses`), and which of these have none beside others, such as a
head that does not use them (`unused`). Settings that need another one declare it in the recipe (`needs`).
"""

import dataclasses
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import NamedTuple

from kospan.data.records import FORMAT_OPTIONS
from kospan.data.registry import dataset_spec
from kospan.recipe import FIELDS, Given, Recipe, default_of
from kospan.task import TaskSpec

# Settings with an effect in every task.
EVERY_TASK = frozenset(
    (
        *("name", "task", "dataset", "train_file", "validation_file", "max_train_samples", "max_eval_samples"),
        "extra_train_file",
        *("skip_invalid", "encoder", "encoder_options", "unit", "max_length", "learning_rates"),
        *("lora_rank", "lora_alpha", "lora_dropout", "lora_targets", "lora_rslora", "lora_dora"),
        *("nan", "validation_loss", "early_stopping_patience", "resume_from_checkpoint", "overwrite_output_dir"),
    )
)


class Unused(NamedTuple):
    """A setting without effect.

    Args:
        name: The setting, or an entry of one: `head_options.gate`.
        because: The settings whose values are the reason.
    """

    name: str
    because: tuple[str, ...]


class Settled(NamedTuple):
    """A recipe without settings that have no effect.

    Args:
        recipe: The recipe without values that have no effect.
        dropped: Each setting that was reset to its default, with the reason: `("fgm_space", "fgm_epsilon: 0")`.
    """

    recipe: Recipe
    dropped: list[tuple[str, str]]

    @property
    def notice(self) -> str:
        """The dropped settings in one line; empty if there are none."""
        by_reason: dict[str, list[str]] = {}
        for name, reason in self.dropped:
            by_reason.setdefault(reason, []).append(name)
        parts = [f"{', '.join(names)} (no effect with {reason})" for reason, names in by_reason.items()]
        return f"dropped settings    {'; '.join(parts)}" if parts else ""


def settled(recipe: Recipe, spec: TaskSpec, shared: Collection[str] = ()) -> Settled:
    """Reset values that have no effect to their defaults.

    A value that has no effect because of a later layer (a flag, or a variant of a study) is dropped. One that was set
    together with the settings that are the reason, or after them, is an error. Null, the default, and the value that
    turns a setting off are always accepted.

    Args:
        recipe: The recipe; a value of unknown origin counts as set together with all others.
        spec: Its task.
        shared: Names of layers that are shared with other recipes, such as the settings of a study; their values are
            dropped.

    Raises:
        ValueError: A value is an error; the message names the setting, its value and the reason.
    """
    recipe = dataclasses.replace(recipe, given=dict(recipe.given))
    _check_empty(recipe, spec)
    dropped = []
    # One at a time: without one setting others may lose their effect.
    while (found := next(_set_without_effect(recipe, spec), None)) is not None:
        latest = max((recipe.given.get(key, Given(0, "")) for key in found.because), key=lambda given: given.rank)
        key, _, entry = found.name.partition(".")
        value, reason = getattr(recipe, key), ", ".join(_shown(key, recipe, spec) for key in found.because)
        given = recipe.given.get(key, Given(0, ""))
        if given.rank >= latest.rank and given.where not in shared:
            place = f"{given.where}: " if given.where else ""
            other = [each for each in found.because if each in needs(key)]
            raise ValueError(
                f"{place}expected no {found.name} with {reason}, where it has no effect, got "
                f"{(value[entry] if entry else value)!r}; remove it{', or set ' + ' and '.join(other) if other else ''}"
            )
        dropped.append((found.name, reason))
        if entry:
            setattr(recipe, key, {name: each for name, each in value.items() if str(name) != entry})
        else:
            setattr(recipe, key, default_of(key))
            recipe.given[key] = latest
    return Settled(recipe, dropped)


def check_recipe(recipe: Recipe, spec: TaskSpec) -> None:
    """Check a recipe before anything is loaded.

    Raises:
        ValueError: A setting has no effect, or an impossible value.
    """
    settled(recipe, spec)
    spec.check_recipe(recipe)


def unused(recipe: Recipe, spec: TaskSpec) -> Iterator[Unused]:
    """Yield all settings without effect in a recipe, whatever their values; entries of mappings only if they are set.

    Args:
        recipe: The recipe.
        spec: Its task.
    """
    own = spec.trained_settings(recipe)
    recipe = _with_trained_settings(recipe, spec)
    found = {key: ("task",) for key in FIELDS if key not in spec.uses}
    everywhere = _unused_in_any_task(recipe)
    if own:
        # The recipe of a model may also train it further.
        everywhere.pop("encoder_options.min_count", None)
    for name, because in (everywhere | spec.unused(recipe)).items():
        key, _, entry = name.partition(".")
        if key not in found and (not entry or entry in map(str, getattr(recipe, key))):
            found[name] = because
    for key in FIELDS:
        off = tuple(other for other in needs(key) if is_off(other, _value(recipe, other)))
        if off:
            found.setdefault(key, off)
    return (Unused(*each) for each in found.items())


def needs(key: str) -> tuple[str, ...]:
    """Return the settings without which this one has no effect."""
    return FIELDS[key].metadata["needs"] if key in FIELDS else ()


def is_off(key: str, value) -> bool:
    """Whether a value turns a setting off: `is_off("lstm_hidden_size", 0)`, `is_off("eval_strategy", "no")`."""
    return value == FIELDS[key].metadata["off"] if key in FIELDS else value in ("no", False)


def _set_without_effect(recipe: Recipe, spec: TaskSpec) -> Iterator[Unused]:
    for each in unused(recipe, spec):
        key, _, entry = each.name.partition(".")
        value = getattr(recipe, key)
        if entry or not (value is None or value == default_of(key) or is_off(key, value)):
            yield each


def _unused_in_any_task(recipe: Recipe) -> dict[str, tuple[str, ...]]:
    """Return options of files that the reader of the data set does not take, and entries of mappings without effect."""
    found = {}
    # An unknown data set is refused where it is read.
    with suppress(ValueError):
        taken = dataset_spec(recipe.dataset).options
        found |= {name: ("dataset",) for name in FORMAT_OPTIONS if name not in taken}
    if recipe.encoder != "scratch":
        # Only a vocabulary from scratch is counted.
        found["encoder_options.min_count"] = ("encoder",)
    if not recipe.lora_rank:
        found |= {f"learning_rates.{name}": ("lora_rank",) for name in recipe.learning_rates if "lora_" in str(name)}
    return found


def _with_trained_settings(recipe: Recipe, spec: TaskSpec) -> Recipe:
    """Fill in the settings of the trained model that `encoder` names, where the recipe has the default."""
    own = {
        key: value for key, value in spec.trained_settings(recipe).items() if getattr(recipe, key) == default_of(key)
    }
    return dataclasses.replace(recipe, **own)


def _check_empty(recipe: Recipe, spec: TaskSpec) -> None:
    """Check for null as the value of a used setting that takes none.

    Raises:
        ValueError: There is one.
    """
    without_effect = {each.name for each in unused(recipe, spec)}
    for key, given in recipe.given.items():
        if given.empty and key not in without_effect:
            raise ValueError(f"{given.where}: expected a value for {key}, got none; remove the line to use the default")


def _value(recipe: Recipe, key: str):
    return getattr(recipe, key) if key in FIELDS else recipe.trainer.get(key)


def _shown(key: str, recipe: Recipe, spec: TaskSpec) -> str:
    """Format a setting as in a recipe."""
    value = _value(_with_trained_settings(recipe, spec), key)
    if isinstance(value, bool) or value is None:
        value = str(value).lower()
    return f"{key}: {value:g}" if isinstance(value, float) else f"{key}: {value or repr(value)}"
