"""Constrained decoding: only replies that the grammar allows, with the probability of each subword."""

from bisect import bisect_left
from collections.abc import Sequence

import torch
from transformers import LogitsProcessor

from .reply_states import ReplyStates, State
from .subword_bytes import SubwordBytes


def allowed_subwords(states: ReplyStates, state: State, remaining: int) -> list[int]:
    """Return the ids of the subwords that may come next, the end excluded.

    Args:
        states: The replies about the text.
        state: State of the reply.
        remaining: Number of subwords that may still be written, this one and the end included.
    """
    table, ids, found = states.subwords.table, states.subwords.ids, []
    # Subwords with a common prefix are a stretch of the sorted table; it narrows byte by byte.
    ahead = [(0, len(table), b"", state)]
    while ahead:
        low, high, prefix, state = ahead.pop()
        if prefix and table[low] == prefix:
            fits = states.distance(state) < remaining
            while low < high and table[low] == prefix:
                if fits:
                    found.append(ids[low])
                low += 1
        if low == high:
            continue
        for byte, following in states.moves(state):
            longer = prefix + bytes([byte])
            first = bisect_left(table, longer, low, high)
            if first < high and table[first].startswith(longer):
                ahead.append((first, _behind(table, prefix, byte, first, high), longer, following))
    return found


def _behind(table: list[bytes], prefix: bytes, byte: int, low: int, high: int) -> int:
    """End of the entries that begin with the prefix and this byte."""
    return high if byte == 255 else bisect_left(table, prefix + bytes([byte + 1]), low, high)


def advanced(states: ReplyStates, state: State, added: bytes) -> State:
    """Return the state after these bytes.

    Raises:
        ValueError: If the grammar does not allow them.
    """
    for byte in added:
        following = next((after for move, after in states.moves(state) if move == byte), None)
        if following is None:
            raise ValueError(
                f"expected a subword that the grammar allows, got {added!r}; use replies of this processor"
            )
        state = following
    return state


class ReplyProcessor(LogitsProcessor):
    """Logits processor that sets subwords outside the grammar to minus infinity.

    Args:
        subwords: The vocabulary in bytes.
        ends: Ids that end a reply.
        budget: Maximum number of subwords of a reply, the end included; the last one is always the end.
        states: The replies that are allowed about each text; None allows everything but stores the probabilities, and
            ends the reply at the end of the budget.
        texts: Number of texts; each has as many consecutive rows as there are beams.

    Raises:
        ValueError: If the budget is too small for any reply.
    """

    def __init__(
        self, subwords: SubwordBytes, ends: Sequence[int], budget: int, states: Sequence[ReplyStates] | None, texts: int
    ):
        least = 1 if states is None else max((each.distance(State()) for each in states), default=1)
        if budget < least:
            raise ValueError(
                f"expected max_new_tokens of {int(least)} or more, in which [] and the end find room, got {budget}; "
                "allow more"
            )
        self.subwords, self.ends, self.budget, self.states, self.texts = subwords, list(ends), budget, states, texts
        self._prompt: int | None = None
        # By text and subwords so far: state of the reply, and log-probability of its last subword.
        self._known: dict[tuple, tuple[State | None, float]] = {}
        self._rows: dict[tuple, int] = {}
        self._log_probabilities: torch.Tensor | None = None

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Mask the scores of subwords that the grammar does not allow.

        Args:
            input_ids: Prompts and replies so far `(texts * beams, length)`, prompts of one length.
            scores: Of each subword `(texts * beams, vocabulary)`.
        """
        if self._prompt is None:
            self._prompt = input_ids.shape[1]
        written = input_ids.shape[1] - self._prompt
        remaining = self.budget - written
        beams = max(1, input_ids.shape[0] // self.texts)
        keys = [(at // beams, *reply) for at, reply in enumerate(input_ids[:, self._prompt :].tolist())]
        self._remember(keys, written)
        mask = torch.full_like(scores, -torch.inf)
        for row, key in enumerate(keys):
            allowed = self._allowed(key, remaining)
            if allowed is None:
                mask[row] = 0
            else:
                mask[row, allowed] = 0
        scores = scores + mask
        self._log_probabilities = scores.float().log_softmax(dim=-1)
        self._rows = {key: row for row, key in enumerate(keys)}
        return scores

    def _remember(self, keys: list[tuple], written: int) -> None:
        """Store the states after the subwords that were chosen since the last call."""
        if not written:
            self._known.update((key, (State() if self.states is not None else None, 0.0)) for key in keys)
            return
        rows = [self._rows[key[:-1]] for key in keys]
        chosen = torch.tensor([key[-1] for key in keys], device=self._log_probabilities.device)
        values = self._log_probabilities[torch.tensor(rows, device=chosen.device), chosen].tolist()
        for key, value in zip(keys, values):
            if key not in self._known:
                state = self._known[key[:-1]][0]
                if state is not None:
                    over = key[-1] in self.ends
                    added = b"" if over else self.subwords.of[key[-1]]
                    # Padding follows the end.
                    state = None if over or added is None else advanced(self.states[key[0]], state, added)
                self._known[key] = state, value

    def _allowed(self, key: tuple, remaining: int) -> list[int] | None:
        """Return the ids that may come next; None allows all."""
        if self.states is None:
            return self.ends if remaining <= 1 else None
        state = self._known[key][0]
        if state is None:
            return self.ends
        states = self.states[key[0]]
        return allowed_subwords(states, state, remaining) + (self.ends if states.may_end(state) else [])

    def log_probabilities(self, text: int, reply: Sequence[int]) -> list[float]:
        """Return the log-probability of each subword of a reply, given those before it, without the end.

        Args:
            text: Index of the text.
            reply: Its subwords, without the end.
        """
        found = [self._known.get((text, *reply[: at + 1])) for at in range(len(reply))]
        return [0.0 if each is None else each[1] for each in found]
