"""Overlap of data by keys of their texts."""

from hypothesis import given
from hypothesis import strategies as st

from kospan.data.seen_texts import read_keys, seen_among, text_key, text_keys, write_keys
from kospan.example import Example

LINES = ["the first line of a document", "another line that is long", "a third one, longer than all others"]


def example(text, name="a"):
    return Example(name, text, None)


@given(st.text())
def test_white_space_does_not_matter(text):
    assert text_key(text) == text_key(f" {text}\n") == text_key(" \t".join(text.split()))
    assert text_key(text + "a") != text_key(text + "b")


def test_composition_does_not_matter():
    assert text_key("\u1112\u1161\u11ab") == text_key("한")


def test_documents_are_found_by_half_of_their_longer_lines():
    keys = text_keys([example(line) for line in LINES[:1]])
    assert seen_among([example("\n".join(LINES[:2]))], keys)
    assert not seen_among([example("\n".join(LINES))], keys)
    assert not seen_among([example("LONDON\nOslo")], text_keys([example("LONDON")]))


def test_sentences_are_found_in_training_documents():
    keys = text_keys([example("\n".join(LINES))])
    assert seen_among([example(LINES[1]), example("something else")], keys) == [example(LINES[1])]


def test_a_file_holds_the_keys_and_no_text(tmp_path):
    path = tmp_path / "keys.txt"
    write_keys([example(line) for line in LINES], path)
    assert read_keys(path) == text_keys([example(line) for line in LINES])
    assert "line" not in path.read_text(encoding="utf-8")
    write_keys([example("more")], tmp_path / "both.txt", path)
    assert read_keys(tmp_path / "both.txt") == read_keys(path) | text_keys([example("more")])
    write_keys([example("more")], path, tmp_path / "missing.txt")
    assert read_keys(path) == text_keys([example("more")])
