"""Declaration of one recipe setting: its type, manual entry, choices, range, off value and dependencies."""

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Collection, Sequence

import yaml

_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", dict: "a mapping"}
_TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def setting(
    default,
    text: str,
    *,
    choices: Sequence[str] = (),
    least: float | None = None,
    below: float = math.inf,
    most: float = math.inf,
    needs: Sequence[str] = (),
    off=...,
):
    """Declare a field of a settings dataclass.

    Args:
        default: Value of a recipe without the setting.
        text: Manual entry, with unit and source.
        choices: All values, beside null where the type allows it; empty allows any.
        least: Least value of a number; None allows any.
        below: First number that is too large.
        most: Greatest value.
        needs: Settings without which this one has no effect.
        off: Value that turns the setting off, if it is not the default.
    """
    metadata = {
        "help": text,
        "choices": tuple(choices),
        "range": None if least is None else {"least": least, "below": below, "most": most},
        "needs": tuple(needs),
        "off": default if off is ... else off,
    }
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def suggestion(name, known: Collection[str], otherwise: str) -> str:
    """Return the advice at the end of an error about an unknown name: the nearest known one, if there is one.

    >>> suggestion("f2", ["f1", "recall"], "remove it"), suggestion("?", ["f1"], "remove it")
    ('did you mean f1?', 'remove it')
    """
    near = difflib.get_close_matches(str(name), known, 1, 0.5)
    return f"did you mean {near[0]}?" if near else otherwise


def types_of(entry: dataclasses.Field) -> tuple[type, ...]:
    """Return the types that a field takes, NoneType among them."""
    return typing.get_args(entry.type) if isinstance(entry.type, types.UnionType) else (entry.type,)


def takes_null(entry: dataclasses.Field) -> bool:
    """Whether null is a value of a field."""
    return types.NoneType in types_of(entry)


def parse(entry: dataclasses.Field, value, where: str = "recipe"):
    """Convert a value from YAML or the command line to the type of its field.

    YAML reads `3e-5` as a str, and flags are all str.

    Args:
        entry: The field.
        value: The value as it was read.
        where: Beginning of error messages.

    Raises:
        ValueError: The value has another type.
    """
    wanted = [kind for kind in types_of(entry) if kind is not types.NoneType]
    if value is None or (takes_null(entry) and str(value).lower() in ("none", "null")):
        if takes_null(entry):
            return None
        raise ValueError(f"{where}: expected a value for {entry.name}, got none; remove the line to use the default")
    for kind in wanted:
        try:
            return _PARSERS[kind](value)
        except (ValueError, TypeError, OverflowError, RecursionError, yaml.YAMLError):
            continue
    words = " or ".join(_WORDS[kind] for kind in wanted)
    raise ValueError(f"{where}: expected {entry.name} to be {words}, got {value!r}; change the value")


def check(entry: dataclasses.Field, value, where: str = "recipe") -> None:
    """Compare a value with the choices and the range of its field.

    Raises:
        ValueError: The value is outside.
    """
    choices = entry.metadata["choices"]
    if choices and value is not None and value not in choices:
        raise ValueError(
            f"{where}: expected {entry.name} to be one of {', '.join(choices)}, got {value!r}; choose one of them"
        )
    if entry.metadata["range"] is not None and value is not None:
        check_range(entry.name, value, **entry.metadata["range"], where=where)


def check_range(
    name: str,
    value: float,
    least: float,
    below: float = math.inf,
    most: float = math.inf,
    where: str = "recipe",
) -> None:
    """Refuse a number that is out of range, infinite or not a number.

    Raises:
        ValueError: `value` is not in `[least, below)` and `[least, most]`.
    """
    if not (least <= value < below and value <= most):
        reach = f"to below {below}" if below < math.inf else f"to {most}"
        reach = f"of {least} or more" if below == most == math.inf else f"from {least} {reach}"
        raise ValueError(f"{where}: expected {name} to be a number {reach}, got {value!r}; change or remove it")


def _bool(value) -> bool:
    if str(value).lower() not in _TRUTH:
        raise ValueError("not a truth value")
    return _TRUTH[str(value).lower()]


def _float(value) -> float:
    if isinstance(value, bool):
        raise ValueError("a truth value")
    return float(value)


def _int(value) -> int:
    if _float(value) != int(_float(value)):
        raise ValueError("a fraction")
    return int(_float(value))


def _dict(value) -> dict:
    value = yaml.safe_load(value) if isinstance(value, str) else value
    if not isinstance(value, dict):
        raise ValueError("not a mapping")
    return value


def _str(value) -> str:
    if isinstance(value, (bool, list, dict)):
        raise ValueError("not a text")
    return str(value)


_PARSERS = {bool: _bool, int: _int, float: _float, dict: _dict, str: _str}
