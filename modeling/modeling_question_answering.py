"""`KospanForQuestionAnswering`: encoder over question and text, start and end scores, and answers as spans."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from unicodedata import is_normalized, normalize

import numpy as np
import torch
from torch import nn

from .alignment import Document, Window, clusters
from .answers import Answer, AnswerDistribution, WindowScores
from .best_paths import best_paths  # noqa: F401  (transformers 4.51 copies from a folder only what this file names itself)
from .bilstm import MaskedBiLSTM  # noqa: F401  (as above)
from .block_attention import gathered_attention  # noqa: F401  (as above)
from .block_pattern import block_table  # noqa: F401  (as above)
from .code_files import is_remote_code  # noqa: F401  (as above)
from .configuration_kospan import KospanQuestionAnsweringConfig
from .crf import CRF  # noqa: F401  (as above)
from .crf_inputs import prepare_inputs  # noqa: F401  (as above)
from .encoders import encoder_limit
from .exact_match import LONGEST_MATCH, match_lengths
from .feed_forward import feed_forward  # noqa: F401  (as above)
from .forward_backward import sweep  # noqa: F401  (as above)
from .input_checks import as_text, check_prediction_arguments, check_texts
from .modeling_kospan import EmissionsOutput, KospanPreTrainedModel
from .once_differentiable import once_differentiable  # noqa: F401  (as above)
from .particles import particle_cuts, trimmed_end
from .pipeline_base import KospanPipeline  # noqa: F401  (as above)
from .pipeline_question_answering import KospanQuestionAnsweringPipeline  # noqa: F401  (as above)
from .pipeline_text_classification import KospanTextClassificationPipeline  # noqa: F401  (as above)
from .pipeline_token_classification import KospanTokenClassificationPipeline  # noqa: F401  (as above)
from .pipelines import PIPELINES
from .rdrop import answer_divergence, mean_loss
from .settings import choice  # noqa: F401  (as above)
from .span_posteriors import SpanPosteriors  # noqa: F401  (as above)
from .span_selection import Decoding  # noqa: F401  (as above)
from .spans import Span
from .sparse_attention import SparseBigBird  # noqa: F401  (as above)
from .sparse_layers import make_plan  # noqa: F401  (as above)
from .tags import labels_of  # noqa: F401  (as above)
from .wide_linear import wide_linear
from .window_batches import WindowBatches  # noqa: F401  (as above)
from .word_shapes import SHAPES  # noqa: F401  (as above)
from .words import words  # noqa: F401  (as above)

# Documents that are taken apart at a time, see modeling_token_classification.
_DOCUMENTS_AT_A_TIME = 1024
_NULL_PLACE = 0  # of a row of scores: [CLS], "this window holds no answer"


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


class AnswerScores(NamedTuple):
    """Answers to one question, with the probabilities of starts and ends.

    Args:
        answers: Spans of the text, best first.
        starts: Probability that the answer begins at each character of the text `(characters)`, float64; for a unit of
            several characters it is that of the first.
        ends: The same for its last character.
        null: Probability of "no answer"; 0 if the model does not allow it.
    """

    answers: list[Span]
    starts: np.ndarray
    ends: np.ndarray
    null: float


class Limits(NamedTuple):
    """Settings that a call may override; see `KospanQuestionAnsweringConfig`."""

    max_length: int
    stride: int
    max_query_length: int
    max_answer_length: int
    allow_no_answer: bool
    trim_particles: bool


class KospanForQuestionAnswering(KospanPreTrainedModel):
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

    # --- questions to answers -----------------------------------------------------------------------------------------

    @torch.no_grad()
    def answer(
        self,
        question: str | Sequence[str],
        context: str | Sequence[str],
        top_k: int = 1,
        threshold: float | None = None,
        batch_size: int = 32,
        overlapping: bool = False,
        return_probabilities: bool = False,
        **limits,
    ) -> list[Span] | list[list[Span]] | AnswerScores | list[AnswerScores]:
        """Find the most probable answers to each question in its text.

        Args:
            question: A question, or a sequence of questions (a list, an array, a Series, a data set's column).
            context: The text to find the answer in, or one for each question; of any length, as it is split into
                windows. A single text serves several questions.
            top_k: Maximum number of answers.
            threshold: Answers with a lower probability are omitted; None uses the config's.
            batch_size: Number of windows in a batch.
            overlapping: Whether answers may share characters.
            return_probabilities: Whether to return the probabilities of starts and ends, see `AnswerScores`.
            **limits: `max_length`, `stride`, `max_query_length`, `max_answer_length`, `allow_no_answer`,
                `trim_particles`, to override the config's.

        Returns:
            Spans labelled "answer", best first: a list for a str, a list of lists for a sequence. "No answer", where
            the model knows of it, is a span from 0 to 0. No answer begins or ends with white space, and a text that
            holds nothing else has no answer but this one.

        Raises:
            TypeError: If a text is not a str.
            ValueError: If a question is empty, a number is out of range, or there are not as many texts as questions.
                Threads may call it at once.
        """
        question, context = as_text(question), as_text(context)
        if isinstance(question, str):
            if not isinstance(context, str):
                raise TypeError(f"expected one text for one question, got {type(context).__name__}; pass two lists")
            return self.answer(
                [question], [context], top_k, threshold, batch_size, overlapping, return_probabilities, **limits
            )[0]
        questions = check_texts(question, "question")
        contexts = check_texts([context] * len(questions) if isinstance(context, str) else context, "context")
        threshold = self.config.threshold if threshold is None else threshold
        check_prediction_arguments(threshold, batch_size)
        _check_questions(questions, contexts)
        if isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1:
            raise ValueError(f"expected top_k of 1 or more, got {top_k!r}; 1 gives the best answer alone")
        within = self.limits(**limits)
        found = []
        with self.evaluating():
            for at in range(0, len(questions), _DOCUMENTS_AT_A_TIME):
                some = slice(at, at + _DOCUMENTS_AT_A_TIME)
                documents, scores = self.window_scores(questions[some], contexts[some], batch_size, within)
                for document, windows in zip(documents, scores):
                    answers = self.ranking(document, windows, within)
                    spans = self._spans(document, answers.best(top_k, overlapping), threshold, within)
                    found.append(_answer_scores(document, answers, spans) if return_probabilities else spans)
        return found

    def limits(self, **other) -> Limits:
        """Return the config's limits with the given overrides.

        Raises:
            TypeError: If a limit is unknown.
            ValueError: If one is out of range.
        """
        found = {name: getattr(self.config, name) for name in Limits._fields}
        for name, value in other.items():
            if name not in found:
                raise TypeError(f"expected only the limits {', '.join(found)}, got {name}; remove it")
            if value is None:
                continue
            kind = type(found[name])
            if type(value) is not kind or (kind is int and value < 1):
                wanted = "true or false" if kind is bool else "a whole number of 1 or more"
                raise ValueError(f"expected {name} to be {wanted}, got {value!r}; remove it to use the model's own")
            found[name] = value
        most = encoder_limit(self.config.encoder_config)
        if most is not None and found["max_length"] > most:
            raise ValueError(
                f"expected max_length to be {most} or less, which is what the encoder reads, got "
                f"{found['max_length']}; remove it to use the model's own"
            )
        return Limits(**found)

    def windows(
        self, question: str, document: Document, limits: Limits | None = None, subwords: Sequence[int] | None = None
    ) -> list[Window]:
        """Split a text into windows behind the question, whose subwords may be passed if they are known."""
        limits = limits or self.limits()
        subwords = self.aligner.documents([question])[0].subwords if subwords is None else subwords
        return self.aligner.windows(document, subwords[: limits.max_query_length], limits.stride, limits.max_length)

    def matches(self, question: str, document: Document) -> list[int]:
        """Return the exact-match feature of each unit; empty if the model does not use it."""
        if not self.config.exact_match_feature:
            return []
        text, form = document.text, self.config.normalization
        if form == "none" or is_normalized(form, text):
            lengths = match_lengths(text, question if form == "none" else normalize(form, question))
        else:
            parts = clusters(text, form)
            composed = match_lengths("".join(part for _, _, part in parts), normalize(form, question))
            lengths, at = [], 0
            for start, end, part in parts:
                lengths += [max(composed[at : at + len(part)], default=0)] * (end - start)
                at += len(part)
        if len(document.units) == len(lengths):
            return lengths
        return [max(lengths[start:end], default=0) for start, end in document.units]

    def features(self, window: Window, matches: Sequence[int]) -> dict[str, list[int]]:
        """Return the model's inputs for a window, without labels."""
        first, last = window.first_unit, window.first_unit + len(window.unit_positions)
        found = {
            "input_ids": window.input_ids,
            "unit_positions": window.unit_positions,
            "unit_places": window.unit_places,
        }
        if self.config.exact_match_feature:
            found["exact_match_feature"] = list(matches[first:last])
        if (getattr(self.config.encoder_config, "type_vocab_size", 0) or 0) > 1:
            behind = window.text_at
            found["token_type_ids"] = [0] * behind + [1] * (len(window.input_ids) - behind)
        return found

    @torch.no_grad()
    def window_scores(
        self, questions: Sequence[str], contexts: Sequence[str], batch_size: int = 32, limits: Limits | None = None
    ) -> tuple[list[Document], list[list[WindowScores]]]:
        """Return documents and scores of their windows; windows are batched by length."""
        distinct = list(dict.fromkeys([*contexts, *questions]))
        apart = dict(zip(distinct, self.aligner.documents(distinct)))
        documents = [apart[text] for text in contexts]
        jobs = []
        for at, (question, document) in enumerate(zip(questions, documents)):
            matches = self.matches(question, document)
            windows = self.windows(question, document, limits, apart[question].subwords)
            jobs += [(at, window, self.features(window, matches)) for window in windows]
        found: list[list[WindowScores]] = [[] for _ in documents]
        for chosen, features in self.window_batches([each for _, _, each in jobs], batch_size):
            batch = [jobs[job] for job in chosen]
            emissions = self(**features).emissions.float().cpu().numpy()
            for (at, window, _), scores in zip(batch, emissions):
                units = slice(1, 1 + len(window.unit_positions))
                null = float(scores[_NULL_PLACE].sum())
                found[at].append(WindowScores(window.first_unit, scores[units, 0], scores[units, 1], null))
        return documents, found

    def ranking(
        self, document: Document, windows: Sequence[WindowScores], limits: Limits, temperature: float | None = None
    ) -> AnswerDistribution:
        """Return the distribution over a text's answers; without `temperature` the config's is used."""
        answers = AnswerDistribution(
            windows,
            document.unit_subwords,
            limits.max_answer_length,
            limits.stride,
            limits.allow_no_answer,
            self.config.calibration_temperature if temperature is None else temperature,
            blank_units(document),
        )
        if limits.trim_particles and self.config.unit == "character":
            answers.shorten(_unit_cuts(document))
        return answers

    def _spans(self, document: Document, answers: list[Answer], threshold: float, limits: Limits) -> list[Span]:
        """Convert answers in units to spans of characters."""
        spans = []
        for first, last, score in answers:
            if score < threshold:
                continue
            start, end = (document.units[first][0], document.units[last - 1][1]) if first < last else (0, 0)
            if limits.trim_particles:  # Of words; characters have theirs already.
                end = trimmed_end(document.text, start, end)
            spans.append(Span(start, end, self.config.id2label[0], score))
        return spans


def blank_units(document: Document) -> list[bool]:
    """Return for each unit whether it is white space."""
    return [document.text[start:end].isspace() for start, end in document.units]


def _answer_scores(document: Document, answers: AnswerDistribution, spans: list[Span]) -> AnswerScores:
    starts, ends = np.zeros(len(document.text)), np.zeros(len(document.text))
    if document.units:
        starts[[start for start, _ in document.units]] = answers.starts()
        ends[[end - 1 for _, end in document.units]] = answers.ends()
    return AnswerScores(spans, starts, ends, answers.null_probability)


def _unit_cuts(document: Document) -> dict[int, list[int]]:
    """Return for each end of a particle its possible starts, the longest particle first.

    The key is the index behind the particle's last unit.
    """
    unit_at = {start: at for at, (start, _) in enumerate(document.units)}
    found = {}
    for at, (_, end) in enumerate(document.units):
        cuts = [unit_at[cut] for cut in particle_cuts(document.text, end) if cut in unit_at]
        if cuts:
            found[at + 1] = cuts
    return found


def _check_questions(questions: Sequence[str], contexts: Sequence[str]) -> None:
    if len(questions) != len(contexts):
        raise ValueError(
            f"expected a text for each question, got {len(questions)} questions and {len(contexts)} texts; pass "
            "lists of one length, or one text for all"
        )
    for at, question in enumerate(questions):
        if not question.strip():
            raise ValueError(f"expected a question of one character or more, got {question!r} at index {at}")
