"""Checks of the arguments of prediction methods: texts, thresholds, batch sizes."""

import re
from collections.abc import Mapping
from numbers import Integral, Real

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_BYTES = (bytes, bytearray, memoryview)


def as_text(value):
    """Convert one text of any kind to a plain `str`; other values are returned unchanged.

    One text is a `str` or a subclass of it (`numpy.str_`), an Arrow scalar, or a NumPy array without dimensions.

    >>> import numpy
    >>> as_text(numpy.str_("비")), as_text(numpy.array("비")), as_text(["비"])
    ('비', '비', ['비'])
    """
    if hasattr(value, "as_py"):
        value = value.as_py()
    elif getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()
    # `str(value)` of a subclass may differ: for an enumeration's member it is the member's name.
    return str.__str__(value) if isinstance(value, str) else value


def as_list(values, in_memory: bool = False) -> list | None:
    """Return the items of a sequence, or None if `values` is none.

    A sequence is anything with a length whose items come in a fixed order: a list, a tuple, a NumPy array, a pandas
    Series, an Arrow array, a column of a data set. A text, bytes, a mapping, a set and a generator are not sequences.

    Args:
        values: Any value.
        in_memory: Accept only sequences in memory, and not a column of a data set.

    >>> as_list(("a", "b")), as_list("a"), as_list({"a": 1})
    (['a', 'b'], None, None)
    """
    if isinstance(values, (list, tuple)):
        return list(values)
    if isinstance(values, (str, *_BYTES, Mapping, set, frozenset)):
        return None
    for method in ("to_pylist", "tolist"):  # Arrow; NumPy and pandas.
        if hasattr(values, method):
            found = getattr(values, method)()
            return found if isinstance(found, list) else None
    # A pandas DataFrame has a length and keys; its items would be the names of its columns.
    if in_memory or not hasattr(values, "__len__") or hasattr(values, "keys"):
        return None
    if hasattr(values, "__iter__"):
        return list(values)
    return [values[at] for at in range(len(values))] if hasattr(values, "__getitem__") else None


def check_texts(texts, name: str = "texts") -> list[str]:
    """Convert any sequence of texts to a list of plain `str`.

    Args:
        texts: A sequence as `as_list` takes it.
        name: Name of the argument, for errors.

    Raises:
        TypeError: If `texts` is not a sequence of texts.
        ValueError: If a text is not valid Unicode text.
    """
    items = as_list(texts)
    if items is None:
        raise TypeError(
            f"expected {name} to be a str or a list of str, got {type(texts).__name__}; pass a list or another "
            "sequence of str"
        )
    return [check_text(item, at, name) for at, item in enumerate(items)]


def check_documents(documents, name: str = "texts") -> list[str | list[str]]:
    """Convert any sequence of documents to a list, each a plain `str` or a list of its words.

    Args:
        documents: A sequence as `as_list` takes it.
        name: Name of the argument, for errors.

    Raises:
        Exception: As `check_texts`, also of words.
    """
    items = as_list(documents)
    found = []
    for at, item in enumerate(check_texts(documents, name) if items is None else items):
        words = as_list(item)
        found.append(check_text(item, at, name) if words is None else check_texts(words, f"{name}[{at}]"))
    return found


def check_text(item, at: int, name: str = "texts") -> str:
    """Convert the item of a sequence of texts to a plain `str`.

    Args:
        item: The item.
        at: Its index, for errors.
        name: Name of the sequence, for errors.

    Raises:
        Exception: As `check_texts`.
    """
    text = as_text(item)
    if not isinstance(text, str):
        advice = '; pass the column of the texts, as in dataset["text"]' if isinstance(item, Mapping) else ""
        raise TypeError(f"expected every item of {name} to be a str, got {type(item).__name__} at index {at}{advice}")
    lone = _SURROGATE.search(text)
    if lone:
        raise ValueError(
            f"expected every item of {name} to be Unicode text, got half of a surrogate pair, {lone[0]!a}, as "
            f"character {lone.start()} at index {at}; decode the bytes again with the encoding they were written in"
        )
    return text


def check_threshold(threshold: float) -> None:
    """Check that a threshold is a number in [0, 1].

    Raises:
        TypeError, ValueError: If it is not.
    """
    if isinstance(threshold, bool) or not isinstance(threshold, Real):
        raise TypeError(f"expected threshold to be a number from 0 to 1, got {threshold!r}; 0 keeps every span")
    if not 0 <= threshold <= 1:
        raise ValueError(f"expected threshold to be a number from 0 to 1, got {threshold!r}; 0 keeps every span")


def check_batch_size(batch_size: int) -> None:
    """Check that a batch size is a positive count.

    Raises:
        TypeError, ValueError: If it is not.
    """
    if isinstance(batch_size, bool) or not isinstance(batch_size, Integral):
        raise TypeError(f"expected batch_size to be a whole number of windows, got {batch_size!r}; 32 is the default")
    if batch_size < 1:
        raise ValueError(f"expected batch_size to be 1 or more windows, got {batch_size!r}; 32 is the default")


def check_prediction_arguments(threshold: float, batch_size: int) -> None:
    """Check a threshold and a batch size.

    Raises:
        TypeError, ValueError: As `check_threshold` and `check_batch_size`.
    """
    check_threshold(threshold)
    check_batch_size(batch_size)
