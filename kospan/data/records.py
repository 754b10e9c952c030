"""Data types of readers: items, options, sessions, and raw data sets."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import NamedTuple

from kospan.example import Example

QUOTING = ("auto", "minimal", "none")


class Item(NamedTuple):
    """An example and its place in the source.

    Args:
        place: "file:line" or a similar reference; errors begin with it.
        example: The example, its spans not yet checked for overlap.
        group: What stays together where a split is cut, such as the article that a question is about; empty if each
            item stands alone.
        left_out: Reason why a valid record cannot be used, such as an answer that is a picture; empty otherwise. The
            record is neither trained on nor predicted, and counts 0 in scores.
        whole_text: Whether its spans are labels of the whole text, which keep the white space at the text's ends.
    """

    place: str
    example: Example
    group: str = ""
    left_out: str = ""
    whole_text: bool = False


@dataclass(frozen=True)
class ReadOptions:
    """Options for reading files; None and "auto" use the reader's default.

    Args:
        quoting: CSV and TSV: "minimal" reads quotation marks around a field as quoting, "none" as text.
        token_column: The column of the tokens: a number from 0 (negative: from the end), or a name.
        tag_column: The column of the tags, in the same way.
        skip_invalid: Continue without records that cannot be read.
    """

    quoting: str = "auto"
    token_column: str | None = None
    tag_column: str | None = None
    skip_invalid: bool = False

    def __post_init__(self):
        if self.quoting not in QUOTING:
            raise ValueError(
                f"expected quoting to be one of {', '.join(QUOTING)}, got {self.quoting!r}; choose one of them"
            )


DEFAULTS = ReadOptions()
# The options that only some readers take.
FORMAT_OPTIONS = tuple(each.name for each in fields(ReadOptions) if each.name != "skip_invalid")


class ReadSession:
    """One read of a data set: its options and the records that could not be read.

    Args:
        options: The user's options.
        collect: Keep the errors of single records until `finish`; otherwise the first one is raised where it occurs.
        labelled: Whether annotations are used; otherwise readers accept files of some formats that have none.
    """

    def __init__(self, options: ReadOptions = DEFAULTS, collect: bool = False, labelled: bool = True):
        self.options, self.collect, self.labelled = options, collect, labelled
        self.first: Exception | None = None
        self.invalid = 0

    def begin(self) -> None:
        """Forget the errors of an earlier file."""
        self.first, self.invalid = None, 0

    @contextmanager
    def record(self) -> Iterator[None]:
        """Treat an error inside the context as one of a single record, so that reading can continue."""
        try:
            yield
        except (ValueError, TypeError) as error:
            self.reject(error)

    def reject(self, error: Exception) -> None:
        """Count a record that cannot be read.

        Raises:
            Exception: The error itself, if errors are not collected.
        """
        if not self.collect:
            raise error
        # The traceback would keep the whole file in memory.
        self.first = self.first or error.with_traceback(None)
        self.invalid += 1

    def finish(self) -> None:
        """Raise the first error with the number of others, unless invalid records are skipped.

        Raises:
            Exception: The first error with the number of the others, unless invalid records are skipped.
        """
        if self.first is None or self.options.skip_invalid:
            return
        others = self.invalid - 1
        if not others:
            raise self.first
        kind = TypeError if isinstance(self.first, TypeError) else ValueError
        raise kind(
            f"{self.first} ({others:,} more record{'s are' if others > 1 else ' is'} invalid; --skip_invalid "
            "continues without them)"
        ) from self.first

    def nothing(self, what: str) -> str:
        """Reason for the lack of examples, for an error; `what` is used if no record is invalid."""
        if not self.invalid:
            return what
        return f"{self.invalid:,} invalid record{'s' * (self.invalid > 1)}, the first: {self.first}"


# Session that raises the first error.
STRICT = ReadSession()


class HubSplit(NamedTuple):
    """A split of a data set on the Hub.

    Args:
        name: The data set, `user/name`.
        config: Its configuration; None if none was named.
        split: The split's name on the Hub.
        revision: The commit; None if it is not known.
        records: Number of records of the split.
    """

    name: str
    config: str | None
    split: str
    revision: str | None
    records: int


@dataclass(frozen=True)
class RawDataset:
    """All splits of a data set.

    Args:
        splits: Items by split, among them "train".
        labels: The labels in the order that the source gives them; None if it names none.
        hub: The splits that were read from the Hub, by the name in `splits`; empty for files and folders.
    """

    splits: dict[str, Iterable[Item]]
    labels: tuple[str, ...] | None = None
    hub: dict[str, HubSplit] = field(default_factory=dict)


def grouped_pairs(items: Iterable[Item]) -> list[Item]:
    """Give a group to each pair that has none: the field that repeats more often.

    For example, the premise of several hypotheses, or the title of several comments.

    >>> texts = [("title", "a"), ("title", "b"), ("other", "b")]
    >>> pairs = [Item("", Example(str(at), pair, None, text_pair=text)) for at, (text, pair) in enumerate(texts)]
    >>> [item.group for item in grouped_pairs(pairs[:2])]
    ['title', 'title']
    """
    items = list(items)
    pairs = [item.example for item in items if item.example.text_pair and not item.group]
    field = min(("text", "text_pair"), key=lambda name: len({getattr(example, name) for example in pairs}))
    return [
        item._replace(group=getattr(item.example, field)) if item.example.text_pair and not item.group else item
        for item in items
    ]
