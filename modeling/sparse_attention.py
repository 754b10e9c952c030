"""`SparseBigBird`: transformers' BigBird as an encoder, in full or block-sparse attention, chosen per text."""

import torch
from torch import nn
from transformers import BigBirdConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import logging

from .sparse_layers import BigBirdLayer, CompactDropout, full_limit, make_plan, padded

try:  # Version 5 marks weights loaded from a checkpoint; only its own functions respect the mark.
    from transformers import initialization as init
except ImportError:
    from torch.nn import init

logger = logging.get_logger(__name__)


class BigBirdEmbeddings(nn.Module):
    """Word, position and segment embeddings, in BigBird's order: dropout first, then layer norm."""

    def __init__(self, config: BigBirdConfig):
        super().__init__()
        width = config.hidden_size
        self.word_embeddings = nn.Embedding(config.vocab_size, width, padding_idx=config.pad_token_id)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, width)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, width)
        self.LayerNorm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.dropout = CompactDropout(config.hidden_dropout_prob)
        self.scale = width**0.5 if config.rescale_embeddings else None

    def forward(
        self, words: torch.Tensor, token_type_ids: torch.Tensor | None, position_ids: torch.Tensor | None
    ) -> torch.Tensor:
        """Add position and segment embeddings to word vectors `(batch, length, hidden)`."""
        if self.scale is not None:
            words = words * self.scale
        if position_ids is None:
            position_ids = torch.arange(words.shape[1], device=words.device).unsqueeze(0)
        if token_type_ids is None:
            token_type_ids = torch.zeros_like(position_ids)
        states = words + self.token_type_embeddings(token_type_ids) + self.position_embeddings(position_ids)
        return self.LayerNorm(self.dropout(states))


class BigBirdLayers(nn.Module):
    """Stack of layers."""

    def __init__(self, config: BigBirdConfig):
        super().__init__()
        self.layer = nn.ModuleList(BigBirdLayer(config, at) for at in range(config.num_hidden_layers))
        self.gradient_checkpointing = False

    def forward(self, states: torch.Tensor, plan, with_states: bool, with_weights: bool) -> tuple:
        """Apply all layers to states `(batch, length, hidden)`; return states, all states, and attention weights."""
        seen, weights = [states], []
        for layer in self.layer:
            if self.gradient_checkpointing and self.training:
                states, own = self._gradient_checkpointing_func(layer.__call__, states, plan, with_weights)
            else:
                states, own = layer(states, plan, with_weights)
            if with_states:
                seen.append(states)
            if own is not None:
                weights.append(own)
        return states, tuple(seen), tuple(weights)


