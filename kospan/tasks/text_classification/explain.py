"""Explanation of text classification: texts, or pairs of texts, and their classes."""

from collections.abc import Sequence

import torch

from kospan.evaluation.explain import MAX_SHOWN, EncodedText, Explainer, attentions_of
from kospan.example import Example
from kospan.modeling.alignment import Document
from kospan.modeling.spans import Span


class ClassExplainer(Explainer):
    """Explains a class by its log probability, or a value by itself.

    Of a text of several windows only the first is encoded; of a pair that is a part of the field that windows run over,
    with all of the other one, which takes the place of a question. The label is a span from 0 to 0: it belongs to the
    whole text, so no subword is its own, and every subword may be hidden.
    """

    max_documents = 60

    def find(self, examples: Sequence[Example], sentence: str) -> Example:
        """Return the example with a text or id, or for a model of single texts any sentence as a document.

        Raises: ValueError if the model takes pairs and the data hold none with this text or id.
        """
        found = next((each for each in examples if sentence in (each.text, each.text_pair, each.id)), None)
        if found is None and self.model.config.pairs:
            raise ValueError(
                "expected a text of the data, or its id, to explain, because the model takes pairs, got "
                f"{sentence[:80]!r}; copy one with --attention, or leave it empty"
            )
        return found or Example("", sentence, None)

    def fits(self, example: Example) -> bool:
        """Whether the text is not blank."""
        return bool(self._fields(example)[0].strip())

    def encode(self, example: Example) -> EncodedText | None:
        """Encode the first window of a text; None if the text is blank."""
        if not self.fits(example):
            return None
        model, (text, other) = self.model, self._fields(example)
        document, windows = self._windows(text, other)
        if len(windows) > 1:
            text = text[: windows[0].end]
            document, windows = self._windows(text, other)
            # A part that is tokenised by itself may need more subwords.
            while len(windows) > 1 and len(text) > 1:
                text = text[: -max(1, len(text) // 16)]
                document, windows = self._windows(text, other)
        window = windows[0]
        after = len(window.input_ids) - window.windowed_at - len(document.subwords)
        asked = range(window.pair_at, len(window.input_ids) - len(model.aligner.suffix))
        if window.windowed_at == window.pair_at:
            asked = range(len(model.aligner.prefix), window.pair_at - len(model.aligner.middle))
        features = model.collate([model.features(window)])
        with model.evaluating(), torch.no_grad():
            [scores] = model.scores_of(model(**model.to_device(features)).logits.double().cpu().numpy())
        best = int(scores.argmax())
        return EncodedText(
            text=text,
            subwords=model.tokenizer.convert_ids_to_tokens(window.input_ids),
            offsets=[(0, 0)] * window.windowed_at + list(document.offsets) + [(0, 0)] * after,
            attentions=attentions_of(model, features),
            spans=[Span(0, 0, model.config.classes[best], float(scores[best]))],
            question=other,
            asked=asked,
            asked_first=asked.start < window.windowed_at,
        )

    def _fields(self, example: Example) -> tuple[str, str]:
        """The field that windows run over, and the other one; for a single text the text and nothing."""
        if not self.model.config.pairs:
            return example.text, ""
        fields = example.text, example.text_pair
        return fields if self.model.config.windowed_field == "text" else fields[::-1]

    def _windows(self, text: str, other: str):
        """The field that windows run over, aligned, and its windows."""
        document, fixed = self.model.aligner.documents([text, other])
        if not self.model.config.pairs:
            return document, self.model.passages(document)
        first = self.model.config.windowed_field == "text"
        return document, self.model.passages(*((document, fixed) if first else (fixed, document)))

    def shown(self, encoded: EncodedText) -> list[int]:
        """Return the positions of the first subwords of both texts."""
        asked = list(encoded.asked)[: MAX_SHOWN // 2]
        text = [at for at, (start, end) in enumerate(encoded.offsets) if start < end]
        return [*asked, *text[: MAX_SHOWN - len(asked)]]

    def features(self, encoded: EncodedText) -> tuple[dict, Document]:
        """Return the features of the only window, and the aligned text."""
        document, windows = self._windows(encoded.text, encoded.question)
        return self.model.features(windows[0]), document

    def score(self, document: Document, span: Span, **inputs) -> torch.Tensor:
        """Compute the log probability of a class, or the value."""
        config = self.model.config
        logits = self.model(**inputs).logits[0].double()
        if config.problem_type == "regression":
            return config.value_mean + config.value_spread * logits[0]
        return (logits / config.calibration_temperature).log_softmax(dim=0)[config.classes.index(span.label)]

    def probability(self, document: Document, span: Span, **inputs) -> float:
        """Compute the probability of a class, or the value."""
        score = self.score(document, span, **inputs)
        return float(score if self.model.config.problem_type == "regression" else score.exp())
