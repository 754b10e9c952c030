"""Component of spaCy over a model: `nlp.add_pipe("kospan", config={"model": ...})`; needs the extra `spacy`.

spaCy imports this module, by its entry point, whenever it creates a pipeline; models and torch are imported later.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from spacy.language import Language
from spacy.tokens import Doc, SpanGroup
from spacy.tokens import Span as TokenSpan
from spacy.util import filter_spans, minibatch, raise_error

from kospan.integrations.extraction import SpanExtractor
from kospan.modeling.spans import Span

NAME = "kospan"
# Key in `Doc.user_data` of the exact spans by key in `Doc.spans`; as lists, which all formats of spaCy can store.
_KEY = "kospan.spans"


def exact_spans(doc: Doc) -> list[Span]:
    """Return the spans of a document with exact character offsets and scores: the value of `Doc._.kospan`.

    Those of several components are sorted by start.
    """
    found = [[Span(*each) for each in spans] for spans in doc.user_data.get(_KEY, {}).values()]
    return found[0] if len(found) == 1 else sorted(span for spans in found for span in spans)


def set_exact_spans(doc: Doc, spans: Iterable[Span], spans_key: str = NAME) -> None:
    """Set the spans of one component."""
    rows = [[int(span[0]), int(span[1]), str(span[2]), float(span[3])] for span in spans]
    doc.user_data[_KEY] = doc.user_data.get(_KEY, {}) | {spans_key: rows}


def is_lossy(span: TokenSpan) -> bool:
    """Return whether a span over tokens has other ends than the span of the model: the value of `Span._.kospan_lossy`.

    Spans that no span of the model with their label overlaps are not lossy.
    """
    place = span.start_char, span.end_char
    own = [each for each in exact_spans(span.doc) if each.label == span.label_]
    overlaps = any(each.start < place[1] and place[0] < each.end for each in own)
    return overlaps and all(each[:2] != place for each in own)


if not Doc.has_extension(NAME):
    Doc.set_extension(NAME, getter=exact_spans)
if not TokenSpan.has_extension("kospan_lossy"):
    TokenSpan.set_extension("kospan_lossy", getter=is_lossy)


class KospanComponent:
    """Component that adds the spans of a model to documents.

    Its results are `Doc._.kospan`, the spans with exact character offsets, and `Doc.spans[spans_key]`, spans over
    tokens. Where a token holds an end of a span, `alignment_mode` decides; the attributes of the span group are
    `scores`, `lossy` (whether the ends differ) for each span, and `dropped`, the number of spans without a place.

    Args:
        name: Name of the component in its pipeline.
        model: Folder, name on the Hub, or name of an installed model.
        spans_key: Key in `Doc.spans`.
        set_ents: Whether spans become `Doc.ents`, too. Of overlapping ones the longest is kept, and earlier entities
            that overlap with them are removed.
        alignment_mode: "expand" to whole tokens, "contract" to whole tokens, or "strict", which drops spans that do not
            begin and end with a token.
        **settings: `threshold`, `decode`, `operating_point` and `batch_size` of `SpanExtractor`.

    Raises:
        Exception: As `SpanExtractor`.
    """

    def __init__(
        self,
        name: str,
        model: str,
        spans_key: str = NAME,
        set_ents: bool = False,
        alignment_mode: str = "expand",
        **settings,
    ):
        self.name, self.model = name, model
        self.spans_key, self.set_ents, self.alignment_mode = spans_key, set_ents, alignment_mode
        self.settings = settings
        self._error_handler = raise_error
        self._open()

    def _open(self) -> None:
        self._extractor, self._process = SpanExtractor(self.model, **self.settings), os.getpid()

    def __reduce__(self):
        # Another process loads the model by its name.
        own = {name: getattr(self, name) for name in ("name", "model", "spans_key", "set_ents", "alignment_mode")}
        return _component, (own | self.settings,)

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the spans."""
        return tuple(self._extractor.labels)

    def __call__(self, doc: Doc) -> Doc:
        """Add the spans to one document."""
        return next(self.pipe([doc]), doc)

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Add the spans to documents, a number of them at a time."""
        for docs in minibatch(stream, size=batch_size):
            try:
                for doc, spans in zip(docs, self._spans([doc.text for doc in docs])):
                    self._annotate(doc, spans)
            except Exception as error:
                self._error_handler(self.name, self, docs, error)
            else:
                yield from docs

    def set_error_handler(self, error_handler: Callable) -> None:
        """Set the function that is called with the documents of a batch in which an error occurs."""
        self._error_handler = error_handler

    def get_error_handler(self) -> Callable:
        """Return the function that is called with errors."""
        return self._error_handler

    def _spans(self, texts: list[str]) -> list[list[Span]]:
        if os.getpid() != self._process:
            # In a forked process threads of the parent are missing, and locks that they held stay locked.
            if "torch" in sys.modules:
                sys.modules["torch"].set_num_threads(1)
            self._open()
        return self._extractor(texts)

    def _annotate(self, doc: Doc, spans: list[Span]) -> None:
        set_exact_spans(doc, spans, self.spans_key)
        mode = self.alignment_mode
        pairs = [(doc.char_span(start, end, label, alignment_mode=mode), score) for start, end, label, score in spans]
        kept = [(span, score) for span, score in pairs if span is not None]
        found = [span for span, _ in kept]
        attributes = {"scores": [float(score) for _, score in kept], "lossy": [is_lossy(span) for span in found]}
        attributes["dropped"] = len(spans) - len(found)
        doc.spans[self.spans_key] = SpanGroup(doc, name=self.spans_key, attrs=attributes, spans=found)
        if self.set_ents:
            ours = filter_spans(found)
            taken = {token for span in ours for token in range(span.start, span.end)}
            doc.ents = ours + [span for span in doc.ents if taken.isdisjoint(range(span.start, span.end))]


@Language.factory(
    NAME,
    default_config={
        "model": "ko-ner",
        "threshold": None,
        "decode": None,
        "operating_point": None,
        "batch_size": 32,
        "spans_key": NAME,
        "set_ents": False,
        "alignment_mode": "expand",
    },
    assigns=["doc._.kospan", "doc.spans"],
)
def create_component(
    nlp: Language,
    name: str,
    model: str,
    threshold: float | None,
    decode: str | None,
    operating_point: str | None,
    batch_size: int,
    spans_key: str,
    set_ents: bool,
    alignment_mode: Literal["expand", "contract", "strict"],
) -> KospanComponent:
    """Build the component of a pipeline; arguments as in `KospanComponent`.

    >>> nlp = spacy.blank("xx")  # doctest: +SKIP
    >>> nlp.add_pipe("kospan", config={"model": "ko-ner"})  # doctest: +SKIP
    >>> nlp("정하윤 교수는 대구에서 강연한다.")._.kospan[0][:3]  # doctest: +SKIP
    (0, 3, 'PS')
    """
    return KospanComponent(
        name,
        model,
        spans_key,
        set_ents,
        alignment_mode,
        threshold=threshold,
        decode=decode,
        operating_point=operating_point,
        batch_size=batch_size,
    )


def _component(settings: dict) -> KospanComponent:
    """Build a component again, in another process or as a copy."""
    return KospanComponent(**settings)
