"""What a reader claims about questions, how sure it is, and what came true."""

from collections.abc import Sequence

import numpy as np
import torch

from kospan.example import Example
from kospan.modeling.modeling_question_answering import blank_units
from kospan.modeling.spans import Span
from kospan.tasks.question_answering.metrics import answer_scores
from kospan.tasks.token_classification.confidence import SpanClaims

# How sure an answer is: its share in the one softmax over all answers, which `answer` reports; and the usual makeshift,
# the product of two softmaxes, over all starts and over all ends.
ANSWER_KINDS = ("posterior", "softmax, product")
# Questions read at a time, so that memory does not grow with their number.
_QUESTIONS = 1024


class AnswerClaims:
    """A reader's scores for questions, read once; what follows from them at any temperature.

    The best answer stays the best at every temperature, so the claims do not change, only how sure they are. "No
    answer" is a claim as well, where the model knows of it.

    Args:
        model: A `KospanForQuestionAnswering`.
        examples: Questions with gold answers.
        rules: By whose rules an answer is right, see `kospan.tasks.question_answering.metrics`.
        batch_size: Windows read at once.
    """

    span_kinds, tag_kinds = ANSWER_KINDS, ()

    @torch.no_grad()
    def __init__(self, model, examples: Sequence[Example], rules: str, batch_size: int = 32):
        self.model, self.limits = model, model.limits()
        self.label = model.config.id2label[0]
        self.rows = []
        with model.evaluating():
            for start in range(0, len(examples), _QUESTIONS):
                some = examples[start : start + _QUESTIONS]
                asked = [example.question for example in some], [example.text for example in some]
                read = zip(some, *model.window_scores(*asked, batch_size, self.limits))
                # A text of white space alone has no answer to be sure of.
                self.rows += [(example, each) for example, *each in read if example.text.strip()]
        self.best = [self._ranking(row, 1.0).best(1)[0] for row in range(len(self.rows))]
        self.found: list[list[tuple[int, int]]] = []
        right = []
        for best, (example, (document, _)) in zip(self.best, self.rows):
            span = (document.units[best.first][0], document.units[best.last - 1][1]) if best.last else (0, 0)
            self.found.append([span])
            gold = [example.text[start:end] for start, end, *_ in example.spans]
            right.append(answer_scores(example.text[slice(*span)], gold, rules)[0] == 1.0)
        self.right = np.array(right, dtype=bool)

    def _ranking(self, row: int, temperature: float):
        document, windows = self.rows[row][1]
        return self.model.ranking(document, windows, self.limits, temperature)

    def spans(self, temperature: float, kinds: Sequence[str] = ANSWER_KINDS) -> SpanClaims:
        """The best answers with their confidences at this temperature, of these kinds."""
        confidence: dict[str, list[float]] = {kind: [] for kind in kinds}
        for row in range(len(self.rows)):
            if "posterior" in kinds:
                confidence["posterior"].append(self._ranking(row, temperature).best(1)[0].score)
            if "softmax, product" in kinds:
                confidence["softmax, product"].append(self._product(row, temperature))
        labels = np.array([self.label] * len(self.rows), dtype=object)
        values = {kind: np.array(each, dtype=np.float64) for kind, each in confidence.items()}
        return SpanClaims(labels, self.right, values)

    def _product(self, row: int, temperature: float) -> float:
        """Softmax over all starts times softmax over all ends, "no answer" among both."""
        document, windows = self.rows[row][1]
        units = len(document.units)
        best = self.best[row]
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
        """The best answer to each question whose text is not blank, as `answer` gives it; "no answer" is no span, nor
        is what lies below the config's threshold."""
        scores = self.spans(temperature, ["posterior"]).confidence["posterior"].tolist()
        return [
            [Span(start, end, self.label, score)] if end and score >= self.model.config.threshold else []
            for [(start, end)], score in zip(self.found, scores)
        ]
