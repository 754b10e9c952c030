"""The tokenizer of spaCy: exact texts, and tokens that end where entities end."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.optional("spacy", "spacy")
RUNS = {"@tokenizers": "kospan.CharacterTokenizer.v1", "split": "runs"}
CONFIG = {"nlp": {"tokenizer": RUNS}}
SPACES = st.text(" \t\n\r\u00a0\u3000\u200b가a1", max_size=12)


def tokenizer(split: str = "runs"):
    from spacy.vocab import Vocab

    from kospan.integrations.spacy_tokenizer import CharacterTokenizer

    return CharacterTokenizer(Vocab(), split)


def words(text: str, split: str = "runs") -> list[str]:
    return [token.text_with_ws for token in tokenizer(split)(text)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("서울에 간다.", ["서", "울", "에 ", "간", "다", "."]),
        ("KBS는 2024년", ["KBS", "는 ", "2024", "년"]),
        ("LG전자3D", ["LG", "전", "자", "3", "D"]),
        ("3.5%", ["3", ".", "5", "%"]),
        ("东京タワー", ["东", "京", "タ", "ワ", "ー"]),
        ("naïve cafe\u0301", ["naïve ", "cafe\u0301"]),
        ("１２３ＡＢ", ["１２３", "ＡＢ"]),
        ("a  b", ["a ", " ", "b"]),
        ("a   b", ["a ", "  ", "b"]),
        (" a\n b ", [" ", "a", "\n ", "b "]),
        ("", []),
        (" ", [" "]),
        (unicodedata.normalize("NFD", "각"), [unicodedata.normalize("NFD", "각")]),
    ],
)
def test_tokens(text, wanted):
    assert words(text) == wanted


def test_characters():
    assert words("KBS는 10명", "characters") == ["K", "B", "S", "는 ", "1", "0", "명"]


@given(st.one_of(st.text(max_size=40), SPACES))
def test_the_text_is_restored(text):
    for split in ("runs", "characters"):
        doc = tokenizer(split)(text)
        assert doc.text == text
        assert all(token.text for token in doc)


@given(st.text("가나한글ㄱ각ab12.- ", max_size=20), st.integers(0, 20), st.integers(0, 20))
def test_every_character_is_a_token_end(text, start, end):
    """Spans that neither begin nor end with white space have exact tokens."""
    from kospan.modeling.words import trimmed

    start, end = trimmed(text, *sorted((min(start, len(text)), min(end, len(text)))))
    if start < end:
        assert tokenizer("characters")(text).char_span(start, end) is not None


def test_in_pipelines(tmp_path):
    import spacy

    for language in ("xx", "en"):
        nlp = spacy.blank(language, config=CONFIG)
        assert len(nlp("서울에 KBS")) == 4
        nlp.to_disk(tmp_path / language)
        assert [token.text for token in spacy.load(tmp_path / language)("서울에 KBS")] == ["서", "울", "에", "KBS"]
        copy = spacy.util.get_lang_class(language).from_config(nlp.config).from_bytes(nlp.to_bytes())
        assert len(copy("서울에 KBS")) == 4
    assert [doc.text for doc in nlp.pipe(["서울에", "간다"])] == ["서울에", "간다"]
    assert len(spacy.blank("xx", config={"nlp": {"tokenizer": {"@tokenizers": RUNS["@tokenizers"]}}})("KBS")) == 3


def test_korean_without_mecab():
    """The default tokenizer of `ko` needs mecab-ko; this one replaces it."""
    import spacy

    assert len(spacy.blank("ko", config=CONFIG)("서울에")) == 3


def test_wrong_split():
    import spacy

    with pytest.raises(ValueError, match="expected split to be one of characters, runs, got 'words'"):
        tokenizer("words")
    with pytest.raises(ValueError, match="expected split to be one of"):
        spacy.blank("xx", config={"nlp": {"tokenizer": RUNS | {"split": "words"}}})
