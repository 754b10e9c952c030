"""Methods for questions of question-answering models: windows, features and answers. Only NumPy is needed."""

from collections.abc import Sequence
from typing import NamedTuple
from unicodedata import is_normalized, normalize

import numpy as np

from .alignment import Document, Window, clusters
from .answers import Answer, AnswerDistribution, WindowScores
from .exact_match import match_lengths
from .input_checks import as_text, check_prediction_arguments, check_texts
from .padded_batches import DOCUMENTS_AT_A_TIME
from .particles import particle_cuts, trimmed_end
from .settings import encoder_limit
from .spans import Span

_NULL_PLACE = 0  # of a row of scores: [CLS], "this window holds no answer"


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


class QuestionAnsweringMethods:
    """Mixin of models with a config and an aligner that compute start and end scores of batches of windows."""

    def answer(
        self,
        question: str | Sequence[str],
        context: str | Sequence[str],
        top_k: int = 1,
        threshold: float | None = None,
        batch_size: int = 32,
        overlapping: bool = False,
        return_probabilities: bool = False,
        **limits: int | bool,
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
            for at in range(0, len(questions), DOCUMENTS_AT_A_TIME):
                some = slice(at, at + DOCUMENTS_AT_A_TIME)
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
            emissions = self.window_emissions(features)
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
