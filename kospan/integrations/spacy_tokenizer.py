"""Tokenizer of spaCy whose tokens end wherever an entity of a Korean text may end, such as before a particle."""

from collections.abc import Iterator
from functools import lru_cache

import regex
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import DummyTokenizer
from spacy.vocab import Vocab

from kospan.modeling.alignment import clusters

SPLITS = ("characters", "runs")
# Scripts without spaces between words, or whose words end in particles: each character is a token.
_APART = regex.compile(
    r"[\p{Hangul}\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}]"
)


class CharacterTokenizer(DummyTokenizer):
    """Tokenizer that divides words into characters, so that every span of a model has exact tokens.

    The text of a document is the text that was given, to the character: a single space belongs to the token before it,
    other white space is a token. Characters that compose (decomposed Hangul) are one token.

    Args:
        vocab: The vocabulary.
        split: "characters", or "runs", which keeps runs of digits and of letters of alphabets ("2024", "KBS") together.

    Raises:
        ValueError: If `split` is unknown.

    >>> [token.text for token in CharacterTokenizer(Vocab(), "runs")("KBS는 2024년 서울에서")]
    ['KBS', '는', '2024', '년', '서', '울', '에', '서']
    """

    def __init__(self, vocab: Vocab, split: str = "characters"):
        if split not in SPLITS:
            raise ValueError(f"expected split to be one of {', '.join(SPLITS)}, got {split!r}; correct it")
        self.vocab, self.split = vocab, split

    def __call__(self, text: str) -> Doc:
        """Return the tokens of a text."""
        words: list[str] = []
        spaces: list[bool] = []
        for start, end in _places(text, self.split == "runs"):
            word = text[start:end]
            if word == " " and words and not spaces[-1]:
                spaces[-1] = True
            else:
                words.append(word)
                spaces.append(False)
        return Doc(self.vocab, words, spaces)


def create_tokenizer(split: str = "characters"):
    """Return the function that spaCy calls for `kospan.CharacterTokenizer.v1`.

    Args:
        split: As in `CharacterTokenizer`.

    >>> import spacy
    >>> settings = {"nlp": {"tokenizer": {"@tokenizers": "kospan.CharacterTokenizer.v1"}}}
    >>> [token.text for token in spacy.blank("xx", config=settings)("서울에")]
    ['서', '울', '에']
    """

    def create(nlp: Language) -> CharacterTokenizer:
        return CharacterTokenizer(nlp.vocab, split)

    return create


def _places(text: str, runs: bool) -> Iterator[tuple[int, int]]:
    """Yield start and end of each token, without gaps."""
    first, kind = 0, ""
    for start, _, composed in clusters(text):
        own = _kind(composed[0]) if runs else ""
        if start and not (own and own == kind):
            yield first, start
            first = start
        kind = own
    if text:
        yield first, len(text)


@lru_cache(maxsize=2**16)
def _kind(character: str) -> str:
    """Return the kind of run that a character belongs to; empty if it is a token of its own."""
    if _APART.match(character):
        return ""
    return "digit" if character.isdecimal() else "letter" if character.isalpha() else ""
