"""`KospanForSequenceClassification`: encoder over a text or a pair of texts, scores of classes or a value."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from transformers.utils import ModelOutput

from .alignment import Document  # noqa: F401  (transformers 4.51 copies from a folder only what this file names itself)
from .best_paths import best_paths  # noqa: F401  (as above)
from .bilstm import MaskedBiLSTM  # noqa: F401  (as above)
from .block_attention import gathered_attention  # noqa: F401  (as above)
from .block_pattern import block_table  # noqa: F401  (as above)
from .character_ngrams import CharacterNgrams  # noqa: F401  (as above)
from .code_files import is_remote_code  # noqa: F401  (as above)
from .configuration_kospan import KospanSequenceClassificationConfig
from .crf import CRF  # noqa: F401  (as above)
from .crf_inputs import prepare_inputs  # noqa: F401  (as above)
from .encoders import load_encoder  # noqa: F401  (as above)
from .feed_forward import feed_forward  # noqa: F401  (as above)
from .forward_backward import sweep  # noqa: F401  (as above)
from .input_checks import as_text  # noqa: F401  (as above)
from .int8_weights import restored_weights  # noqa: F401  (as above)
from .modeling_kospan import KospanPreTrainedModel
from .once_differentiable import once_differentiable  # noqa: F401  (as above)
from .padded_batches import padded_batch  # noqa: F401  (as above)
from .pipeline_base import KospanPipeline  # noqa: F401  (as above)
from .pipeline_question_answering import KospanQuestionAnsweringPipeline  # noqa: F401  (as above)
from .pipeline_text_classification import KospanTextClassificationPipeline  # noqa: F401  (as above)
from .pipeline_token_classification import KospanTokenClassificationPipeline  # noqa: F401  (as above)
from .pipelines import PIPELINES
from .rdrop import class_divergence, mean_loss
from .sequence_classification_methods import SequenceClassificationMethods
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
class KospanSequenceClassificationOutput(ModelOutput):
    """Output of `KospanForSequenceClassification`.

    Args:
        loss: Cross-entropy in nats, or the squared error in units of `value_spread`, a mean over rows, a scalar; with
            R-Drop the divergence is in it.
        logits: Scores `(batch, classes)`, float32; of a value `(batch, 1)`, in units of `value_spread` from
            `value_mean`.
        divergence: R-Drop's part of `loss`, a scalar; None without it.
        hidden_states: As the encoder gives them.
        attentions: As the encoder gives them.
    """

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    divergence: torch.Tensor | None = None
    hidden_states: tuple | None = None
    attentions: tuple | None = None


class KospanForSequenceClassification(SequenceClassificationMethods, KospanPreTrainedModel):
    """Classification or regression of texts or pairs of texts.

    >>> model = AutoModel.from_pretrained("user/name", trust_remote_code=True)  # doctest: +SKIP
    >>> model.classify("코스피가 사상 최고치를 기록했다")  # doctest: +SKIP
    Span(start=0, end=16, label='경제', score=0.97)
    """

    config_class = KospanSequenceClassificationConfig
    _auto_class = "AutoModelForSequenceClassification"
    _pipeline_class = PIPELINES["text-classification"]
    _keep_in_fp32_modules = _keep_in_fp32_modules_strict = None

    def __init__(self, config: KospanSequenceClassificationConfig):
        super().__init__(config)
        self.dropout = nn.Dropout(config.dropout)
        self.projection = nn.Linear(config.hidden_size, len(config.classes))
        self.post_init()

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        rdrop_alpha: float = 0.0,
        rdrop_level: str = "token",
        inputs_embeds: torch.Tensor | None = None,
        encoder_states: torch.Tensor | None = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
    ) -> KospanSequenceClassificationOutput:
        """Compute logits, and with labels the loss.

        Args:
            input_ids: Subwords of each passage `(batch, length)`.
            attention_mask: 1 for subwords, 0 for padding `(batch, length)`; None means everywhere.
            token_type_ids: As the tokenizer gives them for a pair, with most 0 for the text and 1 for the text_pair
                `(batch, length)`; None if the encoder knows none, or there is one text.
            labels: Class ids, or values, `(batch,)`.
            num_items_in_batch: Rows over which the loss is averaged; None means those of this batch.
            rdrop_alpha: Weight of R-Drop's divergence; 0 turns it off. Above 0 the batch holds every row twice, the
                copies after the originals.
            rdrop_level: Not used: the divergence compares class distributions.
            inputs_embeds: Word vectors `(batch, length, hidden)` instead of `input_ids`.
            encoder_states: Earlier output of the encoder `(batch, length, hidden)`, float32, instead of `input_ids`.
            output_hidden_states: Whether to return the states of all layers of the encoder.
            output_attentions: Whether to return the attention weights of the encoder.
            return_dict: Ignored; the output is always an object.

        Raises:
            ValueError: As `encode`.
        """
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
        state = self.pooled(encoded.last_hidden_state, attention_mask)
        samples = self.config.multi_sample_dropout if self.training else 1
        logits = torch.stack([self.project(state) for _ in range(samples)]).mean(dim=0)
        loss, divergence = None, None
        if labels is not None:
            if rdrop_alpha > 0:
                divergence = rdrop_alpha * class_divergence(logits)
            loss, divergence = mean_loss(self._summed_loss(logits, labels), len(labels), divergence, num_items_in_batch)
        return KospanSequenceClassificationOutput(
            loss=loss,
            logits=logits,
            divergence=None if divergence is None else divergence.detach(),
            hidden_states=encoded.hidden_states,
            attentions=encoded.attentions,
        )

    def _summed_loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if self.config.problem_type == "single_label_classification":
            return nn.functional.cross_entropy(logits, labels, reduction="sum")
        wanted = (labels.float() - self.config.value_mean) / self.config.value_spread
        return nn.functional.mse_loss(logits[:, 0], wanted, reduction="sum")

    def pooled(self, states: torch.Tensor, attention_mask: torch.Tensor | None) -> torch.Tensor:
        """Pool encoder states `(batch, length, hidden)` to one state per row `(batch, hidden)`."""
        if self.config.pooling == "cls":
            return states[:, 0]
        if attention_mask is None:
            return states.mean(dim=1)
        # Summed in float32: in half precision a long row would lose the last of its positions.
        weights = attention_mask.unsqueeze(2).float()
        return ((states.float() * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)).to(states.dtype)

    def project(self, state: torch.Tensor) -> torch.Tensor:
        """Project one state per row `(batch, hidden)` to scores `(batch, classes)` in float32, with dropout."""
        return wide_linear(self.projection, self.dropout(state.float()))

    @torch.no_grad()
    def window_logits(self, batch: dict[str, torch.Tensor]) -> np.ndarray:
        """Return logits of a batch of passages `(batch, classes)`, float64."""
        return self(**batch).logits.double().cpu().numpy()
