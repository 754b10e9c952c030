"""Heads that convert unit states to tags. A new head is a class here and a line in `HEADS`."""

import warnings
from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import nn

from .crf import CRF
from .forward_backward import widest
from .head_layer import HeadLayer, check_width
from .positional_attention import (
    OPTIONS,
    AttentionOutput,
    GateTargets,
    PositionalAttention,
    check_options,
    gate_loss,
    gate_targets,
)
from .span_posteriors import SpanPosteriors
from .span_selection import MAX_SPAN_LENGTH, SpanTags
from .tags import may_end, may_follow, may_start, span_tag_ids, span_tags
from .wide_linear import wide_linear


class ChainContext(NamedTuple):
    """Position of the rows of a batch inside their documents, and of their units inside the window.

    Args:
        begins: True if the row holds its document's first unit `(batch,)`; None means that all do.
        ends: True if the row holds its document's last unit `(batch,)`; None means that all do.
        positions: Position in the window whose vector each unit takes `(batch, units)`; None if no head asks.
    """

    begins: torch.Tensor | None = None
    ends: torch.Tensor | None = None
    positions: torch.Tensor | None = None


class HeadOutput(NamedTuple):
    """Output of a head.

    Args:
        loss_sum: Loss summed over all units, in nats, a float32 scalar; None without labels.
        emissions: Tag scores `(batch, units, tags)`, float32.
        parts: Parts of a composed loss by name, which ends in `_loss`; they add up to `loss_sum`.
    """

    loss_sum: torch.Tensor | None
    emissions: torch.Tensor
    parts: dict[str, torch.Tensor] | None = None


class HeadInspection(NamedTuple):
    """Gates and attention of a head.

    Args:
        gates: Gate of each unit, 0 to 1 `(batch, units)`, float32.
        attention: From each unit to each unit `(batch, heads, units, units)`, float32.
    """

    gates: torch.Tensor
    attention: torch.Tensor


