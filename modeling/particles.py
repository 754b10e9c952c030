"""Korean particles, which follow a noun without a space and are no part of an answer.

The two directions differ. Which letters *are* particles explains an error (`PARTICLES`, the widest list). Removing one
must not cut a noun ("국가", "제주도", "한국인"), so it requires more: the end of a word after it, agreement with the
syllable before it, and a particle that nouns seldom end in (`CUT`). On KorQuAD's training articles 2,451 of 4,539
answers become right again after they were widened to the word's end, and 34 that were right are cut short, such as
"외교장관회의".
"""

import re
import unicodedata

# Particles and endings; a run of them may follow a noun.
_ALL = (
    "에서부터 으로부터 로부터 에게서 으로서 으로써 이라고 이라는 이라도 이라며 이었다 입니다 한테서 같이 까지 께서 "
    "라고 라는 라도 라며 로서 로써 마저 만큼 밖에 보다 부터 에게 에서 였다 으로 이고 이나 이다 이란 이랑 이며 조차 "
    "처럼 하고 한테 가 과 께 나 는 도 들 란 랑 로 를 만 뿐 씩 에 와 은 을 의 이 인 쯤"
)
PARTICLES = re.compile(f"(?:{'|'.join(sorted(_ALL.split(), key=lambda each: (-len(each), each)))})+")

# Particles to remove, by the final consonant of the syllable before them (0 is none, 8 is ㄹ); a compound counts as one
# particle.
_BY_FINAL = {
    frozenset(range(1, 28)): "이 은 을 과 과의 이라고 이라는 이라며 이란 이며 이었다 이다 입니다",
    frozenset(range(1, 28)) - {8}: "으로 으로서 으로써 으로부터 으로는 으로도",
    frozenset({0}): "가 는 를 와 와의 라고 라는 라며 였다",
    frozenset({0, 8}): "로 로서 로써 로부터 로는 로도",
    frozenset(range(28)): (
        "의 에서 에서는 에서도 에서의 에서부터 에게 에게서 에게는 에게도 에는 에도 에 까지 까지는 까지도 부터 부터는 "
        "께서 께서는 한테 한테서 보다 보다는 처럼 조차 마저 밖에 만큼"
    ),
}
# Each particle, composed and decomposed, with the finals before it; the longest first.
CUT = sorted(
    {
        (form, finals)
        for finals, listed in _BY_FINAL.items()
        for each in listed.split()
        for form in (each, unicodedata.normalize("NFD", each))
    },
    key=lambda each: (-len(each[0]), each[0]),
)
_LAST = {form[-1] for form, _ in CUT}


def particle_cuts(text: str, end: int) -> list[int]:
    """Return the places where a word that ends at `end` may be cut to remove its particle, longest particle first.

    Args:
        text: The text, composed or not.
        end: One past the word's last character; inside a word nothing is cut.

    >>> particle_cuts("서울에서는 비가", 5), particle_cuts("서울에서는 비가", 4), particle_cuts("국가", 2)
    ([2, 4], [], [])
    """
    if not end or text[end - 1] not in _LAST or (end < len(text) and _continues(text[end])):
        return []
    found = []
    for form, finals in CUT:
        cut = end - len(form)
        if cut > 0 and text.endswith(form, 0, end) and not text[cut - 1].isspace():
            final = _final_of(text[max(0, cut - 3) : cut])
            found += [cut] if final in finals or len(finals) == 28 else []
    return found


def trimmed_end(text: str, start: int, end: int) -> int:
    """Return the end of the answer `text[start:end]` without its particle; `end` if it has none or is only a particle.

    >>> text = "그는 서울에서, 부산까지 걸었다"
    >>> text[3:trimmed_end(text, 3, 7)]
    '서울'
    """
    return next((cut for cut in particle_cuts(text, end) if cut > start), end)


def _continues(character: str) -> bool:
    """Return whether a character continues a word: a letter, a digit, or a mark on one."""
    return character.isalnum() or unicodedata.category(character).startswith("M")


def _final_of(stem: str) -> int | None:
    """Number of the last Hangul syllable's final consonant, 0 for none; None if the last character is not Hangul.

    The pronunciation of a digit or Latin letter is unknown, so only invariant particles are removed after one.
    """
    last = unicodedata.normalize("NFC", stem)[-1:]
    return (ord(last) - ord("가")) % 28 if "가" <= last <= "힣" else None
