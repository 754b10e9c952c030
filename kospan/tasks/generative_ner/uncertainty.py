"""Uncertainty of a generative model in the spans that it has written."""

from collections.abc import Sequence

import numpy as np

from kospan.evaluation.uncertainty import check_strategy, negative_log
from kospan.example import Example


def uncertainty(
    task, examples: Sequence[Example], strategy: str = "least_confidence", total: bool = False, batch_size: int = 32
) -> np.ndarray:
    """Compute the uncertainty in the spans of each text; arguments as in `TaskSpec.uncertainty`.

    It is the sum or mean of -log p over the spans. Alternatives, such as no further span, have no probabilities: the
    strategy must be "least_confidence", and a text without spans has 0.

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
