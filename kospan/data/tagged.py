"""Conversion of tagged tokens to examples with spans."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

from kospan.data.records import STRICT, Item, ReadSession
from kospan.example import Example, clean_label
from kospan.modeling.spans import Span
from kospan.modeling.tags import (
    bioes_to_bio,
    first_broken_tag,
    iob1_to_bio,
    may_end,
    may_follow,
    may_start,
    tags_to_spans,
)

IOB1_HINT = (
    "if the file is IOB1 (CoNLL-2003's own form, `B-` only between touching spans), read it as conll_iob1, otherwise "
    "correct the tag"
)


@dataclass
class Sentence:
    """Tokens and tags of a sentence in the source.

    Args:
        id: Of the example to be.
        place: The file, or the split and row, that errors name.
        tokens: Words or characters.
        tags: As many tag names.
        lines: The line of each token; empty if the source has no lines.
        source: Part of the data set that the sentence comes from.
        document: Index of its document in the source.
        tag_hint: Possible reason for a tag of an unknown form.
    """

    id: str
    place: str
    tokens: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    source: str = ""
    document: int = 0
    tag_hint: str = ""

    def where(self, at: int) -> str:
        """Place of a token, for errors."""
        return f"{self.place}:{self.lines[at]}" if self.lines else f"{self.place}, token {at} ({self.tokens[at]!r})"


def tag_problem(tag: str) -> str | None:
    """Return the fix for a tag of an unknown form; None if the form is known.

    >>> tag_problem("PS-B")
    'write the prefix first: B-PS'
    >>> tag_problem("B-PS") is None
    True
    """
    if tag == "O" or (len(tag) > 2 and tag[0] in "BIES" and tag[1] == "-"):
        return None
    if len(tag) > 2 and tag[-1] in "BIES" and tag[-2] == "-":
        return f"write the prefix first: {tag[-1]}-{tag[:-2]}"
    if len(tag) > 2 and tag[:2] in ("U-", "L-", "M-", "W-"):
        return "rewrite the scheme as BIOES: `U-` and `W-` become `S-`, `L-` becomes `E-`, `M-` becomes `I-`"
    if len(tag) > 2 and tag[0] in "BIES" and tag[1] in "_:/":
        return f"write {tag[0]}-{tag[2:]}"
    return "tags are O, B-TYPE and I-TYPE, in BIOES also E-TYPE and S-TYPE"


def clean_tag(tag: str) -> str:
    r"""Return a tag with its label normalised by `clean_label`.

    >>> clean_tag(" B-PS\u00a0")
    'B-PS'
    """
    tag = clean_label(tag)
    return tag[:2] + clean_label(tag[2:]) if tag[1:2] == "-" else tag


def tagged_items(
    sentences: Iterable[Sentence], joiner: str, iob1: bool = False, hint: str = "", session: ReadSession = STRICT
) -> Iterator[Item]:
    """Convert sentences to items; BIOES is recognised by its `E-` and `S-`.

    Args:
        sentences: The sentences.
        joiner: Separator between two tokens of the text: " " for words, "" for characters.
        iob1: Read the tags as IOB1.
        hint: Fix for an `I-` that continues nothing.
        session: Takes the sentences that cannot be read.

    Raises:
        ValueError: If a tag has an unknown form or an invalid position, or if tokens and tags differ in number; the
            message names the place.
    """
    known: dict[str, str] = {}
    kept = []
    for sentence in sentences:
        with session.record():
            _check_tags(sentence, known)
            kept.append(sentence)
    closing = next((tag for tag in sorted(known.values()) if tag[:2] in ("E-", "S-")), None)
    for sentence in kept:
        with session.record():
            if iob1:
                tags = _from_iob1(sentence, closing)
            elif closing:
                tags = _from_bioes(sentence, closing)
            else:
                tags = _from_bio(sentence, hint)
            place = f"{sentence.place}:{sentence.lines[0]}" if sentence.lines else sentence.place
            yield Item(place, _example(sentence, tags, joiner))


def _check_tags(sentence: Sentence, known: dict[str, str]) -> None:
    """Clean and check the tags of a sentence.

    Args:
        sentence: The sentence.
        known: Cleaned tags of earlier sentences, extended by those of this one.

    Raises:
        ValueError: If tokens and tags differ in number, or a tag has an unknown form.
    """
    if len(sentence.tokens) != len(sentence.tags):
        raise ValueError(
            f"{sentence.place}: expected as many tags as tokens, got {len(sentence.tokens)} tokens and "
            f"{len(sentence.tags)} tags; correct the row"
        )
    for at, tag in enumerate(sentence.tags):
        if tag not in known:
            cleaned = clean_tag(tag)
            problem = tag_problem(cleaned)
            if problem:
                raise ValueError(
                    f"{sentence.where(at)}: expected a tag like B-PS or O, got {tag!r}; {problem}{sentence.tag_hint}"
                )
            known[tag] = cleaned
    sentence.tags = [known[tag] for tag in sentence.tags]


def joined(items: Sequence[Item], separator: str = "\n") -> Item:
    """Join sentences to one document, with the id and place of the first.

    Args:
        items: The sentences.
        separator: A white-space character between two of them in the text.

    >>> one, other = Example("a", "서울은", (Span(0, 2, "LC"),)), Example("b", "부산은", (Span(0, 2, "LC"),))
    >>> joined([Item("x:1", one), Item("x:5", other)]).example.spans[1][:3]
    (4, 6, 'LC')
    """
    spans, at = [], 0
    examples = [item.example for item in items]
    for example in examples:
        spans += [span._replace(start=span.start + at, end=span.end + at) for span in example.spans]
        at += len(example.text) + len(separator)
    text = separator.join(example.text for example in examples)
    words = [example.words for example in examples]
    return Item(
        items[0].place,
        Example(
            examples[0].id,
            text,
            tuple(spans),
            source=examples[0].source,
            words=None if None in words else tuple(chain.from_iterable(words)),
        ),
    )


def _from_bio(sentence: Sentence, hint: str) -> list[str]:
    broken = first_broken_tag(sentence.tags)
    if broken is not None:
        tag = sentence.tags[broken]
        before = repr(sentence.tags[broken - 1]) if broken else "the start of the sentence"
        raise ValueError(
            f"{sentence.where(broken)}: expected {tag!r} to follow B-{tag[2:]} or I-{tag[2:]}, got it after "
            f"{before}; {hint or f'write B-{tag[2:]} where the span begins'}"
        )
    return sentence.tags


def _from_bioes(sentence: Sentence, closing: str) -> list[str]:
    tags = sentence.tags
    for at, tag in enumerate(tags):
        fits = may_follow(tags[at - 1], tag, "BIOES") if at else may_start(tag)
        if not fits or (at == len(tags) - 1 and not may_end(tag, "BIOES")):
            before = repr(tags[at - 1]) if at else "the start of the sentence"
            raise ValueError(
                f"{sentence.where(at)}: expected whole BIOES spans (`S-`, or `B-`, `I-`..., `E-`) because the data "
                f"holds {closing!r}, got {tag!r} after {before}{'' if fits else ', which cannot follow'}; correct "
                "the tag"
            )
    return bioes_to_bio(tags)


def _from_iob1(sentence: Sentence, closing: str | None) -> list[str]:
    if closing:
        at = next((at for at, tag in enumerate(sentence.tags) if tag == closing), None)
        if at is not None:
            raise ValueError(
                f"{sentence.where(at)}: expected IOB1 tags (O, I-TYPE, B-TYPE), got {closing!r}; the file is BIOES: "
                "read it as conll"
            )
    return iob1_to_bio(sentence.tags)


def _example(sentence: Sentence, tags: list[str], joiner: str) -> Example:
    starts, at = [], 0
    for token in sentence.tokens:
        starts.append(at)
        at += len(token) + len(joiner)
    spans = tuple(
        Span(starts[first], starts[last - 1] + len(sentence.tokens[last - 1]), label)
        for first, last, label in tags_to_spans(tags)
    )
    # Without a joiner the tokens are characters, which are not passed to models as words.
    words = tuple(sentence.tokens) if joiner else None
    return Example(sentence.id, joiner.join(sentence.tokens), spans, source=sentence.source, words=words)
