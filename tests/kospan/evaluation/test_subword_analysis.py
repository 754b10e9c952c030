"""Analysis of a tokenizer on labelled text, with a vocabulary small enough to count by hand."""

import unicodedata

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from kospan.evaluation.subword_analysis import examine_subwords, particle_behind
from kospan.example import Example
from kospan.modeling.spans import Span


@pytest.fixture
def tokenizer():
    subwords = ["[UNK]", "서울", "##에서", "부산은", "만", "##났", "##다", "넓", "."]
    found = Tokenizer(models.WordPiece({subword: at for at, subword in enumerate(subwords)}, unk_token="[UNK]"))
    found.normalizer, found.pre_tokenizer = normalizers.NFC(), pre_tokenizers.BertPreTokenizer()
    return PreTrainedTokenizerFast(tokenizer_object=found, unk_token="[UNK]")


EXAMPLES = [
    # 서울 ##에서 만 ##났 ##다 . : the span ends at a subword.
    Example("a", "서울에서 만났다.", (Span(0, 2, "LC"),)),
    # 부산은 [UNK] : the span ends inside a subword, and 넓다 is 넓 ##다.
    Example("b", "부산은 넓다 홍길동", (Span(0, 2, "LC"), Span(7, 10, "PS"))),
]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_counts_by_hand(tokenizer, form):
    def again(example):
        text = unicodedata.normalize(form, example.text)
        moved = [
            span._replace(
                start=len(unicodedata.normalize(form, example.text[: span.start])),
                end=len(unicodedata.normalize(form, example.text[: span.end])),
            )
            for span in example.spans
        ]
        return Example(example.id, text, tuple(moved))

    assert examine_subwords(tokenizer, [again(example) for example in EXAMPLES]) == {
        "documents": 2,
        "words": 5,
        "subwords": 10,
        "subwords_per_word": 2.0,
        "unknown_subwords": 0.1,
        "unknown_characters": 3 / 16,
        "spans": 3,
        "boundaries_inside_a_subword": 1 / 6,
        "spans_lost": 1 / 3,
        "particles": 2,
        "particles_split": 0.5,
    }


def test_nothing_has_no_shares(tokenizer):
    found = examine_subwords(tokenizer, [Example("a", "", None)])
    assert found["subwords"] == 0 and found["subwords_per_word"] is None and found["particles_split"] is None


def test_a_slow_tokenizer_is_refused():
    with pytest.raises(ValueError, match="expected a fast tokenizer, which gives offsets, got object"):
        examine_subwords(object(), EXAMPLES)


@pytest.mark.parametrize(
    "text, end, particle",
    [
        ("서울에서.", 2, "에서"),
        ("서울 에서", 2, ""),
        ("서울에서\u00a0간다", 2, "에서"),
        ("서울\u3000에서", 2, ""),
        ("서울", 2, ""),
        ("홍길동은", 3, "은"),
        ("서울시", 2, ""),
        ("그까지는 간다", 1, "까지는"),
    ],
)
def test_particles(text, end, particle):
    assert particle_behind(text, end) == particle
