"""What a reader is, and what it gives."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from kospan.example import Example


class Item(NamedTuple):
    """An example and where it stands.

    Args:
        place: "file:line", or whatever leads to it; errors begin with it.
        example: The example, its spans not yet checked for overlap.
        group: What stays together where a split is cut, such as the article that a question is about; empty where each
            item stands alone.
    """

    place: str
    example: Example
    group: str = ""


@dataclass(frozen=True)
class Source:
    """All splits of a data set.

    Args:
        splits: Items by split, among them "train".
        labels: The labels in the order that the source gives them; None where it names none.
    """

    splits: dict[str, Iterable[Item]]
    labels: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Reader:
    """How a data set is read; at least one of the two ways is there.

    Args:
        unit: What carries a tag in the source: "character" or "word".
        read_file: From a path to the items of that file, in their order.
        read_set: The whole data set, where it needs no file from the user.
    """

    unit: str
    read_file: Callable[[str], Iterable[Item]] | None = None
    read_set: Callable[[], Source] | None = None
