"""Exact-match feature: length of the overlap with the question, for each character of a text.

The idea is the exact-match feature of Chen et al. 2017 ("Reading Wikipedia to Answer Open-Domain Questions"), on
characters in place of words: a Korean word in the question and in the text rarely carries the same particle.
"""

from .words import plain_spaces

# Ids of the feature: 0 for no match, n for a character inside a common stretch of n characters, the last for more.
LONGEST_MATCH = 6


def match_lengths(text: str, question: str, longest: int = LONGEST_MATCH) -> list[int]:
    """Return for each character the length of the longest stretch around it that the question contains.

    All white-space characters are equal.

    Args:
        text: The text.
        question: The question; case is ignored in both if that keeps lengths.
        longest: Longer stretches count as this long.

    Returns:
        A length per character, 0 for spaces and for characters that are not in the question.

    >>> match_lengths("수도는 서울이다", "한국의 수도는?", 3)
    [3, 3, 3, 0, 0, 0, 0, 0]
    """
    text, question = (_folded(each) for each in (text, question))
    held = set(question)
    places = [at for at, character in enumerate(text) if character in held]
    found = [0] * len(text)
    for at in places:
        found[at] = 1
    for length in range(2, longest + 1):
        # A stretch can be in the question only if its two parts that are shorter by one are.
        shorter = set(places)
        stretches = {question[at : at + length] for at in range(len(question) - length + 1)}
        places = [at for at in places if at + 1 in shorter and text[at : at + length] in stretches]
        for at in places:
            found[at : at + length] = [length] * length
        if not places:
            break
    return [0 if character.isspace() else value for character, value in zip(text, found)]


def _folded(text: str) -> str:
    lower = text.lower()
    return plain_spaces(lower if len(lower) == len(text) else text)
