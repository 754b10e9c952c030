"""Explanation of token classification: texts and the tags of their spans."""

from collections.abc import Sequence

import torch

from kospan.evaluation.explain import MAX_SHOWN, EncodedText, Explainer, stacked
from kospan.example import Example
from kospan.modeling.alignment import Document, unit_spans
from kospan.modeling.spans import Span
from kospan.modeling.tags import spans_to_tags


class SpanExplainer(Explainer):
    """Explains spans by the mean log probability of their tags; the text must fit into one window."""

    max_documents = 200

    def find(self, examples: Sequence[Example], sentence: str) -> Example:
        """Return any sentence as a document."""
        return Example("", sentence, None)

    def fits(self, example: Example) -> bool:
        """Whether the text is one window."""
        aligner = self.model.aligner
        return len(aligner.windows(aligner.documents([example.document])[0])) == 1

    def encode(self, example: Example) -> EncodedText | None:
        """Encode a text; None if it is empty or needs more than one window."""
        inspected = self.model.inspect(example.document)
        if len(inspected.windows) != 1:
            return None
        window = inspected.windows[0]
        attentions = stacked(window.attentions, len(window.subwords))
        encoded = EncodedText(
            example.text, window.subwords, window.offsets, attentions, inspected.spans, words=example.words
        )
        if window.head_attention is None:
            return encoded
        return encoded._replace(units=inspected.units, head_attention=window.head_attention.mean(dim=0).numpy())

    def best(self, texts: Sequence[EncodedText]) -> EncodedText:
        """Return the text with most spans, of at most 60 characters if there is one."""
        short = [encoded for encoded in texts if len(encoded.text) <= 60] or texts
        return max(short, key=lambda encoded: len(encoded.spans))

    def shown(self, encoded: EncodedText) -> list[int]:
        """Return the positions of the first subwords."""
        return list(range(min(len(encoded.subwords), MAX_SHOWN)))

    def features(self, encoded: EncodedText) -> tuple[dict, Document]:
        """Return the features of the only window, and the aligned text."""
        document = self.model.aligner.documents([encoded.text if encoded.words is None else encoded.words])[0]
        [window] = self.model.aligner.windows(document)
        return self.model.features(window), document

    def score(self, document: Document, span: Span, **inputs) -> torch.Tensor:
        """Compute the mean log probability of the span's tags in the softmax of the emissions."""
        config = self.model.config
        [(first, last, label)] = unit_spans(document.units, [span[:3]])
        tags = spans_to_tags([(first, last, label)], len(document.units), config.scheme)[first:last]
        wanted = torch.tensor([config.tags.index(tag) for tag in tags], device=self.model.device)
        emissions = self.model(decode=False, **inputs).emissions[0, first:last]
        return emissions.log_softmax(dim=-1).gather(1, wanted.unsqueeze(1)).mean()

    def probability(self, document: Document, span: Span, **inputs) -> float:
        """Compute the exact probability of a span."""
        emissions = self.model(decode=False, **inputs).emissions
        mask = inputs["unit_positions"] != -100
        return self.model.head.posteriors(emissions, mask, [unit_spans(document.units, [span[:3]])])[0][0]
