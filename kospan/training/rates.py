"""Learning rates by name: which rate a parameter gets, and the optimizer's groups."""

from typing import NamedTuple

from torch import nn


class RateGroup(NamedTuple):
    """Parameters that share a rate and a decay.

    Args:
        name: The fragment that decided, or "other".
        rate: Learning rate.
        decay: Weight decay.
        parameters: The parameters.
    """

    name: str
    rate: float
    decay: float
    parameters: list[nn.Parameter]

    @property
    def size(self) -> int:
        """Number of scalars in the group."""
        return sum(parameter.numel() for parameter in self.parameters)


def check_rates(rates: dict) -> dict[str, float | str]:
    """Rates as numbers and factors as "16x".

    Raises: ValueError where an entry is neither.

    >>> check_rates({"encoder": "3e-5", "lora_B": "16x"})
    {'encoder': 3e-05, 'lora_B': '16x'}
    """
    checked: dict[str, float | str] = {}
    for fragment, value in rates.items():
        text = str(value).strip()
        try:
            number = float(text.removesuffix("x"))
            if not 0 <= number < float("inf"):
                raise ValueError
        except ValueError:
            raise ValueError(
                f"expected learning_rates[{fragment!r}] to be a rate such as 3e-5 or a factor such as 16x, got "
                f"{value!r}"
            ) from None
        checked[fragment] = text if text.endswith("x") else number
    return checked


def rate_of(name: str, rates: dict[str, float | str], base: float) -> tuple[str, float]:
    """The deciding fragment and the rate of one parameter.

    Of the fragments found in the name the one furthest right wins; `head` stands for all that is not the encoder. A
    factor multiplies the rate that the parameter would have without that entry.

    >>> rate_of("encoder.layer.0.lora_B.weight", {"encoder": 2e-5, "lora_B": "16x"}, 1e-4)
    ('lora_B', 0.00032)
    >>> rate_of("head.projection.weight", {"encoder": 2e-5, "head": 1e-3}, 1e-4)
    ('head', 0.001)
    """
    places = {fragment: name.rfind(fragment) for fragment in rates}
    if "head" in rates:
        inside = name.startswith("encoder.") or ".encoder." in name
        places["head"] = -1 if inside else max(places["head"], 0)
    found = [(place, len(fragment), fragment) for fragment, place in places.items() if place >= 0]
    if not found:
        return "other", base
    fragment = max(found)[2]
    value = rates[fragment]
    if isinstance(value, str):
        rest = {other: rate for other, rate in rates.items() if other != fragment}
        return fragment, float(value.removesuffix("x")) * rate_of(name, rest, base)[1]
    return fragment, value


def rate_groups(
    model: nn.Module, rates: dict[str, float | str], base: float, decay: float, decayed: set[str]
) -> list[RateGroup]:
    """The optimizer's groups, the encoder's first (the Trainer logs the first group's rate).

    Args:
        model: The model, wrapped or not.
        rates: Rate or factor by name fragment.
        base: Rate where no fragment matches.
        decay: Weight decay of the parameters in `decayed`.
        decayed: Names of the parameters that decay.
    """
    found: dict[tuple[str, float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            fragment, rate = rate_of(name, rates, base)
            found.setdefault((fragment, rate, decay if name in decayed else 0.0), []).append(parameter)
    groups = [RateGroup(*key, parameters) for key, parameters in found.items()]
    return sorted(groups, key=lambda group: (group.name != "encoder", group.name, -group.decay))
