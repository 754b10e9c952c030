"""The protocol of a task: the only place where tasks differ."""

from typing import Protocol

import torch

from kospan.example import Example
from kospan.recipe import Recipe


class Task(Protocol):
    """What a task gives to the flow.

    An item of evaluation is a document (a text, or a question with its text), however many windows it needs; every task
    predicts one tensor of spans.
    """

    model: torch.nn.Module
    tokenizer: object
    labels: list[str]

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> "Task":
        """Data, tokenizer and model as the recipe asks."""

    def examples(self, split: str) -> list[Example]:
        """The examples of a split, "train" or "validation"."""

    def train_features(self, examples: list[Example]) -> list[dict]:
        """One dict of features per training window, with labels."""

    def collate(self, features: list[dict]) -> dict[str, torch.Tensor]:
        """Training windows as one padded batch."""

    def predict(self, model: torch.nn.Module, documents: list[Example]) -> torch.Tensor:
        """float32 `(documents, spans, 4)`: start, end, label id, score; rows padded with -100."""

    def divergence(self, alpha: float, level: str):
        """R-Drop's callable for this task's model."""

    def figures(self) -> list[str]:
        """The names of what `metrics` gives."""

    def metrics(self, examples: list[Example], predicted: list) -> dict[str, float]:
        """Figures by name, from the spans of each example."""
