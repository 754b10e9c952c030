"""What is looked into of each kind of model: what it reads, what it finds there, and how probable one span is.

A view has `most`, how many documents the deletion test reads; `one`, `fits`, `read`, `shown`, `batch`, `score` and
`probability`. A new kind of model is a class and a line in `VIEWS`.
"""

from collections.abc import Sequence

import torch

from kospan.evaluation.encoder_view import MOST_PIECES, EncoderView, attentions_of, hide, stacked
from kospan.example import Example
from kospan.modeling import (
    KospanGenerativeNERConfig,
    KospanQuestionAnsweringConfig,
    KospanSequenceClassificationConfig,
    KospanTokenClassificationConfig,
)
from kospan.modeling.alignment import Document, unit_spans
from kospan.modeling.modeling_question_answering import blank_units
from kospan.modeling.spans import Span
from kospan.modeling.tags import spans_to_tags
from kospan.tasks.text_classification.explain import TextClassificationView


class TokenClassificationView:
    """A tagger reads a text and finds spans; a span's score is the mean log probability of its tags."""

    most = 200

    def __init__(self, model):
        self.model = model

    def one(self, examples: Sequence[Example], sentence: str) -> Example:
        """The document to be shown: any sentence will do."""
        return Example("", sentence, None)

    def fits(self, example: Example) -> bool:
        """Whether `read` will give something, told without running the model."""
        aligner = self.model.aligner
        return len(aligner.windows(aligner.documents([example.document])[0])) == 1

    def read(self, example: Example) -> EncoderView | None:
        """Subwords, attention and spans of a text; None where it holds nothing or needs more than one window."""
        seen = self.model.inspect(example.document)
        if len(seen.windows) != 1:
            return None
        view = seen.windows[0]
        attentions = stacked(view.attentions, len(view.subwords))
        reading = EncoderView(example.text, view.subwords, view.offsets, attentions, seen.spans, words=example.words)
        if view.head_attention is None:
            return reading
        return reading._replace(units=seen.units, head_attention=view.head_attention.mean(dim=0).numpy())

    def best(self, readings: Sequence[EncoderView]) -> EncoderView:
        """What is worth showing: of at most 60 characters the text in which most is found."""
        short = [found for found in readings if len(found.text) <= 60] or readings
        return max(short, key=lambda found: len(found.spans))

    def shown(self, reading: EncoderView) -> list[int]:
        """Positions that a metric shows."""
        return list(range(min(len(reading.subwords), MOST_PIECES)))

    def batch(self, reading: EncoderView, hidden: Sequence[int] = ()) -> tuple[dict, Document]:
        """The text's only window as a batch, subwords at `hidden` not to be seen; and its units."""
        document = self.model.aligner.documents([reading.text if reading.words is None else reading.words])[0]
        batch = self.model.collate([self.model.features(each) for each in self.model.aligner.windows(document)])
        hide(self.model, batch["input_ids"], hidden)
        return self.model.to_device(batch), document

    def score(self, document: Document, span: Span, **inputs) -> torch.Tensor:
        """What is explained, a scalar that has a gradient."""
        [(first, last, label)] = unit_spans(document.units, [span[:3]])
        tags = spans_to_tags([(first, last, label)], len(document.units), self.model.config.scheme)[first:last]
        wanted = torch.tensor([self.model.config.tags.index(tag) for tag in tags], device=self.model.device)
        emissions = self.model(decode=False, **inputs).emissions[0, first:last]
        return emissions.log_softmax(dim=-1).gather(1, wanted.unsqueeze(1)).mean()

    def probability(self, document: Document, span: Span, **inputs) -> float:
        """The exact probability of a span."""
        emissions = self.model(decode=False, **inputs).emissions
        mask = inputs["unit_positions"] != -100
        return self.model.head.posteriors(emissions, mask, [unit_spans(document.units, [span[:3]])])[0][0]


