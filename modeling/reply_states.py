"""Automaton of the reply grammar: the bytes that may come next, and the subwords needed to close a reply.

It works on bytes, because subwords do not end where the grammar's parts end: one may hold `] [`, another a third of a
Hangul syllable. A surface is matched against the escaped text from all possible starts at once; the remaining places
are its possible occurrences, so a surface is offered no more often than it occurs.
"""

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from .prompts import escape, is_edge
from .subword_bytes import SubwordBytes

START, FIRST, HEAD, SURFACE, BETWEEN, NEXT, DONE = range(7)
OPEN, CLOSE, SPACE = b"[] "


class State(NamedTuple):
    """State of a partial reply.

    Args:
        phase: `START`, behind the first `[` (`FIRST`), in a type (`HEAD`), in a surface, `BETWEEN` brackets, behind the
            space there (`NEXT`), or behind `[]` (`DONE`).
        head: The bytes of type, colon and space so far.
        places: Where in the escaped text the surface so far may end, in bytes.
        length: Bytes of the surface so far.
        used: Characters of the text that earlier surfaces have taken, a bit each.
        cursor: End of the last located surface, in characters.
    """

    phase: int = START
    head: bytes = b""
    places: tuple[int, ...] = ()
    length: int = 0
    used: int = 0
    cursor: int = 0


