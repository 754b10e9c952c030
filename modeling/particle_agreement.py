"""Agreement of Korean particles with the final sound of the noun before them.

A particle has one form after a consonant and another after a vowel (`은`/`는`); `으로` has `로` after a vowel and after
ㄹ. Digits and Latin letters count as they are read: `3` is 삼, `LG` is 엘지, `Google` is 구글. The reading of a Latin
word is estimated from its spelling.
"""

import re
import unicodedata

from .particles import PARTICLES

_TIEUT, _RIEUL, _MIEUM, _NIEUN, _BIEUP, _KIYEOK, _IEUNG = 19, 8, 16, 4, 17, 1, 21

# Forms after a consonant and after a vowel, in pairs. Further particles may follow (`과의`, `으로부터는`), but none
# follows those of `_ALONE`: `이` and `는` together are no particle with `이`, but a name's suffix with `는`.
_ALONE = "이/가 을/를 아/야"
_FOLLOWED = (
    "은/는 과/와 으로/로 으로서/로서 으로써/로써 이나/나 이나마/나마 이랑/랑 이란/란 이라/라 이든/든 이든지/든지 "
    "이든가/든가 이시여/시여 이야/야 이야말로/야말로 이라고/라고 이라는/라는 이라며/라며 이라면/라면 이라면서/라면서 "
    "이라도/라도 이라서/라서 이라니/라니 이라던/라던 이라든지/라든지 이라든가/라든가 이라기/라기 이란다/란다 "
    "이랍니다/랍니다 이래/래 이다/다 이고/고 이며/며 이지만/지만 이죠/죠 이니까/니까 이므로/므로 이던/던 이네/네 "
    "이구나/구나 이에요/예요 이어서/여서 이어야/여야 이세요/세요 이십니다/십니다"
)
# The suffix 이 of a name that ends in a consonant (하린이는) disappears after a vowel (민서는), but not the reverse.
# Nor does 여 become the vocative 이여: it is mostly the suffix of an approximate number (2주여).
_SUFFIXED = "이여/여 이가/가 이는/는 이를/를 이와/와 이도/도 이의/의 이만/만 이한테/한테 이에게/에게"
# The past tense of the copula, with any ending.
_PAST = "이었/였"


def _pairs(listed: str) -> dict[str, tuple[str, str]]:
    """Pairs of forms by each of their forms."""
    pairs = [tuple(pair.split("/")) for pair in listed.split()]
    return {form: pair for pair in pairs for form in pair}


def _longest_first(forms) -> str:
    return "|".join(sorted(forms, key=lambda form: (-len(form), form)))


_FORMS = _pairs(f"{_ALONE} {_FOLLOWED} {_PAST}")
_NAMES = {pair[0]: pair for pair in _pairs(_SUFFIXED).values()}
_RUN = rf"(?:{PARTICLES.pattern}|커녕|요)*"
# The rest of a word after a noun, if it begins with a particle that has two forms.
_PARTICLE = re.compile(
    rf"(?P<name>{_longest_first(_NAMES)})(?:{_RUN})$"
    rf"|(?P<form>{_longest_first(_pairs(_FOLLOWED))})(?:{_RUN})$"
    rf"|(?P<alone>{_longest_first(_pairs(_ALONE))})$"
    rf"|(?P<past>이었|였)"
)
_WORD = re.compile(r"\w*")
# Additions in brackets after a noun.
_ADDITIONS = re.compile(r"(?<=\w)(?:\s*(?:\([^()]*\)|\[[^\[\]]*\]))+$")

# Final consonants of the names of Latin letters, of digits, and of powers of ten up to 10^11; 0 is none.
_LETTERS = {"l": _RIEUL, "r": _RIEUL, "m": _MIEUM, "n": _NIEUN}
_DIGITS = dict(zip("0123456789", (_IEUNG, _RIEUL, 0, _MIEUM, 0, 0, _KIYEOK, _RIEUL, _RIEUL, 0)))
_POWERS = (0, _BIEUP, _KIYEOK, _NIEUN, *[_NIEUN] * 4, *[_KIYEOK] * 4)
# Units of measurement after a digit that are read as words, not letter by letter.
_UNITS = {"km": 0, "m": 0, "cm": 0, "mm": 0, "l": 0, "ml": 0, "kg": _MIEUM, "g": _MIEUM, "mg": _MIEUM, "t": _NIEUN}
_SYMBOLS = dict.fromkeys("%$€°+", 0) | {"₩": _NIEUN}
# Endings of Latin words with a final consonant (Google 구글, Line 라인, Facebook 페이스북); the first match counts.
_SPELLINGS = [
    (re.compile(r"ng$"), _IEUNG),
    (re.compile(r"m{1,2}e?$"), _MIEUM),
    (re.compile(r"n{1,2}e?$"), _NIEUN),
    (re.compile(r"l{1,2}e?$"), _RIEUL),
    (re.compile(r"(ook|(?<![aeiou])[aeiou](c|ck|k))$"), _KIYEOK),
    (re.compile(r"(oup|(?<![aeiou])[aeiou](p|pp|b|bb))$"), _BIEUP),
    (re.compile(r"(?<![aeiou])[aeiou]tt?$"), _TIEUT),
]


