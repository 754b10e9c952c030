"""Settings of a study's runs: comparison, display, and those that only the study may set."""

import hashlib
import json
import math
import os

from kospan.recipe import Recipe

# Settings that the study itself sets, with the alternative.
MANAGED = {
    "seed": "seeds",
    "name": "the names of the variants",
    "run_name": "the names of the variants",
    "output_dir": "the study's own output_dir",
    "overwrite_output_dir": "the flag --overwrite of the command, which replaces runs with changed settings",
    "push_to_hub": "`kospan push` for a chosen model",
    "resume_from_checkpoint": "running the study again, which resumes by itself",
    "restore_callback_states_from_checkpoint": "nothing, a study always does it",
}
# Settings without effect on the results.
_BESIDE = {
    *("name", "run_name", "output_dir", "resume_from_checkpoint", "overwrite_output_dir", "seed", "hub_token"),
    "feature_cache_dir",
}
# Settings of one technique count as one difference.
_TECHNIQUES = {
    "fgm": ("fgm_epsilon", "fgm_space", "fgm_lambda"),
    "rdrop": ("rdrop_alpha", "rdrop_level", "rdrop_on"),
    "recurrent": ("lstm_hidden_size", "lstm_layers", "lstm_dropout"),
    "multi_sample_dropout": ("multi_sample_dropout", "dropout_merge"),
    "head": ("head", "head_options"),
    "learning_rates": ("learning_rates", "learning_rate"),
    "lora": ("lora_rank", "lora_alpha", "lora_dropout", "lora_targets", "lora_rslora", "lora_dora"),
}


def mapping(value, where: str) -> dict:
    """The value. Raises: ValueError where it is no mapping."""
    if not isinstance(value, dict):
        raise ValueError(f"{where}: expected `key: value` lines, got {value!r}")
    return value


def named(value, where: str) -> dict:
    """A mapping with its keys as strings, in the order of the file.

    Raises: ValueError where it is no mapping, or YAML reads a name as true or false.
    """
    for key in mapping(value, where):
        if isinstance(key, bool) or key is None:
            raise ValueError(f"{where}: expected names, got {key!r}, as YAML reads yes, no, on, off; put it in quotes")
    return {str(key): each for key, each in value.items()}


def check_setting(key: str, where: str) -> None:
    """Raises: ValueError where a study sets this key itself."""
    if key in MANAGED:
        raise ValueError(f"{where}: expected no {key}, which the study sets, got it; use {MANAGED[key]}")


def canonical(value):
    """Normal form of a setting's value: `3`, `"3"` and `3.0` are equal, as are `3e-5` and `0.00003`.

    >>> canonical("3e-5") == canonical(0.00003), canonical("true"), canonical({"a": "1"})
    (True, True, {'a': 1.0})
    """
    if isinstance(value, dict):
        return {str(key): canonical(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, (list, tuple)):
        return [canonical(each) for each in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    try:
        number = float(value)
    except ValueError:
        return value
    return number if math.isfinite(number) else str(value)


def flat(recipe: Recipe) -> dict:
    """All settings that a run computes with, one level deep."""
    return {key: canonical(value) for key, value in sorted(recipe.flat().items()) if key not in _BESIDE}


def fingerprint(recipe: Recipe, seed: int) -> str:
    """Hash of the settings and seed of a run; runs with the same hash compute the same.

    Defaults are not part of it, so that a study can be resumed by a later version with more settings; a default must
    not change while studies run.

    >>> fingerprint(Recipe(), 42) == fingerprint(Recipe(dropout=0.1), 42) != fingerprint(Recipe(dropout=0.2), 42)
    True
    """
    usual = flat(Recipe())
    own = {key: value for key, value in flat(recipe).items() if key not in usual or value != usual[key]}
    text = json.dumps({**own, "seed": seed}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def same_settings(one: Recipe, other: Recipe) -> bool:
    """Whether two recipes compute the same with the same seed."""
    return not differences(one, other)


def differences(one: Recipe, other: Recipe) -> dict[str, list[str]]:
    """Settings in which two recipes differ, by technique or single setting.

    >>> from kospan.recipe import load_recipe
    >>> plain = load_recipe(None, {})
    >>> differences(plain, load_recipe(None, {"fgm_epsilon": 0.5, "fgm_space": "parameter"}))
    {'fgm': ['fgm_epsilon', 'fgm_space']}
    """
    first, second = flat(one), flat(other)
    found: dict[str, list[str]] = {}
    for key in first | second:
        if first.get(key) != second.get(key):
            found.setdefault(_technique(key), []).append(key)
    return found


def _technique(key: str) -> str:
    return next((name for name, keys in _TECHNIQUES.items() if key in keys), key)


def _lead(key: str) -> str:
    return _TECHNIQUES.get(_technique(key), (key,))[0]


def shown(recipe: Recipe, keys: list[str]) -> str:
    """Settings as a table shows them.

    >>> from kospan.recipe import load_recipe
    >>> shown(load_recipe(None, {"head": "linear", "fgm_epsilon": 0.5}), ["head", "fgm_epsilon"])
    'head linear, fgm_epsilon 0.5'
    """
    settings, plain = flat(recipe), flat(Recipe())
    # Beside a technique's main setting its other ones are shown only if they are not the defaults.
    usual = {key for key in keys if settings.get(key) == plain.get(key) and _lead(key) != key and _lead(key) in keys}
    words = [f"{key} {_short(settings[key])}" for key in keys if key in settings and key not in usual]
    return ", ".join(words) or "without"


def _short(value) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_short(each)}" for key, each in value.items()) + "}"
    # Without the folders of this machine.
    return os.path.basename(value) if isinstance(value, str) and os.sep in value else str(value)
