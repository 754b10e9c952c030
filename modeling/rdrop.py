"""R-Drop: two dropout masks should give one distribution (Liang et al. 2021, "R-Drop: Regularized Dropout").

L = (L1 + L2) / 2 + alpha * (KL(p||q) + KL(q||p)) / 2 per unit. A recipe that weighs the unhalved sum by 0.5 has the
strength of alpha = 1.0 here. A batch holds every row twice, the copies after the originals.
"""

import torch


def double(batch: dict) -> dict:
    """Repeat every row, the copies after the originals; values that are not tensors with rows are kept.

    >>> double({"input_ids": torch.tensor([[1], [2]])})["input_ids"].tolist()
    [[1], [2], [1], [2]]
    """
    return {
        key: torch.cat([value, value]) if isinstance(value, torch.Tensor) and value.dim() else value
        for key, value in batch.items()
    }


def symmetric_kl(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """KL(p||q) + KL(q||p) over the last dimension, in nats; zeros in both add nothing.

    Args:
        p: Probabilities `(..., tags)`.
        q: Probabilities `(..., tags)`.
    """
    smallest = torch.finfo(p.dtype).tiny
    return ((p - q) * (p.clamp_min(smallest).log() - q.clamp_min(smallest).log())).sum(dim=-1)


def tag_divergence(head, emissions: torch.Tensor, mask: torch.Tensor, context, level: str = "token") -> torch.Tensor:
    """Divergence between the tag distributions of the two copies.

    Args:
        head: The model's head.
        emissions: `(2 * batch, units, tags)`.
        mask: `(2 * batch, units)`.
        context: Row boundaries, see `heads.ChainContext`.
        level: "token": softmax of the mean emissions; "marginal": the CRF's tag marginals; "sequence": the distribution
            over whole tag sequences, exactly.

    Returns:
        (KL(p||q) + KL(q||p)) / 2 summed over units, in nats, a float32 scalar.
    """
    first, second = emissions.float().chunk(2)
    rows = mask.chunk(2)[0]
    if level == "sequence":
        begins, ends = (None if each is None else each.chunk(2)[0] for each in (context.begins, context.ends))
        divergences = head.crf.symmetric_kl(first, second, rows, begins=begins, ends=ends, distribution="train")
        return divergences.sum() / 2
    if level == "token":
        p, q = first.softmax(dim=-1), second.softmax(dim=-1)
    else:
        p, q = head.marginals(emissions, mask, context, distribution="train").chunk(2)
    return symmetric_kl(p, q)[rows].sum() / 2


def answer_divergence(emissions: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Divergence between the start distributions and between the end distributions of the two copies.

    Args:
        emissions: Start and end scores `(2 * batch, 1 + units, 2)`.
        mask: `(2 * batch, 1 + units)`.

    Returns:
        (KL(p||q) + KL(q||p)) / 2 summed over starts and ends, in nats, a float32 scalar.
    """
    p, q = emissions.float().masked_fill(~mask.unsqueeze(2), -torch.inf).softmax(dim=1).chunk(2)
    return symmetric_kl(p.transpose(1, 2), q.transpose(1, 2)).sum() / 2


def class_divergence(logits: torch.Tensor) -> torch.Tensor:
    """Divergence between the class distributions of the two copies; the squared difference of values.

    Args:
        logits: Scores `(2 * batch, classes)`; of values `(2 * batch, 1)`.

    Returns:
        (KL(p||q) + KL(q||p)) / 2 summed over rows, in nats, or (p - q)^2 in units of the values' spread, a float32
        scalar.
    """
    first, second = logits.float().chunk(2)
    if logits.shape[1] == 1:
        return (first - second).square().sum()
    return symmetric_kl(first.softmax(dim=-1), second.softmax(dim=-1)).sum() / 2


def mean_loss(
    loss_sum: torch.Tensor, items: torch.Tensor | int, divergence_sum: torch.Tensor | None, num_items_in_batch
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Mean loss of a batch.

    Args:
        loss_sum: Task loss summed over all rows, copies included.
        items: Number of labels in all rows.
        divergence_sum: alpha times the divergence; None without R-Drop.
        num_items_in_batch: Number of labels to average over, copies not counted; None takes those of this batch.

    Returns:
        The loss, and R-Drop's part of it or None.
    """
    if divergence_sum is None:
        count = items if num_items_in_batch is None else num_items_in_batch
        return loss_sum / count, None
    count = items / 2 if num_items_in_batch is None else num_items_in_batch
    divergence = divergence_sum / count
    return loss_sum / 2 / count + divergence, divergence