def final_consonant(noun: str) -> int | None:
    """Return the number of a noun's final consonant as it is read: 0 for none, 8 for ㄹ; None if it is unknown.

    Closing marks and an addition in brackets after the noun do not count.

    >>> [final_consonant(noun) for noun in ("제주", "서울", "3", "LG", "Google", "한국(Korea)", "漢字")]
    [0, 8, 16, 0, 8, 1, None]
    """
    text = unicodedata.normalize("NFKC", noun).rstrip()
    text = _ADDITIONS.sub("", text)
    while text and not text[-1].isalnum() and text[-1] not in _SYMBOLS:
        text = text[:-1]
    last = text[-1:]
    if "가" <= last <= "힣":
        return (ord(last) - ord("가")) % 28
    if last in _SYMBOLS and last:
        return _SYMBOLS[last]
    if last in _DIGITS and last:
        return _number_final(re.search(r"[0-9][0-9,.]*$", text)[0])
    if last.isalpha() and not last.isascii():
        # A silent e has no accent: Pelé ends in a vowel.
        return 0 if unicodedata.name(last, "").startswith("LATIN") else None
    plain = "".join(each for each in unicodedata.normalize("NFD", text) if not unicodedata.combining(each))
    word = re.search(r"[A-Za-z]+$", plain)
    return _latin_final(word[0], plain[: word.start()]) if word else None


def _number_final(number: str) -> int | None:
    """Final consonant of a number: of its last digit, or of the power of ten that its zeros stand for."""
    whole, _, fraction = number.replace(",", "").partition(".")
    digits = fraction or whole
    zeros = len(digits) - len(digits.rstrip("0"))
    if fraction or zeros in (0, len(digits)):
        return _DIGITS[digits[-1]]
    return _POWERS[zeros] if zeros < len(_POWERS) else 0 if zeros < 16 else None


def _latin_final(word: str, before: str) -> int:
    """Final consonant of a unit behind a number, of an abbreviation's last letter, or of a word by its spelling."""
    lower = word.lower()
    if before.rstrip()[-1:] in _DIGITS and before and lower in _UNITS:
        return _UNITS[lower]
    if word.isupper() or len(word) == 1:
        return _LETTERS.get(lower[-1], 0)
    return next((final for ending, final in _SPELLINGS if ending.search(lower)), 0)


def agreeing_form(particle: str, noun: str) -> str:
    """Return a particle in its form after a noun, without change if it has one form or the noun's sound is unknown.

    Args:
        particle: A particle in either form; others may follow it, as in "으로부터".
        noun: The noun before it.

    >>> [agreeing_form(*pair) for pair in (("은", "제주"), ("로부터", "부산"), ("으로", "서울"), ("의", "제주"))]
    ['는', '으로부터', '로', '의']
    """
    found, final = _PARTICLE.match(particle), final_consonant(noun)
    if found is None or final is None:
        return particle
    form = found[found.lastgroup]
    return _form_after(final, *_pair(found)) + particle[len(form) :]


def agreeing_rest(rest: str, old: str, new: str) -> tuple[int, str]:
    """Return the beginning of the text after a noun as it has to be when the noun changes.

    A particle is recognised up to the end of its word and only if its form agrees with the old noun, so that neither
    nouns (서울가) nor wrong particles change; the reading of a noun not in Hangul is no evidence against it.

    Args:
        rest: The text after the noun.
        old: The noun in the text.
        new: The noun that replaces it.

    Returns:
        The number of characters of `rest` to replace and their replacement; `(0, "")` for no change.

    >>> agreeing_rest("은 섬이다", "부산", "제주"), agreeing_rest("에서", "부산", "제주")
    ((1, '는'), (0, ''))
    """
    # Decomposed text ends in marks and jamo, which are word characters or follow one.
    end = _WORD.match(rest).end()
    tail = unicodedata.normalize("NFC", rest[:end])
    found = _PARTICLE.match(tail)
    before, after = final_consonant(old), final_consonant(new)
    if found is None or after is None:
        return 0, ""
    form, pair = found[found.lastgroup], _pair(found)
    if form == "야" and rest[end : end + 1] not in ("", ".", "?", "…"):
        # An address, not the copula at the end of a sentence.
        pair = ("아", "야")
    is_hangul = "가" <= unicodedata.normalize("NFC", old.rstrip())[-1:] <= "힣"
    if is_hangul and form != _form_after(before, *pair):
        return 0, ""
    chosen = _form_after(after, *pair)
    if chosen == form:
        return 0, ""
    if tail == rest[:end]:
        return len(form), chosen
    return end, unicodedata.normalize("NFD", chosen + tail[len(form) :])


def _pair(found: re.Match) -> tuple[str, str]:
    form = found[found.lastgroup]
    return _NAMES[form] if found.lastgroup == "name" else _FORMS[form]


def _form_after(final: int, consonant: str, vowel: str) -> str:
    """The form after a final consonant; 로 follows ㄹ as it follows a vowel."""
    return vowel if final == 0 or (final == _RIEUL and vowel.startswith("로")) else consonant
