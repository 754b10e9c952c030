"""What a card asks of a kind of model: the only place where cards differ. A kind is a module with these names."""

from collections.abc import Sequence
from typing import Any, Protocol

from kospan.card.phrases import Pair
from kospan.card.run_record import RunRecord
from kospan.modeling.spans import Span
from kospan.task import Task


class Kind(Protocol):
    """A module of this folder."""

    NOUN: str  # what is trained, with its article
    PIPELINE: str  # the Hub's name of the task
    TASK_NAME: str  # the same in words
    TAG: str  # one more tag of the repository
    ITEMS: str  # what is counted as one document, in the plural
    CLAIM: str  # what the model is sure of or not
    METRICS: dict[str, tuple[str, str, dict[str, str]]]  # metric -> kind of metric, words, settings
    HEADLINE: tuple[str, ...]  # the main metric; the first of these that a model has
    UNCALIBRATED: Pair  # what a score says that no temperature was fitted to
    PEOPLE: Pair  # where it may do harm

    @staticmethod
    def metric(name: str) -> tuple[str, str, dict[str, str]] | None:
        """As in `METRICS`, for names that are built from others; None where it is none of these."""

    @staticmethod
    def stands_above(name: str) -> bool:
        """Whether a metric stands in the tables of scores or labels, so that other metrics need not name it."""

    @staticmethod
    def measured(left: RunRecord) -> dict[str, str]:
        """What holds of every metric: its unit, its rules."""

    # --- the examples that a card shows ---

    @staticmethod
    def examples(dataset: str, language: str) -> list[dict[str, str]]:
        """What the model is asked for the card: dicts with `text`."""

    @staticmethod
    def widget(dataset: str, language: str) -> list[dict[str, str]]:
        """The same as the Hub's widget takes it."""

    @staticmethod
    def show(model, items: Sequence[dict]) -> list[list[Span]]:
        """What the model finds, as the card's first snippet asks."""

    @staticmethod
    def adjusted(task: Task) -> dict[str, int]:
        """What had to be changed in the training data, or could not be learnt: see `training.ADJUSTED`."""

    # --- the parts ---

    @staticmethod
    def held_out(left: RunRecord) -> Pair:
        """Where the validation part comes from."""

    @staticmethod
    def summary_parts(left: RunRecord) -> dict[str, str]:
        """`summary`, the first sentence; `korean_summary`, `korean_scores`; `korean_found`, what offsets lead to."""

    @staticmethod
    def labels_table(left: RunRecord) -> str | None:
        """The labels with meaning and count; None where there is but one."""

    @staticmethod
    def use_parts(left: RunRecord, path: str) -> dict[str, str | None]:
        """`usage` and `pipeline`, snippets, with `usage_output` and `pipeline_output`; `printed`, `call`, `same`, what
        is said about them."""

    @staticmethod
    def head_in_words(left: RunRecord) -> str:
        """What stands on the encoder's states."""

    @staticmethod
    def regularised(left: RunRecord) -> dict[str, str]:
        """`rdrop`, between what the divergence is; `projection`, what dropout stands before; `merged`, how masks of
        multi-sample dropout become one loss."""

    @staticmethod
    def techniques(left: RunRecord) -> list[str]:
        """Sentences about techniques that only this kind knows."""

    @staticmethod
    def references(left: RunRecord) -> dict[str, str]:
        """Name -> source of what only this kind leans on."""

    @staticmethod
    def score_parts(left: RunRecord) -> dict[str, Any]:
        """`scores_intro` and `scores`, a table; with a record `intervals`, `groups` (pairs of intro and table),
        `errors_intro`, `errors`, `errors_end`."""

    @staticmethod
    def counted(part: dict, other: str = "") -> str:
        """How many claims in how many documents a calibration speaks of; `other` stands before the documents."""

    @staticmethod
    def weaknesses(left: RunRecord) -> list[Pair]:
        """Limits that the scores show; the record is there."""

    @staticmethod
    def form(left: RunRecord) -> list[Pair]:
        """Limits that lie in the form of what is found."""
