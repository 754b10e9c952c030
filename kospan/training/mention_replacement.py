"""Training features with replaced mentions, made again before each epoch."""

import copy
from collections.abc import Sequence

from transformers import TrainerCallback, TrainingArguments

from kospan.data.mention_replacement import MentionReplacement
from kospan.example import Example
from kospan.task import Task


class MentionReplacementCallback(TrainerCallback):
    """Replace the features of changed examples at the beginning of each epoch, and restore them after training.

    The list of features is changed in place, so that data loaders see it, and keeps its length, so that steps per epoch
    and a resumed run's place in it do not change: an example that would need another number of windows than before
    keeps its own text in that epoch.

    Args:
        task: Makes features of examples.
        examples: The training examples.
        features: Their features, in the same order.
        replacement: Replaces mentions of an example in an epoch.
    """

    def __init__(self, task: Task, examples: Sequence[Example], features: list[dict], replacement: MentionReplacement):
        # A copy: a task counts documents and windows of its training features.
        self.task, self.replacement, self.features = copy.copy(task), replacement, features
        self.original = list(features)
        self.places: list[tuple[int, int, Example]] = []
        end = 0
        for example in examples:
            start, end = end, end + len(self.task.train_features([example]))
            self.places.append((start, end, example))

    def on_epoch_begin(self, args, state, control, **kwargs):
        """Make the features of the epoch, which the Trainer counts from 0."""
        epoch = int(state.epoch or 0)
        self.features[:] = self.original
        for start, end, example in self.places:
            changed = self.replacement(example, epoch)
            if changed is not example:
                made = self.task.train_features([changed])
                if len(made) == end - start:
                    self.features[start:end] = made

    def on_train_end(self, args, state, control, **kwargs):
        """Restore the features of the texts as they are."""
        self.features[:] = self.original


def check_mention_replacement(arguments: TrainingArguments, probability: float) -> None:
    """Check that data loaders see the features of each epoch.

    Raises:
        ValueError: Their processes keep a copy of the first epoch's features.
    """
    if probability and arguments.dataloader_persistent_workers:
        raise ValueError(
            "expected dataloader_persistent_workers: false with mention_replacement, got true: persistent workers keep "
            "the texts of the first epoch; set it to false, or mention_replacement: 0"
        )
