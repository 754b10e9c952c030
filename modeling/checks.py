"""What every model asks of what it is given."""

import math
import re
from numbers import Integral, Real

_SURROGATE = re.compile(r"[\ud800-\udfff]")


def check_texts(texts: list[str], name: str = "texts") -> None:
    """Raises: TypeError where `texts` is no list of strings; ValueError where one is no Unicode text."""
    if not isinstance(texts, (list, tuple)):
        raise TypeError(f"expected {name} to be a str or a list of str, got {type(texts).__name__}; wrap it in a list")
    for at, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"expected every item of {name} to be a str, got {type(text).__name__} at index {at}")
        lone = _SURROGATE.search(text)
        if lone:
            raise ValueError(
                f"expected every item of {name} to be Unicode text, got half of a surrogate pair, {lone[0]!a}, as "
                f"character {lone.start()} at index {at}; decode the bytes again with the encoding they were written in"
            )


def check_reading(threshold: float, batch_size: int) -> None:
    """Raises: TypeError or ValueError where `threshold` is no number in [0, 1] or `batch_size` no count."""
    if isinstance(threshold, bool) or not isinstance(threshold, Real):
        raise TypeError(f"expected threshold to be a number from 0 to 1, got {threshold!r}; 0 keeps every span")
    if math.isnan(threshold) or not 0 <= threshold <= 1:
        raise ValueError(f"expected threshold to be a number from 0 to 1, got {threshold!r}; 0 keeps every span")
    if isinstance(batch_size, bool) or not isinstance(batch_size, Integral):
        raise TypeError(f"expected batch_size to be a whole number of windows, got {batch_size!r}; 32 is the default")
    if batch_size < 1:
        raise ValueError(f"expected batch_size to be 1 or more windows, got {batch_size!r}; 32 is the default")
