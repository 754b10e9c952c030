"""Mention replacement: gold entities of a text swapped for others of the same label (Dai and Adel 2020, MR)."""

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from kospan.data.gazetteers import Section, has_gazetteer, sections
from kospan.example import Example
from kospan.modeling.particle_agreement import agreeing_rest
from kospan.modeling.spans import Span

SOURCES = ("training", "gazetteer")
# Hangul, composed or decomposed.
_HANGUL = re.compile("[가-힣\u1100-\u11ff]")
# Closing quotation marks and additions in brackets between a mention and its particle. A single closing bracket is not
# among them: the particle in `서울(부산)은` is that of 서울.
_MARKS = re.compile(r"""(?:\([^()\s]*\)|\[[^\[\]\s]*\]|[’”"'」』》〉])*""")
# Marks the spaces between the words of a document that its source gives word by word.
_SEPARATOR = "\x00"

Pools = Mapping[str, Sequence[Section]]


def mention_pools(examples: Iterable[Example], source: str = "training") -> dict[str, tuple[Section, ...]]:
    """Return the mentions that may replace others, by label.

    Args:
        examples: Training examples.
        source: "training" (the distinct gold mentions of the examples, each equally likely) or "gazetteer" (the entries
            of `kospan.data.gazetteers`, for the labels that have one).

    Raises:
        ValueError: No label has a gazetteer, the texts hold no Hangul, or the source is unknown.
    """
    if source not in SOURCES:
        raise ValueError(
            f"expected mention_source to be one of {', '.join(SOURCES)}, got {source!r}; choose one of them"
        )
    mentions: dict[str, dict[str, None]] = {}
    hangul = False
    for example in examples:
        hangul = hangul or bool(_HANGUL.search(example.text))
        for span in example.spans or ():
            mentions.setdefault(span.label, {})[example.text[span.start : span.end]] = None
    if source == "training":
        return {label: (Section(label, 1, tuple(found)),) for label, found in mentions.items()}
    labels = [label for label in mentions if has_gazetteer(label)]
    if not labels or not hangul:
        wanted = "Korean texts" if labels else "a label with a gazetteer (PS, LC, OG or another name of these)"
        got = "none with Hangul" if labels else ", ".join(mentions) or "no spans"
        raise ValueError(f"expected {wanted} with mention_source: gazetteer, got {got}; set mention_source: training")
    return {label: sections(label) for label in labels}


class MentionReplacement:
    """Replace gold mentions at random, with a generator of its own for each example and epoch.

    The result depends on seed, epoch and example id alone: not on order, processes or other random numbers. Korean
    particles after a replaced mention take the form that agrees with it; no other character changes.

    Args:
        pools: Mentions by label, as from `mention_pools`; spans of other labels stay.
        probability: Probability with which a mention is replaced, from 0 to 1.
        seed: Seed of the run.

    Raises:
        ValueError: The probability is out of range.

    >>> pools = {"LC": (Section("LC", 1, ("부산", "제주")),)}
    >>> example = Example("1", "부산은 멀다", (Span(0, 2, "LC"),))
    >>> MentionReplacement(pools, 1.0, seed=0)(example, epoch=0).text
    '제주는 멀다'
    """

    def __init__(self, pools: Pools, probability: float, seed: int):
        if not 0 <= probability <= 1:
            raise ValueError(f"expected a probability from 0 to 1, got {probability}; change mention_replacement")
        self.pools, self.probability, self.seed = pools, probability, seed

    def __call__(self, example: Example, epoch: int) -> Example:
        """Return the example as it is trained on in an epoch; the same object if no mention changes."""
        if not example.spans:
            return example
        generator = random.Random(f"{self.seed} {epoch} {example.id}")
        new = {}
        for at, span in enumerate(example.spans):
            if span.label in self.pools and generator.random() < self.probability:
                new[at] = self._draw(generator, span.label, example.text[span.start : span.end])
        return replaced(example, new)

    def _draw(self, generator: random.Random, label: str, old: str) -> str:
        """Another mention of the label; the old one if there is no other."""
        pool = self.pools[label]
        chosen = generator.choices(pool, [section.weight for section in pool])[0].entries
        at = generator.randrange(len(chosen))
        return chosen[at] if chosen[at] != old else chosen[(at + 1) % len(chosen)]


def replaced(example: Example, new: Mapping[int, str]) -> Example:
    """Return the example with other mentions in some of its spans.

    Args:
        example: An example whose spans are sorted and do not overlap.
        new: The new mentions, by index of their span.
    """
    text, spans = example.text, example.spans
    new = {at: mention for at, mention in new.items() if mention != text[spans[at].start : spans[at].end]}
    if not new:
        return example
    edits: list[tuple[int, int, str]] = []
    moved, shift = [], 0
    for at, span in enumerate(spans):
        old = text[span.start : span.end]
        mention = new.get(at, old)
        moved.append(Span(span.start + shift, span.start + shift + len(mention), *span[2:]))
        shift += len(mention) - len(old)
        if at not in new:
            continue
        edits.append((span.start, span.end, mention))
        # A particle ends where the next span begins.
        limit = spans[at + 1].start if at + 1 < len(spans) else len(text)
        start = _MARKS.match(text, span.end, limit).end()
        length, particle = agreeing_rest(text[start:limit], old, mention)
        if length:
            edits.append((start, start + length, particle))
            shift += len(particle) - length
    words = example.words
    if words is not None:
        marked = [(start, end, re.sub(r"\s", _SEPARATOR, mention)) for start, end, mention in edits]
        words = tuple(_edited(_SEPARATOR.join(words), marked).split(_SEPARATOR))
    return replace(example, text=_edited(text, edits), spans=tuple(moved), words=words)


def _edited(text: str, edits: Iterable[tuple[int, int, str]]) -> str:
    """Text with other characters in some places, which are sorted and do not overlap."""
    parts, end = [], 0
    for start, stop, new in edits:
        parts += [text[end:start], new]
        end = stop
    return "".join([*parts, text[end:]])
