"""Public functions over saved models: `load`, `predict`, `evaluate`."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from kospan.data.corpus import SplitIssues, read_split
from kospan.data.records import DEFAULTS, ReadOptions, ReadSession
from kospan.data.texts import read_texts
from kospan.example import Example
from kospan.task import Task
from kospan.tasks.loading import load_saved, readable
from kospan.tasks.registry import spec_of_model

# Tasks whose predictions are labelled spans of a text.
_SPAN_TASKS = ("token-classification", "generative-ner")


class LabelledData(NamedTuple):
    """A model with labelled data to score it on.

    Args:
        task: The task over the model.
        examples: Documents with gold spans.
        training: Documents that the model was trained on; None if not given.
        missing: Records that are missing from the documents.
    """

    task: Task
    examples: list[Example]
    training: list[Example] | None
    missing: SplitIssues


def load(name: str | os.PathLike, aggregation: str | None = None, dtype: str = "float32") -> Any:
    """Open a saved model, ready to predict.

    Args:
        name: A folder, or a name on the Hub.
        aggregation: Stock token classifiers: the rule that merges subwords to entities; None takes "simple".
        dtype: "float32", in which models are scored, or "bfloat16" for the encoder, which is faster on GPUs and CPUs
            with instructions for it and changes scores slightly.

    Returns:
        A model of kospan, the same without torch for a folder that `kospan export` wrote, or a `StockModel` for a stock
        token classifier of transformers.

    Raises:
        FileNotFoundError: If there is no model, or a part of it is missing.
        ValueError: If it is a model of another kind, or its weights do not fit its config.

    >>> import kospan
    >>> model = kospan.load("outputs/quickstart")
    >>> spans = model.extract("이재용 회장이 서울에서 회의를 열었다.")
    >>> all(0 <= span.start < span.end for span in spans)
    True
    """
    return load_saved(os.fspath(name), aggregation, dtype)


def predict(
    model: Any,
    data: str | os.PathLike | Sequence[str | Example],
    *,
    dataset: str | None = None,
    threshold: float | None = None,
    decoding: Mapping[str, object] | None = None,
    batch_size: int = 32,
    skip_invalid: bool = False,
    say: Callable[[str], None] = print,
) -> list[Example]:
    """Predict the spans of documents, by the public method of the model.

    Args:
        model: A folder, a name on the Hub, or a model that `load` returned.
        data: Texts or examples; or a file of JSON Lines or of plain text with one document per line.
        dataset: Format of another kind of file: the name of a data set, such as "conll".
        threshold: Lowest score of a span; None takes the model's own.
        decoding: Token classification: `decode`, `overlapping` and `operating_point` of the model's `extract`; None
            values are defaults.
        batch_size: Windows per batch.
        skip_invalid: Continue without records that cannot be read.
        say: Function that takes a line about each kind of missing record.

    Returns:
        The documents, with the predicted spans.

    Raises:
        FileNotFoundError: If the model or the file does not exist.
        ValueError: If a record is invalid or does not suit the model.

    >>> import kospan
    >>> [example] = kospan.predict("outputs/quickstart", ["이재용 회장이 서울에서 회의를 열었다."])
    >>> example.id, all(span.label for span in example.spans)
    ('text-0', True)
    """
    session = ReadSession(ReadOptions(skip_invalid=skip_invalid), collect=True)
    if not isinstance(data, (str, os.PathLike)):
        place, examples = "data", [_as_example(each, at) for at, each in enumerate(data)]
    elif dataset is None:
        place, examples = os.fspath(data), read_texts(os.fspath(data), session)
    else:
        place = os.fspath(data)
        examples, missing = read_split(dataset, place, "longest", session.options, whole_texts=True, annotated=False)
        for line in missing.lines(place):
            say(line)
    task = task_over(model)
    # Gold spans are neither used nor returned, and the model need not know their labels.
    examples = readable(task, [replace(example, spans=None) for example in examples], place, session)
    predictions = task.predict(examples, threshold, batch_size, **check_decoding(task, decoding or {}))
    if session.invalid:
        say(f"skipped {session.invalid:,} invalid records, the first: {session.first}")
    return [replace(example, spans=tuple(spans)) for example, spans in zip(examples, predictions)]


def evaluate(
    model: Any,
    data: str | os.PathLike | Sequence[Example],
    *,
    dataset: str = "jsonl",
    train: str | os.PathLike | Sequence[Example] | None = None,
    aggregation: str | None = None,
    overlaps: str = "error",
    options: ReadOptions = DEFAULTS,
    say: Callable[[str], None] = print,
) -> dict:
    """Score a model on labelled data and classify its errors.

    Args:
        model: A folder, a name on the Hub, or a model that `load` returned.
        data: Examples with gold spans, a labelled file, or a split of a data set that brings its own data.
        dataset: The data set, or the file's format.
        train: The model's training data, for scores of seen and unseen surfaces.
        aggregation: Stock token classifiers: the rule that merges subwords to entities; None takes "simple".
        overlaps: "error" refuses overlapping gold spans, "longest" keeps the longest.
        options: How files are read.
        say: Function that takes a line about each kind of missing record.

    Returns:
        The "task", scores under "metrics", groups, errors, and the numbers of "skipped" and "left_out" records.

    Raises:
        FileNotFoundError: If the model or the file does not exist.
        ValueError: If a record is invalid or does not suit the model.

    >>> import kospan
    >>> report = kospan.evaluate("outputs/quickstart", "validation", dataset="sample")
    >>> 0 <= report["metrics"]["f1"] <= 1
    True
    """
    given = {"dataset": dataset, "train": train, "aggregation": aggregation, "overlaps": overlaps, "options": options}
    task, examples, training, missing = open_labelled(model, data, **given, say=say)
    report = task.spec.analyze(task, examples, task.predict(examples), training)
    return {"task": task.spec.name, **report, "skipped": missing.invalid, "left_out": missing.left_out}


def open_labelled(
    model: Any,
    data: str | os.PathLike | Sequence[Example],
    *,
    dataset: str = "jsonl",
    train: str | os.PathLike | Sequence[Example] | None = None,
    aggregation: str | None = None,
    overlaps: str = "error",
    options: ReadOptions = DEFAULTS,
    say: Callable[[str], None] = print,
) -> LabelledData:
    """Open a model and read labelled data for it; see `evaluate`."""
    task = task_over(model, aggregation, dataset)
    settings = {"dataset": dataset, "overlaps": overlaps, "options": options, "whole_texts": task.spec.whole_texts}
    examples, missing = read_labelled(data, **settings, say=say)
    training = None if train is None else read_labelled(train, **settings, say=say)[0]
    examples, missing = readable_examples(task, examples, missing, data, options, say)
    return LabelledData(task, examples, training, missing)


def readable_examples(
    task: Task,
    examples: Sequence[Example],
    missing: SplitIssues,
    data: str | os.PathLike | Sequence[Example],
    options: ReadOptions,
    say: Callable[[str], None],
) -> tuple[list[Example], SplitIssues]:
    """Return the examples that a model can read, and the numbers of all missing records; see `evaluate`."""
    session = ReadSession(options, collect=True)
    place = os.fspath(data) if isinstance(data, (str, os.PathLike)) else "data"
    examples = readable(task, examples, place, session)
    if session.invalid:
        say(f"skipped records     {session.invalid:,} that the model cannot read, the first: {session.first}")
    task.left_out = missing.left_out
    return examples, missing._replace(invalid=missing.invalid + session.invalid)


def read_labelled(
    data: str | os.PathLike | Sequence[Example],
    *,
    dataset: str = "jsonl",
    overlaps: str = "error",
    options: ReadOptions = DEFAULTS,
    whole_texts: bool = False,
    say: Callable[[str], None] = print,
) -> tuple[list[Example], SplitIssues]:
    """Read labelled examples and the numbers of missing records; see `evaluate`."""
    if not isinstance(data, (str, os.PathLike)):
        return list(data), SplitIssues()
    place = os.fspath(data)
    split = read_split(dataset, place, overlaps, options, labelled=True, whole_texts=whole_texts)
    for line in split.issues.lines(place):
        say(line)
    return split.examples, split.issues


def task_over(model, aggregation: str | None = None, dataset: str = "jsonl") -> Task:
    """Return the task over a model, or over the model of a folder or Hub name."""
    if isinstance(model, (str, os.PathLike)):
        model = load(model, aggregation)
    return spec_of_model(model.config.model_type).task.over(model, dataset)


def span_task_over(model) -> Task:
    """Return the task over a model that finds labelled spans; arguments as in `task_over`.

    Raises:
        ValueError: If it is a model of another task.
    """
    task = task_over(model)
    if task.spec.name not in _SPAN_TASKS:
        shown = os.fspath(model) if isinstance(model, (str, os.PathLike)) else type(model).__name__
        raise ValueError(
            f"expected a model of {' or '.join(_SPAN_TASKS)}, got one of {task.spec.name} ({shown}); name a model that "
            "finds labelled spans"
        )
    return task


def check_decoding(task: Task, decoding: Mapping[str, object]) -> dict[str, object]:
    """Return the settings of the decoding that are not None.

    Raises:
        ValueError: If the model has none.
    """
    given = {name: value for name, value in decoding.items() if value is not None}
    if given and not hasattr(task.model, "tag_units"):
        raise ValueError(
            f"expected a token classification model of kospan for {', '.join(given)}, got another one; leave the "
            "setting out"
        )
    return given


def _as_example(document: str | Example, at: int) -> Example:
    return document if isinstance(document, Example) else Example(f"text-{at}", document, None)