class ReplyStates:
    """The replies that the grammar allows about one text.

    Args:
        text: The text.
        labels: The types.
        subwords: The vocabulary. A character that it cannot write alone is not allowed in surfaces, so that every
            partial reply can be closed with any vocabulary. No surface begins or ends with white space.
        whole_words: Whether surfaces begin and end where words do.

    Raises:
        ValueError: If the grammar or a type cannot be written with this vocabulary.
    """

    def __init__(self, text: str, labels: Sequence[str], subwords: SubwordBytes, whole_words: bool = False):
        self.subwords = subwords
        self.heads = {f"{escape(label)}: ".encode(): _rests(f"{escape(label)}: ", subwords) for label in labels}
        for label, rests in zip(labels, self.heads.values()):
            if math.isinf(rests[0]) or math.isinf(subwords.cost("[") + subwords.cost("]")):
                raise ValueError(
                    f"expected a vocabulary that can write '[', ']', ':', a space and the label {label!r}, got one "
                    "without; add the characters to the tokenizer, or choose another base model"
                )
        parts = [escape(character) for character in text]
        self.stream = "".join(parts).encode("utf-8", "replace")
        # By character, and behind the last: whether a surface may begin or end there, and how many subwords it takes
        # from there to where one may end, and to where one that continues may.
        edges = [not whole_words or is_edge(text, at) for at in range(len(text) + 1)]
        blank = [character.isspace() for character in text]
        self.ends = [edge and at > 0 and not blank[at - 1] for at, edge in enumerate(edges)]
        to_end, further = [math.inf] * (len(parts) + 1), [math.inf] * (len(parts) + 1)
        to_end[-1] = 0.0 if self.ends[-1] else math.inf
        # By character: the first at or after it that is not white space; a surface that enters white space needs it.
        self.visible = list(range(len(parts)))
        for at in reversed(range(len(parts))):
            further[at] = sum(subwords.cost(each) for each in parts[at]) + to_end[at + 1]
            to_end[at] = 0.0 if self.ends[at] else further[at]
            if blank[at]:
                self.visible[at] = self.visible[at + 1] if at + 1 < len(parts) else at
        self.further = further
        # By byte: the character that begins there, or -1 inside one; and the subwords to where a surface may end.
        self.unit: list[int] = []
        self.rest: list[float] = []
        for at, part in enumerate(parts):
            rests = _rests(part, subwords)
            self.unit += [at] + [-1] * (len(rests) - 2)
            self.rest += [to_end[at], *(rest + to_end[at + 1] for rest in rests[1:-1])]
        self.unit.append(len(parts))
        self.rest.append(to_end[-1])
        self.begins = [at for at, unit in enumerate(self.unit[:-1]) if unit >= 0 and edges[unit] and not blank[unit]]
        self.closing = subwords.cost("]") + 1  # `]` and the end
        self.open_places = lru_cache(maxsize=64)(self._open_places)
        self.cheapest = lru_cache(maxsize=64)(self._cheapest)

    def is_open(self, unit: int, used: int) -> bool:
        """Return whether a character may be in a surface.

        It exists, it and what must follow it can be written, and no other surface contains it; with whole words, no
        other surface contains a part of its word.
        """
        if unit >= len(self.visible) or self.further[unit] == math.inf:
            return False
        return not (used >> unit & 1 or used >> self.visible[unit] & 1)

    def _open_places(self, used: int) -> tuple[int, ...]:
        return tuple(at for at in self.begins if self.is_open(self.unit[at], used))

    def _cheapest(self, used: int) -> float:
        return min((self.further[self.unit[at]] for at in self.open_places(used)), default=math.inf)

    # --- what may come next -------------------------------------------------------------------------------------------

    def moves(self, state: State) -> Iterator[tuple[int, State]]:
        """Yield each byte that may come next, with the state after it."""
        phase = state.phase
        if phase == START:
            yield OPEN, state._replace(phase=FIRST)
            # Sentencepiece puts a space before a separate text.
            if not state.length:
                yield SPACE, state._replace(length=1)
        elif phase == FIRST:
            yield CLOSE, state._replace(phase=DONE)
            yield from self._head_moves(state._replace(length=0))
        elif phase == HEAD:
            yield from self._head_moves(state)
        elif phase == SURFACE:
            yield from self._surface_moves(state)
        elif phase == BETWEEN:
            yield SPACE, state._replace(phase=NEXT)
        elif phase == NEXT:
            yield OPEN, state._replace(phase=HEAD)

    def _head_moves(self, state: State) -> Iterator[tuple[int, State]]:
        length = len(state.head)
        for byte in {head[length] for head in self.heads if head.startswith(state.head)}:
            head = state.head + bytes([byte])
            if head in self.heads:
                yield byte, state._replace(phase=SURFACE, head=b"", places=self.open_places(state.used))
            else:
                yield byte, state._replace(phase=HEAD, head=head)

    def _surface_moves(self, state: State) -> Iterator[tuple[int, State]]:
        further: dict[int, list[int]] = {}
        for at in state.places:
            unit = self.unit[at]
            if unit < 0 or self.is_open(unit, state.used):
                further.setdefault(self.stream[at], []).append(at + 1)
        for byte, places in further.items():
            yield byte, state._replace(places=tuple(places), length=state.length + 1)
        ends = [at for at in state.places if self.unit[at] >= 0 and self.ends[self.unit[at]]]
        if state.length and ends:
            yield CLOSE, self._closed(state, ends)

    def _closed(self, state: State, ends: list[int]) -> State:
        """Close the surface at the place where `prompts.locate` finds it.

        Args:
            state: In the surface.
            ends: Those of its places where it may end.
        """
        starts = [self.unit[at - state.length] for at in ends]
        chosen = next((at for at, start in enumerate(starts) if start >= state.cursor), 0)
        start, end = starts[chosen], self.unit[ends[chosen]]
        used = state.used | ((1 << end) - (1 << start))
        return State(BETWEEN, used=used, cursor=end)

    # --- how far it is to the end -------------------------------------------------------------------------------------

    def may_end(self, state: State) -> bool:
        """Return whether the reply is complete."""
        return state.phase in (BETWEEN, DONE)

    def distance(self, state: State) -> float:
        """Return a number of subwords that closes the reply, the end included; infinite if the vocabulary cannot."""
        phase, cost = state.phase, self.subwords.cost
        if phase in (BETWEEN, DONE):
            return 1
        if phase in (START, FIRST):
            return self.closing + (cost("[") if phase == START else 0)
        if phase == SURFACE:
            rests = self.rest if state.length else {at: self.further[self.unit[at]] for at in state.places}
            return min((rests[at] for at in state.places), default=math.inf) + self.closing
        rests = (rests[len(state.head)] for head, rests in self.heads.items() if head.startswith(state.head))
        return min(rests) + self.cheapest(state.used) + self.closing + (cost("[") if phase == NEXT else 0)


def _rests(text: str, subwords: SubwordBytes) -> list[float]:
    """Return the number of subwords that write the rest of a text, from each of its bytes and its end."""
    rests, total = [0.0], 0.0
    for character in reversed(text):
        spelt = character.encode("utf-8", "replace")
        rests += [total + subwords.cost_of_bytes(spelt[at:]) for at in range(len(spelt) - 1, 0, -1)]
        total += subwords.cost(character)
        rests.append(total)
    return rests[::-1]
