"""The protocol of a task, and `TaskSpec`: everything in which a task differs from the others."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.recipe import Recipe

if TYPE_CHECKING:
    import numpy as np
    import torch


class Task(Protocol):
    """Data and model of one run, or a saved model without data.

    An evaluation item is a document: a text, a question with its text, or a pair of texts, however many windows it
    needs. A prediction is a list of spans; text classification predicts one span over the whole text.

    Attributes:
        spec: The task's `TaskSpec`.
        model: The model that the trainer trains.
        tokenizer: Its tokenizer; None for a stock model of transformers.
        labels: Labels of spans by id.
        unit: The unit of the data, "character" or "word".
        corpus: The data; None over a saved model.
        documents: How many documents `train_features` has read.
        windowed: How many of these needed more than one window.
    """

    spec: "TaskSpec"
    model: "torch.nn.Module"
    tokenizer: object
    labels: list[str]
    unit: str
    corpus: object | None
    documents: int
    windowed: int

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> "Task":
        """Read the data and build tokenizer and model of a recipe."""

    @classmethod
    def over(cls, model, dataset: str) -> "Task":
        """Wrap a saved model.

        Args:
            model: The model, as `kospan.tasks.loading.load_saved` opens it.
            dataset: The data set to predict or score, whose rules and unit count where the model has none of its own.
        """

    # --- data ---------------------------------------------------------------------------------------------------------

    def examples(self, split: str) -> list[Example]:
        """Return the examples of a split: "train", "validation" or "calibration"."""

    def train_features(self, examples: Sequence[Example]) -> list[dict]:
        """Return one dict of features per training window, with labels."""

    def windows(self, examples: Sequence[Example]) -> Iterable[dict]:
        """Yield the encoder's input for each window of each document in evaluation, without labels."""

    def collate(self, features: Sequence[dict]) -> dict[str, "torch.Tensor"]:
        """Pad training windows to one batch."""

    # --- model --------------------------------------------------------------------------------------------------------

    def save(self, model: "torch.nn.Module", folder: str | os.PathLike) -> None:
        """Write everything that is needed to use a trained model."""

    def load(self, folder: str | os.PathLike):
        """Open what `save` wrote, in float32 unless the recipe says otherwise."""

    # --- prediction and scoring ---------------------------------------------------------------------------------------

    def predict(
        self, documents: Sequence[Example], threshold: float | None = None, batch_size: int = 32, model=None
    ) -> list[list[Span]]:
        """Predict the spans of each document by the public method of the model.

        Args:
            documents: The documents; their gold spans are not used.
            threshold: Least score of a span; None takes the model's own.
            batch_size: Windows per batch.
            model: Another model of the task, such as a loaded or an unwrapped one; None takes the task's own.

        Returns: A list of spans per document; a `NotedSpans` where the task notes more than spans.
        """

    def metrics(self, examples: Sequence[Example], predictions: Sequence[Sequence[Span]]) -> dict[str, float]:
        """Return scores by name."""


class NotedSpans(list):
    """Spans of a document with three whole numbers that its task notes about the prediction.

    Args:
        spans: The spans.
        notes: The numbers; metrics of the task read them.
    """

    def __init__(self, spans: Iterable[Span], notes: tuple[int, int, int]):
        super().__init__(spans)
        self.notes = notes


class AblationTerms(NamedTuple):
    """Terms of a task in reports of ablations.

    Args:
        documents: The scored items, in the plural.
        summed: The quantity that the bootstrap sums over seeds.
    """

    documents: str
    summed: str


