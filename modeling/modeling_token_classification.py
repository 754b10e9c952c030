"""`KospanForTokenClassification`: encoder, LSTM and head over units, and spans of texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn

from .alignment import Document, Window
from .best_paths import best_paths  # noqa: F401  (transformers 4.51 copies from a folder only what this file names itself)
from .bilstm import MaskedBiLSTM  # noqa: F401  (as above)
from .block_attention import gathered_attention  # noqa: F401  (as above)
from .block_pattern import block_table  # noqa: F401  (as above)
from .character_ngrams import CharacterNgrams  # noqa: F401  (as above)
from .code_files import is_remote_code  # noqa: F401  (as above)
from .configuration_kospan import KospanTokenClassificationConfig
from .crf import CRF  # noqa: F401  (as above)
from .crf_inputs import prepare_inputs  # noqa: F401  (as above)
from .encoders import load_encoder  # noqa: F401  (as above)
from .feed_forward import feed_forward  # noqa: F401  (as above)
from .forward_backward import sweep  # noqa: F401  (as above)
from .head_layer import HeadLayer  # noqa: F401  (as above)
from .heads import ChainContext, HeadInspection, build_head
from .input_checks import check_documents, check_prediction_arguments
from .int8_weights import restored_weights  # noqa: F401  (as above)
from .modeling_kospan import EmissionsOutput, KospanPreTrainedModel, WindowInspection
from .ngram_embedding import NgramEmbedding
from .once_differentiable import once_differentiable  # noqa: F401  (as above)
from .padded_batches import padded_batch  # noqa: F401  (as above)
from .pipeline_base import KospanPipeline  # noqa: F401  (as above)
from .pipeline_question_answering import KospanQuestionAnsweringPipeline  # noqa: F401  (as above)
from .pipeline_text_classification import KospanTextClassificationPipeline  # noqa: F401  (as above)
from .pipeline_token_classification import KospanTokenClassificationPipeline  # noqa: F401  (as above)
from .pipelines import PIPELINES
from .positional_attention import PositionalAttention  # noqa: F401  (as above)
from .rdrop import mean_loss, tag_divergence
from .settings import choice  # noqa: F401  (as above)
from .span_decoding import decode_spans
from .span_posteriors import SpanPosteriors  # noqa: F401  (as above)
from .span_selection import decoding_of
from .spans import Span
from .sparse_attention import SparseBigBird  # noqa: F401  (as above)
from .sparse_layers import make_plan  # noqa: F401  (as above)
from .subword_embedding import SubwordEmbedding
from .tags import labels_of
from .token_classification_methods import TokenClassificationMethods
from .wide_linear import wide_linear  # noqa: F401  (as above)
from .window_batches import WindowBatches  # noqa: F401  (as above)
from .word_shapes import SHAPES
from .words import trimmed


@dataclass
class KospanTokenClassificationOutput(EmissionsOutput):
    """Output of `KospanForTokenClassification`.

    Args:
        loss: Loss per unit in nats, a scalar; with R-Drop the divergence is in it.
        emissions: Tag scores `(batch, units, tags)`, float32.
        tags: Best tag ids `(batch, units)`, -100 for padding; None while training.
        divergence: R-Drop's part of `loss`, a scalar; None without it.
        parts: In training, parts of a composed loss: scalars by name.
        hidden_states: As the encoder gives them.
        attentions: As the encoder gives them.
    """

    loss: torch.Tensor | None = None
    emissions: torch.Tensor | None = None
    tags: torch.Tensor | None = None
    divergence: torch.Tensor | None = None
    parts: dict | None = None
    hidden_states: tuple | None = None
    attentions: tuple | None = None


class TokenInspection(NamedTuple):
    """Raw values behind the spans of one text.

    Args:
        text: The text.
        units: `(start, end)` of each unit in characters.
        tags: Tag names, in the order of the marginals' last dimension.
        marginals: Probability of each tag at each unit `(units, tags)`, float32, on the CPU.
        spans: The spans that `extract` returns.
        windows: Subwords and attention, window by window.
        gates: Gate of each unit, 0 to 1 `(units,)`, float32, on the CPU; None if the head has no gates or the text no
            units.
    """

    text: str
    units: list[tuple[int, int]]
    tags: list[str]
    marginals: torch.Tensor
    spans: list[Span]
    windows: list[WindowInspection]
    gates: torch.Tensor | None = None


class KospanForTokenClassification(TokenClassificationMethods, KospanPreTrainedModel):
    """Span extraction by tagging units.

    >>> model = AutoModel.from_pretrained("user/name", trust_remote_code=True)  # doctest: +SKIP
    >>> model.extract("이재용 회장이 서울에서 말했다")  # doctest: +SKIP
    [Span(start=0, end=3, label='PS', score=0.99), Span(start=8, end=10, label='LC', score=0.98)]
    """

    config_class = KospanTokenClassificationConfig
    # Saving copies the code beside the weights under this name, even if the class itself came from the Hub.
    _auto_class = "AutoModelForTokenClassification"
    _pipeline_class = PIPELINES["token-classification"]

    def __init__(self, config: KospanTokenClassificationConfig):
        super().__init__(config)
        width = config.hidden_size
        self.place_embedding = nn.Embedding(config.places, width) if config.uses_places else None
        self.shape_embedding = nn.Embedding(len(SHAPES), width) if config.word_shape_feature else None
        self.ngram_embedding = NgramEmbedding(config, width) if config.ngram_count else None
        self.subword_embedding = None
        if config.subword_embedding_size:
            vocabulary = config.encoder_config.vocab_size
            self.subword_embedding = SubwordEmbedding(vocabulary, config.subword_embedding_size, width)
            width = self.subword_embedding.width
        width = self.add_lstm(config, width)
        self.head = build_head(config, width)
        if not any(".crf." in name for name, _ in self.named_parameters()):
            # Version 4.51 does not accept missing modules here.
            self._keep_in_fp32_modules = self._keep_in_fp32_modules_strict = None
        self.post_init()

    def prepare(self) -> None:
        """Initialise the head from encoder and tokenizer."""
        self.head.prepare(self.encoder, self.tokenizer)

    def reset_buffers(self) -> None:
        """Restore the head's constraints, which follow from the tags and are not stored."""
        self.head.reset_constraints()

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        unit_positions: torch.Tensor | None = None,
        unit_places: torch.Tensor | None = None,
        word_shape_feature: torch.Tensor | None = None,
        character_ngrams: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        begins: torch.Tensor | None = None,
        ends: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        rdrop_alpha: float = 0.0,
        rdrop_level: str = "token",
        inputs_embeds: torch.Tensor | None = None,
        encoder_states: torch.Tensor | None = None,
        unit_subwords: torch.Tensor | None = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        decode: bool = True,
        return_dict: bool | None = None,
    ) -> KospanTokenClassificationOutput:
        """Compute emissions, with labels the loss, and in evaluation the best tags.

        Args:
            input_ids: Subwords `(batch, length)`.
            attention_mask: 1 for subwords, 0 for padding `(batch, length)`.
            unit_positions: Position whose vector each unit takes `(batch, units)`, -100 as padding on the right.
            unit_places: Place of each unit inside its subword `(batch, units)`, -100 as padding.
            word_shape_feature: Id of each unit's shape `(batch, units)`, -100 as padding; required by
                `config.word_shape_feature`.
            character_ngrams: Ids of the n-grams around each unit `(batch, units, windows)`, -100 as padding; required
                by `config.ngram_count`.
            token_type_ids: Ignored, as there is one text; accepted because tokenizers return them.
            labels: Tag ids `(batch, units)`, -100 as padding.
            begins: True if a row holds its document's first unit `(batch,)`; None means all do.
            ends: True if a row holds its document's last unit `(batch,)`; None means all do.
            num_items_in_batch: Units over which the loss is averaged; None means those of this batch.
            rdrop_alpha: Weight of R-Drop's divergence; 0 turns it off. Above 0 the batch holds every row twice, the
                copies after the originals.
            rdrop_level: Distribution that the divergence compares: "token", "marginal" or "sequence".
            inputs_embeds: Word vectors `(batch, length, hidden)` instead of `input_ids`.
            encoder_states: Earlier output of the encoder `(batch, length, hidden)`, float32, instead of `input_ids`.
            unit_subwords: Id of each unit's subword `(batch, units)`, -100 as padding; required by
                `config.subword_embedding_size` without `input_ids`.
            output_hidden_states: Whether to return the states of all layers of the encoder.
            output_attentions: Whether to return the attention weights of the encoder.
            decode: Whether to compute the best tags; never in training.
            return_dict: Ignored; the output is always an object.

        Raises:
            ValueError: If `unit_positions` is missing, or `word_shape_feature` or `character_ngrams` where they are
                needed, and as `encode`.
        """
        if unit_positions is None:
            raise ValueError(
                "expected unit_positions beside input_ids, got none, as from transformers' pipeline(task, model=<a "
                "loaded model>); for text call model.extract(text) or model.pipeline()(text), for batches use the "
                "features of kospan.tasks.token_classification.task"
            )
        encoded = self.encode(
            encoder_states,
            input_ids=input_ids,
            attention_mask=attention_mask,
            inputs_embeds=inputs_embeds,
            output_hidden_states=output_hidden_states,
            output_attentions=output_attentions,
        )
        mask = unit_positions != -100
        if unit_subwords is None and input_ids is not None:
            unit_subwords = input_ids.gather(1, unit_positions.clamp(min=0))
        states = self.unit_states(
            encoded.last_hidden_state,
            unit_positions,
            unit_places,
            word_shape_feature,
            mask,
            character_ngrams,
            unit_subwords,
        )
        context = ChainContext(begins, ends, unit_positions)
        found = self.head(states, mask, labels, context)

        loss, divergence, parts = None, None, None
        if found.loss_sum is not None:
            if rdrop_alpha > 0:
                divergence = rdrop_alpha * tag_divergence(self.head, found.emissions, mask, context, rdrop_level)
            items = mask.sum()
            loss, divergence = mean_loss(found.loss_sum, items, divergence, num_items_in_batch)
            if found.parts and self.training:
                copies = 1 if divergence is None else 2
                count = items / copies if num_items_in_batch is None else num_items_in_batch
                parts = {name: part.detach() / copies / count for name, part in found.parts.items()}
        tags = None
        if decode and not self.training:
            tags = self._best_tags(found.emissions, mask, context, unit_positions)
        return KospanTokenClassificationOutput(
            loss=loss,
            emissions=found.emissions,
            tags=tags,
            divergence=None if divergence is None else divergence.detach(),
            parts=parts,
            hidden_states=encoded.hidden_states,
            attentions=encoded.attentions,
        )

    @torch.compiler.disable
    def _best_tags(self, emissions: torch.Tensor, mask: torch.Tensor, context: ChainContext, like: torch.Tensor):
        """Return the best tag ids of each row, padded with -100, like `like` `(batch, units)`."""
        tags = torch.full_like(like, -100)
        for row, path in enumerate(self.head.decode(emissions, mask, context)):
            tags[row, : len(path)] = torch.tensor(path, dtype=tags.dtype, device=tags.device)
        return tags

    def task_loss(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Compute the loss as in the base, without the best paths."""
        return self(**batch, decode=False).loss

    def unit_states(
        self,
        states: torch.Tensor,
        unit_positions: torch.Tensor,
        unit_places: torch.Tensor | None,
        word_shape_feature: torch.Tensor | None,
        mask: torch.Tensor,
        character_ngrams: torch.Tensor | None = None,
        unit_subwords: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Convert encoder states `(batch, length, hidden)` to unit states `(batch, units, hidden)`, with the LSTM."""
        units = self.gather_units(states, unit_positions, unit_places)
        if self.shape_embedding is not None:
            _check_given("word_shape_feature", word_shape_feature, "word_shape_feature")
            units = units + self.shape_embedding(word_shape_feature.clamp(min=0))
        if self.ngram_embedding is not None:
            _check_given("character_ngrams", character_ngrams, "ngram_count")
            units = units + self.ngram_embedding(character_ngrams)
        if self.subword_embedding is not None:
            if unit_subwords is None:
                raise ValueError(
                    "expected input_ids or unit_subwords, because the model's config has subword_embedding_size, got "
                    "neither; make batches with model.collate"
                )
            units = self.subword_embedding(units, unit_subwords)
        if self.recurrent is not None:
            units = self.recurrent(self.lstm_dropout(units), mask)
        return units

    # --- text to spans ------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def tag_units(
        self, texts: Sequence[str | Sequence[str]], threshold: float = 0.0, batch_size: int = 32
    ) -> list[list[Span]]:
        """Return the tag of every unit on the best path, with its marginal probability.

        Args:
            texts: A sequence of documents of any length, as in `extract`.
            threshold: Units whose tag is less probable are omitted.
            batch_size: Number of windows in a batch.

        Returns:
            For each text a span per unit, labelled with the tag ("B-PS", "O"); units of white space are omitted.

        Raises:
            Exception: As `extract`.
        """
        texts, tags, found = check_documents(texts), self.config.tags, []
        check_prediction_arguments(threshold, batch_size)
        with self.evaluating():
            for documents, emissions in self.read(texts, batch_size):
                for document, chain in zip(documents, emissions):
                    if not document.units:
                        found.append([])
                        continue
                    mask = torch.ones(1, len(document.units), dtype=torch.bool, device=chain.device)
                    path = self.head.decode(chain.unsqueeze(0), mask)[0]
                    chances = self.head.marginals(chain.unsqueeze(0), mask)[0].float().cpu()
                    units = zip(document.units, path, chances.tolist())
                    spans = [Span(*trimmed(document.text, *unit), tags[tag], row[tag]) for unit, tag, row in units]
                    found.append([span for span in spans if span.start < span.end and span.score >= threshold])
        return found

    @torch.no_grad()
    def inspect(self, text: str | Sequence[str]) -> TokenInspection:
        """Return tag marginals per unit and attention per window of a text or a list of words.

        Attention needs the eager implementation; it is switched on for this call only.
        """
        [text] = check_documents([text], "text")
        # A thread that predicts while the implementation changes would mix two kinds of attention mask.
        with self.evaluating(exclusive=True):
            implementation = self.encoder.config._attn_implementation
            try:
                document = self.aligner.documents([text])[0]
                emissions = self.chains([document], 1)[0]
                mask = torch.ones(1, len(document.units), dtype=torch.bool, device=emissions.device)
                marginals = self.head.marginals(emissions.unsqueeze(0), mask)[0].float().cpu()
                spans = decode_spans(self.head, [document], [emissions], decoding_of(labels_of(self.config.tags)), 1)[0]
                if implementation != "eager":
                    self.encoder.set_attn_implementation("eager")
                views, gates = self._views(document)
            finally:
                if self.encoder.config._attn_implementation != implementation:
                    self.encoder.set_attn_implementation(implementation)
        return TokenInspection(document.text, document.units, self.config.tags, marginals, spans, views, gates)

    def _views(self, document: Document) -> tuple[list[WindowInspection], torch.Tensor | None]:
        """Return subwords and attention by window, and the gates, each unit's from the window that owns it."""
        windows = self.aligner.windows(document)
        owner = self.aligner.owners(document, windows)
        views, gates = [], None
        for place, window in enumerate(windows):
            view, seen = self._view(document, window)
            views.append(view)
            if seen is not None:
                gates = torch.zeros(len(document.units)) if gates is None else gates
                own = [unit for unit in range(len(document.units)) if owner[unit] == place]
                gates[own] = seen.gates[0].float().cpu()[[unit - window.first_unit for unit in own]]
        return views, gates

    def _view(self, document: Document, window: Window) -> tuple[WindowInspection, HeadInspection | None]:
        batch = self.to_device(self.collate([self.features(window)]))
        mask = batch["unit_positions"] != -100
        encoded = self.encoder(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            output_attentions=True,
            return_dict=True,
        )
        states = self.unit_states(
            encoded.last_hidden_state,
            batch["unit_positions"],
            batch["unit_places"],
            batch.get("word_shape_feature"),
            mask,
            batch.get("character_ngrams"),
            batch["input_ids"].gather(1, batch["unit_positions"]),
        )
        seen = self.head.inspect(states, mask, ChainContext(positions=batch["unit_positions"]))
        before, after = len(self.aligner.prefix), len(self.aligner.suffix)
        inner = len(window.input_ids) - before - after
        offsets = document.offsets[window.first_subword : window.first_subword + inner]
        view = WindowInspection(
            self.tokenizer.convert_ids_to_tokens(window.input_ids),
            [(0, 0)] * before + offsets + [(0, 0)] * after,
            [layer[0].float().cpu() for layer in encoded.attentions or ()],
            window.first_unit,
            None if seen is None else seen.attention[0].float().cpu(),
        )
        return view, seen

    def new_chain(self, units: int) -> torch.Tensor:
        """Return zeros `(units, tags)` on the model's device."""
        return torch.zeros(units, len(self.config.tags), device=self.device)

    @torch.no_grad()
    def window_emissions(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return emissions of a batch of windows `(batch, units, tags)`, float32."""
        return self(**batch, decode=False).emissions


def _check_given(name: str, value: torch.Tensor | None, setting: str) -> None:
    """Raise ValueError if a batch lacks an input that a setting of the config requires."""
    if value is None:
        raise ValueError(
            f"expected {name} beside unit_positions, because the model's config has {setting}, got none; make batches "
            "with model.collate or kospan.tasks.token_classification.task"
        )
