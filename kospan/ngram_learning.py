"""Vectors of character n-grams learned from raw text with FastText (Bojanowski et al. 2017)."""

import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kospan.data.ngram_vectors import LONGEST, NgramVectors
from kospan.modeling.character_ngrams import SPACE, CharacterNgrams

# Rows of FastText's table, which n-grams share by their hash: enough that frequent ones rarely share one.
_BUCKETS = 1_000_000
# Words with a larger share of the text are thinned out.
_SAMPLE = 1e-4
# Marks of FastText for the two ends of a word.
_BEGIN, _END = "<", ">"


@dataclass(frozen=True)
class NgramLearning:
    """Settings of FastText and of the n-grams that are kept.

    Args:
        size: Size of a vector.
        count: Number of n-grams, the most frequent ones.
        longest: Characters of the longest n-gram, with the space before or after a word.
        epochs: Passes over the texts.
        window: Words before and after a word that it predicts.
        min_count: Rarer words are left out.
        seed: Seed of the random numbers.

    Raises:
        ValueError: A number is out of range.
    """

    size: int = 64
    count: int = 16384
    longest: int = 3
    epochs: int = 3
    window: int = 4
    min_count: int = 3
    seed: int = 1

    def __post_init__(self):
        for name in ("size", "count", "longest", "epochs", "window", "min_count"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} of 1 or more, got {getattr(self, name)}; remove it for the default")
        if self.longest > LONGEST:
            raise ValueError(f"expected longest of at most {LONGEST}, got {self.longest}; remove it for the default")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"expected a seed from 0 to {2**32 - 1}, got {self.seed}; remove it for the default")


def learn_vectors(texts: Iterable[str], settings: NgramLearning) -> NgramVectors:
    """Learn vectors of character n-grams.

    A word is the sum of the vectors of its n-grams and of its own; it predicts the words around it (skip-gram with
    negative sampling). Of the result the vectors of the n-grams are kept. One thread; equal texts give equal vectors.

    Args:
        texts: Raw texts.
        settings: The settings.

    Raises:
        ValueError: No word is frequent enough.
        ImportError: gensim is not installed.
    """
    try:
        from gensim.models import FastText
    except ImportError:
        raise ImportError(
            'expected gensim to learn vectors of n-grams, found none; install it with pip install "kospan[vectors]"'
        ) from None
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "texts.txt"
        with corpus.open("w", encoding="utf-8", newline="\n") as file:
            # The sign for a space in files counts as one; else an n-gram could occur twice in them.
            composed = (unicodedata.normalize("NFC", text).replace(SPACE, " ") for text in texts)
            file.writelines(" ".join(text.split()) + "\n" for text in composed)
        model = FastText(
            vector_size=settings.size,
            window=settings.window,
            min_count=settings.min_count,
            min_n=1,
            max_n=settings.longest,
            bucket=_BUCKETS,
            sg=1,
            sample=_SAMPLE,
            workers=1,
            seed=settings.seed,
        )
        model.build_vocab(corpus_file=str(corpus))
        words = {word: model.wv.get_vecattr(word, "count") for word in model.wv.index_to_key}
        if not words:
            raise ValueError(
                f"expected words that occur {settings.min_count} times or more, got none; pass more text, or lower "
                "min_count"
            )
        model.train(
            corpus_file=str(corpus),
            total_words=model.corpus_total_words,
            total_examples=model.corpus_count,
            epochs=settings.epochs,
        )
    ngrams = frequent_ngrams(words, settings.longest, settings.count)
    return NgramVectors(CharacterNgrams(ngrams), np.stack([_vector(model, ngram) for ngram in ngrams]))


def frequent_ngrams(words: dict[str, int], longest: int, count: int) -> list[str]:
    """Return the most frequent n-grams of words with a space before and after them, without the space alone.

    Args:
        words: Words and how often they occur.
        longest: Characters of the longest n-gram.
        count: Number of n-grams to return, at most.

    >>> frequent_ngrams({"가나": 2, "가": 1}, 2, 3)
    [' 가', '가', '가나']
    """
    found: Counter = Counter()
    for word, occurrences in words.items():
        padded = f" {word} "
        for length in range(1, longest + 1):
            for start in range(len(padded) - length + 1):
                found[padded[start : start + length]] += occurrences
    del found[" "]
    return sorted(found, key=lambda ngram: (-found[ngram], ngram))[:count]


def _vector(model, ngram: str) -> np.ndarray:
    """The vector of an n-gram in FastText's table."""
    from gensim.models.fasttext import ft_hash_bytes

    marked = (_BEGIN if ngram[0] == " " else "") + ngram.strip(" ") + (_END if ngram[-1] == " " else "")
    return model.wv.vectors_ngrams[ft_hash_bytes(marked.encode()) % model.wv.bucket]
