"""Explanation of question answering: questions with their texts and best answers."""

from collections.abc import Sequence

import torch

from kospan.evaluation.explain import MAX_SHOWN, EncodedText, Explainer, attentions_of, own_subwords
from kospan.example import Example
from kospan.modeling.alignment import Document, unit_spans
from kospan.modeling.question_answering_methods import blank_units
from kospan.modeling.spans import Span


class AnswerExplainer(Explainer):
    """Explains the best answer by its log probability among all answers.

    Of a text of several windows only the part around its best answer is encoded. Features of matches between question
    and text do not change if subwords are hidden.
    """

    max_documents = 40
    # "No answer" has no place in the text, and a trimmed span was never scored.
    _settings = {"threshold": 0.0, "allow_no_answer": False, "trim_particles": False}

    def find(self, examples: Sequence[Example], sentence: str) -> Example:
        """Return the example with a question or id. Raises: ValueError if the data hold none."""
        found = next((example for example in examples if sentence in (example.question, example.id)), None)
        if found is None:
            raise ValueError(
                f"expected a question of the data or its id to explain, got {sentence[:80]!r}; copy one with "
                "--attention, or leave it empty"
            )
        return found

    def fits(self, example: Example) -> bool:
        """Whether the text is not blank."""
        return bool(example.text.strip())

    def encode(self, example: Example) -> EncodedText | None:
        """Encode a question and its text; None if the text is blank."""
        part = self._part(example.question, example.text)
        if part is None:
            return None
        model, question = self.model, example.question
        window, features, document = self._window(question, part)
        inner = document.offsets[window.first_subword :]
        after = len(window.input_ids) - window.text_at - len(inner)
        before = len(model.aligner.prefix)
        asked = len(model.aligner.documents([question])[0].subwords[: model.limits().max_query_length])
        return EncodedText(
            text=part,
            subwords=model.tokenizer.convert_ids_to_tokens(window.input_ids),
            offsets=[(0, 0)] * window.text_at + inner + [(0, 0)] * after,
            attentions=attentions_of(model, model.collate([features])),
            spans=model.answer(question, part, **self._settings),
            question=question,
            asked=range(before, before + asked),
        )

    def _part(self, question: str, text: str) -> str | None:
        """The text, or of a long one the window in which its best answer has most room; None if it is blank."""
        model = self.model

        def windows_of(part: str):
            document = model.aligner.documents([part])[0]
            return document, model.windows(question, document)

        document, windows = windows_of(text)
        if not windows or not text.strip():
            return None
        if len(windows) == 1:
            return text
        [best] = model.answer(question, text, **self._settings)
        [(first, last, _)] = unit_spans(document.units, [best[:3]])

        def room(window) -> int:
            return min(first - window.first_unit, window.first_unit + len(window.unit_positions) - last)

        window = max(windows, key=room)
        units = document.units[window.first_unit : window.first_unit + len(window.unit_positions)]
        part = text[units[0][0] : units[-1][1]]
        # A part that is tokenised by itself may need more subwords.
        while len(windows_of(part)[1]) > 1:
            part = part[8:-8]
        return part

    def shown(self, encoded: EncodedText) -> list[int]:
        """Return the positions of the question, and those around the best answer."""
        asked = list(encoded.asked)[: MAX_SHOWN // 2]
        own = own_subwords(encoded, encoded.spans[0])
        text = [at for at, (start, end) in enumerate(encoded.offsets) if start < end]
        near = sorted(text, key=lambda at: abs(at - own[len(own) // 2]))[: MAX_SHOWN - len(asked)]
        return [*asked, *sorted(near)]

    def features(self, encoded: EncodedText) -> tuple[dict, Document]:
        """Return the features of the only window, and the aligned text."""
        _, features, document = self._window(encoded.question, encoded.text)
        return features, document

    def _window(self, question: str, text: str):
        document = self.model.aligner.documents([text])[0]
        [window] = self.model.windows(question, document)
        return window, self.model.features(window, self.model.matches(question, document)), document

    def score(self, document: Document, span: Span, **inputs) -> torch.Tensor:
        """Compute the log probability of an answer among all answers of its text."""
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
