"""Replacements of surfaces: labels, asterisks, keyed hashes."""

import hashlib
import hmac
import math
import re
import unicodedata

from kospan.masking.labels import RULE_LABELS
from kospan.masking.policy import Action

# Digits of another label, or of a model's own label, keep one character.
_DEFAULT_KEPT = (1, 0)
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

    A hash without a key could be reversed by hashing all phone numbers. Spellings of the same number, with and without
    hyphens or in full-width digits, have the same hash.

    >>> hashed("010-1234-5678", "PHONE", Action("hash", digits=8), b"k" * 32)
    '[PHONE_37471def]'
    >>> hashed("01012345678", "PHONE", Action("hash", digits=8), b"k" * 32)
    '[PHONE_37471def]'
    """
    plain = unicodedata.normalize("NFKC", surface).casefold()
    if sum(character.isdigit() for character in plain) >= 6 and not any(character.isalpha() for character in plain):
        plain = "".join(character for character in plain if character.isdigit() or character == "+")
    digest = hmac.new(key, plain.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
    return f"[{action.name or label}_{digest[: action.digits]}]"


def partly(surface: str, label: str, action: Action) -> str:
    """Return a surface with asterisks for most of its letters and digits; at least a third of them are hidden.

    Separators are kept, and the domain of an e-mail address and the districts of an address are shown.

    >>> partly("010-1234-5678", "PHONE", Action("partial")), partly("김민수", "PS", Action("partial"))
    ('010-****-5678', '김**')
    """
    own = action.keep_first is not None or action.keep_last is not None
    if label == "EMAIL" and "@" in surface and not own:
        name, _, domain = surface.rpartition("@")
        return f"{_stars(name, 2, 0)}@{domain}"
    if label == "ADDRESS" and not own:
        return _partial_address(surface)
    kept = RULE_LABELS[label][2:] if label in RULE_LABELS else _DEFAULT_KEPT
    first, last = action.keep_first, action.keep_last
    if own:
        return _stars(surface, first or 0, last or 0)
    return _stars(surface, *kept)


def _partial_address(surface: str) -> str:
    end = 0
    for word in re.finditer(r"\S+", surface):
        if not _AREA.fullmatch(word[0]):
            break
        end = word.end()
    return surface[:end] + _stars(surface[end:], 0, 0)


def _stars(surface: str, first: int, last: int) -> str:
    clusters = _clusters(surface)
    places = [at for at, cluster in enumerate(clusters) if cluster[0].isalnum()]
    shown = len(places) - max(1, math.ceil(len(places) / 3))
    last = max(0, min(last, shown))
    first = max(0, min(first, shown - last))
    hidden = set(places[first : len(places) - last])
    return "".join("*" if at in hidden else cluster for at, cluster in enumerate(clusters))


def _clusters(text: str) -> list[str]:
    """Characters with the marks on them; a syllable of decomposed Hangul is one."""
    found: list[str] = []
    for character in text:
        if found and (unicodedata.combining(character) or "\u1160" <= character <= "\u11ff"):
            found[-1] += character
        else:
            found.append(character)
    return found