class SparseBigBird(PreTrainedModel):
    """BigBird encoder with the weights, names and full attention of transformers' `BigBirdModel`, without its pooler.

    A text of at most `full_limit(config)` positions is read in full attention, a longer one block by block: the first
    block and the last attend to all and are attended to by all, every other one attends to itself, its two neighbours
    and `num_random_blocks` more. Each text of a batch is read by its own length, so its states do not depend on what it
    is batched with, and running it changes nothing in model or config. Memory and time of the sparse way grow with the
    length, not with its square. Other than in transformers, random blocks are the same in training and evaluation, and
    attention dropout holds in both ways.

    >>> encoder = SparseBigBird(BigBirdConfig(vocab_size=100, hidden_size=16, num_hidden_layers=1,
    ...     num_attention_heads=2, intermediate_size=32, block_size=4, num_random_blocks=1))
    >>> encoder(torch.arange(61).unsqueeze(0)).last_hidden_state.shape
    torch.Size([1, 61, 16])
    """

    config_class = BigBirdConfig
    # No other attention implementation than "eager" by name, so that transformers' BigBird takes the same config.
    base_model_prefix = "bert"
    supports_gradient_checkpointing = True
    _no_split_modules = ["BigBirdEmbeddings", "BigBirdLayer"]
    # Weights of transformers' checkpoints that do not belong to the encoder.
    _keys_to_ignore_on_load_unexpected = [r"(^|\.)pooler\.", r"^cls\.", r"position_ids$", r"token_type_ids$"]

    def __init__(self, config: BigBirdConfig):
        _check(config)
        super().__init__(config)
        self.embeddings = BigBirdEmbeddings(config)
        self.encoder = BigBirdLayers(config)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Initialise weights as transformers' BigBird does: normal, with zero biases and padding, plain layer norms."""
        if isinstance(module, (nn.Linear, nn.Embedding)):
            init.normal_(module.weight, mean=0.0, std=self.config.initializer_range)
            if getattr(module, "bias", None) is not None:
                init.zeros_(module.bias)
            if getattr(module, "padding_idx", None) is not None and not getattr(
                module.weight, "_is_hf_initialized", False
            ):
                init.zeros_(module.weight[module.padding_idx])
        elif isinstance(module, nn.LayerNorm):
            init.ones_(module.weight)
            init.zeros_(module.bias)

    def get_input_embeddings(self) -> nn.Module:
        """Return the table of word embeddings."""
        return self.embeddings.word_embeddings

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the table of word embeddings."""
        self.embeddings.word_embeddings = value

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> BaseModelOutput | tuple:
        """Encode a batch of texts.

        Args:
            input_ids: Subwords `(batch, length)`, of any length that the table of positions has.
            attention_mask: 1 for subwords, 0 for padding `(batch, length)`; None means everywhere.
            token_type_ids: Segments `(batch, length)`; None means the first.
            position_ids: Positions `(batch, length)`; None counts from 0.
            inputs_embeds: Word vectors `(batch, length, hidden)` instead of `input_ids`.
            output_attentions: Whether attention weights `(batch, heads, length, length)` are given, a layer each. There
                are empty, `()`, with a warning, if a text of the batch is read in sparse attention.
            output_hidden_states: Whether the states before the first and after each layer are given.
            return_dict: False gives a tuple.

        Returns:
            `last_hidden_state` `(batch, length, hidden)`, and the requested outputs.

        Raises:
            ValueError: If there is not exactly one of `input_ids` and `inputs_embeds`, where the attention mask has
                another shape, or the texts are longer than the table of positions.
        """
        config = self.config
        with_weights = config.output_attentions if output_attentions is None else output_attentions
        with_states = config.output_hidden_states if output_hidden_states is None else output_hidden_states
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError(
                f"expected either input_ids or inputs_embeds, got {'neither' if input_ids is None else 'both'}; pass "
                "one of them"
            )
        words = self.embeddings.word_embeddings(input_ids) if inputs_embeds is None else inputs_embeds
        shape, limit = tuple(words.shape[:2]), config.max_position_embeddings
        if attention_mask is not None and tuple(attention_mask.shape) != shape:
            raise ValueError(
                f"expected attention_mask to be (batch, length) = {shape}, got {tuple(attention_mask.shape)}; pass 1 "
                "for each subword and 0 for padding"
            )
        if position_ids is None and shape[1] > limit:
            raise ValueError(
                f"expected at most {limit} positions, which is what the encoder has embeddings for, got {shape[1]}; "
                "read the text in windows, or convert the encoder with a larger max_length"
            )
        mask = None if attention_mask is None else attention_mask != 0
        plan = make_plan(config, mask, shape, words.device)
        if with_weights and plan.sparse is not None:
            logger.warning_once(
                f"expected texts of at most {full_limit(config)} positions for attention weights, got {shape[1]}: "
                "sparse attention makes none; pass a shorter text"
            )
        states = self.embeddings(words, token_type_ids, position_ids)
        states = padded(states, plan.length)
        states, seen, weights = self.encoder(states, plan, bool(with_states), bool(with_weights))
        output = BaseModelOutput(
            last_hidden_state=states[:, : shape[1]],
            hidden_states=tuple(each[:, : shape[1]] for each in seen) if with_states else None,
            attentions=weights if with_weights else None,
        )
        return output.to_tuple() if return_dict is False else output


def _check(config: BigBirdConfig) -> None:
    """Check that an encoder can be built from the config.

    Raises:
        ValueError: If no encoder can be built from the config.
    """
    if config.is_decoder or config.add_cross_attention:
        raise ValueError(
            "expected a BigBird that encodes, got a config with is_decoder or add_cross_attention; set both to false"
        )
    if config.attention_type not in ("block_sparse", "original_full"):
        raise ValueError(
            f"expected attention_type to be block_sparse or original_full, got {config.attention_type!r}; "
            "block_sparse reads short texts in full attention too"
        )
    if config.hidden_size % config.num_attention_heads:
        raise ValueError(
            f"expected hidden_size to be a multiple of num_attention_heads, got {config.hidden_size} and "
            f"{config.num_attention_heads}; change one of them"
        )
    if config.block_size < 1 or config.num_random_blocks < 0:
        raise ValueError(
            f"expected a block_size of 1 or more and 0 or more num_random_blocks, got {config.block_size} and "
            f"{config.num_random_blocks}; 64 and 3 are usual"
        )
