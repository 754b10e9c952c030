"""Uncertainty of question answering in its answers."""

from collections.abc import Sequence

import numpy as np

from kospan.evaluation.uncertainty import uncertainties
from kospan.example import Example

# Answers of a question whose probabilities are computed one by one; the others count as one.
_ANSWERS = 20


def uncertainty(
    task, examples: Sequence[Example], strategy: str = "least_confidence", total: bool = False, batch_size: int = 32
) -> np.ndarray:
    """Compute the uncertainty in the answer to each question; arguments as in `TaskSpec.uncertainty`.

    It is that of the calibrated softmax over all answers, and 0 for a text without a possible answer.

    Raises:
        ValueError: If the strategy is unknown.
    """
    questions, texts = [each.question for each in examples], [each.text for each in examples]
    answers = task.model.answer(
        questions, texts, top_k=_ANSWERS, threshold=0.0, batch_size=batch_size, overlapping=True
    )
    rows = np.zeros((len(examples), _ANSWERS + 1))
    for row, spans in zip(rows, answers):
        row[: len(spans)] = [span.score for span in spans]
        row[-1] = max(0.0, 1 - row.sum()) if spans else 1.0
    if strategy != "entropy":
        # The rest is no single answer.
        rows[:, -1] *= rows[:, 0] == 0
    return uncertainties(rows, strategy)
