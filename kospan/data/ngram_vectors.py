"""Vectors of character n-grams in the text format of word2vec and fastText (`.vec`)."""

import os
from typing import NamedTuple

import numpy as np

from kospan.data.text import open_text, write_text
from kospan.modeling.character_ngrams import SPACE, CharacterNgrams

# Characters of the longest n-gram: each character of a text takes LONGEST x (LONGEST + 1) / 2 vectors.
LONGEST = 20


class NgramVectors(NamedTuple):
    """Character n-grams and their vectors.

    Args:
        ngrams: The vocabulary.
        vectors: A vector for each n-gram `(ngrams, size)`, float32.
    """

    ngrams: CharacterNgrams
    vectors: np.ndarray


def read_vectors(path: str | os.PathLike) -> NgramVectors:
    """Read vectors of n-grams: a line with their number and size, then a line for each, separated by spaces.

    Args:
        path: The file, plain or compressed; U+2581 stands for a space in an n-gram.

    Raises:
        ValueError: The file has another format, repeated or very long n-grams, or values that are not finite.
        FileNotFoundError: There is no such file.
    """
    lines = open_text(path, newline="\n").read().split("\n")
    header, rows = lines[0].split(), [line.rstrip(" \r") for line in lines[1:] if line.strip()]
    if len(header) != 2 or not all(each.isdecimal() for each in header) or int(header[1]) < 1:
        raise ValueError(
            f"{path}:1: expected the number of n-grams and the size of their vectors, got {lines[0][:80]!r}; make the "
            "file with `kospan vectors`"
        )
    count, size = map(int, header)
    if len(rows) != count:
        raise ValueError(f"{path}: expected {count:,} n-grams as in its first line, got {len(rows):,}; copy it again")
    ngrams, vectors = [], []
    for at, row in enumerate(rows):
        ngram, *values = row.split(" ")
        try:
            vectors.append(np.array(values, dtype=np.float32).reshape(size))
        except ValueError:
            raise ValueError(
                f"{path}:{at + 2}: expected an n-gram and {size} numbers, got {row[:80]!r}; make the file with `kospan "
                "vectors`"
            ) from None
        ngrams.append(ngram.replace(SPACE, " "))
        if len(ngram) > LONGEST:
            raise ValueError(
                f"{path}:{at + 2}: expected n-grams of at most {LONGEST} characters, got {ngram[:40]!r} of "
                f"{len(ngram)}; vectors of words cannot be used: make the file with `kospan vectors`"
            )
    try:
        found = NgramVectors(CharacterNgrams(ngrams), np.array(vectors))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if not np.isfinite(found.vectors).all():
        raise ValueError(f"{path}: expected finite numbers, got nan or inf; learn the vectors again")
    return found


def write_vectors(path: str | os.PathLike, vectors: NgramVectors) -> None:
    """Write vectors in the format that `read_vectors` reads, with four decimal places.

    Args:
        path: The file, compressed if it ends with .gz, .bz2 or .xz.
        vectors: N-grams and vectors.
    """
    rows = [" ".join(map(str, vectors.vectors.shape))]
    for ngram, vector in zip(vectors.ngrams.ngrams, vectors.vectors):
        rows.append(" ".join([ngram.replace(" ", SPACE), *(f"{value:.4f}" for value in vector)]))
    write_text(path, "\n".join(rows) + "\n")
