"""Analysis of a tokenizer on labelled text: unknown subwords, and spans whose ends fall inside a subword."""

import re
from collections.abc import Sequence

from kospan.evaluation.span_matching import material_of
from kospan.example import Example
from kospan.modeling.alignment import clusters
from kospan.modeling.words import words

# Longest particle after a span, in characters.
_LONGEST_PARTICLE = 4
_WORD = re.compile(r"\S*")


def examine_subwords(tokenizer, examples: Sequence[Example]) -> dict[str, float | int | None]:
    """Count words, subwords and spans over all documents, with ordinary tokenization of composed (NFC) text.

    Args:
        tokenizer: A fast tokenizer of transformers.
        examples: Documents; numbers about spans need gold spans.

    Returns: `documents`, `words` (runs between spaces: eojeols), `subwords`, `subwords_per_word`; `unknown_subwords`,
        share of the subwords that are the unknown token, and `unknown_characters`, share of the characters in them;
        `spans`, `boundaries_inside_a_subword`, share of the spans' ends inside a subword, which tags of
        subwords cannot express, `spans_lost`, share of the spans with such an end; `particles`, spans with a Korean
        particle directly after them, and `particles_split`, the share of them with a subword boundary between the
        two. A share of nothing is None.

    Raises: ValueError if the tokenizer gives no offsets.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise ValueError(
            f"expected a fast tokenizer, which gives offsets, got {type(tokenizer).__name__}; save it as a fast one"
        )
    totals = dict.fromkeys(("words", "subwords", "unknown", "characters", "lost characters"), 0)
    spans = inside = lost = particles = split = 0
    for example in examples:
        parts = clusters(example.text)
        composed = "".join(part for _, _, part in parts)
        # Raw offset -> offset in the composed text; an end inside a cluster is moved to the end of the cluster.
        place, reached = {}, 0
        for start, end, part in parts:
            for at in range(start, end):
                place[at] = reached
            reached += len(part)
            place[end] = reached
        found = tokenizer(composed, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        offsets = [_bare(composed, *ends) for ends in found["offset_mapping"]]
        unknown = [ends for ends, subword in zip(offsets, found["input_ids"]) if subword == tokenizer.unk_token_id]
        totals["words"] += len(words(composed))
        totals["subwords"] += len(offsets)
        totals["unknown"] += len(unknown)
        totals["characters"] += sum(not character.isspace() for character in composed)
        totals["lost characters"] += sum(end - start for start, end in unknown)
        covered = {at for start, end in offsets for at in range(start + 1, end)}
        for span in example.spans or ():
            start, end = place[span.start], place[span.end]
            broken = (start in covered) + (end in covered)
            spans, inside, lost = spans + 1, inside + broken, lost + (broken > 0)
            if particle_behind(composed, end):
                particles += 1
                split += end not in covered
    return {
        "documents": len(examples),
        "words": totals["words"],
        "subwords": totals["subwords"],
        "subwords_per_word": _share(totals["subwords"], totals["words"]),
        "unknown_subwords": _share(totals["unknown"], totals["subwords"]),
        "unknown_characters": _share(totals["lost characters"], totals["characters"]),
        "spans": spans,
        "boundaries_inside_a_subword": _share(inside, 2 * spans),
        "spans_lost": _share(lost, spans),
        "particles": particles,
        "particles_split": _share(split, particles),
    }


def particle_behind(text: str, end: int) -> str:
    """The Korean particle from a position to the end of its word; empty if there is none.

    >>> particle_behind("서울에서 만났다", 2), particle_behind("서울시 의회", 2)
    ('에서', '')
    """
    word = _WORD.match(text, end)[0].rstrip(".,!?\"'”’)")
    fits = 0 < len(word) <= _LONGEST_PARTICLE and material_of(word, right=True) == "particle"
    return word if fits else ""


def _bare(text: str, start: int, end: int) -> tuple[int, int]:
    """Ends of a subword without the spaces that some tokenizers include."""
    while start < end and text[start].isspace():
        start += 1
    return start, end


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
