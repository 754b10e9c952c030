"""Long documents made of short texts: parts joined up to a size in subwords, their beginnings, places in subwords."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from kospan.example import Example
from kospan.modeling.spans import Span

BETWEEN = "\n"
_SENTENCE = re.compile(r"\S.*?(?:[.?!](?=\s)|(?=\n)|$)", re.DOTALL)


class Part(NamedTuple):
    """A text that becomes a part of a longer one.

    Args:
        text: The text.
        spans: Its spans, in its own characters.
    """

    text: str
    spans: tuple[Span, ...]


def joined(parts: Iterable[Part], sizes: Iterable[int], limit: int, between: str = BETWEEN) -> Iterator[Part]:
    """Documents of consecutive parts, as many in each as fit; a part that fits in none is skipped.

    Args:
        parts: The texts.
        sizes: Of each the subwords.
        limit: Most subwords of a document.
        between: Separator of two parts, which is not scored.

    >>> parts = [Part("서울은", (Span(0, 2, "LC"),)), Part("부산에", (Span(0, 2, "LC"),)), Part("간다", ())]
    >>> [(each.text, [span[:2] for span in each.spans]) for each in joined(parts, [3, 3, 2], 6, " ")]
    [('서울은 부산에', [(0, 2), (4, 6)]), ('간다', [])]
    """
    text, spans, held = "", [], 0
    for part, size in zip(parts, sizes, strict=True):
        if size > limit:
            continue
        if held + size > limit:
            yield Part(text, tuple(spans))
            text, spans, held = "", [], 0
        text += between if text else ""
        spans += [span._replace(start=span.start + len(text), end=span.end + len(text)) for span in part.spans]
        text, held = text + part.text, held + size
    if text:
        yield Part(text, tuple(spans))


def sentences(text: str, spans: Sequence[Span] = ()) -> list[Part]:
    """Sentences of a text with their spans; spans across sentences are skipped.

    A sentence ends with its line, or with a full stop, question or exclamation mark before white space.

    >>> [each.text for each in sentences("서울은 3.5도다. 부산은?\\n대전")]
    ['서울은 3.5도다.', '부산은?', '대전']
    """
    found = []
    for match in _SENTENCE.finditer(text):
        start, end = match.span()
        inside = [span for span in spans if start <= span.start and span.end <= end]
        moved = [span._replace(start=span.start - start, end=span.end - start) for span in inside]
        found.append(Part(match.group(), tuple(moved)))
    return found


class Subwords:
    """Positions of the subwords of texts.

    Args:
        tokenizer: A fast tokenizer.
    """

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """The characters `(start, end)` of each subword."""
        found = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        return found["offset_mapping"]

    def sizes(self, texts: Sequence[str]) -> list[int]:
        """Subwords of each text."""
        found = self.tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        return [len(row) for row in found]

    def beginning(self, example: Example, most: int) -> Example:
        """A document up to its first subwords, with the spans that are whole in it.

        A character whose subwords are on both sides of the cut is cut off.
        """
        offsets = self.offsets(example.text)
        cut = offsets[most][0] if len(offsets) > most else len(example.text)
        spans = None if example.spans is None else tuple(span for span in example.spans if span.end <= cut)
        return Example(example.id, example.text[:cut], spans, example.question, example.source)

    def places(self, text: str, spans: Sequence[Span]) -> list[int]:
        """The subword, counted from 0, in which each span begins: the first of its first character's."""
        ends = [end for _, end in self.offsets(text)]
        return [bisect_right(ends, span.start) for span in spans]
