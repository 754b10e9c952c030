"""What turns unit states into tags. A new head is a class here and a line in `HEADS`."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import nn

from .crf import CRF
from .tags import may_end, may_follow, may_start, span_tags


class Chain(NamedTuple):
    """Where rows of a batch begin and end inside their documents; None means that all rows are whole documents.

    Args:
        begins: True where the row holds its document's first unit `(batch,)`.
        ends: True where the row holds its document's last unit `(batch,)`.
    """

    begins: torch.Tensor | None = None
    ends: torch.Tensor | None = None


class HeadOutput(NamedTuple):
    """
    Args:
        loss_sum: Loss summed over all units, in nats, a float32 scalar; None without labels.
        emissions: Tag scores `(batch, units, tags)`, float32.
    """

    loss_sum: torch.Tensor | None
    emissions: torch.Tensor


class TagHead(nn.Module, ABC):
    """Base of all heads: multi-sample dropout, the projection to tags, and a chain that decodes.

    The projection runs in float32 whatever the encoder runs in: a rounding of the emissions would be the largest error
    of the whole chain.

    Args:
        config: A `SpanTaggerConfig`.
        input_size: Width of the unit states.

    Raises: ValueError where `config.head_options` holds a key that the head does not know.
    """

    options: dict = {}

    def __init__(self, config, input_size: int):
        super().__init__()
        unknown = sorted(set(config.head_options) - set(self.options))
        if unknown:
            raise ValueError(
                f"expected head_options of {type(self).__name__} to be among {sorted(self.options) or 'none at all'}, "
                f"got {', '.join(unknown)}; take the key out or choose another head"
            )
        self.tags, self.scheme, self.constrain = config.tags, config.scheme, config.constrain
        self.samples, self.merge = config.dropout_samples, config.dropout_merge
        self.dropout = nn.Dropout(config.dropout)
        self.projection = nn.Linear(input_size, len(self.tags))
        self.crf = CRF(len(self.tags), batch_first=True)
        self.crf.temperature = config.calibration_temperature
        self.reset_constraints()

    def reset_constraints(self) -> None:
        """Tells the chain which tag may follow which. Called again after loading: these buffers are never stored."""
        device = self._buffer_device()
        follow = [[may_follow(first, second, self.scheme) for second in self.tags] for first in self.tags]
        self.crf.constrain(
            torch.tensor(follow, device=device),
            torch.tensor([may_start(tag) for tag in self.tags], device=device),
            torch.tensor([may_end(tag, self.scheme) for tag in self.tags], device=device),
            when=self.constrain,
        )

    def _buffer_device(self) -> torch.device:
        device = self.projection.weight.device
        # While transformers builds a model to be filled, its weights are nowhere; buffers must be somewhere.
        return torch.device("cpu") if device.type == "meta" else device

    def project(self, states: torch.Tensor) -> torch.Tensor:
        """Unit states `(batch, units, hidden)` to emissions `(batch, units, tags)` in float32, dropout applied."""
        with torch.autocast(states.device.type, enabled=False):
            weight, bias = self.projection.weight.float(), self.projection.bias.float()
            return nn.functional.linear(self.dropout(states.float()), weight, bias)

    def forward(
        self, states: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor | None = None, context: Chain | None = None
    ) -> HeadOutput:
        """
        Args:
            states: Unit states `(batch, units, hidden)`.
            mask: True where a unit stands `(batch, units)`; a prefix of each row.
            labels: Tag ids `(batch, units)`, -100 as padding on the right.
            context: Where the rows stand in their documents.
        """
        context = context or Chain()
        samples = self.samples if self.training else 1
        drawn = [self.project(states) for _ in range(samples)]
        emissions = drawn[0] if samples == 1 else torch.stack(drawn).mean(dim=0)
        if labels is None:
            return HeadOutput(None, emissions)
        if samples > 1 and self.merge == "mean_loss":
            loss_sum = torch.stack([self.loss(each, labels, mask, context) for each in drawn]).mean()
        else:
            loss_sum = self.loss(emissions, labels, mask, context)
        return HeadOutput(loss_sum, emissions)

    @abstractmethod
    def loss(self, emissions: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor, context: Chain) -> torch.Tensor:
        """The task loss summed over all units of the batch, in nats; each head has its own."""

    def decode(self, emissions: torch.Tensor, mask: torch.Tensor, context: Chain | None = None) -> list[list[int]]:
        """The best tag sequence of each row."""
        context = context or Chain()
        return self.crf.decode(emissions, mask, begins=context.begins, ends=context.ends)

    def marginals(
        self, emissions: torch.Tensor, mask: torch.Tensor, context: Chain | None = None, distribution: str = "decode"
    ) -> torch.Tensor:
        """Probability of each tag at each unit `(batch, units, tags)`; "train" is the distribution the loss trains."""
        context = context or Chain()
        return self.crf.marginals(emissions, mask, begins=context.begins, ends=context.ends, distribution=distribution)

    def posteriors(
        self, emissions: torch.Tensor, mask: torch.Tensor, spans: list[list[tuple[int, int, str]]]
    ) -> list[list[float]]:
        """Exact probability of each span, over all tag sequences.

        Args:
            emissions: `(batch, units, tags)`.
            mask: `(batch, units)`.
            spans: Unit spans `(start, end, label)` of each row.
        """
        ids = {tag: at for at, tag in enumerate(self.tags)}
        segments = []
        for row, found in enumerate(spans):
            for start, end, label in found:
                path = [ids[tag] for tag in span_tags(end - start, label, self.scheme)]
                # In BIO a span ends where its type does not go on; in BIOES its last tag says so.
                banned = ids[f"I-{label}"] if self.scheme == "BIO" else -1
                segments.append((row, start, path, banned))
        if not segments:
            return [[] for _ in spans]
        values = iter(self.crf.segment_posteriors(emissions, segments, mask).tolist())
        return [[next(values) for _ in found] for found in spans]


class CRFHead(TagHead):
    """Linear-chain CRF; the loss is its negative log-likelihood (Lafferty et al. 2001)."""

    def loss(self, emissions: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor, context: Chain) -> torch.Tensor:
        """Negative log-likelihood of the gold sequences, summed."""
        likelihood = getattr(self, "likelihood", self.crf)
        return -likelihood(emissions, labels, mask, reduction="sum", begins=context.begins, ends=context.ends)


class LinearHead(TagHead):
    """Each unit by itself: softmax cross-entropy. It decodes as a chain without scores, so that bans still hold."""

    def reset_constraints(self) -> None:
        """As in the base; the chain's scores are zeros that no checkpoint stores, so they are made again too."""
        for name in ("start_transitions", "end_transitions", "transitions"):
            zeros = torch.zeros(getattr(self.crf, name).shape, device=self._buffer_device())
            delattr(self.crf, name)
            self.crf.register_buffer(name, zeros, persistent=False)
        super().reset_constraints()

    def loss(self, emissions: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor, context: Chain) -> torch.Tensor:
        """Cross-entropy of the gold tags, summed."""
        return nn.functional.cross_entropy(
            emissions.flatten(0, 1), labels.flatten(), ignore_index=-100, reduction="sum"
        )


HEADS = {"linear": LinearHead, "crf": CRFHead}


def build_head(config, input_size: int) -> TagHead:
    """The head that `config.head` names. Raises: ValueError where there is none of that name."""
    if config.head not in HEADS:
        raise ValueError(f"expected head to be one of {', '.join(HEADS)}, got {config.head!r}")
    return HEADS[config.head](config, input_size)
