"""Masking policies: an action for each label."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path

from kospan.files import read_yaml
from kospan.masking.labels import GROUP_OF, GROUPS, LITERAL, RULE_LABELS

ACTIONS = ("replace", "partial", "hash", "alias", "keep")
DEFAULT = "default"
# Settings of an action, with the actions that use them.
_USED_BY = {
    "name": ("replace", "hash", "alias"),
    "keep_first": ("partial",),
    "keep_last": ("partial",),
    "digits": ("hash",),
}
_FORBIDDEN = set("[]<>&\"'")


@dataclass(frozen=True)
class Action:
    """Treatment of the spans of one label.

    Args:
        action: "replace" (by the label), "partial" (asterisks for most letters and digits), "hash" (HMAC-SHA256),
            "alias" (a number for each surface, reversible with the alias file) or "keep".
        name: Name in the replacement; None takes the label.
        keep_first: Letters and digits at the start that a partial mask shows; None takes the label's own number.
        keep_last: Those at the end.
        digits: Hexadecimal digits of a hash, 8 to 64.

    >>> Action("partial", keep_first=1).keep_first
    1
    """

    action: str
    name: str | None = None
    keep_first: int | None = None
    keep_last: int | None = None
    digits: int = 16


@dataclass(frozen=True)
class Policy:
    """Actions by label.

    Args:
        default: The action of all other labels.
        actions: Actions of labels, or of groups such as "ID".
    """

    default: Action
    actions: Mapping[str, Action]

    def action(self, label: str) -> Action:
        """Return the action of a label: its own, else that of its group, else the default."""
        if label == LITERAL:
            return Action("alias")
        return self.actions.get(label) or self.actions.get(GROUP_OF.get(label, "")) or self.default

    def uses(self, action: str) -> bool:
        """Return whether the policy names an action."""
        return any(each.action == action for each in (self.default, *self.actions.values()))

    def check_labels(self, labels: Collection[str]) -> None:
        """Check that all labels of the policy exist.

        Args:
            labels: Labels of the model.

        Raises:
            ValueError: If neither the model nor a rule has a label of the policy.
        """
        known = [*dict.fromkeys([*labels, *RULE_LABELS, *GROUPS])]
        for label in self.actions:
            if label not in known:
                near = get_close_matches(label.upper(), known, n=1)
                advice = f"did you mean {near[0]}?" if near else "remove it, or use a model with this label"
                raise ValueError(f"expected the labels of the policy among {', '.join(known)}, got {label!r}; {advice}")


def read_policy(value: "str | os.PathLike | Mapping | Policy | None") -> Policy:
    """Read a policy.

    Args:
        value: An action for all labels ("replace"), actions by label ("PS=alias,RRN=partial,default=keep"), a YAML or
            JSON file, a mapping from labels to actions, or None for "replace". An action is a name, or a mapping with
            the key `action` and the settings of `Action`.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError, TypeError: If an action is unknown or a setting is wrong.

    >>> read_policy("PS=alias,RRN=partial").action("RRN").action, read_policy(None).action("LC").action
    ('partial', 'replace')
    """
    if isinstance(value, Policy):
        return value
    place = "policy"
    if isinstance(value, (str, os.PathLike)):
        text = os.fspath(value)
        if text in ACTIONS:
            value = {DEFAULT: text}
        elif isinstance(value, str) and "=" in text and not Path(text).is_file():
            value = _pairs(text)
        else:
            if Path(text).suffix.lower() not in (".yaml", ".yml", ".json") and not Path(text).is_file():
                raise ValueError(
                    f"expected a policy that is an action ({', '.join(ACTIONS)}), LABEL=ACTION,... or a YAML file, "
                    f"got {text!r}; correct it"
                )
            value, place = read_yaml(Path(text), "policy", "docs/guides/masking.md"), text
    value = {} if value is None else value
    if not isinstance(value, Mapping):
        raise TypeError(
            f"{place}: expected a mapping from labels to actions, got {type(value).__name__}; write LABEL: ACTION"
        )
    actions = {_label(label, place): _action(label, each, place) for label, each in value.items()}
    default = actions.pop(DEFAULT, Action("replace"))
    return Policy(default, actions)


def _pairs(text: str) -> dict[str, str]:
    pairs = {}
    for part in text.split(","):
        label, found, action = part.partition("=")
        if not found or not label.strip() or not action.strip():
            raise ValueError(f"policy: expected LABEL=ACTION pairs separated by commas, got {part!r}; correct it")
        if label.strip() in pairs:
            raise ValueError(f"policy: expected each label once, got {label.strip()!r} twice; remove one")
        pairs[label.strip()] = action.strip()
    return pairs


def _label(label, place: str) -> str:
    if not isinstance(label, str) or not label:
        raise TypeError(f"{place}: expected labels to be strings, got {label!r}; put the label into quotation marks")
    return label


def _action(label: str, value, place: str) -> Action:
    where = f"{place}, {label}"
    settings = {"action": value} if isinstance(value, str) else value
    if not isinstance(settings, Mapping):
        raise TypeError(
            f"{where}: expected an action or a mapping with the key action, got {value!r}; write {ACTIONS[0]}"
        )
    known = [field.name for field in fields(Action)]
    unknown = next((key for key in settings if key not in known), None)
    if unknown is not None:
        raise ValueError(f"{where}: expected the keys {', '.join(known)}, got {unknown!r}; correct it")
    action = settings.get("action")
    if action not in ACTIONS:
        near = get_close_matches(str(action), ACTIONS, n=1)
        advice = f"did you mean {near[0]}?" if near else "choose one of them"
        raise ValueError(f"{where}: expected an action of {', '.join(ACTIONS)}, got {action!r}; {advice}")
    for key, value in settings.items():
        if key != "action":
            _check_setting(where, action, key, value)
    return Action(**settings)


def _check_setting(where: str, action: str, key: str, value) -> None:
    if action not in _USED_BY[key]:
        raise ValueError(
            f"{where}: expected {key} with {' or '.join(_USED_BY[key])}, got the action {action}; remove it"
        )
    if key == "name":
        if not isinstance(value, str) or not value or any(c.isspace() or c in _FORBIDDEN for c in value):
            raise ValueError(
                f"{where}: expected a name without white space, brackets and quotes, got {value!r}; change it"
            )
        return
    lowest, highest = (8, 64) if key == "digits" else (0, 1000)
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        raise ValueError(
            f"{where}: expected {key} to be an integer from {lowest} to {highest}, got {value!r}; correct it"
        )
