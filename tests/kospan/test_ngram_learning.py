"""Learning of vectors of character n-grams, and the command."""

import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kospan import ngram_learning
from kospan.cli import main
from kospan.data.ngram_vectors import read_vectors, write_vectors
from kospan.ngram_learning import NgramLearning, frequent_ngrams, learn_vectors

WORDS = st.dictionaries(st.text(alphabet="가나다", min_size=1, max_size=5), st.integers(1, 9), min_size=1)
# Two groups of names, each before verbs of its own.
NAMES = [[chr(0xAC00 + 600 * group + 20 * at) * 2 for at in range(25)] for group in (1, 5)]
VERBS = [[chr(0xAC00 + 600 * group + 20 * at) * 2 for at in range(10)] for group in (9, 13)]
TEXTS = [f"{name} {verb}" for names, verbs in zip(NAMES, VERBS) for name in names for verb in verbs]


@given(WORDS, st.integers(1, 4))
def test_ngrams_are_counted_over_all_occurrences(words, longest):
    counts = Counter()
    for word, times in words.items():
        for start in range(len(word) + 2):
            for end in range(start + 1, min(start + longest, len(word) + 2) + 1):
                counts.update({f" {word} "[start:end]: times})
    del counts[" "]
    found = frequent_ngrams(words, longest, 1000)
    assert set(found) == set(counts)
    assert [counts[each] for each in found] == sorted(counts.values(), reverse=True)
    assert frequent_ngrams(words, longest, 2) == found[:2]


@pytest.mark.parametrize("name", ["size", "count", "longest", "epochs", "window", "min_count"])
def test_settings_below_one_are_refused(name):
    with pytest.raises(ValueError, match=f"expected {name} of 1 or more, got 0"):
        NgramLearning(**{name: 0})


@pytest.mark.parametrize(("name", "value"), [("longest", 21), ("seed", -1), ("seed", 2**32)])
def test_settings_out_of_range_are_refused(name, value):
    with pytest.raises(ValueError, match=f"expected .*{name}.*, got {value}; remove it for the default"):
        NgramLearning(**{name: value})


@pytest.mark.optional("gensim", "vectors")
def test_the_sign_for_a_space_counts_as_one(tmp_path):
    found = learn_vectors(["▁가 나▁가 가 ▁"], NgramLearning(size=2, epochs=1, min_count=1))
    write_vectors(tmp_path / "ko.vec", found)
    assert read_vectors(tmp_path / "ko.vec").ngrams.ngrams == found.ngrams.ngrams


@pytest.mark.optional("gensim", "vectors")
def test_ngrams_of_words_with_equal_neighbours_have_similar_vectors(monkeypatch):
    monkeypatch.setattr(ngram_learning, "_SAMPLE", 1.0)  # All words of so small a text are frequent.
    settings = NgramLearning(size=16, count=4000, epochs=100, min_count=1)
    found, again = learn_vectors(TEXTS, settings), learn_vectors(TEXTS, settings)
    assert found.ngrams.ngrams == again.ngrams.ngrams
    np.testing.assert_array_equal(found.vectors, again.vectors)
    row = dict(zip(found.ngrams.ngrams, found.vectors))
    one, other = (np.stack([row[name] for name in names]) for names in NAMES)
    between = one.mean(axis=0) - other.mean(axis=0)
    assert (one @ between).min() > (other @ between).max()


@pytest.mark.optional("gensim", "vectors")
def test_the_command_writes_vectors(tmp_path, capsys):
    texts, output = tmp_path / "texts.txt", tmp_path / "ko.vec"
    texts.write_text("\n".join(TEXTS), encoding="utf-8")
    flags = ["--output", str(output), "--size", "8", "--count", "50", "--epochs", "1"]
    assert main(["vectors", str(texts), str(texts), *flags]) == 0
    assert capsys.readouterr().out == f"{2 * len(TEXTS):,} texts, 50 n-grams of size 8 -> {output}\n"
    assert read_vectors(output).vectors.shape == (50, 8)


@pytest.mark.optional("gensim", "vectors")
def test_a_text_of_rare_words_is_refused(tmp_path, capsys):
    (tmp_path / "texts.txt").write_text("서울에 비가 온다", encoding="utf-8")
    assert main(["vectors", str(tmp_path / "texts.txt"), "--output", str(tmp_path / "ko.vec")]) == 2
    assert "expected words that occur 3 times or more, got none" in capsys.readouterr().err


def test_a_missing_package_is_named(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "gensim.models", None)
    (tmp_path / "texts.txt").write_text("서울에 비가 온다", encoding="utf-8")
    assert main(["vectors", str(tmp_path / "texts.txt"), "--output", str(tmp_path / "ko.vec")]) == 2
    assert 'pip install "kospan[vectors]"' in capsys.readouterr().err
