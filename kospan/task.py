"""The protocol of a task: the only place where tasks differ."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.recipe import Recipe


class Task(Protocol):
    """What a task gives to the flow: to training, and to whoever looks at a saved model.

    An item of evaluation is a document (a text, or a question with its text), however many windows it needs; every task
    predicts one tensor of spans. A task over a saved model has no data of its own.
    """

    model_type: str  # of the models' config
    uses: frozenset[str]  # settings of a recipe that have an effect in this task, see `kospan.tasks.unused_settings`
    baseline_name: str  # what `baseline` is, in a few words
    whole_texts: bool  # whether spans are labels of whole texts, which keep the white space at a text's ends
    model: torch.nn.Module
    tokenizer: object
    labels: list[str]
    unit: str
    save_beside: Callable[[Path], None] | None  # writes what a checkpoint needs beside weights; None: they write it
    continued: tuple[str, ...]  # settings of a model that a training may set anew

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> "Task":
        """Data, tokenizer and model as the recipe asks."""

    @classmethod
    def over(cls, model, dataset: str) -> "Task":
        """The task over a saved model, for data of such a set."""

    @classmethod
    def unused(cls, recipe: Recipe) -> dict[str, tuple[str, ...]]:
        """Settings in `uses` that have no effect in this recipe, each with the settings that are the reason; an entry
        of `head_options` is named `head_options.gate`."""

    @classmethod
    def models_own(cls, recipe: Recipe) -> dict:
        """Settings that the recipe's `encoder` brings along, where it is a folder with a model of this task."""

    @classmethod
    def check_recipe(cls, recipe: Recipe) -> None:
        """What can be told of a recipe before anything is loaded. Raises: ValueError where a setting has no effect, or
        a value cannot be had."""

    @staticmethod
    def check_scratch(options: dict) -> dict:
        """A recipe's `encoder_options` for a model without weights. Raises: ValueError where one is not to be had."""

    @classmethod
    def metric_names_of(cls, recipe: Recipe, name: str) -> list[str]:
        """The names of the metrics that a run of a recipe gives, as far as `name` needs them."""

    # --- training -----------------------------------------------------------------------------------------------------

    def examples(self, split: str) -> list[Example]:
        """The examples of a split, "train" or "validation"."""

    def train_features(self, examples: list[Example]) -> list[dict]:
        """One dict of features per training window, with labels."""

    def windows(self, examples: Sequence[Example]) -> Iterable[dict]:
        """What the encoder reads of each window of each document when it is used, without labels."""

    def collate(self, features: list[dict]) -> dict[str, torch.Tensor]:
        """Training windows as one padded batch."""

    def divergence(self, alpha: float, level: str):
        """R-Drop's callable for this task's model."""

    def remarks(self) -> list[str]:
        """What `train_features` had to change or leave out, a line each."""

    def losses(self, model: torch.nn.Module, features: Sequence[dict], batch_size: int) -> Iterable[tuple]:
        """The mean loss of each batch of training windows without dropout, and of how many labels it is the mean."""

    def save(self, model: torch.nn.Module, folder: str | os.PathLike) -> None:
        """Writes all that is needed to use a model that was trained."""

    def load(self, folder: str | os.PathLike):
        """What `save` wrote, in float32, as `find` takes it."""

    def identity(self, folder: Path | None = None) -> dict:
        """The settings that give the weights their meaning, of this task's model or of the checkpoint in a folder."""

    # --- use ----------------------------------------------------------------------------------------------------------

    def check(self, examples: Sequence[Example], place: str) -> None:
        """Raises: ValueError naming `place` where an example is not one that the model can be asked or scored with."""

    def find(
        self, model: torch.nn.Module, documents: Sequence[Example], threshold: float | None = None, batch_size: int = 32
    ) -> list[list[Span]]:
        """Spans of each document, by the very method that users call; None is the model's own threshold."""

    def predict(self, model: torch.nn.Module, documents: Sequence[Example]) -> torch.Tensor:
        """What `find` gives as float32 `(documents, spans, 4)`: start, end, label id, score; rows padded with -100."""

    def spans(self, rows) -> list[list[Span]]:
        """What `predict` gave, as spans again."""

    # --- scores -------------------------------------------------------------------------------------------------------

    def metric_names(self) -> list[str]:
        """The names of what `metrics` gives."""

    def metrics(self, examples: Sequence[Example], predicted: Sequence[Sequence[Span]]) -> dict[str, float]:
        """Figures by name, from the spans of each example."""

    def counts(self, examples: Sequence[Example], predicted: Sequence[Sequence[Span]]) -> np.ndarray:
        """`(documents, labels, 3)`: what is right, said and asked for, so that 2 * right / (said + asked for), each
        summed, is `f1`."""

    def baseline(self, documents: Sequence[Example]) -> list[list[Span]]:
        """What a plain method finds that has seen the training examples."""

    def examine(
        self, examples: Sequence[Example], predicted: Sequence[Sequence[Span]], training: Sequence[Example] | None
    ) -> dict:
        """Figures, groups and errors; `training` for what was seen and what was not."""

    def scored(
        self,
        training: Sequence[Example],
        examples: Sequence[Example],
        predicted: Sequence[Sequence[Span]],
        found: Sequence[Sequence[Span]],
    ) -> dict:
        """What a run keeps of its scores for the card; `found` is the baseline's."""

    def claims(self, examples: Sequence[Example]):
        """What the model claims about examples and how sure it is (`kospan.tasks.token_classification.confidence`);
        None where it does not say."""


@dataclass(frozen=True)
class TaskSpec:
    """Everything in which a task differs from the others; registered on one line of `kospan.tasks.registry.TASKS`.

    Engines (training, card, report, hub) know no task: they are given a spec, or plain data.

    Args:
        name: The task's name in recipes.
        model_type: The `model_type` of its models' config.
        pipeline_tag: The Hub's name of the task.
        task: The class that reads data and builds, trains and scores models.
    """

    name: str
    model_type: str
    pipeline_tag: str
    task: type[Task]
