"""Groups of questions by question word, Korean or English."""

import re
from unicodedata import normalize

# Group -> pattern of its words. Words that only look alike are excluded: 언제나 (always), 얼마 후 (a while later),
# 몇몇 (several), 누가복음 (Luke), 임진왜란 and 왜군 (Japan).
_KOREAN = {
    "누구": r"누구|누군|누굴|(?<!\w)누가(?!복음)",
    "무엇": r"무엇|무얼|(?<!\w)무슨|(?<!\w)뭐|(?<!\w)뭘|(?<!\w)뭔",
    "언제": r"언제(?!나|든)",
    "어디": r"어디|어딘|어딜|어느\s*곳",
    "몇, 얼마": r"(?<!몇)몇(?!몇)|얼마(?!\s*(?:전|후|뒤|간|동안|안))",
    "어떤, 어느": r"어떤|어떠한|어느(?!\s*곳|\s*새|\s*덧)",
    "왜": r"(?<!\w)왜(?:냐|일까|인가|인지|이며|죠|지|요|그)?(?!\w)|어째서",
    "어떻게": r"어떻게|어떠하|어떠했|어떠한가|어찌",
}
_ENGLISH = {
    "who": r"who|whom|whose",
    "what": r"what",
    "when": r"when",
    "where": r"where",
    "which": r"which",
    "why": r"why",
    "how many": r"how\s+(?:many|much)",
    "how": r"how(?!\s+(?:many|much)\b)",
}
OTHER = "other"
QUESTION_WORDS = (*_KOREAN, *_ENGLISH, OTHER)


def _pattern(words: dict[str, str], frame: str) -> re.Pattern:
    # The name of a group is no valid name in a pattern, so its index is used.
    return re.compile("|".join(frame.format(f"(?P<w{at}>{form})") for at, form in enumerate(words.values())), re.I)


_IN_KOREAN, _IN_ENGLISH = _pattern(_KOREAN, "{}"), _pattern(_ENGLISH, r"\b(?:{})\b")
_HANGUL = re.compile("[가-힣]")


def question_word(question: str) -> str:
    """The group of a question, one of `QUESTION_WORDS`.

    Of several words the last one counts in Korean, with the verb at the end, and the first one in English.

    >>> question_word("조선의 수도는 어디인가?"), question_word("In which year did it end?"), question_word("작가는?")
    ('어디', 'which', 'other')
    """
    question = normalize("NFC", question)
    # A Korean question may contain an English title, "Who" or "When I Grow Up".
    korean = _HANGUL.search(question)
    found = list((_IN_KOREAN if korean else _IN_ENGLISH).finditer(question))
    if not found:
        return OTHER
    return list(_KOREAN if korean else _ENGLISH)[int(found[-1 if korean else 0].lastgroup[1:])]