class QuestionAnsweringView:
    """A reader is asked about a text and finds an answer; its score is its log probability among all answers.

    Of a text of several windows the part is read that its best answer stands in, by itself. What the model is told
    about matches between question and text stays as it is where subwords are hidden.
    """

    most = 40
    # "No answer" cannot be pointed at, and a span that was trimmed is none that was scored.
    _plainly = {"threshold": 0.0, "allow_no_answer": False, "trim_particles": False}

    def __init__(self, model):
        self.model = model

    def one(self, examples: Sequence[Example], sentence: str) -> Example:
        """The question to be shown, by its words or its id. Raises: ValueError where the data hold no such one."""
        found = next((example for example in examples if sentence in (example.question, example.id)), None)
        if found is None:
            raise ValueError(
                f"expected a question of the data or its id to look at, got {sentence[:80]!r}; copy one with "
                "--attention, or leave it empty"
            )
        return found

    def fits(self, example: Example) -> bool:
        """Whether `read` will give something, told without running the model."""
        return bool(example.text.strip())

    def read(self, example: Example) -> EncoderView | None:
        """Subwords, attention and best answer; None where the text holds nothing."""
        part = self._part(example.question, example.text)
        if part is None:
            return None
        model, question = self.model, example.question
        document = model.aligner.documents([part])[0]
        [window] = model.windows(question, document)
        features = model.collate([model.features(window, model.matches(question, document))])
        inner = document.offsets[window.first_subword :]
        behind = len(window.input_ids) - window.text_at - len(inner)
        before = len(model.aligner.prefix)
        asked = len(model.aligner.documents([question])[0].subwords[: model.limits().max_query_length])
        return EncoderView(
            text=part,
            subwords=model.tokenizer.convert_ids_to_tokens(window.input_ids),
            offsets=[(0, 0)] * window.text_at + inner + [(0, 0)] * behind,
            attentions=attentions_of(model, features),
            spans=model.answer(question, part, **self._plainly),
            question=question,
            asked=range(before, before + asked),
        )

    def _part(self, question: str, text: str) -> str | None:
        model = self.model

        def windows_of(part: str):
            document = model.aligner.documents([part])[0]
            return document, model.windows(question, document)

        document, windows = windows_of(text)
        if not windows or not text.strip():
            return None
        if len(windows) == 1:
            return text
        [best] = model.answer(question, text, **self._plainly)
        [(first, last, _)] = unit_spans(document.units, [best[:3]])

        def room(window) -> int:
            return min(first - window.first_unit, window.first_unit + len(window.unit_positions) - last)

        window = max(windows, key=room)
        units = document.units[window.first_unit : window.first_unit + len(window.unit_positions)]
        part = text[units[0][0] : units[-1][1]]
        # Cut out of its text, a part may fall into more subwords.
        while len(windows_of(part)[1]) > 1:
            part = part[8:-8]
        return part

    def best(self, readings: Sequence[EncoderView]) -> EncoderView:
        """What is worth showing: the question with the surest answer."""
        return max(readings, key=lambda found: found.spans[0].score)

    def shown(self, reading: EncoderView) -> list[int]:
        """Positions that a metric shows: the question's, and those around the best answer."""
        asked = list(reading.asked)[: MOST_PIECES // 2]
        best = reading.spans[0]
        own = [at for at, (start, end) in enumerate(reading.offsets) if start < best.end and end > best.start]
        text = [at for at, (start, end) in enumerate(reading.offsets) if start < end]
        near = sorted(text, key=lambda at: abs(at - own[len(own) // 2]))[: MOST_PIECES - len(asked)]
        return [*asked, *sorted(near)]

    def batch(self, reading: EncoderView, hidden: Sequence[int] = ()) -> tuple[dict, Document]:
        """Question and text as a batch, subwords at `hidden` not to be seen; and the text's units."""
        model = self.model
        document = model.aligner.documents([reading.text])[0]
        [window] = model.windows(reading.question, document)
        features = model.collate([model.features(window, model.matches(reading.question, document))])
        hide(model, features["input_ids"], hidden)
        return model.to_device(features), document

    def score(self, document: Document, span: Span, **inputs) -> torch.Tensor:
        """What is explained, a scalar that has a gradient."""
        model, limits, units = self.model, self.model.limits(), len(document.units)
        emissions = model(**inputs).emissions[0, 1 : 1 + units].double() / model.config.calibration_temperature
        starts, ends = emissions.unbind(dim=1)
        # ends_at[i, k]: the last unit of the answer of k + 1 units from unit i on; shape: (units, width).
        ends_at = torch.arange(units).unsqueeze(1) + torch.arange(min(limits.max_answer_length, units))
        subwords = torch.tensor(document.unit_subwords)
        inside = ends_at < units
        ends_at = ends_at.clamp(max=units - 1)
        allowed = inside & (subwords[ends_at] - subwords.unsqueeze(1) < limits.stride)
        # No answer begins or ends with white space.
        visible = ~torch.tensor(blank_units(document))
        allowed = allowed & visible.unsqueeze(1) & visible[ends_at]
        logits = starts.unsqueeze(1) + ends[ends_at.to(model.device)]
        total = logits.masked_fill(~allowed.to(model.device), -torch.inf).logsumexp(dim=(0, 1))
        [(first, last, _)] = unit_spans(document.units, [span[:3]])
        return starts[first] + ends[last - 1] - total

    def probability(self, document: Document, span: Span, **inputs) -> float:
        """The probability of an answer among all answers of its text."""
        return float(self.score(document, span, **inputs).exp())


VIEWS = {
    KospanTokenClassificationConfig.model_type: TokenClassificationView,
    KospanQuestionAnsweringConfig.model_type: QuestionAnsweringView,
    KospanSequenceClassificationConfig.model_type: TextClassificationView,
}


def view_of(model):
    """The view of a model. Raises: ValueError where nothing can be looked into."""
    kind = getattr(getattr(model, "config", None), "model_type", None)
    if kind not in VIEWS:
        got = "one that writes" if kind == KospanGenerativeNERConfig.model_type else "a stock one"
        raise ValueError(
            f"expected a model of ours with an encoder to look inside, got {got}; leave --attention out, or train "
            "one with kospan"
        )
    return VIEWS[kind](model)
