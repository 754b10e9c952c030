"""Uncertainty of text classification in its classes."""

from collections.abc import Sequence

import numpy as np

from kospan.evaluation.uncertainty import uncertainties
from kospan.example import Example
from kospan.tasks.text_classification.confidence import pairs_of


def uncertainty(
    task, examples: Sequence[Example], strategy: str = "least_confidence", total: bool = False, batch_size: int = 32
) -> np.ndarray:
    """Compute the uncertainty in the class of each text; arguments as in `TaskSpec.uncertainty`.

    It is that of the calibrated probabilities.

    Raises:
        ValueError: If the strategy is unknown, or the model predicts values, which have no probability.
    """
    model = task.model
    if model.config.problem_type == "regression":
        raise ValueError(
            "expected a model of classes, got one of values (problem_type: regression), which have no probability; "
            "choose texts by another model"
        )
    return uncertainties(
        model.scores([each.text for each in examples], pairs_of(model, examples), batch_size), strategy
    )
