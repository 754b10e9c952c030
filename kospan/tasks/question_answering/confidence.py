"""Confidence of question answering in its best answers."""

from collections.abc import Sequence

import numpy as np
import torch

from kospan.evaluation.confidence import Claims
from kospan.example import Example
from kospan.modeling.question_answering_methods import blank_units
from kospan.modeling.spans import Span
from kospan.tasks.question_answering.metrics import answer_metrics, gold_answers

# Questions per batch, so that memory does not grow with their number.
_QUESTIONS = 1024


class AnswerConfidence:
    """Scores of answers to questions, computed once, and best answers from them at any temperature.

    An answer has its share in one softmax over all answers ("posterior"), which `answer` reports, or the product of two
    softmaxes, over all starts and over all ends. "No answer" is an answer too if the model allows it.

    Args:
        model: A `KospanForQuestionAnswering`.
        examples: Questions with gold answers; those about a text of white space alone have no confidence.
        rules: Rules by which an answer is right, see `kospan.tasks.question_answering.metrics`.
        batch_size: Windows per batch.
    """

    kinds = {"spans": ("posterior", "softmax, product")}

    @torch.no_grad()
    def __init__(self, model, examples: Sequence[Example], rules: str, batch_size: int = 32):
        self.model, self.limits = model, model.limits()
        self.label, self.threshold = model.config.id2label[0], model.config.threshold
        self.blank = [not example.text.strip() for example in examples]
        # The text taken apart and the scores of its windows, for each question.
        self.rows = []
        with model.evaluating():
            for start in range(0, len(examples), _QUESTIONS):
                some = examples[start : start + _QUESTIONS]
                questions, texts = [example.question for example in some], [example.text for example in some]
                self.rows += zip(*model.window_scores(questions, texts, batch_size, self.limits))
        self.rows = [row for row, blank in zip(self.rows, self.blank) if not blank]
        self.documents = len(self.rows)
        self.best = [self._ranking(row, 1.0).best(1)[0] for row in self.rows]
        self.places = [
            (document.units[best.first][0], document.units[best.last - 1][1]) if best.last else (0, 0)
            for best, (document, _) in zip(self.best, self.rows)
        ]
        asked = [example for example, blank in zip(examples, self.blank) if not blank]
        self.right = np.array(
            [
                answer_metrics(example.text[slice(*place)], gold_answers(example), rules)["exact_match"] == 1.0
                for example, place in zip(asked, self.places)
            ],
            dtype=bool,
        )

    def _ranking(self, row: tuple, temperature: float):
        return self.model.ranking(*row, self.limits, temperature)

    def claims(self, part: str, kind: str, temperature: float) -> Claims:
        """Return the best answers with confidences of a kind."""
        if kind == "posterior":
            values = [self._ranking(row, temperature).best(1)[0].score for row in self.rows]
        else:
            values = [self._product(*each, temperature) for each in zip(self.rows, self.best)]
        labels = np.array([self.label] * len(self.rows), dtype=object)
        return Claims(labels, self.right, np.array(values, dtype=np.float64))

    def _product(self, row: tuple, best, temperature: float) -> float:
        """Softmax over all starts times softmax over all ends, "no answer" among both."""
        document, windows = row
        units = len(document.units)
        product = 1.0
        for name, place in (("starts", best.first), ("ends", best.last - 1)):
            scores = np.full(units + 1, -np.inf)
            for window in windows:
                values = getattr(window, name).astype(np.float64)
                here = scores[window.first_unit : window.first_unit + len(values)]
                np.maximum(here, values, out=here)
            scores[np.flatnonzero(blank_units(document))] = -np.inf
            if self.limits.allow_no_answer:
                scores[units] = min(window.null for window in windows) / 2
            scores = np.exp((scores - scores.max()) / temperature)
            product *= scores[place if best.last else units] / scores.sum()
        return float(product)

    def predicted(self, temperature: float) -> list[list[Span]]:
        """Return the best answer to each question as `answer` gives it; none below the threshold of the config."""
        scores = self.claims("spans", "posterior", temperature).confidence.tolist()
        found = iter(
            [Span(start, end, self.label, score)] if end and score >= self.threshold else []
            for (start, end), score in zip(self.places, scores)
        )
        return [[] if blank else next(found) for blank in self.blank]


def confidence(task, examples: Sequence[Example]) -> AnswerConfidence:
    """Confidence of a task's model."""
    return AnswerConfidence(task.model, examples, task.rules)
