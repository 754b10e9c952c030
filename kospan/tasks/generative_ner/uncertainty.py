"""Uncertainty of a generative model in the spans that it has written."""

from collections.abc import Sequence

import numpy as np

from kospan.evaluation.uncertainty import check_strategy, negative_log
from kospan.example import Example


def uncertainty(
    task, examples: Sequence[Example], strategy: str = "least_confidence", total: bool = False, batch_size: int = 32
) -> np.ndarray:
    """Compute the uncertainty in the spans of each text: the sum or mean of -log p over its brackets.

    The probability of "no further span" is unknown, so a text without spans has 0.

    Args:
        task: Task over a model.
        examples: The texts.
        strategy: Must be "least_confidence": alternatives have no probabilities.
        total: Whether spans are summed instead of averaged.
        batch_size: Windows per batch.

    Returns:
        `(texts,)`, float64.

    Raises:
        ValueError: If the strategy is another one.
    """
    check_strategy(strategy)
    if strategy != "least_confidence":
        raise ValueError(
            f"expected the strategy least_confidence for a generative model, got {strategy}; only its own spans have "
            "probabilities"
        )
    scores = [[span.score for span in spans] for spans in task.predict(examples, batch_size=batch_size)]
    return np.array([negative_log(row).sum() / (1 if total else len(row)) if row else 0.0 for row in scores])
