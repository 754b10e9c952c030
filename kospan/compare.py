"""Comparison of two models, or of files with their predictions, on the same labelled documents."""

import copy
import os
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import NamedTuple

from kospan.api import read_labelled, readable_examples, task_over
from kospan.data.jsonl import read_jsonl
from kospan.data.records import DEFAULTS, ReadOptions
from kospan.data.registry import dataset_spec
from kospan.evaluation.comparison import (
    Change,
    count_changes,
    differences,
    document_changes,
    span_changes,
)
from kospan.evaluation.span_counts import check_gold
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.task import Task, TaskSpec
from kospan.tasks.loading import StockModel
from kospan.tasks.question_answering.metrics import rules_of
from kospan.tasks.registry import TASKS, task_spec

Predictions = list[list[Span]]
# Class of an error in tasks with one prediction per document.
WRONG = "prediction"


class Comparison(NamedTuple):
    """Result of `compare`.

    Args:
        task: Name of the task.
        names: Names of the two systems.
        examples: The documents with gold spans.
        predicted: The predictions of both systems for each document.
        metrics: Metrics of both systems by name, those of single labels left out; empty for two files.
        differences: See `kospan.evaluation.comparison.differences`.
        changes: Errors fixed, introduced and shared; see `kospan.evaluation.comparison.Change`.
    """

    task: str
    names: tuple[str, str]
    examples: list[Example]
    predicted: tuple[Predictions, Predictions]
    metrics: tuple[dict[str, float], dict[str, float]]
    differences: list[dict]
    changes: list[Change]

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Number of changes by class of error."""
        return count_changes(self.changes)

    def to_dict(self) -> dict:
        """Everything but the texts that do not differ, for a JSON file."""
        return {
            "task": self.task,
            "systems": list(self.names),
            "documents": len(self.examples),
            "metrics": list(self.metrics),
            "differences": self.differences,
            "counts": self.counts,
            "changes": [self._change(change) for change in self.changes],
        }

    def _change(self, change: Change) -> dict:
        example = self.examples[change.document]
        found = {"id": example.id, "change": change.change, "error": change.kind}
        for side, span in (("gold", change.gold), ("first", change.first), ("second", change.second)):
            if span is not None:
                start, end, label, _ = span
                found[side] = {"start": start, "end": end, "label": label, "surface": example.text[start:end]}
        return found


def compare(
    first,
    second,
    data: str | os.PathLike | Sequence[Example],
    *,
    dataset: str = "jsonl",
    task: str | None = None,
    aggregation: str | None = None,
    overlaps: str = "error",
    options: ReadOptions = DEFAULTS,
    samples: int = 10_000,
    say: Callable[[str], None] = print,
) -> Comparison:
    """Compare two systems on the same labelled documents.

    Args:
        first: A model as `kospan.evaluate` takes it, or a file of predictions in JSON Lines, as `kospan predict` and
            runs write them.
        second: Another one.
        data: Examples with gold spans, a labelled file, or a split of a data set that brings its own data.
        dataset: The data set, or the file's format.
        task: Name of the task of two files of predictions; None takes question answering if the data have questions
            and token classification otherwise.
        aggregation: Stock token classifiers: the rule that merges subwords to entities; None takes "simple".
        overlaps: "error" refuses overlapping gold spans, "longest" keeps the longest.
        options: How files are read.
        samples: Resamples of the bootstrap.
        say: Function that takes a line about each kind of missing record.

    Raises:
        FileNotFoundError: If a model or a file does not exist.
        ValueError: If a record is invalid or does not suit a model, the two systems are of different tasks, or a file
            lacks predictions for a document.
    """
    tasks = [None if _is_predictions(system) else _opened(system, aggregation, dataset) for system in (first, second)]
    spec = _common_spec(tasks, task)
    settings = {"dataset": dataset, "overlaps": overlaps, "options": options}
    whole_texts = (spec or TASKS["token-classification"]).whole_texts
    examples, missing = read_labelled(data, **settings, whole_texts=whole_texts, say=say)
    if spec is None:
        spec = TASKS["question-answering" if any(example.question for example in examples) else "token-classification"]
    check_gold(examples)
    for opened in filter(None, tasks):
        examples, missing = readable_examples(opened, examples, missing, data, options, say)
    # Files are read before models predict, so that a wrong file is found at once.
    files = {
        system: _read_predictions(system, examples, say)
        for system, opened in zip((first, second), tasks)
        if opened is None
    }
    predicted = tuple(
        files[system] if opened is None else opened.predict(examples) for system, opened in zip((first, second), tasks)
    )
    scored = _scored(tasks, examples, predicted, dataset, missing.left_out)
    counts = [spec.counts(scored, examples, spans) for spans in predicted]
    labels = scored.labels if counts[0].shape[1] == len(scored.labels) else ["all"]
    metrics = [{} if not hasattr(scored, "metrics") else _metrics(scored, examples, spans) for spans in predicted]
    names = tuple(_name(system, at) for at, system in enumerate((first, second)))
    if spec.one_prediction:
        predicted = tuple([spans[:1] for spans in each] for each in predicted)
    changes = _changes(spec, examples, predicted, counts)
    return Comparison(
        spec.name, names, examples, predicted, tuple(metrics), differences(*counts, labels, samples), changes
    )


def _is_predictions(system) -> bool:
    return isinstance(system, (str, os.PathLike)) and os.path.isfile(system)


def _opened(system, aggregation: str | None, dataset: str) -> Task:
    task = task_over(system, None, dataset)
    if aggregation is not None and isinstance(task.model, StockModel):
        return task_over(system, aggregation, dataset)
    return task


def _common_spec(tasks: Sequence[Task | None], name: str | None) -> TaskSpec | None:
    """The spec of both systems; None if both are files of predictions and no name is given."""
    specs = [task.spec for task in tasks if task is not None]
    if name is not None:
        specs.append(task_spec(name))
    # Token classification and generative NER are scored alike.
    if len({spec.counts for spec in specs}) > 1:
        got = " and ".join(dict.fromkeys(spec.name for spec in specs))
        raise ValueError(f"expected two systems of one task, got {got}; compare models that solve the same task")
    return specs[0] if specs else None


def _read_predictions(path: str | os.PathLike, examples: Sequence[Example], say: Callable[[str], None]) -> Predictions:
    """The predicted spans of each example in a file; documents are found by id, question and text."""
    lines = read_jsonl(path)
    by_key: dict[tuple, Sequence[Span] | None] = {}
    for line in lines:
        by_key.setdefault(_key(line), line.spans)
    lost = [example for example in examples if _key(example) not in by_key]
    if lost:
        text_only = {(line.question, line.text) for line in lines}
        why = (
            "its text is there under another id"
            if (lost[0].question, lost[0].text) in text_only
            else "its id is there with another text"
            if any(line.id == lost[0].id for line in lines)
            else "neither its id nor its text is there"
        )
        raise ValueError(
            f"{path}: expected predictions for each of {len(examples):,} documents, got none for example "
            f"{lost[0].id!r} ({why}) and {len(lost) - 1:,} more; predict the same data with `kospan predict`"
        )
    unlabelled = next((example.id for example in examples if by_key[_key(example)] is None), None)
    if unlabelled is not None:
        raise ValueError(
            f"{path}: expected predicted spans, got none for example {unlabelled!r}; write [] for a document without "
            "predicted spans"
        )
    unused = len(by_key.keys() - {_key(example) for example in examples})
    if unused:
        say(f"not compared        {unused:,} predictions of {path} for documents that the data do not hold")
    return [list(by_key[_key(example)]) for example in examples]


def _key(example: Example) -> tuple[str, str, str, str]:
    return example.id, example.question, example.text, example.text_pair


def _scored(
    tasks: Sequence[Task | None],
    examples: Sequence[Example],
    predicted: Sequence[Predictions],
    dataset: str,
    left_out: int,
):
    """A task that knows the labels of both systems and of the data, for the functions of its spec."""
    opened = [task for task in tasks if task is not None]
    spans = (span for each in (*predicted, [example.spans for example in examples]) for row in each for span in row)
    known = [label for task in opened for label in task.labels]
    labels = list(dict.fromkeys(known + sorted({span.label for span in spans})))
    if not opened:
        unit, rules = dataset_spec(dataset).unit, rules_of(dataset)
        return SimpleNamespace(labels=labels, unit=unit, rules=rules, left_out=left_out, values=False)
    scored = copy.copy(opened[0])
    scored.labels = labels
    return scored


def _metrics(task: Task, examples: Sequence[Example], predicted: Predictions) -> dict[str, float]:
    metrics = task.metrics(examples, predicted)
    return {name: value for name, value in metrics.items() if not name.startswith(("f1_", "support_"))}


def _name(system, at: int) -> str:
    if isinstance(system, (str, os.PathLike)):
        return os.fspath(system)
    return getattr(getattr(system, "config", None), "_name_or_path", "") or ("first", "second")[at]


def _changes(spec: TaskSpec, examples, predicted, counts) -> list[Change]:
    if not spec.one_prediction:
        return span_changes(examples, *predicted)
    best = [[next(iter(spans), None) for spans in each] for each in (*predicted, [each.spans for each in examples])]
    return [
        Change(at, change, WRONG, best[2][at], best[0][at], best[1][at]) for at, change in document_changes(*counts)
    ]
