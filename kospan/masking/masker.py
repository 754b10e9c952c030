"""Masking of texts by a model, rules and a policy."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, NamedTuple

from kospan.api import span_task_over
from kospan.example import Example
from kospan.masking.actions import hashed, partially_masked, replaced
from kospan.masking.aliases import (
    ALIAS,
    LONGEST_WORD,
    UNCHANGED,
    AliasTable,
    apply_changes,
    particle_change,
    text_after_unmask,
)
from kospan.masking.labels import LITERAL, NOTICE
from kospan.masking.policy import Policy, read_policy
from kospan.masking.regions import Region, regions
from kospan.masking.rules import check_rules, find_by_rules, load_rules
from kospan.modeling.spans import Span

AUTO, NO_POINT = "auto", "none"


class Edit(NamedTuple):
    """A change of a text.

    Args:
        start: First character of the masked region in the original.
        end: One past the last of it.
        stop: One past the last replaced character; a changed particle follows the region.
        text: The replacement, with the particle.
        label: Label of the region.
        score: Score of the span that gave the label.
        action: The action of the policy.
        new_start: First character of the replacement in the masked text.
        new_end: One past the last of it, without a particle.
    """

    start: int
    end: int
    stop: int
    text: str
    label: str
    score: float
    action: str
    new_start: int = 0
    new_end: int = 0


class Masked(NamedTuple):
    """A masked text.

    Args:
        text: The text.
        edits: The changes, in order.
        notice: The limits of masking, in Korean.
    """

    text: str
    edits: list[Edit]
    notice: str = NOTICE

    @property
    def spans(self) -> list[Span]:
        """The replacements in the masked text."""
        return [Span(edit.new_start, edit.new_end, edit.label, edit.score) for edit in self.edits]


class Masker:
    """Masking of personal data in texts.

    Args:
        model: A folder, a name on the Hub, or a model that `kospan.load` returned; None for rules alone.
        policy: An action, actions by label, or a file, see `read_policy`; None replaces all labels.
        rules: True for all rules, False for none, or a list of their labels.
        key: Secret key of hashes, at least 16 bytes.
        aliases: Table of the aliases; a new one by default.
        operating_point: "auto" takes the model's operating point with the highest recall, if it has one; "none" its
            default decoding; otherwise the name of an operating point.
        threshold: Minimum score of the model's spans; replaces the operating point.
        particles: Whether a Korean particle after a replacement takes the form that the replacement requires.
        batch_size: Windows per batch.

    Raises:
        ValueError, TypeError: If the policy or a setting is wrong, or the model predicts no labelled spans.
        ImportError: If rules are used and the packages of the extra `mask` are missing.
    """

    def __init__(
        self,
        model: Any,
        policy: "str | PathLike | Mapping | Policy | None" = None,
        *,
        rules: bool | Sequence[str] = True,
        key: bytes | None = None,
        aliases: AliasTable | None = None,
        operating_point: str = AUTO,
        threshold: float | None = None,
        particles: bool = True,
        batch_size: int = 32,
    ):
        self.policy = read_policy(policy)
        self.rules = check_rules(rules)
        load_rules(self.rules)
        self.task = None if model is None else span_task_over(model)
        self.labels = [] if self.task is None else list(self.task.labels)
        self.policy.check_labels(self.labels)
        self.key = _checked_key(key)
        if self.key is None and self.policy.uses("hash"):
            raise ValueError("expected a secret key for the action hash, got none; pass key=... (--key_file FILE)")
        self.aliases = AliasTable() if aliases is None else aliases
        self.reversible = self.policy.uses("alias")
        self.operating_point = self._point(operating_point, threshold)
        self.threshold, self.particles, self.batch_size = threshold, particles, batch_size

    def _point(self, name: str, threshold: float | None) -> str | None:
        points = {} if self.task is None else getattr(self.task.model.config, "operating_points", None) or {}
        if name == AUTO:
            levels = {point: value["guarantee"]["level"] for point, value in points.items() if "guarantee" in value}
            return max(levels, key=levels.get) if levels and threshold is None else None
        if name == NO_POINT:
            return None
        if name not in points:
            raise ValueError(
                f"expected an operating point of the model ({', '.join(points) or 'it has none'}), got {name!r}; "
                "create one with `kospan calibrate --recall 0.95`"
            )
        return name

    def find(
        self, texts: Sequence[str], contexts: Sequence[str] | None = None, by_model: Sequence[bool] | None = None
    ) -> list[tuple[list[Span], list[Span]]]:
        """Find the spans of each text, by the model and by rules; they may overlap.

        Args:
            texts: The texts.
            contexts: Text before each of them that only gives context words to the rules, such as a column's name.
            by_model: Whether the model reads each of them; None for all.
        """
        contexts = [""] * len(texts) if contexts is None else contexts
        read = [True] * len(texts) if by_model is None else by_model
        predicted = self._predict([text for text, wanted in zip(texts, read) if wanted])
        return [
            (predicted[text] if wanted else [], find_by_rules(text, self.rules, context) if self.rules else [])
            for text, context, wanted in zip(texts, contexts, read)
        ]

    def _predict(self, texts: Sequence[str]) -> dict[str, list[Span]]:
        """Spans by text; each different one is predicted once."""
        found: dict[str, list[Span]] = {text: [] for text in texts}
        wanted = [text for text in found if text.strip()]
        if self.task is not None and wanted:
            decoding = {"operating_point": self.operating_point} if self.operating_point else {}
            examples = [Example(f"text-{at}", text, None) for at, text in enumerate(wanted)]
            self.task.spec.check_examples(self.task, examples, "texts")
            found |= zip(wanted, self.task.predict(examples, self.threshold, self.batch_size, **decoding))
        return found

    def mask(
        self,
        texts: str | Sequence[str],
        contexts: Sequence[str] | None = None,
        by_model: Sequence[bool] | None = None,
    ) -> Masked | list[Masked]:
        """Mask a text or several; see `find`."""
        if isinstance(texts, str):
            return self.mask([texts], contexts, by_model)[0]
        texts = list(texts)
        wrong = next((text for text in texts if not isinstance(text, str)), None)
        if wrong is not None:
            raise TypeError(f"expected texts to be strings, got {type(wrong).__name__}; pass a str or a list of them")
        return [self.mask_spans(text, *spans) for text, spans in zip(texts, self.find(texts, contexts, by_model))]

    def mask_spans(self, text: str, spans: Sequence[Span], first: Sequence[Span] = ()) -> Masked:
        """Mask spans of a text that are already known.

        Args:
            text: The text.
            spans: Spans, which may overlap.
            first: Further spans that decide the label where they overlap others, as those of rules do.
        """
        if self.reversible:
            first = [*first, *(Span(*match.span(), LITERAL) for match in ALIAS.finditer(text))]
        wanted = [span for span in (*spans, *first) if self.policy.action(span.label).action != "keep"]
        wanted = _joined(regions(text, wanted, first), self.policy)
        # Aliases are numbered in the order of the text.
        for region in wanted:
            self._replacement(text[region.start : region.end], region.label)
        edits, rest, after = [], "", len(text)
        for region in reversed(wanted):
            rest = (text[region.end : after] + rest)[:LONGEST_WORD]
            edit = self._edit(text, region, after, rest)
            rest = edit.text + rest[edit.stop - region.end :]
            edits.append(edit)
            after = edit.start
        edits = _placed(edits[::-1])
        return Masked(apply_changes(text, edits), edits)

    def _edit(self, text: str, region: Region, limit: int, rest: str) -> Edit:
        """Return the change of a region before already masked text.

        Args:
            text: The original text.
            region: The region.
            limit: Where the next region begins.
            rest: The beginning of the masked text after the region.
        """
        start, end, label, score = region
        surface = text[start:end]
        action = self.policy.action(label).action
        mask = self._replacement(surface, label)
        count, form = particle_change(text[end : end + LONGEST_WORD], surface, mask) if self.particles else (0, "")
        if end + count > limit:
            count, form = 0, ""
        for taken, particle in ((count, form), (0, "")):
            exact = (
                action != "alias" or text_after_unmask(particle + rest[taken:], mask, surface, self.particles) == rest
            )
            if exact:
                return Edit(start, end, end + taken, mask + particle, label, score, action, 0, len(mask))
        return Edit(start, end, end, mask + UNCHANGED, label, score, action, 0, len(mask))

    def _replacement(self, surface: str, label: str) -> str:
        action = self.policy.action(label)
        if action.action == "alias":
            return self.aliases.alias(surface, action.name or label)
        if action.action == "hash":
            return hashed(surface, label, action, self.key)
        return partially_masked(surface, label, action) if action.action == "partial" else replaced(label, action)


def mask(model: Any, texts: str | Sequence[str], policy=None, **settings) -> Masked | list[Masked]:
    """Mask personal data in a text or several.

    가명처리를 돕는 도구이며 익명처리를 보장하지 않습니다.

    Args:
        model: A folder, a name on the Hub, a model, or None for rules alone.
        texts: The text or texts.
        policy: As in `Masker`.
        **settings: Other arguments of `Masker`.

    Returns:
        A `Masked` for a str, a list for a sequence.

    Raises:
        Exception: As `Masker`.

    >>> mask(None, "연락처는 010-1234-5678로 바뀌었다.", rules=["PHONE"]).text
    '연락처는 [PHONE]로 바뀌었다.'
    """
    return Masker(model, policy, **settings).mask(texts)


def _checked_key(key: bytes | str | None) -> bytes | None:
    if isinstance(key, str):
        key = key.encode()
    if key is not None and not isinstance(key, (bytes, bytearray)):
        raise TypeError(f"expected key to be bytes, got {type(key).__name__}; pass the content of the key file")
    if key is not None and len(key) < 16:
        raise ValueError(
            f"expected a key of at least 16 bytes, got {len(key)}; create one with secrets.token_bytes(32)"
        )
    return key if key is None else bytes(key)


def _joined(found: Sequence[Region], policy: Policy) -> list[Region]:
    """Join neighbouring regions of one label that are replaced by it, so that it is written once."""
    joined: list[Region] = []
    for region in found:
        last = joined[-1] if joined else None
        adjacent = last is not None and (last.label, last.end) == (region.label, region.start)
        if adjacent and policy.action(region.label).action == "replace":
            joined[-1] = last._replace(end=region.end, score=max(last.score, region.score))
        else:
            joined.append(region)
    return joined


def _placed(edits: Sequence[Edit]) -> list[Edit]:
    """Move the replacements, whose places count from their own start, to their places in the masked text."""
    placed, shift = [], 0
    for edit in edits:
        start = edit.start + shift
        placed.append(edit._replace(new_start=start, new_end=start + edit.new_end))
        shift += len(edit.text) - (edit.stop - edit.start)
    return placed