@dataclass(frozen=True)
class TaskCard:
    """Everything in which the model cards of a task differ, beside their templates.

    Args:
        templates: The folder of the task, with `card.en.md.jinja`, `card.ko.md.jinja` and `published.py`.
        task_name: The task in words.
        tag: A tag of the repository on the Hub.
        items: The documents that are scored, in the plural.
        claim: The thing that has a confidence.
        claims: Several of them.
        backbone: The network below the head, with its article.
        unsplit: The unit that is held out as a whole.
        headline: The main metric: the first of these that a model has.
        in_tables: Names of metrics that the tables of the templates show, so that no list repeats them.
        examples: Gives inputs (dicts with `text`) for a data set and a language, "ko" or "en".
        predict: Gives the model's spans for such inputs, by the method that the card's first snippet calls.
        values: Gives further values for the templates, from the card's record; `metric_args` holds for all metrics.
    """

    templates: Path
    task_name: str
    tag: str
    items: str
    claim: str
    claims: str
    backbone: str
    unsplit: str
    headline: tuple[str, ...]
    in_tables: tuple[str, ...]
    examples: Callable[[str, str], list[dict[str, str]]]
    predict: Callable[[object, list[dict]], list]
    values: Callable[[dict], dict]


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """Everything in which a task differs from the others; registered on one line of `kospan.tasks.registry.TASKS`.

    Engines (training, card, report, hub) know no task: they are given a spec, or plain data.

    Args:
        name: Name of the task in recipes.
        former_name: Its name in earlier versions, for an error that names the present one.
        model_type: `model_type` of the models' config.
        pipeline_tag: The Hub's name of the task.
        task: The class that reads data and builds, trains and scores models.
        config_file: File beside the weights that holds the model's config.
        card: What model cards need beside their templates.
        local_copy: Context manager of a release that loads without a network, given the release and a function that
            downloads from the Hub; None for models that need no other model.
        whole_texts: Whether spans are labels of whole texts; these keep white space at the ends of the text.
        one_prediction: Whether a document has one right prediction, which is compared as a whole.

        uses: Settings of a recipe that have an effect in this task; see `kospan.tasks.unused_settings`.
        unused: Settings in `uses` that have no effect in a recipe, each with the settings that are the reason. An entry
            of a mapping is named `head_options.gate`.
        trained_settings: Settings of the model of this task in the folder that the recipe's `encoder` names; empty if
            there is none.
        adjustable: Settings of a trained model that further training may change.
        check_recipe: Raises ValueError before anything is loaded if a setting has no effect or an impossible value.
        check_scratch: Checks and completes `encoder_options` of `encoder: scratch`.
        recipe_metric_names: Names of the metrics of a recipe's run without building it, as far as the given name needs
            them.

        metric_names: Names of the metrics of a built task.
        check_examples: Raises ValueError naming the place if an example does not suit the model.
        remarks: Lines about `train_features`: what was changed or left out.
        adjustments: Counts of changed or dropped gold spans by name, for the model card.
        losses: Yields the mean loss of each batch of training windows without dropout, and the number of labels in it;
            None takes `kospan.training.validation.window_losses`.
        write_results: Writes scores, record and card of a saved model, given the trainer and its folder, and returns
            the scores; for a task whose models predict nothing. Its metrics follow from the validation loss, so it has
            `validation_features(examples)`, `loss_metrics(loss)` and `batch_of_step(batch, seed)` in place of `predict`
            and `metrics`. None for all others.
        save_beside: Writes what a checkpoint needs beside weights and tokenizer; None writes nothing.
        identity: Settings that give the weights their meaning, of the task's model or of the checkpoint in a folder.

        metrics: Table of the task's metrics: name -> `kospan.evaluation.metrics.Metric`.
        curves: Metrics that learning curves show.
        baseline: Predictions of a simple method that knows the training examples.
        baseline_name: Description of the baseline in a few words.
        counts: Correct, predicted and gold `(documents, labels, 3)`; `f1` is 2 * correct / (predicted + gold), each
            summed.
        analyze: Scores, groups and errors of predictions; the training examples, if given, tell seen from unseen.
        scores: Scores of a run and of the baseline's predictions for the model card.
        confidence: `kospan.evaluation.confidence.Confidence` of the model on examples; None for a model without
            probabilities.
        uncertainty: Uncertainty in each text `(texts,)`, float64, given examples, the name of a strategy of
            `kospan.evaluation.uncertainty`, whether units are summed instead of averaged (ignored by tasks that are not
            `length_normalized`), and the windows per batch; None for a task without probabilities.
        length_normalized: Whether uncertainty is averaged over units.
        every_span: Every span of each document whose posterior reaches a threshold, overlapping ones, too; None for
            tasks without such posteriors, whose recall cannot be guaranteed.
        document_summaries: Numbers of each document by name that a shift of the data changes `(documents,)`, for tasks
            with `every_span`.
        explainer: `kospan.evaluation.explain.Explainer` of the task's models; None if they have no encoder.
        report: `kospan.report.analysis.TaskReport`: plots, data and templates of the report's page.
        ablation: Terms of the task in reports of ablations.
    """

    name: str
    former_name: str = ""
    model_type: str
    pipeline_tag: str
    task: type[Task]
    config_file: str = "config.json"
    card: TaskCard
    local_copy: Callable[[Path, Callable[..., str]], AbstractContextManager[Path]] | None = None
    whole_texts: bool = False
    one_prediction: bool = False
    # recipe
    uses: frozenset[str]
    unused: Callable[[Recipe], dict[str, tuple[str, ...]]] = lambda recipe: {}
    trained_settings: Callable[[Recipe], dict]
    adjustable: tuple[str, ...]
    check_recipe: Callable[[Recipe], None]
    check_scratch: Callable[[dict], dict]
    recipe_metric_names: Callable[[Recipe, str], list[str]]
    # training
    metric_names: Callable[[Task], list[str]]
    check_examples: Callable[[Task, Sequence[Example], str], None]
    remarks: Callable[[Task], list[str]]
    adjustments: Callable[[Task], dict[str, int]]
    losses: Callable[[Task, "torch.nn.Module", Sequence[dict], int], Iterable[tuple]] | None = None
    write_results: Callable[[object, Path], dict[str, float]] | None = None
    save_beside: Callable[[Task, Path], None] | None = None
    identity: Callable[[Task, Path | None], dict]
    # scores
    metrics: Mapping[str, object]
    curves: tuple[str, ...]
    baseline: Callable[[Task, Sequence[Example]], list[list[Span]]]
    baseline_name: Callable[[Task], str]
    counts: Callable[[Task, Sequence[Example], Sequence[Sequence[Span]]], "np.ndarray"]
    analyze: Callable[[Task, Sequence[Example], Sequence[Sequence[Span]], Sequence[Example] | None], dict]
    scores: Callable[
        [Task, Sequence[Example], Sequence[Example], Sequence[Sequence[Span]], Sequence[Sequence[Span]]], dict
    ]
    confidence: Callable[[Task, Sequence[Example]], object | None]
    uncertainty: Callable[[Task, Sequence[Example], str, bool, int], "np.ndarray"] | None = None
    length_normalized: bool = False
    every_span: Callable[[Task, Sequence[Example], float], list[list[Span]]] | None = None
    document_summaries: Callable[[Task, Sequence[Example]], dict[str, "np.ndarray"]] | None = None
    explainer: type | None = None
    report: object
    ablation: AblationTerms

    def __post_init__(self):
        self.task.spec = self

    @property
    def predicts(self) -> bool:
        """Whether models of the task predict something."""
        return self.write_results is None

    @property
    def published(self) -> Path:
        """File with the calls of a published model for the clean-environment check; it runs without kospan."""
        return self.card.templates / "published.py"
