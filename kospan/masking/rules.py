"""Rules for personal data with a fixed form: presidio-analyzer's Korean recognizers, and patterns of our own.

The recognizers are used directly. Presidio's engine would add a spaCy model, which it downloads.
"""

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import NamedTuple

from kospan.masking.labels import RULE_LABELS
from kospan.masking.normalization import normalized
from kospan.masking.patterns import CONTEXT, CONTEXT_AFTER, CONTEXT_GAIN, NEARNESS, THRESHOLD
from kospan.modeling.spans import Span

# Characters before and after a hit in which context words count.
_BEFORE, _AFTER = 40, 14


class Rule(NamedTuple):
    """A recognizer with its context words.

    Args:
        label: Label of its spans.
        recognizer: A recognizer of presidio-analyzer.
        before: Context words before a hit, without spaces, in lower case.
        after: Context words after a hit.
    """

    label: str
    recognizer: object
    before: tuple[str, ...]
    after: tuple[str, ...]


def check_rules(rules: bool | Sequence[str] | None) -> tuple[str, ...]:
    """Return the labels of the rules to use: all for True, none for False and None.

    Raises:
        ValueError: If there is no rule for a label.
        TypeError: If it is another kind of value.

    >>> check_rules(["RRN", "PHONE"])
    ('RRN', 'PHONE')
    """
    if rules is True:
        return tuple(RULE_LABELS)
    if rules is None or rules is False:
        return ()
    if isinstance(rules, str) or not isinstance(rules, Sequence):
        raise TypeError(f"expected rules to be True, False or a list of labels, got {rules!r}; correct it")
    for label in rules:
        if label not in RULE_LABELS:
            raise ValueError(f"expected rules among {', '.join(RULE_LABELS)}, got {label!r}; correct it")
    return tuple(dict.fromkeys(rules))


@lru_cache
def load_rules(labels: tuple[str, ...]) -> tuple[Rule, ...]:
    """Build the rules of labels.

    Raises:
        ImportError: If the packages of the extra `mask` are missing.
    """
    if not labels:
        return ()
    try:
        from kospan.masking.recognizers import recognizers
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("kospan"):
            raise
        raise ImportError(
            f"expected the packages of the extra mask for the rules, found no {error.name}; run `pip install -c "
            'constraints.txt -e ".[mask]"`, or use the model alone (--rules none, rules=False)'
        ) from error
    built = recognizers()
    return tuple(
        Rule(label, each, tuple(CONTEXT[label].split()), tuple(CONTEXT_AFTER.get(label, "").split()))
        for label in labels
        for each in built[label]
    )


def find_by_rules(text: str, labels: Collection[str], context: str = "") -> list[Span]:
    """Find personal data with a fixed form.

    Args:
        text: The text.
        labels: Labels of the rules.
        context: Text before it that is searched for context words alone, such as the name of a column.

    Returns:
        Spans whose score reaches the threshold, sorted by start; they may overlap. The score is that of the pattern, 1
        for a valid check digit; a context word adds to it.

    >>> find_by_rules("주민번호는 900101-1234568입니다.", ["RRN"])[0][:3]
    (6, 20, 'RRN')
    """
    rules = load_rules(tuple(labels))
    plain = normalized(text)
    # Words of the context count as if they were directly in front of the text.
    header = _squeezed(normalized(context).text)
    found = {}
    for rule in rules:
        for hit in rule.recognizer.analyze(plain.text, [rule.label]):
            score = hit.score
            # A valid check digit gives the highest score.
            if score < 1.0:
                score = min(1.0, score + _gain(rule, plain.text, hit.start, hit.end, header))
            if score >= THRESHOLD - 1e-9:
                place = (*plain.original(hit.start, hit.end), rule.label)
                found[place] = max(score, found.get(place, 0.0))
    return sorted(Span(*place, score) for place, score in found.items())


def _squeezed(text: str) -> str:
    return "".join(text.lower().split())


def _gain(rule: Rule, text: str, start: int, end: int, header: str) -> float:
    """Gain of the context words around a hit; the nearest one decides between labels with the same score."""
    before = header + _squeezed(text[max(0, start - _BEFORE) : start])
    nearest = max((before.rfind(word) for word in rule.before), default=-1)
    if nearest >= 0:
        return CONTEXT_GAIN + NEARNESS * (nearest + 1) / len(before)
    after = _squeezed(text[end : end + _AFTER])
    return CONTEXT_GAIN if any(word in after for word in rule.after) else 0.0
