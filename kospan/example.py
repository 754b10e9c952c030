"""Examples: documents with gold spans, shared by all tasks and readers."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple
from unicodedata import normalize

from kospan.modeling.spans import Span, first_overlap, keep_longest
from kospan.modeling.words import document_text, plain_spaces, trimmed

# Zero-width characters that editors and web pages add at the ends of a name.
_INVISIBLE = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"


@dataclass(frozen=True)
class Example:
    """A document with its gold spans.

    Args:
        id: Unique within its set; error messages name it.
        text: The document as its author wrote it; offsets count its characters.
        spans: Gold spans sorted by start; None means unlabelled, an empty tuple means "nothing there".
        question: The question, for question answering; empty for other tasks.
        source: Part of the data set that the document comes from, such as "wikitree", for scores by source.
        text_pair: The second text of a pair, as tokenizers call it; empty elsewhere.
        words: The words of a document that its source gives word by word, with one white-space character between two in
            `text`; None for a raw text.
    """

    id: str
    text: str
    spans: tuple[Span, ...] | None
    question: str = ""
    source: str = ""
    text_pair: str = ""
    words: tuple[str, ...] | None = None

    @property
    def document(self) -> str | list[str]:
        """Input for a model: the words if the source gives them, else the text."""
        return self.text if self.words is None else list(self.words)


@lru_cache(maxsize=4096)
def clean_label(label: str) -> str:
    r"""Normalise a label to NFC, with single spaces, and no white space and invisible characters at its ends.

    >>> clean_label("경제\u00a0 뉴스\u00a0"), clean_label("\u1112\u1161\u11ab") == "한"
    ('경제 뉴스', True)
    """
    label = " ".join(normalize("NFC", label).split())
    while label != (shorter := label.strip().strip(_INVISIBLE)):
        label = shorter
    return label


class Changes(NamedTuple):
    """Changes that `checked` made to gold spans.

    Args:
        dropped: Spans that overlapped a longer one.
        trimmed: Spans that began or ended with white space; those that held nothing else were dropped.
    """

    dropped: int = 0
    trimmed: int = 0


def check_words(example: Example) -> None:
    """Check that an example's words give its text.

    Raises:
        ValueError: If an example's words do not give its text.
    """
    if example.words is not None and plain_spaces(document_text(example.words)) != plain_spaces(example.text):
        raise ValueError(
            f"example {example.id!r}: expected words that give the text when they are joined by spaces, got "
            f"{document_text(example.words)[:60]!r} for {example.text[:60]!r}; correct the words, or remove them"
        )


def checked(example: Example, overlaps: str = "error", whole_texts: bool = False) -> tuple[Example, Changes]:
    """Return the example with clean, sorted spans that fit its text, and the changes.

    Labels are spelled as by `clean_label`, and spans neither begin nor end with white space.

    Args:
        example: The example.
        overlaps: "error" refuses overlapping gold spans, "longest" keeps the longest and counts the rest; those of a
            question are alternatives, which may always overlap.
        whole_texts: Whether spans are labels of whole texts, which keep the white space at the text's ends.

    Raises:
        ValueError: If a span leaves the text, is empty, or overlaps another under "error"; if the answers to a
            question are white space, or words do not give the text.
    """
    check_words(example)
    if example.spans is None:
        return example, Changes()
    for span in example.spans:
        # The label of an empty text covers the whole text, which has no characters.
        whole = not example.text and span.start == span.end == 0
        if not (whole or 0 <= span.start < span.end <= len(example.text)):
            raise ValueError(
                f"example {example.id!r}: expected spans with 0 <= start < end <= {len(example.text)} (the text's "
                f"length), got start {span.start}, end {span.end}, label {span.label!r}; offsets count characters, "
                "not bytes"
            )
    spans, cut = sorted(span._replace(label=clean_label(span.label)) for span in example.spans), 0
    if not whole_texts and example.text:
        inner = [trimmed(example.text, span.start, span.end) for span in spans]
        cut = sum(ends != span[:2] for ends, span in zip(inner, spans))
        spans = [span._replace(start=start, end=end) for span, (start, end) in zip(spans, inner) if start < end]
        if example.question and cut:
            # Alternatives may have differed in white space alone.
            spans = list(dict.fromkeys(spans))
            if example.spans and not spans:
                raise ValueError(
                    f"example {example.id!r}: expected an answer with a character other than white space, got "
                    f"{example.text[slice(*example.spans[0][:2])]!r}; correct the answer, or write [] where the text "
                    "holds none"
                )
        spans.sort()
    clash = None if example.question else first_overlap(spans)
    if clash and overlaps == "error":
        one, other = clash
        raise ValueError(
            f"example {example.id!r}: expected gold spans that do not overlap, got {tuple(one[:3])} and "
            f"{tuple(other[:3])}; correct the data, or pass --overlaps longest to keep the longest"
        )
    kept = keep_longest(spans) if clash else spans
    return replace(example, spans=tuple(kept)), Changes(len(spans) - len(kept), cut)
