"""Learning rates by parameter name, and the optimizer's parameter groups."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from torch import nn

from kospan.setting import suggestion


class LearningRateGroup(NamedTuple):
    """Parameters with one learning rate and weight decay.

    Args:
        name: The matching fragment, or "other".
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
    """Learning rates as numbers and factors as "16x".

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
                f"expected learning_rates[{fragment!r}] to be a learning rate such as 3e-5 or a factor such as 16x, "
                f"got {value!r}"
            ) from None
        checked[str(fragment)] = text if text.endswith("x") else number
    return checked


def rate_of(name: str, rates: dict[str, float | str], base: float) -> tuple[str, float]:
    """The matching fragment and the learning rate of one parameter.

    Of the fragments in the name the one furthest right wins; `head` is everything but the encoder. A factor multiplies
    the rate that the parameter would otherwise have.

    >>> rate_of("encoder.layer.0.lora_B.weight", {"encoder": 2e-5, "lora_B": "16x"}, 1e-4)
    ('lora_B', 0.00032)
    >>> rate_of("head.projection.weight", {"encoder": 2e-5, "head": 1e-3}, 1e-4)
    ('head', 0.001)
    """
    places = {fragment: _place(fragment, name) for fragment in rates}
    found = [(place, len(fragment), fragment) for fragment, place in places.items() if place >= 0]
    if not found:
        return "other", base
    fragment = max(found)[2]
    value = rates[fragment]
    if isinstance(value, str):
        rest = {other: rate for other, rate in rates.items() if other != fragment}
        return fragment, float(value.removesuffix("x")) * rate_of(name, rest, base)[1]
    return fragment, value


def _place(fragment: str, name: str) -> int:
    """Position of a fragment in a parameter's name, -1 if it does not occur."""
    if fragment != "head":
        return name.rfind(fragment)
    inside = name.startswith("encoder.") or ".encoder." in name
    return -1 if inside else max(name.rfind(fragment), 0)


def rated_parameters(model: nn.Module) -> Iterator[tuple[str, str, nn.Parameter]]:
    """Yield the name of each parameter, its name for learning rates, and the parameter.

    A stock model with a head calls its encoder `bert`, `model` and so on, which becomes `encoder.bert`.

    Args:
        model: The model, wrapped or not.
    """
    prefix = getattr(getattr(model, "module", model), "base_model_prefix", "") or "encoder"
    for name, parameter in model.named_parameters():
        place = f".{name}".find(f".{prefix}.")
        inside = place >= 0 and prefix != "encoder"
        yield name, f"{name[:place]}encoder.{name[place:]}" if inside else name, parameter


def check_fragments(rates: dict[str, float | str], names: Iterable[str]) -> None:
    """Check that every fragment occurs in the name of a parameter.

    Args:
        rates: Learning rate or factor by name fragment.
        names: The names of all parameters, frozen ones too.

    Raises: ValueError naming the nearest fragment where one does not.

    >>> check_fragments({"encoder": 3e-5, "head": 1e-3}, ["encoder.layer.0.weight", "recurrent.weight"])
    """
    names = list(names)
    known = {part: None for name in names for part in name.split(".") if not part.isdigit()}
    for fragment in rates:
        if not any(_place(fragment, name) >= 0 for name in names):
            others = f"such as {', '.join(['head', *list(known)[:3]])}"
            raise ValueError(
                f"expected learning_rates to name fragments of the parameters' names, got {fragment!r}, which "
                f"matches none; {suggestion(fragment, ['encoder', 'head', *known], others)}"
            )


def rate_groups(
    model: nn.Module, rates: dict[str, float | str], base: float, decay: float, decayed: set[str]
) -> list[LearningRateGroup]:
    """The optimizer's parameter groups, the encoder's first (the Trainer logs the learning rate of the first group).

    Args:
        model: The model, wrapped or not.
        rates: Learning rate or factor by name fragment.
        base: Learning rate where no fragment matches.
        decay: Weight decay of the parameters in `decayed`.
        decayed: Names of the parameters that decay.
    """
    found: dict[tuple[str, float, float], list[nn.Parameter]] = {}
    for name, rated, parameter in rated_parameters(model):
        if parameter.requires_grad:
            fragment, rate = rate_of(rated, rates, base)
            found.setdefault((fragment, rate, decay if name in decayed else 0.0), []).append(parameter)
    groups = [LearningRateGroup(*key, parameters) for key, parameters in found.items()]
    return sorted(groups, key=lambda group: (group.name != "encoder", group.name, -group.decay))
