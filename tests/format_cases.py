"""Texts and files that the tests of several formats need."""

import json

from hypothesis import strategies as st

from kospan.example import Example
from kospan.modeling.spans import Span

# Emoji with and without joiners, flags, decomposed Hangul, line ends of all kinds, what the formats themselves write.
PARTS = (
    *("가", "나", "ㅋㅋ", "a", "😀", "👩‍👧", "👍🏽", "🇰🇷", "\u1100\u1161\u11a8", "e\u0301"),
    *("\r\n", "\n", "\r", "\t", " ", "\u00a0", "\u3000", "\u2028", "\x85", "\ufeff", "\u200d"),
    *("\\n", "\\", '"', "<b>", "&amp;", ";", "%"),
)


@st.composite
def examples(draw):
    text = "".join(draw(st.lists(st.one_of(st.sampled_from(PARTS), st.characters(codec="utf-8")), max_size=9)))
    spans = None
    if draw(st.integers(0, 4)):
        cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=6)))
        label = st.sampled_from(["PS", "장소", "B-1"])
        spans = tuple(Span(start, end, draw(label)) for start, end in zip(cuts[::2], cuts[1::2]))
    name = draw(st.text(st.characters(codec="utf-8"), min_size=1, max_size=4))
    return Example(name, text, spans)


# Examples as one file holds them.
files = st.lists(examples(), max_size=3, unique_by=lambda example: example.id.casefold())


def write_lines(path, *lines):
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path


def surfaces(examples):
    """The text of each span of each example."""
    return [
        None if example.spans is None else [example.text[span.start : span.end] for span in example.spans]
        for example in examples
    ]
