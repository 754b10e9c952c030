"""What is looked into of a classifier: a passage, its class, and how probable that is."""

from collections.abc import Sequence

import torch

from kospan.evaluation.encoder_view import MOST_PIECES, EncoderView, attentions_of, hide
from kospan.example import Example
from kospan.modeling.alignment import Document
from kospan.modeling.spans import Span


class TextClassificationView:
    """A classifier reads a text, or a pair, and finds its class; a class's score is its log probability, that of a
    value the value.

    Of a text of several passages the first is read, by itself; of a pair it is a part of the field that windows run
    over, with all of the other one, which takes the place of a question. The label is shown as a span from 0 to 0: it
    is that of the whole text, so no subword is its own, and every subword may be hidden.
    """

    most = 60

    def __init__(self, model):
        self.model = model

    def one(self, examples: Sequence[Example], sentence: str) -> Example:
        """The document to be shown: any sentence where single texts are read, else one of the data.

        Raises: ValueError where a pair is needed and the data hold none with these words or this id.
        """
        found = next((each for each in examples if sentence in (each.text, each.text_pair, each.id)), None)
        if found is None and self.model.config.pairs:
            raise ValueError(
                "expected a text of the data, or its id, to look at, because the model reads pairs, got "
                f"{sentence[:80]!r}; copy one with --attention, or leave it empty"
            )
        return found or Example("", sentence, None)

    def fits(self, example: Example) -> bool:
        """Whether `read` will give something, told without running the model."""
        return bool(self._fields(example)[0].strip())

    def read(self, example: Example) -> EncoderView | None:
        """Subwords, attention and class of a text's first passage; None where the text holds nothing."""
        if not self.fits(example):
            return None
        model, (text, other) = self.model, self._fields(example)
        document, passages = self._passages(text, other)
        if len(passages) > 1:
            text = text[: passages[0].end]
            document, passages = self._passages(text, other)
            # Cut out of its text, a part may fall into more subwords.
            while len(passages) > 1 and len(text) > 1:
                text = text[: -max(1, len(text) // 16)]
                document, passages = self._passages(text, other)
        [passage] = passages[:1]
        behind = len(passage.input_ids) - passage.windowed_at - len(document.subwords)
        asked = range(passage.pair_at, len(passage.input_ids) - len(model.aligner.suffix))
        if passage.windowed_at == passage.pair_at:
            asked = range(len(model.aligner.prefix), passage.pair_at - len(model.aligner.middle))
        features = model.collate([model.features(passage)])
        with model.evaluating(), torch.no_grad():
            [scores] = model.scores_of(model(**model.to_device(features)).logits.double().cpu().numpy())
        best = int(scores.argmax())
        return EncoderView(
            text=text,
            subwords=model.tokenizer.convert_ids_to_tokens(passage.input_ids),
            offsets=[(0, 0)] * passage.windowed_at + list(document.offsets) + [(0, 0)] * behind,
            attentions=attentions_of(model, features),
            spans=[Span(0, 0, model.config.classes[best], float(scores[best]))],
            question=other,
            asked=asked,
            asked_first=asked.start < passage.windowed_at,
        )

    def _fields(self, example: Example) -> tuple[str, str]:
        """The field that windows run over, and the other one; of a single text the text and nothing."""
        if not self.model.config.pairs:
            return example.text, ""
        fields = example.text, example.text_pair
        return fields if self.model.config.windowed_field == "text" else fields[::-1]

    def _passages(self, text: str, other: str):
        """The windowed field taken apart, and the passages that it is read through."""
        document, fixed = self.model.aligner.documents([text, other])
        if not self.model.config.pairs:
            return document, self.model.passages(document)
        first = self.model.config.windowed_field == "text"
        return document, self.model.passages(*((document, fixed) if first else (fixed, document)))

    def best(self, readings: Sequence[EncoderView]) -> EncoderView:
        """What is worth showing: the surest."""
        return max(readings, key=lambda found: found.spans[0].score)

    def shown(self, reading: EncoderView) -> list[int]:
        """Positions that a metric shows: the first subwords of both texts."""
        asked = list(reading.asked)[: MOST_PIECES // 2]
        text = [at for at, (start, end) in enumerate(reading.offsets) if start < end]
        return [*asked, *text[: MOST_PIECES - len(asked)]]

    def batch(self, reading: EncoderView, hidden: Sequence[int] = ()) -> tuple[dict, Document]:
        """The only passage as a batch, subwords at `hidden` not to be seen; and the text taken apart."""
        document, passages = self._passages(reading.text, reading.question)
        batch = self.model.collate([self.model.features(passages[0])])
        hide(self.model, batch["input_ids"], hidden)
        return self.model.to_device(batch), document

    def score(self, document: Document, span: Span, **inputs) -> torch.Tensor:
        """What is explained, a scalar that has a gradient."""
        config = self.model.config
        logits = self.model(**inputs).logits[0].double()
        if config.problem_type == "regression":
            return config.value_mean + config.value_spread * logits[0]
        return (logits / config.calibration_temperature).log_softmax(dim=0)[config.classes.index(span.label)]

    def probability(self, document: Document, span: Span, **inputs) -> float:
        """The probability of a class; of a value the value itself."""
        score = self.score(document, span, **inputs)
        return float(score if self.model.config.problem_type == "regression" else score.exp())