class TagHead(nn.Module, ABC):
    """Base of all heads: a feed-forward layer, multi-sample dropout, the projection to tags, and a decoding chain.

    The projection runs in float32 whatever the encoder runs in: a rounding of the emissions would be the largest error
    of the whole chain.

    Args:
        config: A `KospanTokenClassificationConfig`.
        input_size: Width of the unit states.

    Raises:
        ValueError: If `config.head_options` holds a key that the head does not know.
    """

    # The head's own settings with their defaults.
    options: dict = {"feedforward": 0}  # width of the layer between states and projection; 0 turns it off

    def __init__(self, config, input_size: int):
        super().__init__()
        unknown = sorted(repr(key) for key in config.head_options if key not in self.options)
        if unknown:
            raise ValueError(
                f"expected head_options of {type(self).__name__} to be among {sorted(self.options)}, got "
                f"{', '.join(unknown)}; remove the key or choose another head"
            )
        self.settings = {**self.options, **config.head_options}
        check_width(self.settings["feedforward"])
        self.check_settings()
        self.tags, self.scheme, self.constrain = config.tags, config.scheme, config.constrain
        self.samples, self.merge = config.multi_sample_dropout, config.dropout_merge
        self.dropout = nn.Dropout(config.dropout)
        width = self.settings["feedforward"]
        self.feedforward = HeadLayer(input_size, width) if width else None
        self.projection = nn.Linear(input_size, len(self.tags))
        self.crf = CRF(len(self.tags), batch_first=True)
        self.crf.temperature = config.calibration_temperature
        self.reset_constraints()

    def check_settings(self) -> None:
        """Check the head's own settings.

        Raises:
            ValueError: If one of the head's own settings is out of range.
        """

    @classmethod
    def unused(cls, options: dict) -> dict[str, tuple[str, ...]]:
        """Return the settings of a recipe that have no effect with this head, each with the responsible settings.

        Args:
            options: The recipe's `head_options`.
        """
        return {}

    @classmethod
    def narrowest(cls, config) -> int:
        """Return the smallest `input_size` of the head."""
        return 1

    def reset_constraints(self) -> None:
        """Set the chain's constraints. Called again after loading, since these buffers are never stored."""
        device = self._buffer_device()
        set_progress = [[may_follow(first, second, self.scheme) for second in self.tags] for first in self.tags]
        self.crf.constrain(
            torch.tensor(set_progress, device=device),
            torch.tensor([may_start(tag) for tag in self.tags], device=device),
            torch.tensor([may_end(tag, self.scheme) for tag in self.tags], device=device),
            when=self.constrain,
        )

    def clear_chain(self) -> None:
        """Replace the chain's scores by zeros that are not stored, for heads that decode without scores."""
        for name in ("start_transitions", "end_transitions", "transitions"):
            zeros = torch.zeros(getattr(self.crf, name).shape, device=self._buffer_device())
            delattr(self.crf, name)
            self.crf.register_buffer(name, zeros, persistent=False)

    def prepare(self, encoder: nn.Module, tokenizer) -> None:
        """Initialise a new model over an encoder: weights, and constants read from the encoder."""
        if self.feedforward is not None:
            self.feedforward.init_weights()

    def set_progress(self, progress: float | None) -> None:
        """Receive the progress of training, 0 to 1; None after its end."""

    def inspect(
        self, states: torch.Tensor, mask: torch.Tensor, context: ChainContext | None = None
    ) -> HeadInspection | None:
        """Return gates and attention in prediction; None for a head without attention. Arguments as in `forward`."""

    def _buffer_device(self) -> torch.device:
        # A quantised layer has a method of that name, and runs on the CPU.
        device = getattr(self.projection.weight, "device", torch.device("cpu"))
        # While transformers builds a model before loading, its weights are on the meta device; buffers must not be.
        return torch.device("cpu") if device.type == "meta" else device

    def project(self, states: torch.Tensor) -> torch.Tensor:
        """Project unit states `(batch, units, hidden)` to emissions `(batch, units, tags)` in float32, with dropout."""
        return wide_linear(self.projection, self.dropout(states.float()))

    def forward(
        self,
        states: torch.Tensor,
        mask: torch.Tensor,
        labels: torch.Tensor | None = None,
        context: ChainContext | None = None,
    ) -> HeadOutput:
        """Compute emissions, and with labels the loss.

        Args:
            states: Unit states `(batch, units, hidden)`.
            mask: True for units `(batch, units)`; a prefix of each row.
            labels: Tag ids `(batch, units)`, -100 as padding on the right.
            context: Position of the rows in their documents.
        """
        context = context or ChainContext()
        samples = self.samples if self.training else 1
        if self.feedforward is not None:
            states = self.feedforward(states)
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
    def loss(
        self, emissions: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor, context: ChainContext
    ) -> torch.Tensor:
        """Compute the loss of the head, summed over all units of the batch, in nats."""

    @staticmethod
    def padded(chains: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Pad emissions `(units, tags)` to a batch `(batch, units, tags)`, and return its mask `(batch, units)`."""
        batch = nn.utils.rnn.pad_sequence(chains, batch_first=True)
        lengths = torch.tensor([len(chain) for chain in chains], device=batch.device)
        return batch, torch.arange(batch.shape[1], device=batch.device) < lengths.unsqueeze(1)

    def decode(
        self, emissions: torch.Tensor, mask: torch.Tensor, context: ChainContext | None = None
    ) -> list[list[int]]:
        """Return the best tag sequence of each row."""
        context = context or ChainContext()
        return self.crf.decode(emissions, mask, begins=context.begins, ends=context.ends)

    def marginals(
        self,
        emissions: torch.Tensor,
        mask: torch.Tensor,
        context: ChainContext | None = None,
        distribution: str = "decode",
    ) -> torch.Tensor:
        """Return the probability of each tag at each unit `(batch, units, tags)`.

        The distribution "train" is that of the loss.
        """
        context = context or ChainContext()
        return self.crf.marginals(emissions, mask, begins=context.begins, ends=context.ends, distribution=distribution)

    def posteriors(
        self, emissions: torch.Tensor, mask: torch.Tensor, spans: list[list[tuple[int, int, str]]]
    ) -> list[list[float]]:
        """Return the exact probability of each span, over all tag sequences.

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
                # In BIO a span ends where its type does not continue; in BIOES its last tag marks the end.
                banned = ids[f"I-{label}"] if self.scheme == "BIO" else -1
                segments.append((row, start, path, banned))
        if not segments:
            return [[] for _ in spans]
        values = iter(self.crf.segment_posteriors(emissions, segments, mask).tolist())
        return [[next(values) for _ in found] for found in spans]

    def span_posteriors(
        self, emissions: torch.Tensor, mask: torch.Tensor, max_length: int = MAX_SPAN_LENGTH
    ) -> SpanPosteriors:
        """Compute exact probabilities of all spans of up to `max_length` units, labels in the order of `labels_of`.

        Args:
            emissions: `(batch, units, tags)`.
            mask: `(batch, units)`.
            max_length: Units of the longest span.
        """
        ids = span_tag_ids(self.tags, self.scheme)
        tags = SpanTags(*(torch.tensor(each, dtype=torch.long, device=emissions.device) for each in ids))
        return self.crf.span_posteriors(emissions, tags, max_length, mask)

    def no_span_probability(
        self, emissions: torch.Tensor, mask: torch.Tensor, posteriors: SpanPosteriors
    ) -> torch.Tensor:
        """Compute the probability of the tag sequences without `B-` and `S-` of each row `(batch,)`, float64.

        Args:
            emissions: `(batch, units, tags)`.
            mask: `(batch, units)`.
            posteriors: The batch's posteriors.
        """
        if self.constrain != "none":
            # An `I-` or `E-` needs a `B-` before it, so this is the sequence of "O" alone.
            return posteriors.sequence_of(self.tags.index("O"), mask)
        emissions = widest(emissions)
        opens = torch.tensor([tag[:2] in ("B-", "S-") for tag in self.tags], device=emissions.device)
        without = self.crf.log_partition(emissions.masked_fill(opens, -torch.inf), mask)
        return (without - self.crf.log_partition(emissions, mask)).exp().clamp(max=1.0)


class CRFHead(TagHead):
    """Linear-chain CRF; the loss is its negative log-likelihood (Lafferty et al. 2001)."""

    def loss(
        self, emissions: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor, context: ChainContext
    ) -> torch.Tensor:
        """Negative log-likelihood of the gold sequences, summed."""
        likelihood = getattr(self, "likelihood", self.crf)
        return -likelihood(emissions, labels, mask, reduction="sum", begins=context.begins, ends=context.ends)


class LinearHead(TagHead):
    """Softmax cross-entropy per unit; it decodes as a chain without scores, so that constraints still hold."""

    @classmethod
    def unused(cls, options: dict) -> dict[str, tuple[str, ...]]:
        """Return the settings without effect: no chain is trained, and units are independent."""
        return {"crf_backend": ("head",), "rdrop_level": ("head",)}

    def reset_constraints(self) -> None:
        """Set the constraints as in the base, and the chain's scores to zero."""
        self.clear_chain()
        super().reset_constraints()

    def loss(
        self, emissions: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor, context: ChainContext
    ) -> torch.Tensor:
        """Cross-entropy of the gold tags, summed."""
        return nn.functional.cross_entropy(
            emissions.flatten(0, 1), labels.flatten(), ignore_index=-100, reduction="sum"
        )


class PositionalHead(TagHead):
    """Attention by position behind gates that learn the places of entities, then linear or CRF.

    The loss is that of the tags + `positional_loss` * (BCE of the gates against "is in an entity" + 0.5 * BCE of two
    more against "starts one" and "ends one"). At evaluation the gates are always the predicted ones. With `oracle:
    true`, gold gates are used whenever labels are given, in evaluation too, which is LEAKAGE of the labels into the
    prediction: an upper bound.

    Args:
        config: A `KospanTokenClassificationConfig`; `head_options` as `positional_attention.OPTIONS` lists them.
        input_size: Width of the unit states, which must be the encoder's own, as e_PAD is: an LSTM is refused.

    Raises:
        ValueError: If an option is out of range, or `lstm_hidden_size` or `subword_embedding_size` is not 0.
    """

    options = {**TagHead.options, **OPTIONS}

    def __init__(self, config, input_size: int):
        super().__init__(config, input_size)
        settings = self.settings
        for key in ("lstm_hidden_size", "subword_embedding_size"):
            if getattr(config, key):
                raise ValueError(
                    f"expected {key}: 0 with head: positional, got {getattr(config, key)}: closed gates replace a unit "
                    "by the encoder's state at [PAD], and states behind other layers are different; remove one of the "
                    "two settings"
                )
        self.attention = PositionalAttention(
            input_size, config.max_length, settings["heads"], settings["gate"], settings["share"], settings["beginning"]
        )
        self._progress: float | None = None
        if settings["oracle"]:
            warnings.warn(
                "head_options oracle: true leaks gold labels into predictions wherever labels are given: its score "
                "is an upper bound and not a result",
                stacklevel=2,
            )

    def check_settings(self) -> None:
        """Check the options.

        Raises:
            ValueError: If an option is out of range.
        """
        check_options(self.settings)

    @classmethod
    def unused(cls, options: dict) -> dict[str, tuple[str, ...]]:
        """Return the settings without effect: no further layers, no pytorch-crf, no R-Drop level without a CRF."""
        names = ("lstm_hidden_size", "lstm_layers", "lstm_dropout", "subword_embedding_size", "crf_backend")
        level = {} if options.get("decoder") == "crf" else {"rdrop_level": ("head", "head_options")}
        return dict.fromkeys(names, ("head",)) | level

    @classmethod
    def narrowest(cls, config) -> int:
        """Return the number of attention heads, or twice that for `beginning: neighbours`."""
        settings = {**OPTIONS, **config.head_options}
        check_options(settings)
        return int(settings["heads"]) * (2 if settings["beginning"] == "neighbours" else 1)

    def reset_constraints(self) -> None:
        """Set the constraints as in the base, and the tables of gate targets by tag."""
        if self.settings["decoder"] == "linear":
            self.clear_chain()
        super().reset_constraints()
        device, tags = self._buffer_device(), self.tags
        goes_on = [[after[:2] in ("I-", "E-") and after[2:] == tag[2:] for after in tags] for tag in tags]
        tables = {
            "tag_inside": [tag != "O" for tag in tags],
            "tag_starts": [tag[:2] in ("B-", "S-") for tag in tags],
            "tag_goes_on": goes_on,
        }
        for name, values in tables.items():
            self.register_buffer(name, torch.tensor(values, device=device), persistent=False)

    def prepare(self, encoder: nn.Module, tokenizer) -> None:
        """Initialise as in the base, and read e_PAD.

        Raises:
            ValueError: If the tokenizer has no cls, pad or sep token.
        """
        super().prepare(encoder, tokenizer)
        self.attention.init_weights()
        self.attention.read_padding(encoder, tokenizer)

    def set_progress(self, progress: float | None) -> None:
        """Receive the progress of training; gold gates are mixed in until it reaches `gold_gate`."""
        self._progress = progress

    def gold_share(self) -> float:
        """Return the share of gold gates for batches with labels."""
        if self.settings["oracle"]:
            return 1.0
        if not self.training or self._progress is None or not self.settings["gold_gate"]:
            return 0.0
        return max(0.0, 1.0 - self._progress / self.settings["gold_gate"])

    def forward(
        self,
        states: torch.Tensor,
        mask: torch.Tensor,
        labels: torch.Tensor | None = None,
        context: ChainContext | None = None,
    ) -> HeadOutput:
        """Compute emissions and loss as in the base.

        Raises:
            ValueError: If the context has no positions of units.
        """
        context = context or ChainContext()
        targets, share = None, 0.0
        if labels is not None:
            tables = (self.tag_inside, self.tag_starts, self.tag_goes_on)
            targets, share = gate_targets(labels, mask, tables, context.ends), self.gold_share()
        attended = self._attend(states, mask, context, targets if share else None, share)
        found = super().forward(attended.states, mask, labels, context)
        if targets is None:
            return found
        parts, weight = {"tag_loss": found.loss_sum}, self.settings["positional_loss"]
        if weight:
            parts["positional_loss"] = weight * gate_loss(attended.logits, targets, mask)
        return found._replace(loss_sum=sum(parts.values()), parts=parts)

    def _attend(
        self, states: torch.Tensor, mask: torch.Tensor, context: ChainContext, targets: GateTargets | None, share: float
    ) -> AttentionOutput:
        if context.positions is None:
            raise ValueError(
                "expected a context with the positions of units for head: positional, got none; call the model, or "
                "pass ChainContext(positions=unit_positions)"
            )
        return self.attention(states, mask, context.positions, targets and targets.inside, share)

    def loss(
        self, emissions: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor, context: ChainContext
    ) -> torch.Tensor:
        """Compute the decoder's loss: cross-entropy, or the negative log-likelihood of the CRF, summed."""
        decoder = CRFHead if self.settings["decoder"] == "crf" else LinearHead
        return decoder.loss(self, emissions, labels, mask, context)

    @torch.no_grad()
    def inspect(self, states: torch.Tensor, mask: torch.Tensor, context: ChainContext | None = None) -> HeadInspection:
        """Return the predicted gates and the attention."""
        attended = self._attend(states, mask, context or ChainContext(), None, 0.0)
        return HeadInspection(attended.logits[..., 0].sigmoid(), attended.weights)


HEADS = {"linear": LinearHead, "crf": CRFHead, "positional": PositionalHead}


def build_head(config, input_size: int) -> TagHead:
    """Build the head that `config.head` names.

    Raises:
        ValueError: If there is none of that name.
    """
    if config.head not in HEADS:
        raise ValueError(f"expected head to be one of {', '.join(HEADS)}, got {config.head!r}")
    return HEADS[config.head](config, input_size)


def check_head(config) -> None:
    """Check the settings of a head without an encoder.

    Raises:
        ValueError: If the head cannot be built.
    """
    build_head(config, HEADS[config.head].narrowest(config) if config.head in HEADS else 1)
