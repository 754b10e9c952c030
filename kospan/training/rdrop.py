"""R-Drop: two dropout masks should give one distribution (Liang et al. 2021, "R-Drop: Regularized Dropout").

L = (L1 + L2) / 2 + alpha * (KL(p||q) + KL(q||p)) / 2 per unit. A recipe that weighs the unhalved sum KL(p||q) +
KL(q||p)
by 0.5 has the strength of alpha = 1.0 here.
"""

from dataclasses import dataclass

import torch


def symmetric_kl(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """KL(p||q) + KL(q||p) over the last dimension, in nats; zeros in both add nothing.

    Args:
        p: Probabilities `(..., tags)`.
        q: Probabilities `(..., tags)`.
    """
    smallest = torch.finfo(p.dtype).tiny
    return ((p - q) * (p.clamp_min(smallest).log() - q.clamp_min(smallest).log())).sum(dim=-1)


def double(batch: dict) -> dict:
    """Every row twice, the copies behind the originals; what is no tensor with rows stays.

    >>> double({"input_ids": torch.tensor([[1], [2]])})["input_ids"].tolist()
    [[1], [2], [1], [2]]
    """
    return {
        key: torch.cat([value, value]) if isinstance(value, torch.Tensor) and value.dim() else value
        for key, value in batch.items()
    }


@dataclass
class TagRDrop:
    """R-Drop's divergence for a tag head, called inside the model's forward on a doubled batch.

    Args:
        alpha: Weight of half the symmetric KL per unit.
        level: "token": softmax of the mean emissions; "marginal": the CRF's tag marginals; "sequence": the distribution
            over whole tag sequences, exactly.
    """

    alpha: float
    level: str = "token"

    def __call__(self, head, emissions: torch.Tensor, mask: torch.Tensor, context) -> torch.Tensor:
        """
        Args:
            head: The model's head.
            emissions: `(2 * batch, units, tags)`, the copies behind the originals.
            mask: `(2 * batch, units)`.
            context: Where rows begin and end in their documents.

        Returns: alpha * (KL(p||q) + KL(q||p)) / 2 summed over units, in nats, a float32 scalar.
        """
        first, second = emissions.float().chunk(2)
        rows = mask.chunk(2)[0]
        if self.level == "sequence":
            begins, ends = (None if each is None else each.chunk(2)[0] for each in (context.begins, context.ends))
            total = head.crf.symmetric_kl(first, second, rows, begins=begins, ends=ends, distribution="train").sum()
        else:
            if self.level == "token":
                p, q = first.softmax(dim=-1), second.softmax(dim=-1)
            else:
                p, q = head.marginals(emissions, mask, context, distribution="train").chunk(2)
            total = symmetric_kl(p, q)[rows].sum()
        return self.alpha * total / 2


@dataclass
class SpanEndsRDrop:
    """R-Drop's divergence for a reader: between start distributions and between end distributions of a window.

    Args:
        alpha: Weight of half the symmetric KL per end.
    """

    alpha: float

    def __call__(self, head, emissions: torch.Tensor, mask: torch.Tensor, context) -> torch.Tensor:
        """
        Args:
            head: Not used.
            emissions: Start and end scores `(2 * batch, 1 + units, 2)`, the copies behind the originals.
            mask: `(2 * batch, 1 + units)`.
            context: Not used.

        Returns: alpha * (KL(p||q) + KL(q||p)) / 2 summed over ends, in nats, a float32 scalar.
        """
        p, q = emissions.float().masked_fill(~mask.unsqueeze(2), -torch.inf).softmax(dim=1).chunk(2)
        return self.alpha * symmetric_kl(p.transpose(1, 2), q.transpose(1, 2)).sum() / 2


@dataclass
class ClassRDrop:
    """R-Drop's divergence for a classifier: between the class distributions of a row; of values the squared difference.

    Args:
        alpha: Weight of half the symmetric KL per row, or of the squared difference.
    """

    alpha: float

    def __call__(self, head, logits: torch.Tensor, mask, context) -> torch.Tensor:
        """
        Args:
            head: Not used.
            logits: Scores `(2 * batch, classes)`, the copies behind the originals; of values `(2 * batch, 1)`.
            mask: Not used.
            context: Not used.

        Returns: alpha * (KL(p||q) + KL(q||p)) / 2 summed over rows, in nats, or alpha * (p - q)^2 in units of the
            values' spread, a float32 scalar.
        """
        first, second = logits.float().chunk(2)
        if logits.shape[1] == 1:
            return self.alpha * (first - second).square().sum()
        return self.alpha * symmetric_kl(first.softmax(dim=-1), second.softmax(dim=-1)).sum() / 2
