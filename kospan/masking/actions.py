"""Replacements of surfaces: labels, asterisks, keyed hashes."""

import hashlib
import hmac
import math
import re
from collections.abc import Sequence

from kospan.masking.labels import RULE_LABELS
from kospan.masking.normalization import clusters, normalized
from kospan.masking.policy import Action

# Digits of another label, or of a model's own label, keep one character.
_DEFAULT_KEPT = (1, 0)
# Rules that find numbers, whose separators are no part of the value.
_NUMBERS = set(RULE_LABELS) - {"EMAIL", "ADDRESS"}
# Words of an address that a partial mask shows: province, city, county and district.
_AREA = re.compile(
    r"[가-힣]{1,7}(?:특별시|광역시|특별자치시|특별자치도|[도시군구])|서울|부산|대구|인천|광주|대전|울산|세종|경기|강원|[충전경][청라상]?[남북]|제주"
)


def replaced(label: str, action: Action) -> str:
    """Return the label in brackets.

    >>> replaced("PS", Action("replace"))
    '[PS]'
    """
    return f"[{action.name or label}]"


def hashed(surface: str, label: str, action: Action, key: bytes) -> str:
    """Return the label with the HMAC-SHA256 (RFC 2104) of a surface.

    A hash without a key could be reversed by hashing all phone numbers. Spellings of the same number, with other
    separators, in full-width digits or with zero-width characters, have the same hash.

    >>> hashed("010-1234-5678", "PHONE", Action("hash", digits=8), b"k" * 32)
    '[PHONE_37471def]'
    >>> hashed("01012345678", "PHONE", Action("hash", digits=8), b"k" * 32)
    '[PHONE_37471def]'
    """
    plain = normalized(surface).text.casefold()
    digits = sum(character.isdigit() for character in plain)
    if label in _NUMBERS or (digits >= 6 and not any(character.isalpha() for character in plain)):
        plain = "".join(character for character in plain if character.isalnum() or character == "+") or plain
    digest = hmac.new(key, plain.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
    return f"[{action.name or label}_{digest[: action.digits]}]"


def partially_masked(surface: str, label: str, action: Action) -> str:
    """Return a surface with asterisks for most of its letters and digits; at least a third of them are hidden.

    Separators are kept, unless there is nothing else. The domain of an e-mail address is shown in addition, and the
    first districts of an address are.

    >>> partially_masked("010-1234-5678", "PHONE", Action("partial"))
    '010-****-5678'
    >>> partially_masked("김민수", "PS", Action("partial"))
    '김**'
    """
    if action.keep_first is not None or action.keep_last is not None:
        return _stars(surface, action.keep_first or 0, action.keep_last or 0)
    name, _, domain = surface.rpartition("@")
    if label == "EMAIL" and name:
        return f"{_stars(name, 2, 0)}@{domain}"
    if label == "ADDRESS":
        return _stars(surface, _letters_of_districts(surface), 0)
    return _stars(surface, *(RULE_LABELS[label][2:] if label in RULE_LABELS else _DEFAULT_KEPT))


def _letters_of_districts(surface: str) -> int:
    """Letters of the districts at the start of an address that a partial mask shows as whole words."""
    letters = len(_places(clusters(surface)))
    shown = 0
    for word in surface.split():
        count = len(_places(clusters(word)))
        if not _AREA.fullmatch(normalized(word).text) or shown + count > letters - _hidden(letters):
            break
        shown += count
    return shown


def _stars(surface: str, first: int, last: int) -> str:
    parts = clusters(surface)
    places = _places(parts)
    shown = len(places) - _hidden(len(places))
    last = max(0, min(last, shown))
    first = max(0, min(first, shown - last))
    hidden = set(places[first : len(places) - last])
    return "".join("*" if at in hidden else part for at, part in enumerate(parts))


def _hidden(letters: int) -> int:
    return max(1, math.ceil(letters / 3))


def _places(parts: Sequence[str]) -> Sequence[int]:
    """Places of the letters and digits; of all characters if there are none, as in a name of emoji."""
    return [at for at, part in enumerate(parts) if part[0].isalnum()] or range(len(parts))
