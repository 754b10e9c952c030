"""One item of a data set, whatever the task and wherever it came from."""

from dataclasses import dataclass, replace
from functools import lru_cache
from unicodedata import normalize

from modeling.spans import Span, first_overlap, keep_longest

# Characters without width that editors and web pages leave at the ends of a name.
_INVISIBLE = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"


@dataclass(frozen=True)
class Example:
    """A document with its gold spans.

    Args:
        id: Unique within its set; error messages name it.
        text: The document as its author wrote it; offsets count its characters.
        spans: Gold spans sorted by start; None means unlabelled, an empty tuple means "nothing there".
        question: The question that a reader answers; empty elsewhere.
        source: Where the document comes from within its set (say "wikitree"), for scores by source.
        text_pair: The second text of a pair, as tokenizers call it; empty elsewhere.
    """

    id: str
    text: str
    spans: tuple[Span, ...] | None
    question: str = ""
    source: str = ""
    text_pair: str = ""


@lru_cache(maxsize=4096)
def clean_label(label: str) -> str:
    """A label in NFC, without white space and invisible characters at its ends, so that one label has one spelling.

    >>> clean_label("PS\\u00a0"), clean_label("\\u1112\\u1161\\u11ab") == "한"
    ('PS', True)
    """
    label = normalize("NFC", label)
    while label != (shorter := label.strip().strip(_INVISIBLE)):
        label = shorter
    return label


def checked(example: Example, overlaps: str = "error") -> tuple[Example, int]:
    """The example with sorted spans that fit its text, labels as `clean_label` spells them, and how many overlapping
    spans were dropped.

    Args:
        overlaps: "error" refuses overlapping gold spans, "longest" keeps the longest and counts the rest; those of a
            question are alternatives, which may overlap always.

    Raises: ValueError where a span leaves the text, is empty, or overlaps another under "error".
    """
    if example.spans is None:
        return example, 0
    for span in example.spans:
        # The label of an empty text stands over the whole of it, which is no character.
        whole = not example.text and span.start == span.end == 0
        if not (whole or 0 <= span.start < span.end <= len(example.text)):
            raise ValueError(
                f"example {example.id!r}: expected spans with 0 <= start < end <= {len(example.text)} (the text's "
                f"length), "
                f"got start {span.start}, end {span.end}, label {span.label!r}; offsets count characters, not bytes"
            )
    spans = sorted(span._replace(label=clean_label(span.label)) for span in example.spans)
    clash = None if example.question else first_overlap(spans)
    if clash and overlaps == "error":
        one, other = clash
        raise ValueError(
            f"example {example.id!r}: expected gold spans that do not overlap, got {tuple(one[:3])} and "
            f"{tuple(other[:3])}; mend the data or pass --overlaps longest to keep the longest"
        )
    kept = keep_longest(spans) if clash else spans
    return replace(example, spans=tuple(kept)), len(spans) - len(kept)
