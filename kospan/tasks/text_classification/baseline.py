"""Baselines of classification: the most frequent class, or the mean value, of the training texts."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.tasks.text_classification.metrics import gold_label, gold_values


def majority(training: Sequence[Example]) -> str:
    """The class of most training texts; of equally frequent ones the first in the alphabet."""
    counts = Counter(gold_label(example) for example in training)
    return min(counts, key=lambda label: (-counts[label], label))


def constant_predictions(task, documents: Sequence[Example]) -> list[list[Span]]:
    """Predict the most frequent class of the training texts, or their mean value, for each document."""
    training = task.examples("train")
    if task.values:
        label, score = task.labels[0], float(np.mean(gold_values(training)))
    else:
        label, score = majority(training), 1.0
    return [[Span(0, len(document.text), label, score)] for document in documents]
