"""Files of vectors of character n-grams."""

import numpy as np
import pytest

from kospan.data.ngram_vectors import NgramVectors, read_vectors, write_vectors
from kospan.modeling.character_ngrams import CharacterNgrams

VECTORS = NgramVectors(CharacterNgrams([" 서", "서울", "울 "]), np.array([[0.5, -1], [2, 0], [-3.25, 1]], np.float32))


@pytest.mark.parametrize("name", ["ko.vec", "ko.vec.gz", "ko.vec.xz"])
def test_round_trip(tmp_path, name):
    write_vectors(tmp_path / name, VECTORS)
    found = read_vectors(tmp_path / name)
    assert found.ngrams.ngrams == VECTORS.ngrams.ngrams
    np.testing.assert_array_equal(found.vectors, VECTORS.vectors)


def test_format_is_that_of_word2vec(tmp_path):
    write_vectors(tmp_path / "ko.vec", VECTORS)
    lines = (tmp_path / "ko.vec").read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["3 2", "\u2581서 0.5000 -1.0000"]
    # fastText ends each line with a space.
    (tmp_path / "fasttext.vec").write_text("\n".join(f"{line} " for line in lines) + "\n", encoding="utf-8")
    np.testing.assert_array_equal(read_vectors(tmp_path / "fasttext.vec").vectors, VECTORS.vectors)


@pytest.mark.parametrize(
    "text, message",
    [
        ("서울 0.5 1\n", r"ko.vec:1: expected the number of n-grams and the size of their vectors, got '서울 0.5 1'"),
        ("", r"ko.vec:1: expected the number"),
        ("2 2\n서 1 2\n", r"ko.vec: expected 2 n-grams as in its first line, got 1; copy it again"),
        ("1 2\n서 1\n", r"ko.vec:2: expected an n-gram and 2 numbers, got '서 1'"),
        ("1 2\n서 1 x\n", r"ko.vec:2: expected an n-gram and 2 numbers"),
        ("1 2\n서 1 nan\n", r"ko.vec: expected finite numbers, got nan or inf"),
        ("2 1\n서 1\n서 2\n", r"ko.vec: expected distinct character n-grams, got repeated ones"),
        ("1 99999999999\n서 1\n", r"ko.vec:2: expected an n-gram and 99999999999 numbers, got '서 1'"),
        (f"1 1\n{'서' * 21} 1\n", r"ko.vec:2: expected n-grams of at most 20 characters, got '서.* of 21; vectors of"),
        ("0 1\n", r"ko.vec: expected distinct character n-grams, got none"),
    ],
)
def test_errors_name_the_file(tmp_path, text, message):
    (tmp_path / "ko.vec").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_vectors(tmp_path / "ko.vec")
