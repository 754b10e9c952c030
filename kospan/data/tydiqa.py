"""TyDi QA's gold passages (the secondary task) in Korean.

Tested on the format alone: the reader follows the public description, as no file was at hand.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace

from kospan.data.records import STRICT, Item, RawDataset, ReadSession
from kospan.data.squad import read_squad

# Every id begins with its language: "korean-7083-0".
_KOREAN = "korean-"


def read_tydiqa(path: str | os.PathLike, session: ReadSession = STRICT) -> Iterator[Item]:
    """Read the Korean questions of a file in SQuAD's format.

    Raises:
        ValueError: If it has none, and as `read_squad`.
    """
    return korean(read_squad(path, session), str(path))


def korean_splits(source: RawDataset) -> RawDataset:
    """Select the Korean questions of all splits.

    Raises:
        ValueError: If a split has none, once it is read.
    """
    splits = {split: korean(items, f"split {split!r}") for split, items in source.splits.items()}
    return replace(source, splits=splits)


def korean(items: Iterable[Item], place: str) -> Iterator[Item]:
    """Yield the Korean questions.

    Args:
        items: Questions of all languages.
        place: Their source, for errors.

    Raises:
        ValueError: If there is none.
    """
    found = 0
    for item in items:
        if item.example.id.startswith(_KOREAN):
            found += 1
            yield item
    if not found:
        raise ValueError(
            f"{place}: expected questions of TyDi QA whose ids begin with {_KOREAN!r}, got none; name the file of "
            "the gold passages with all languages or with Korean, or set dataset: squad for another"
        )
