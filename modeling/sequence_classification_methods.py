"""Methods for texts of sequence-classification models: passages, features and scores. Only NumPy is needed."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .alignment import Document
from .input_checks import as_text, check_batch_size, check_prediction_arguments, check_texts
from .padded_batches import DOCUMENTS_AT_A_TIME
from .spans import Span

# Windows advance by at least this share of their length, or time would be quadratic in the length of a text.
_LEAST_STEP = 1 / 16


class TextWindow(NamedTuple):
    """Input of the encoder for one part of a text or pair.

    Args:
        input_ids: Subwords with special tokens `(length)`.
        windowed_at: Position of the first subword of the field that windows run over; of a single text this is the
            text.
        pair_at: Position of the first subword of the text_pair; without one, the position after the text.
        first_subword: Index, in its field, of the subword at `windowed_at`.
        start: First character of the stretch of the windowed field.
        end: One past its last character.
        weight: Its weight among the passages of a text: the subwords that it holds, special tokens not counted; 1 for a
            text without any.
    """

    input_ids: list[int]
    windowed_at: int
    pair_at: int
    first_subword: int
    start: int
    end: int
    weight: int


class ClassScores(NamedTuple):
    """Scores of a text, and of each of its passages.

    Args:
        span: The whole text with its most probable class, or its value.
        scores: Class -> calibrated probability, the highest first; of a value its name -> value.
        passages: Start and end in characters of the windowed field, weight, and scores by class of each passage alone.
    """

    span: Span
    scores: dict[str, float]
    passages: list[tuple[int, int, int, dict[str, float]]]


class SequenceClassificationMethods:
    """Mixin of models with a config, a tokenizer and an aligner that compute logits of batches of passages."""

    # The aligner, and the tokenizer's token types in a pair.
    _pair_types: tuple = (None, [])

    def classify(
        self,
        texts: str | Sequence[str],
        text_pairs: str | Sequence[str] | None = None,
        threshold: float = 0.0,
        batch_size: int = 32,
    ) -> Span | list[Span | None] | None:
        """Predict the most probable class of each text, or its value.

        A text of any length is read completely: a text that does not fit into one window is split into overlapping
        ones, whose logits are averaged, weighted by the subwords that each holds, before the softmax. A text without
        characters is read as the special tokens alone.

        Args:
            texts: A text, or a sequence of texts (a list, an array, a Series, a data set's column).
            text_pairs: The second text of each pair, for a model that reads pairs, as a tokenizer takes it: the
                hypothesis for the text's premise. None for a model of single texts.
            threshold: The result is None for a text whose class is less probable; it must be 0 for values, which have
                no probability.
            batch_size: Number of windows in a batch.

        Returns:
            A span over the whole text, labelled with the class and its calibrated probability, or with the value's name
            and the value: one for a str, a list for a sequence.

        Raises:
            TypeError: If a text is not a str.
            ValueError: If a text is not valid Unicode, a number is out of range, pairs are missing or not supported, or
                the field that is repeated in each window is too long. Threads may call it at once.
        """
        texts = as_text(texts)
        if isinstance(texts, str):
            return self.classify([texts], _one_pair(text_pairs), threshold, batch_size)[0]
        texts = check_texts(texts)
        check_prediction_arguments(threshold, batch_size)
        if self.config.problem_type == "regression" and threshold > 0:
            raise ValueError(
                f"expected threshold 0 of a model that gives values, which have no probability, got {threshold}; "
                "remove it"
            )
        scores = self.scores(texts, text_pairs, batch_size)
        best = scores.argmax(axis=1)
        found = [
            Span(0, len(text), self.config.id2label[int(at)], float(row[at]))
            for text, row, at in zip(texts, scores, best)
        ]
        if self.config.problem_type == "regression":
            return found
        return [span if span.score >= threshold else None for span in found]

    def scores(self, texts: Sequence[str], text_pairs: Sequence[str] | None = None, batch_size: int = 32) -> np.ndarray:
        """Return calibrated probabilities of all classes `(texts, classes)`, or values `(texts, 1)`, float64.

        Arguments as in `classify`.
        """
        return self.scores_of(self.logits(texts, text_pairs, batch_size))

    def scores_of(self, logits: np.ndarray, temperature: float | None = None) -> np.ndarray:
        """Convert logits `(texts, classes)` to scores; without `temperature` the config's is used."""
        if self.config.problem_type == "regression":
            return self.config.value_mean + self.config.value_spread * logits
        logits = logits / (self.config.calibration_temperature if temperature is None else temperature)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
        return powers / powers.sum(axis=1, keepdims=True)

    def logits(self, texts: Sequence[str], text_pairs: Sequence[str] | None = None, batch_size: int = 32) -> np.ndarray:
        """Return logits `(texts, classes)`, float64: means over passages, weighted by their subwords."""
        check_batch_size(batch_size)
        texts, pairs = self._checked(texts, text_pairs)
        found = np.zeros((len(texts), len(self.config.classes)))
        with self.evaluating():
            for at in range(0, len(texts), DOCUMENTS_AT_A_TIME):
                some = slice(at, at + DOCUMENTS_AT_A_TIME)
                names = [f"index {place}" for place in range(len(texts))[some]]
                passages = self.passages_of(texts[some], pairs and pairs[some], names)
                rows = self._passage_logits([each for parts in passages for each in parts], batch_size)
                owners = np.repeat(np.arange(len(passages)), [len(parts) for parts in passages])
                weights = np.array([each.weight for parts in passages for each in parts], dtype=np.float64)
                totals = np.bincount(owners, weights, minlength=len(passages))
                np.add.at(found[some], owners, rows * (weights / totals[owners])[:, None])
        return found

    def inspect(self, text: str, text_pair: str | None = None) -> ClassScores:
        """Return the scores of all classes, for the text and for each passage of a long text.

        Raises:
            Exception: As `classify`.
        """
        [text], pairs = self._checked([text], _one_pair(text_pair))
        with self.evaluating():
            [passages] = self.passages_of([text], pairs)
            logits = self._passage_logits(passages, 32)
        weights = np.array([each.weight for each in passages], dtype=np.float64)
        [whole] = self.scores_of((weights @ logits / weights.sum())[None])
        order = np.argsort(-whole, kind="stable").tolist()
        names = self.config.classes

        def named(row: np.ndarray) -> dict[str, float]:
            return {names[at]: float(row[at]) for at in order}

        parts = [(each.start, each.end, each.weight, named(row)) for each, row in zip(passages, self.scores_of(logits))]
        return ClassScores(Span(0, len(text), names[order[0]], float(whole[order[0]])), named(whole), parts)

    # --- texts to passages --------------------------------------------------------------------------------------------

    def passages_of(
        self, texts: Sequence[str], pairs: Sequence[str] | None, names: Sequence[str] | None = None
    ) -> list[list[TextWindow]]:
        """Split each text or pair into passages; equal texts are tokenized once.

        Args:
            texts: The texts.
            pairs: Their text_pairs; None if there are none.
            names: Names of the texts, for errors.

        Raises:
            ValueError: If the field that is repeated in each window is too long.
        """
        distinct = list(dict.fromkeys([*texts, *(pairs or ())]))
        apart = dict(zip(distinct, self.aligner.documents(distinct)))
        if pairs is None:
            return [self.passages(apart[text]) for text in texts]
        names = [f"index {at}" for at in range(len(texts))] if names is None else names
        return [self.passages(apart[text], apart[pair], name) for text, pair, name in zip(texts, pairs, names)]

    def passages(self, document: Document, pair: Document | None = None, name: str = "the text") -> list[TextWindow]:
        """Split a text or pair into one or more passages.

        Args:
            document: The text as a document.
            pair: Its text_pair as a document; None if there is none.
            name: Name of the text, for errors.

        Raises:
            Exception: As `passages_of`.
        """
        aligner, config = self.aligner, self.config
        before, moving, behind = aligner.prefix, document, aligner.suffix
        second_moves = pair is not None and config.windowed_field == "text_pair"
        if second_moves:
            before, moving = [*before, *document.subwords, *aligner.middle], pair
        elif pair is not None:
            behind = [*aligner.middle, *pair.subwords, *behind]
        room = config.max_length - len(before) - len(behind)
        if len(moving.subwords) <= room:
            start, end = (moving.units[0][0], moving.units[-1][1]) if moving.units else (0, len(moving.text))
            stretches = [(0, moving.subwords, start, end)]
        else:
            least = max(1, int(config.max_length * _LEAST_STEP))
            if pair is not None and room - config.stride < least:
                fixed = document if second_moves else pair
                raise self._too_long(len(fixed.subwords), len(fixed.subwords) + room - config.stride - least, name)
            frame = len(aligner.prefix) + len(aligner.suffix)
            stretches = [
                (
                    window.first_subword,
                    window.input_ids[window.text_at : len(window.input_ids) - len(aligner.suffix)],
                    moving.units[window.first_unit][0],
                    moving.units[window.first_unit + len(window.unit_positions) - 1][1],
                )
                for window in aligner.windows(moving, max_length=room + frame)
            ]
        special = len(aligner.prefix) + len(aligner.suffix) + (0 if pair is None else len(aligner.middle))
        found = []
        for first_subword, own, start, end in stretches:
            ids = [*before, *own, *behind]
            pair_at = len(before) + (0 if second_moves else len(own))
            pair_at += 0 if second_moves or pair is None else len(aligner.middle)
            found.append(TextWindow(ids, len(before), pair_at, first_subword, start, end, max(1, len(ids) - special)))
        return found

    def _too_long(self, length: int, most: int, name: str) -> ValueError:
        """Build the error about a field that leaves too little of a window for the other one."""
        config = self.config
        fixed = "text_pair" if config.windowed_field == "text" else "text"
        return ValueError(
            f"{name}: expected a {fixed} of at most {max(0, most):,} subwords, because each window over the "
            f"{config.windowed_field} holds it in full, got {length:,}; shorten it, raise max_length "
            f"({config.max_length}), lower stride ({config.stride}), or train with windowed_field: {fixed}"
        )

    def features(self, passage: TextWindow) -> dict[str, list[int]]:
        """Return the model's inputs for a passage, without labels."""
        found = {"input_ids": passage.input_ids}
        if self.config.pairs and (getattr(self.config.encoder_config, "type_vocab_size", 0) or 0) > 1:
            before, first, between, second, behind = self._types_of_pairs()
            firsts = passage.pair_at - len(before) - len(between)
            seconds = len(passage.input_ids) - passage.pair_at - len(behind)
            found["token_type_ids"] = [*before, *first * firsts, *between, *second * seconds, *behind]
        return found

    def _types_of_pairs(self) -> list[list[int]]:
        """Return the tokenizer's token types in a pair, by part.

        The parts are the special tokens before the first text, one subword of it, the special tokens between the texts,
        one subword of the second text, and the special tokens after it.
        """
        aligner = self.aligner
        if self._pair_types[0] is not aligner:
            types = self.tokenizer("a", "a", return_token_type_ids=True)["token_type_ids"]
            before, between, behind = len(aligner.prefix), len(aligner.middle), len(aligner.suffix)
            own = (len(types) - before - between - behind) // 2
            sizes = (before, own, between, own, behind)
            ends = [sum(sizes[: at + 1]) for at in range(len(sizes))]
            parts = [types[end - size : end] for end, size in zip(ends, sizes)]
            self._pair_types = aligner, [part[:1] if at in (1, 3) else part for at, part in enumerate(parts)]
        return self._pair_types[1]

    def _passage_logits(self, passages: Sequence[TextWindow], batch_size: int) -> np.ndarray:
        """Return logits `(passages, classes)`, float64; passages are batched by length."""
        found = np.zeros((len(passages), len(self.config.classes)))
        for chosen, features in self.window_batches([self.features(each) for each in passages], batch_size):
            found[chosen] = self.window_logits(features)
        return found

    def _checked(self, texts, text_pairs) -> tuple[list[str], list[str] | None]:
        """Return texts and pairs as lists; no pairs for a model of single texts.

        Raises:
            Exception: As `classify`.
        """
        texts = check_texts(texts)
        if text_pairs is None:
            if self.config.pairs and texts:
                raise ValueError(
                    "expected text_pairs beside texts, because the model reads pairs (config.pairs), got none; pass "
                    "the second text of each pair"
                )
            return texts, [] if self.config.pairs else None
        if not self.config.pairs:
            raise ValueError(
                "expected no text_pairs, because the model reads single texts (config.pairs), got some; remove them"
            )
        text_pairs = check_texts(text_pairs, "text_pairs")
        if len(texts) != len(text_pairs):
            raise ValueError(
                f"expected a text_pair for each text, got {len(text_pairs)} for {len(texts)}; pass lists of one length"
            )
        return texts, text_pairs


def _one_pair(text_pair) -> list[str] | None:
    """Return the text_pair of one text as a list."""
    text_pair = as_text(text_pair)
    if text_pair is None or isinstance(text_pair, str):
        return None if text_pair is None else [text_pair]
    raise TypeError(f"expected one text_pair for one text, got {type(text_pair).__name__}; pass two lists")
