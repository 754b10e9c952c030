"""Words and white space of a text.

White space is what `str.isspace` accepts, everywhere: line ends, no-break and ideographic spaces too.
"""

import re
import unicodedata
from collections.abc import Sequence

# Methods of splitting a raw text: "white_space" splits at white space alone; "punctuation" also separates punctuation
# and clitics at the edges of words, see `split_words`.
WORD_SPLITTINGS = ("white_space", "punctuation")

_WHITE_SPACE = re.compile(r"\s")
_WORD = re.compile(r"\S+")
_ENDINGS = "(?:s|re|ve|ll|d|m)"
# Prefixes that stay with a word although they begin with a mark: signed and decimal numbers, names of accounts,
# clitics.
_BEGINS = re.compile(rf"[+\-\u2212]?\.?\d|[@#]\w|['\u2019]{_ENDINGS}(?![\w'\u2019])", re.IGNORECASE)
_NUMBERS_TEXT = re.compile(r"\d{1,3}\.")
_CLITIC = re.compile(rf"(?<=[\w.])['\u2019]{_ENDINGS}$|(?<=\w)n['\u2019]t$", re.IGNORECASE)


def plain_spaces(text: str) -> str:
    r"""Replace every white-space character by a space; the length stays the same.

    >>> plain_spaces("Seoul\r\nBusan\u3000")
    'Seoul  Busan '
    """
    return _WHITE_SPACE.sub(" ", text)


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the stretch `text[start:end]` without white space at its ends; both ends are equal if nothing remains.

    >>> trimmed("in Seoul , and", 2, 9), trimmed("a  b", 1, 3)
    ((3, 8), (3, 3))
    """
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end


def words(text: str) -> list[tuple[int, int]]:
    r"""Return `(start, end)` of each run without white space.

    >>> words("Hong  Gil-dong\tleft")
    [(0, 4), (6, 14), (15, 19)]
    """
    return [match.span() for match in _WORD.finditer(text)]


def split_words(text: str) -> list[tuple[int, int]]:
    r"""Return `(start, end)` of the words of a raw text, much like the tokens of CoNLL-2003.

    - Words are separated by white space.
    - Brackets and quotation marks are words of their own. So are other punctuation and symbols at the beginning or end
      of a word; the same mark several times in a row is one word ("...").
    - A number keeps its sign, its decimal point and inner characters ("-5", ".5", "1,000"); "%" and "$" are words
      of their own. One that numbers the text keeps its full stop ("2. Kim"). "@name" and "#tag" stay whole.
    - A full stop is kept if each letter before it has one ("U.S.", "a.m."), or if that letter is a single capital
      ("J.").
    - "'s", "'re", "'ve", "'ll", "'d", "'m" and "n't" at the end of a word are words of their own.

    >>> text = 'He doesn\'t know the U.S. (or Seoul\'s "3.5%").'
    >>> " ".join(text[start:end] for start, end in split_words(text))
    'He does n\'t know the U.S. ( or Seoul \'s " 3.5 % " ) .'
    """
    found, runs = [], words(text)
    for at, (start, end) in enumerate(runs):
        word = text[start:end]
        if word.isalnum() or (at == 0 and len(runs) > 1 and _NUMBERS_TEXT.fullmatch(word)):
            found.append((start, end))
            continue
        bases, places = _bases(word)
        cuts = _cuts(bases)
        found += [(start + places[first], start + places[last]) for first, last in zip(cuts, cuts[1:])]
    return found


def document_text(document: str | Sequence[str]) -> str:
    """Return the text of a document; a list of words is joined by spaces."""
    return document if isinstance(document, str) else " ".join(document)


def document_words(document: str | Sequence[str], splitting: str = "punctuation") -> list[tuple[int, int]]:
    """Return `(start, end)` of a document's words in its text.

    Args:
        document: A raw text, or a list of words, which are kept; one without any visible character is ignored.
        splitting: One of `WORD_SPLITTINGS`, for a raw text.

    >>> document_words("Seoul."), document_words(["Seoul.", "Busan"])
    ([(0, 5), (5, 6)], [(0, 6), (7, 12)])
    """
    if isinstance(document, str):
        return split_words(document) if splitting == "punctuation" else words(document)
    found, at = [], 0
    for word in document:
        if word and not word.isspace():
            found.append((at, at + len(word)))
        at += len(word) + 1
    return found


def _bases(word: str) -> tuple[str, list[int]]:
    """Return a word's characters without combining and invisible ones, and the start of each.

    Accents, joiners and format characters belong to the character before them. The last start is the word's end.
    """
    bases, places = [], []
    for at, character in enumerate(word):
        if unicodedata.category(character)[0] != "M" and unicodedata.category(character) != "Cf":
            bases.append(character)
            # Characters before the first base belong to it.
            places.append(at if places else 0)
    return "".join(bases) or word[:1], [*(places or [0]), len(word)]


def _cuts(word: str) -> list[int]:
    """Starts of the parts of a word, and its end."""
    cuts, start = [0], 0
    for at in range(len(word)):
        if _is_enclosing(word, at):
            cuts += [*_edges(word, start, at), at, at + 1]
            start = at + 1
    return sorted({*cuts, *_edges(word, start, len(word)), len(word)})


def _edges(word: str, first: int, last: int) -> list[int]:
    """Cuts of a stretch without brackets: around the marks at its beginning and end, and before a clitic."""
    start, end = first, last
    while start < end and _is_mark(word[start]) and not _BEGINS.match(word, start, end):
        start += 1
    while start < end and _is_mark(word[end - 1]) and not _is_abbreviation(word, start, end):
        end -= 1
    # A run of the same mark is one part.
    cuts = [at for at in range(first + 1, start) if word[at - 1] != word[at]]
    cuts += [at for at in range(end + 1, last) if word[at - 1] != word[at]]
    clitic = _CLITIC.search(word[start:end])
    return cuts + [start, end] + ([start + clitic.start()] if clitic else [])


def _is_enclosing(word: str, at: int) -> bool:
    """Return whether it is a bracket or quotation mark; a single quote before Hangul counts, an apostrophe does not."""
    if word[at] in "'\u2018\u2019\u201b":
        return "HANGUL" in unicodedata.name(word[at + 1 : at + 2] or " ", "")
    return word[at] == '"' or unicodedata.category(word[at]) in ("Ps", "Pe", "Pi", "Pf")


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS"


def _is_abbreviation(word: str, start: int, end: int) -> bool:
    """Return whether the stretch ends in letters with a full stop after each, or in one such capital."""
    at = end
    while at - 2 >= start and word[at - 1] == "." and word[at - 2].lower() != word[at - 2].upper():
        at -= 2
    if at == end or (at > start and (word[at - 1].isalnum() or word[at - 1] in "._")):
        return False
    return end - at > 2 or word[at].isupper()
