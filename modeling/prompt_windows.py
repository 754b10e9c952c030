"""Windows of a text, and the prompt of a causal LM for each."""

import dataclasses
import re
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import torch

from .alignment import clusters
from .prompt_dates import CODES, UNKNOWN, date_codes, with_fixed_date
from .prompts import frame
from .similarity import Similarity

# Maximum overlap of windows in subwords; at most a quarter of a window.
OVERLAP = 64
# Placeholder, with its id, of a special token spelled in a message; no template changes it.
PLACEHOLDER = "\ue002{}\ue003"
_PLACEHOLDER = re.compile(PLACEHOLDER.format(r"(\d+)"))


class PromptWindow(NamedTuple):
    """A stretch of a text with its prompt.

    Args:
        start: Its first character in the composed text.
        text: The stretch.
        own: `(first, last)` characters of the composed text whose entities are taken from this window, in which they
            are most central.
        input_ids: The whole prompt.
    """

    start: int
    text: str
    own: tuple[int, int]
    input_ids: list[int]


class PromptBuilder:
    """Mixin of `KospanGenerativeNER` that builds prompts; it uses `model`, `tokenizer` and `config`."""

    _frame_ids: tuple[list[int], list[int]] | None = None
    _likeness: Similarity | None = None  # Of the examples, if they are chosen by similarity.
    _warned = False  # Whether the warning about changing dates was given.

    def ids_of(self, text: str) -> list[int]:
        """Return the subwords of a text in which special tokens are split, whatever it contains."""
        return self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]

    @property
    def frame(self) -> tuple[list[int], list[int]]:
        """The subwords before and after the text in a prompt.

        If examples are chosen by similarity, those around the longest examples.
        """
        if self._frame_ids is None:
            examples = self.config.examples
            if self.config.shown is not None:
                sizes = [sum(len(self.ids_of(part)) for part in pair) for pair in examples]
                longest = sorted(range(len(examples)), key=lambda at: -sizes[at])[: self.config.shown]
                examples = [examples[at] for at in longest]
            self._frame_ids = self._framed(examples)
        return self._frame_ids

    def frame_about(self, text: str, without: Sequence[str] = ()) -> tuple[list[int], list[int]]:
        """Return the subwords around a text in a prompt with the examples most like it, the nearest last.

        Args:
            text: The text of the prompt; it has no effect if all examples are shown.
            without: Texts that are not used as examples.
        """
        if self._likeness is None:
            return self.frame
        nearest = self._likeness.nearest(text, self.config.shown, without)
        return self._framed([self.config.examples[at] for at in reversed(nearest)])

    def _framed(self, examples: Sequence) -> tuple[list[int], list[int]]:
        """Return the subwords before and after the text in a prompt with these examples."""
        config, tokenizer = self.config, self.tokenizer
        before, behind = frame(
            config.instruction,
            config.labels,
            config.descriptions,
            [tuple(pair) for pair in examples],
            config.words,
            self._rendered if config.chat else None,
        )
        if config.chat:
            return self._ids_of_rendered(before), self._ids_of_rendered(behind)
        # Examples and descriptions contain no special tokens, but a text may begin with one.
        head = tokenizer(before, split_special_tokens=True)["input_ids"]
        # Some tokenizers append an end token, after which the text would not count as a continuation.
        ends = {tokenizer.eos_token_id, tokenizer.sep_token_id} - {None}
        while head and head[-1] in ends and head[-1] != tokenizer.bos_token_id:
            head.pop()
        return head, self.ids_of(behind)

    def _rendered(self, messages: list[dict]) -> str:
        """Render messages with the chat template; special tokens in them become placeholders."""
        messages = [message | {"content": self._with_placeholders(message["content"])} for message in messages]
        date = self.config.date
        if date is None and not self._warned and self._dated(messages):
            self._warned = True
            warnings.warn(
                "expected a date in kospan.json, because the chat template inserts the current one, got none; "
                "prompts hold today's date and change from day to day; train the model again to fix the date",
                stacklevel=2,
            )
        return self._templated(messages, date)

    def _templated(self, messages: list[dict], date: str | None) -> str:
        """Render messages with the chat template on a date; None is today.

        Raises:
            ValueError: If the template formats the date with an unknown code.
        """
        settings = {"tokenize": False, "add_generation_prompt": True, "enable_thinking": False}
        if date is not None:
            settings["chat_template"] = with_fixed_date(self.tokenizer.get_chat_template())
            settings[CODES] = date_codes(date)
        try:
            return self.tokenizer.apply_chat_template(messages, **settings)
        except Exception as error:  # Jinja's TemplateError; model code imports torch and transformers alone.
            if not str(error).startswith(UNKNOWN):
                raise
            raise ValueError(str(error)) from error

    def _dated(self, messages: list[dict]) -> bool:
        """Return whether the chat template inserts the current date into these messages."""
        if "strftime_now" not in self.tokenizer.get_chat_template():
            return False
        try:
            return self._templated(messages, "1999-12-31") != self._templated(messages, "2024-02-05")
        except ValueError:  # An unknown code, which transformers writes as it is.
            return True

    def fix_date(self, date: str) -> None:
        """Fix the date of all prompts, if the model has none and its chat template inserts one.

        Args:
            date: A date such as 2026-01-31.

        Raises:
            ValueError: If the chat template formats the date with an unknown code.
        """
        config, frames = self.config, []
        if config.date is not None or not config.chat:
            return
        for each in ("1999-12-31", date):
            self.config = dataclasses.replace(config, date=each)
            frames.append(self._framed(config.examples[: config.shown]))
        if frames[0] == frames[1]:
            self.config = config

    def _with_placeholders(self, text: str) -> str:
        for at, token in self._special():
            text = text.replace(token, PLACEHOLDER.format(at))
        return text

    def _ids_of_rendered(self, rendered: str) -> list[int]:
        """Return the subwords of a rendered prompt; placeholders become ordinary text, not special tokens."""
        special, ids = dict(self._special()), []
        for at, part in enumerate(_PLACEHOLDER.split(rendered)):
            if at % 2:
                # The message itself contained something like a placeholder.
                ids += self.ids_of(special.get(int(part), PLACEHOLDER.format(part)))
            elif part:
                ids += self.tokenizer(part, add_special_tokens=False)["input_ids"]
        return ids

    def _special(self) -> list[tuple[int, str]]:
        """Ids and spellings of special tokens, the longest first."""
        added = self.tokenizer.added_tokens_decoder.items()
        found = [(at, token.content) for at, token in added if token.special and token.content]
        return sorted(found, key=lambda pair: -len(pair[1]))

    @property
    def context(self) -> int | None:
        """Positions for prompt and reply together; None if neither model nor config has a limit."""
        limits = {context_limit(self.model.config), self.config.max_length} - {None}
        return min(limits, default=None)

    @property
    def room(self) -> int:
        """Number of subwords of a text that fit into one prompt, whichever examples it shows.

        Raises:
            ValueError: If there is no room beside prompt and reply.
        """
        window = 1 << 30 if self.context is None else self.context
        fixed = sum(map(len, self.frame)) + self.config.max_new_tokens
        if window - fixed < 1:
            raise ValueError(
                f"expected a context that holds instruction, examples and reply ({fixed:,} positions) and some text, "
                f"got {window:,}; show fewer examples, shorten instruction and descriptions, or lower max_new_tokens"
            )
        return window - fixed

    def passages(self, text: str, learning: bool = False) -> list[PromptWindow]:
        """Split a text into overlapping windows that fit into a prompt; nothing is cut off.

        Args:
            text: The composed text.
            learning: Whether an example with the same text is excluded, since its reply is the target.
        """
        whole, room = text if learning else None, self.room
        if not text:
            return []
        prompt, over = self._prompt(text, whole)
        if over <= 0:
            return [PromptWindow(0, text, (0, len(text)), prompt)]
        offsets = self.tokenizer(
            text, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True
        )["offset_mapping"]
        overlap, found, first = min(OVERLAP, room // 4), [], 0
        while True:
            start = offsets[first][0] if found else 0
            last = min(first + room, len(offsets))
            end = offsets[last - 1][1] if last < len(offsets) else len(text)
            # A stretch alone may have one subword more than within the text, as may its most similar examples.
            while True:
                prompt, over = self._prompt(text[start:end], whole)
                if over <= 0:
                    break
                last -= over
                if last <= first:
                    raise ValueError(
                        f"expected a context with room for one character of the text, got {room} positions for "
                        f"{text[start:end]!r}; show fewer examples or lower max_new_tokens"
                    )
                end = offsets[last - 1][1]
            found.append((start, end, prompt))
            if end == len(text):
                break
            # Advance by one subword at least.
            first = max(first + 1, last - overlap)
            while offsets[first][0] <= start:
                first += 1
        edges = [0, *((later[0] + sooner[1]) // 2 for sooner, later in zip(found, found[1:])), len(text)]
        return [
            PromptWindow(start, text[start:end], (edges[at], edges[at + 1]), prompt)
            for at, (start, end, prompt) in enumerate(found)
        ]

    def _prompt(self, text: str, whole: str | None = None) -> tuple[list[int], int]:
        """Return the subwords of a prompt, and the number of positions that prompt and reply exceed the context by.

        Args:
            text: The stretch of text.
            whole: The text that contains it, if neither may be an example.
        """
        before, behind = self.frame_about(text, () if whole is None else (text, whole))
        prompt = before + self.ids_of(text) + behind
        context = 1 << 30 if self.context is None else self.context
        return prompt, len(prompt) + self.config.max_new_tokens - context

    def padded(self, rows: Sequence[Sequence[int]]) -> dict[str, torch.Tensor]:
        """Batch prompts, padded on the left: `input_ids` and `attention_mask` `(batch, length)`."""
        length = max(map(len, rows))
        ids = torch.full((len(rows), length), self.tokenizer.pad_token_id)
        mask = torch.zeros((len(rows), length), dtype=torch.int64)
        for at, row in enumerate(rows):
            ids[at, length - len(row) :] = torch.tensor(row)
            mask[at, length - len(row) :] = 1
        return {"input_ids": ids, "attention_mask": mask}


def composed(text: str) -> tuple[str, list[tuple[int, int]]]:
    r"""Return the composed text, and `(start, end)` of each of its characters in the original text.

    >>> composed("\u1100\u1161나")
    ('가나', [(0, 2), (2, 3)])
    """
    parts = clusters(text)
    return "".join(part for _, _, part in parts), [(start, end) for start, end, part in parts for _ in part]


def context_limit(config) -> int | None:
    """Return the positions that a causal LM reads; None if it has no limit."""
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    names = ("max_position_embeddings", "n_positions", "n_ctx", "max_sequence_length", "seq_length")
    return next((value for name in names if isinstance(value := getattr(text, name, None), int) and value > 0), None)
