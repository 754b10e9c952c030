"""`KospanForQuestionAnswering`: encoder over question and text, start and end scores, and answers as spans."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from .alignment import Document  # noqa: F401  (transformers 4.51 copies from a folder only what this file names itself)
from .answers import Answer  # noqa: F401  (as above)
from .best_paths import best_paths  # noqa: F401  (as above)
from .bilstm import MaskedBiLSTM  # noqa: F401  (as above)
from .block_attention import gathered_attention  # noqa: F401  (as above)
from .block_pattern import block_table  # noqa: F401  (as above)
from .character_ngrams import CharacterNgrams  # noqa: F401  (as above)
from .code_files import is_remote_code  # noqa: F401  (as above)
from .configuration_kospan import KospanQuestionAnsweringConfig
from .crf import CRF  # noqa: F401  (as above)
from .crf_inputs import prepare_inputs  # noqa: F401  (as above)
from .encoders import load_encoder  # noqa: F401  (as above)
from .exact_match import LONGEST_MATCH
from .feed_forward import feed_forward  # noqa: F401  (as above)
from .forward_backward import sweep  # noqa: F401  (as above)
from .input_checks import as_text  # noqa: F401  (as above)
from .int8_weights import restored_weights  # noqa: F401  (as above)
from .modeling_kospan import EmissionsOutput, KospanPreTrainedModel
from .once_differentiable import once_differentiable  # noqa: F401  (as above)
from .padded_batches import padded_batch  # noqa: F401  (as above)
from .particles import particle_cuts  # noqa: F401  (as above)
from .pipeline_base import KospanPipeline  # noqa: F401  (as above)
from .pipeline_question_answering import KospanQuestionAnsweringPipeline  # noqa: F401  (as above)
from .pipeline_text_classification import KospanTextClassificationPipeline  # noqa: F401  (as above)
from .pipeline_token_classification import KospanTokenClassificationPipeline  # noqa: F401  (as above)
from .pipelines import PIPELINES
from .question_answering_methods import QuestionAnsweringMethods
from .rdrop import answer_divergence, mean_loss
from .settings import choice  # noqa: F401  (as above)
from .span_posteriors import SpanPosteriors  # noqa: F401  (as above)
from .span_selection import Decoding  # noqa: F401  (as above)
from .spans import Span  # noqa: F401  (as above)
from .sparse_attention import SparseBigBird  # noqa: F401  (as above)
from .sparse_layers import make_plan  # noqa: F401  (as above)
from .tags import labels_of  # noqa: F401  (as above)
from .wide_linear import wide_linear
from .window_batches import WindowBatches  # noqa: F401  (as above)
from .word_shapes import SHAPES  # noqa: F401  (as above)
from .words import words  # noqa: F401  (as above)


@dataclass
class KospanQuestionAnsweringOutput(EmissionsOutput):
    """Output of `KospanForQuestionAnswering`.

    Args:
        loss: Cross-entropy of an answer's two ends, a mean over ends, in nats, a scalar; with R-Drop the divergence is
            in it.
        emissions: Start and end scores `(batch, 1 + units, 2)`, float32; the first place is "no answer here", padding
            has the lowest float.
        divergence: R-Drop's part of `loss`, a scalar; None without it.
        hidden_states: As the encoder gives them.
        attentions: As the encoder gives them.
    """

    loss: torch.Tensor | None = None
    emissions: torch.Tensor | None = None
    divergence: torch.Tensor | None = None
    hidden_states: tuple | None = None
    attentions: tuple | None = None


class KospanForQuestionAnswering(QuestionAnsweringMethods, KospanPreTrainedModel):
    """Extractive question answering.

    >>> model = AutoModel.from_pretrained("user/name", trust_remote_code=True)  # doctest: +SKIP
    >>> model.answer("수도는 어디인가?", "대한민국의 수도는 서울이다.")  # doctest: +SKIP
    [Span(start=10, end=12, label='answer', score=0.97)]
    """

    config_class = KospanQuestionAnsweringConfig
    _auto_class = "AutoModelForQuestionAnswering"
    _pipeline_class = PIPELINES["question-answering"]
    _keep_in_fp32_modules = _keep_in_fp32_modules_strict = None

    def __init__(self, config: KospanQuestionAnsweringConfig):
        super().__init__(config)
        width = config.hidden_size
        self.place_embedding = nn.Embedding(config.places, width) if config.uses_places else None
        self.match_embedding = nn.Embedding(LONGEST_MATCH + 1, width) if config.exact_match_feature else None
        width = self.add_lstm(config, width)
        self.dropout = nn.Dropout(config.dropout)
        self.projection = nn.Linear(width, 2)
        self.post_init()

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        unit_positions: torch.Tensor | None = None,
        unit_places: torch.Tensor | None = None,
        exact_match_feature: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        rdrop_alpha: float = 0.0,
        rdrop_level: str = "token",
        inputs_embeds: torch.Tensor | None = None,
        encoder_states: torch.Tensor | None = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
    ) -> KospanQuestionAnsweringOutput:
        """Compute start and end scores, and with labels the loss.

        Args:
            input_ids: Subwords of question and window `(batch, length)`.
            attention_mask: 1 for subwords, 0 for padding `(batch, length)`.
            token_type_ids: 1 from the window's first subword on `(batch, length)`; None if the encoder knows none.
            unit_positions: Position whose vector each unit takes `(batch, units)`, -100 as padding on the right.
            unit_places: Place of each unit inside its subword `(batch, units)`, -100 as padding.
            exact_match_feature: See `exact_match.py` `(batch, units)`, -100 as padding; required by
                `config.exact_match_feature`.
            labels: Place of the answer's first and of its last unit `(batch, 2)`, counted from 1; 0 if the window does
                not contain the answer.
            num_items_in_batch: Ends over which the loss is averaged; None means those of this batch.
            rdrop_alpha: Weight of R-Drop's divergence; 0 turns it off. Above 0 the batch holds every row twice, the
                copies after the originals.
            rdrop_level: Not used: the divergence compares start and end distributions.
            inputs_embeds: Word vectors `(batch, length, hidden)` instead of `input_ids`.
            encoder_states: Earlier output of the encoder `(batch, length, hidden)`, float32, instead of `input_ids`.
            output_hidden_states: Whether to return the states of all layers of the encoder.
            output_attentions: Whether to return the attention weights of the encoder.
            return_dict: Ignored; the output is always an object.

        Raises:
            ValueError: If `unit_positions` is missing, or `exact_match_feature` where they are needed, and as
                `encode`.
        """
        if unit_positions is None:
            raise ValueError(
                "expected unit_positions beside input_ids, got none, as from transformers' pipeline(task, model=<a "
                "loaded model>); for text call model.answer(question, context) or model.pipeline(), for batches use "
                "the features of kospan.tasks.question_answering.task"
            )
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        encoded = self.encode(
            encoder_states,
            input_ids=input_ids,
            attention_mask=attention_mask,
            inputs_embeds=inputs_embeds,
            output_hidden_states=output_hidden_states,
            output_attentions=output_attentions,
            **types,
        )
        units = unit_positions != -100
        mask = torch.cat([torch.ones_like(units[:, :1]), units], dim=1)  # shape: (batch, 1 + units)
        states = self.unit_states(encoded.last_hidden_state, unit_positions, unit_places, exact_match_feature, mask)
        samples = self.config.multi_sample_dropout if self.training else 1
        emissions = torch.stack([self.project(states) for _ in range(samples)]).mean(dim=0)
        emissions = emissions.masked_fill(~mask.unsqueeze(2), torch.finfo(emissions.dtype).min)
        loss, divergence = None, None
        if labels is not None:
            total = nn.functional.cross_entropy(emissions, labels, reduction="sum")
            if rdrop_alpha > 0:
                divergence = rdrop_alpha * answer_divergence(emissions, mask)
            loss, divergence = mean_loss(total, labels.numel(), divergence, num_items_in_batch)
        return KospanQuestionAnsweringOutput(
            loss=loss,
            emissions=emissions,
            divergence=None if divergence is None else divergence.detach(),
            hidden_states=encoded.hidden_states,
            attentions=encoded.attentions,
        )

    def unit_states(
        self,
        states: torch.Tensor,
        unit_positions: torch.Tensor,
        unit_places: torch.Tensor | None,
        exact_match_feature: torch.Tensor | None,
        mask: torch.Tensor,
    ) -> torch.Tensor:
        """Convert encoder states `(batch, length, hidden)` to unit states `(batch, 1 + units, width)`.

        The first state is that of "no answer". The LSTM is applied if there is one.
        """
        units = self.gather_units(states, unit_positions, unit_places)
        if self.match_embedding is not None:
            if exact_match_feature is None:
                raise ValueError(
                    "expected exact_match_feature beside unit_positions, because the model's config has "
                    "exact_match_feature, got none; make batches with model.collate or "
                    "kospan.tasks.question_answering.task"
                )
            units = units + self.match_embedding(exact_match_feature.clamp(min=0))
        units = torch.cat([states[:, :1], units], dim=1)
        return units if self.recurrent is None else self.recurrent(self.lstm_dropout(units), mask)

    def project(self, states: torch.Tensor) -> torch.Tensor:
        """Project states `(batch, 1 + units, width)` to start and end scores in float32, with dropout."""
        return wide_linear(self.projection, self.dropout(states.float()))

    @torch.no_grad()
    def window_emissions(self, batch: dict[str, torch.Tensor]) -> np.ndarray:
        """Return start and end scores of a batch of windows `(batch, 1 + units, 2)`, float32."""
        return self(**batch).emissions.float().cpu().numpy()
