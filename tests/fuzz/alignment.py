"""Alignment: units, subwords and windows of any text agree, whatever the tokenizer and the settings."""

from functools import cache

from fuzz.cases import Target, checked
from fuzz.mutations import texts
from generative_cases import TEXTS, byte_level, sentencepiece, unigram
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from tokenizers.trainers import WordPieceTrainer
from transformers import PreTrainedTokenizerFast

from kospan.modeling.alignment import Aligner, clusters, unit_spans
from kospan.modeling.tags import SCHEMES, spans_to_tags, tags_to_spans
from kospan.modeling.words import document_text, document_words, split_words, trimmed, words
from kospan.tasks.encoders import character_tokenizer


def wordpiece() -> PreTrainedTokenizerFast:
    """WordPiece with BERT's normalisation, which drops accents and control characters."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[unused1]"]
    tokenizer.train_from_iterator(TEXTS * 4, WordPieceTrainer(vocab_size=150, special_tokens=special))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


TOKENIZERS = {
    "characters": lambda: character_tokenizer(TEXTS),
    "wordpiece": wordpiece,
    "bytes": byte_level,
    "sentencepiece": sentencepiece,
    "unigram": unigram,
}
tokenizer_of = cache(lambda name: TOKENIZERS[name]())


@st.composite
def alignment_cases(draw) -> dict:
    """A document, and settings of an aligner."""
    as_words = draw(st.integers(0, 3)) == 0
    document = draw(st.lists(texts(3), max_size=6) if as_words else texts(14))
    cuts = sorted(draw(st.sets(st.integers(0, 40), max_size=6)))
    return {
        "tokenizer": draw(st.sampled_from(sorted(TOKENIZERS))),
        "document": document,
        "unit": "word" if as_words else draw(st.sampled_from(("character", "word"))),
        "encoder_input": draw(st.sampled_from(("units", "subwords"))),
        "normalization": draw(st.sampled_from(("NFC", "NFC", "none"))),
        "word_splitting": draw(st.sampled_from(("white_space", "punctuation"))),
        "max_length": draw(st.sampled_from((4, 5, 8, 13, 64, -1, 2))),
        "stride": draw(st.sampled_from((0, 0, 1, 2, 3, -1))),
        "question": draw(st.sampled_from((None, 0, 1, 2, 9))),
        "cuts": cuts,
        "scheme": draw(st.sampled_from(SCHEMES)),
    }


def check_alignment(case: dict) -> str:
    """Align a document, and check units, subwords, windows and spans."""

    def run():
        names = ("unit", "encoder_input", "normalization", "word_splitting", "max_length", "stride")
        tokenizer = tokenizer_of(case["tokenizer"])
        aligner = Aligner(tokenizer, places=4, shapes=True, **{name: case[name] for name in names})
        given = case["document"]
        text = document_text(given)
        [document] = aligner.documents([given])
        assert document.text == text
        _check_units(document, text, case["unit"])
        _check_spans(document, case["cuts"], case["scheme"])
        question = None if case["question"] is None else document.subwords[: case["question"]]
        windows = aligner.windows(document, question)
        _check_windows(aligner, document, windows)

    return checked(run)


def _check_units(document, text: str, unit: str) -> None:
    units, subwords = document.units, document.subwords
    assert all(0 <= start < end <= len(text) for start, end in units), units
    assert all(one[1] <= other[0] for one, other in zip(units, units[1:])), units
    if unit == "character":
        assert "".join(text[start:end] for start, end in units) == text, units
    else:
        covered = "".join(text[start:end] for start, end in units)
        assert "".join(covered.split()) == "".join(text.split()), units
    assert len(document.unit_subwords) == len(document.unit_places) == len(units) == len(document.word_shape_feature)
    assert len(document.offsets) == len(subwords)
    assert all(-1 <= at < max(1, len(subwords)) for at in document.unit_subwords)
    assert document.unit_subwords == sorted(document.unit_subwords), document
    assert all(0 <= place < 4 for place in document.unit_places)
    assert all(0 <= start <= end <= len(text) for start, end in document.offsets), document.offsets


def _check_spans(document, cuts: list[int], scheme: str) -> None:
    """Spans over whole units are the same after a conversion to tags and back."""
    units = document.units
    cuts = [cut for cut in cuts if cut <= len(units)]
    spans = [(units[one][0], units[other - 1][1], "PS") for one, other in zip(cuts[::2], cuts[1::2])]
    tags = spans_to_tags(unit_spans(units, spans), len(units), scheme)
    back = [(units[start][0], units[end - 1][1], label) for start, end, label in tags_to_spans(tags, scheme)]
    assert back == spans, (back, spans)
    for start, end, _ in spans:
        first, last = trimmed(document.text, start, end)
        inner = document.text[first:last]
        assert start <= first <= last <= end and inner == inner.strip() == document.text[start:end].strip()


def _check_windows(aligner: Aligner, document, windows: list) -> None:
    owners = aligner.owners(document, windows)
    assert len(owners) == len(document.units) and bool(windows) == bool(document.units)
    held = set()
    for at, window in enumerate(windows):
        assert len(window.input_ids) <= aligner.max_length
        rows = range(window.first_unit, window.first_unit + len(window.unit_positions))
        held |= {*rows}
        for unit, position in zip(rows, window.unit_positions):
            assert 0 <= position < len(window.input_ids)
            subword = document.unit_subwords[unit]
            inside = 0 <= position - window.text_at < len(window.input_ids) - window.text_at - len(aligner.suffix)
            if inside and subword >= 0:
                assert window.input_ids[position] == document.subwords[subword]
            assert subword < 0 or inside, (unit, window)
        assert window.begins == (window.first_unit == 0) and window.ends == (rows.stop == len(document.units))
        assert all(unit in rows for unit, owner in enumerate(owners) if owner == at)
    assert held == {*range(len(document.units))}


def check_words(case: dict) -> str:
    """Split a text into words and clusters; both cover it without gaps and overlaps."""

    def run():
        text = case["text"]
        for spans in (words(text), split_words(text), document_words(text.split(" "))):
            assert all(0 <= start < end <= len(text) for start, end in spans), spans
            assert all(one[1] <= other[0] for one, other in zip(spans, spans[1:])), spans
            joined = "".join(text[start:end] for start, end in spans)
            assert "".join(joined.split()) == "".join(text.split()), spans
        for normalization in ("NFC", "none"):
            parts = clusters(text, normalization)
            assert "".join(text[start:end] for start, end, _ in parts) == text
            assert all(composed for _, _, composed in parts)

    return checked(run)


TARGETS = {
    "alignment": Target(alignment_cases(), check_alignment, 10),
    "words": Target(st.fixed_dictionaries({"text": texts(20, surrogates=True)}), check_words, 5),
}
