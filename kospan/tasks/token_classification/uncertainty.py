"""Uncertainty of token classification in whole texts, from the calibrated chain over their tags."""

from collections.abc import Sequence

import numpy as np
import torch

from kospan.evaluation.uncertainty import check_strategy, negative_log, uncertainties
from kospan.example import Example
from kospan.modeling.span_decoding import chain_batches


@torch.no_grad()
def uncertainty(
    task, examples: Sequence[Example], strategy: str = "least_confidence", total: bool = False, batch_size: int = 32
) -> np.ndarray:
    """Compute the uncertainty in the tags of each text, 0 without units; arguments as in `TaskSpec.uncertainty`.

    "least_confidence" is -log p(y*|x) of the best tag sequence y*, exact over all sequences; divided by the number of
    units it is the negative MNLP of Shen et al. 2017, "Deep Active Learning for Named Entity Recognition". "margin" and
    "entropy" are those of the tag marginals of each unit, summed over units (total token entropy) or averaged (token
    entropy; both Settles and Craven 2008, "An Analysis of Active Learning Strategies for Sequence Labeling Tasks").

    Raises:
        ValueError: If the strategy is unknown, or the model is a stock model, which has no chain.
    """
    check_strategy(strategy)
    model = task.model
    if not hasattr(model, "head"):
        raise ValueError(
            "expected a model of kospan, whose probabilities are exact, got a stock model of transformers; train one "
            "with task: token-classification"
        )
    chains = [scores.emissions for scores in model.token_scores([each.document for each in examples], batch_size)]
    found = np.zeros(len(examples))
    for rows, batch, mask in chain_batches(model.head, chains, batch_size):
        if strategy == "least_confidence":
            values = best_path_uncertainty(model.head, batch, mask)
        else:
            values = marginal_uncertainty(model.head, batch, mask, strategy)
        found[rows] = values / (1 if total else np.asarray(mask.sum(1).tolist()))
    return found


def best_path_uncertainty(head, emissions, mask) -> np.ndarray:
    """Return -log p(y*|x) of the best tag sequence of each row `(batch,)`.

    Args:
        head: Head of a model, or the chain of an exported one.
        emissions: Tag scores `(batch, units, tags)`.
        mask: True for units `(batch, units)`.
    """
    if hasattr(head, "crf"):
        emissions = emissions.double()
        best = [paths[0][1] for paths in head.crf.k_best(emissions, 1, mask)]
        return np.maximum(head.crf.log_partition(emissions, mask).cpu().numpy() - np.array(best), 0.0)
    sums, found = head.sums(emissions, mask), np.zeros(len(emissions))
    for row, path in enumerate(head.decode(emissions, mask)):
        path, later = np.array(path), np.arange(1, len(path))
        # A chain, read from the left: the first tag, then each tag given the one before.
        found[row] = negative_log(sums.marginals_at(np.array([0]), np.array([row]), path[:1]))[0]
        found[row] += negative_log(sums.steps_at(later, np.full(len(later), row), path[:-1], path[1:])).sum()
    return found


def marginal_uncertainty(head, emissions, mask, strategy: str) -> np.ndarray:
    """Return the uncertainty in the tag of each unit, summed over units `(batch,)`; arguments as above."""
    if hasattr(head, "crf"):
        marginals = head.marginals(emissions.double(), mask).cpu().numpy()
        mask = mask.cpu().numpy()
    else:
        sums = head.sums(emissions, mask)
        marginals = sums.marginals(slice(0, mask.shape[1]), np.arange(emissions.shape[2])).transpose(1, 0, 2)
    return (uncertainties(marginals, strategy) * mask).sum(axis=1)
