"""Settings of a run over a corpus."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from kospan.corpus.records import COLUMNS
from kospan.corpus.sources import FORMATS
from kospan.data.records import QUOTING

OUTPUT_FORMATS = ("jsonl", "jsonl.gz", "jsonl.zst", "parquet")
ENGINES = ("local", "ray")
# Mistakes of users and errors of the system, which need no traceback.
PLAIN_ERRORS = (ValueError, TypeError, OSError, ImportError)


@dataclass(frozen=True, kw_only=True)
class CorpusSettings:
    """Settings that decide the content of the output.

    Args:
        input_format: "auto", or the format of all files.
        columns: Names of columns in the input by the name in `kospan.corpus.records.COLUMNS`.
        quoting: CSV and TSV: "auto", "minimal" or "none".
        output_format: One of `OUTPUT_FORMATS`.
        threshold: Minimum score of a span; None takes the model's own.
        decoding: `decode`, `overlapping` and `operating_point` of token classification.
        batch_size: Windows per batch.
        shard_size: Records of a shard.
    """

    input_format: str = "auto"
    columns: Mapping[str, str] = field(default_factory=dict)
    quoting: str = "auto"
    output_format: str = "jsonl"
    threshold: float | None = None
    decoding: Mapping[str, object] = field(default_factory=dict)
    batch_size: int = 32
    shard_size: int = 10_000

    def __post_init__(self):
        _check_choice("input_format", self.input_format, ("auto", *FORMATS))
        _check_choice("output_format", self.output_format, OUTPUT_FORMATS)
        _check_choice("quoting", self.quoting, QUOTING)
        for name in self.columns:
            _check_choice("each key of columns", name, COLUMNS)
        for name in ("batch_size", "shard_size"):
            check_count(name, getattr(self, name))

    def described(self) -> dict:
        """Return the settings as the manifest has them."""
        return asdict(self) | {"columns": dict(self.columns), "decoding": dict(self.decoding)}


def check_count(name: str, value, least: int = 1) -> None:
    """Check that a setting is a whole number.

    Raises:
        ValueError: If it is not, or smaller than `least`.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"expected {name} to be a whole number of {least} or more, got {value!r}; correct it")


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"expected {name} to be one of {', '.join(choices)}, got {value!r}; choose one of them")


def plain_error(error: Exception) -> Exception:
    """Return an error of a type of Python with the same message, which every process can unpickle.

    >>> plain_error(FileNotFoundError("no a.txt"))
    FileNotFoundError('no a.txt')
    """
    # Errors of Unicode take other arguments than a message.
    kinds = (
        each for each in type(error).__mro__ if each.__module__ == "builtins" and not issubclass(each, UnicodeError)
    )
    return next(kinds)(str(error))
