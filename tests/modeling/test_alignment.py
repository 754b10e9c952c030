import sys
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from kospan.modeling.alignment import Aligner, clusters, unit_spans
from kospan.modeling.words import words

SPACES = [chr(code) for code in range(sys.maxunicode + 1) if chr(code).isspace()]

CORPUS = ["이재용 회장이 서울에서 회의를 열었다.", "Kim met 3 people in Seoul, 2024.", "오후 3시 30분에 만나요 😀"] * 3
HOSTILE = st.text(
    alphabet=st.one_of(
        st.sampled_from(
            "가각한글 서울에서  \t\n.,3A😀👨‍👩‍👧é\u200b\u200d\ufeff\u0301\u1100\u1161\u11a8ㄱ\x00\x7f"
            "\u00a0\u3000\r\x1c\x85\u2028"
        ),
        st.characters(codec="utf-8"),
    ),
    max_size=40,
)


def special(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]"):
        tokenizer.add_special_tokens([token])
    ids = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=ids
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )


def wordpiece(lowercase: bool) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=90, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[unused0]"])
    tokenizer.train_from_iterator(CORPUS, trainer)
    return special(tokenizer)


def byte_level() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet))
    return special(tokenizer)


def metaspace() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(
        CORPUS, trainers.UnigramTrainer(vocab_size=60, unk_token="[UNK]", special_tokens=["[UNK]"])
    )
    return special(tokenizer)


TOKENIZERS = {
    "wordpiece": wordpiece(False),
    "wordpiece lower-cased": wordpiece(True),
    "byte-level": byte_level(),
    "metaspace": metaspace(),
}
by_tokenizer = pytest.mark.parametrize("tokenizer", TOKENIZERS.values(), ids=TOKENIZERS.keys())
by_unit = pytest.mark.parametrize("unit", ["character", "word"])
by_input = pytest.mark.parametrize("encoder_input", ["units", "subwords"])


@given(HOSTILE)
@settings(derandomize=True, deadline=None, max_examples=300)
def test_clusters_cover_the_text_without_gaps(text):
    found = clusters(text)
    assert [start for start, _, _ in found] + [len(text)] == [0] + [end for _, end, _ in found]
    # Composing subword by subword is composing the whole, unless a run of marks was cut or a mark stood before its
    # base.
    if not any(unicodedata.combining(character) for character in text):
        assert "".join(composed for _, _, composed in found) == unicodedata.normalize("NFC", text)


def test_clusters_of_decomposed_hangul_are_its_syllables():
    text = "국립 중앙 도서관 é"
    apart = unicodedata.normalize("NFD", text)
    found = clusters(apart)
    assert "".join(composed for _, _, composed in found) == text
    assert [unicodedata.normalize("NFC", apart[start:end]) for start, end, _ in found] == list(text)


def test_clusters_take_time_linear_in_a_run_of_marks():
    found = clusters("a" + "\u0301" * 100_000 + "가")
    assert len(found) > 1000 and found[-1][1] == 100_002


@by_tokenizer
@by_unit
@by_input
@given(text=HOSTILE, max_length=st.integers(4, 12), stride=st.integers(0, 1))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_units_subwords_and_windows_fit_together(tokenizer, unit, encoder_input, text, max_length, stride):
    aligner = Aligner(tokenizer, unit, encoder_input, max_length=max_length, stride=stride)
    (document,) = aligner.documents([text])
    if unit == "character":
        assert [start for start, _ in document.units] + [len(text)] == [0] + [end for _, end in document.units]
    else:
        assert document.units == words(text)
    assert document.unit_subwords == sorted(document.unit_subwords)
    assert all(-1 <= subword < max(1, len(document.subwords)) for subword in document.unit_subwords)
    windows = aligner.windows(document)
    owners = aligner.owners(document, windows)
    seen = set()
    for at, each in enumerate(windows):
        assert len(each.input_ids) <= max_length
        last = each.first_unit + len(each.unit_positions)
        for unit_at in range(each.first_unit, last):
            position = each.unit_positions[unit_at - each.first_unit]
            subword = document.unit_subwords[unit_at]
            expected = document.subwords[subword] if subword >= 0 else tokenizer.cls_token_id
            assert each.input_ids[position] == expected
            if owners[unit_at] == at:
                seen.add(unit_at)
        assert each.begins == (each.first_unit == 0) and each.ends == (last == len(document.units))
    assert seen == set(range(len(document.units)))


@by_tokenizer
@given(text=HOSTILE)
@settings(derandomize=True, deadline=None, max_examples=100)
def test_a_character_takes_the_subword_that_covers_it(tokenizer, text):
    (document,) = Aligner(tokenizer, "character", "subwords", max_length=512).documents([text])
    for (start, end), subword, place in zip(document.units, document.unit_subwords, document.unit_places):
        real = [at for at, span in enumerate(document.offsets) if span != (0, 0)]
        covering = [at for at in real if document.offsets[at][0] < end and start < document.offsets[at][1]]
        before = [at for at in real if document.offsets[at][1] <= start]
        assert subword == (covering[0] if covering else max(before, default=-1))
        assert 0 <= place < 16


@by_tokenizer
@given(text=HOSTILE)
@settings(derandomize=True, deadline=None, max_examples=100)
def test_a_word_takes_the_first_subword_that_covers_any_of_it(tokenizer, text):
    (document,) = Aligner(tokenizer, "word", "subwords", max_length=512).documents([text])
    real = [at for at, span in enumerate(document.offsets) if span != (0, 0)]
    for (start, end), subword in zip(document.units, document.unit_subwords):
        covering = [at for at in real if document.offsets[at][0] < end and start < document.offsets[at][1]]
        before = [at for at in real if document.offsets[at][1] <= start]
        assert subword == (covering[0] if covering else max(before, default=-1))


@pytest.mark.parametrize("invisible", ["\u200b", "\u200f", "\u00ad", "\u2068", "\ufeff", "\u2060", "\x00", "\u0301"])
def test_a_word_that_begins_with_what_the_tokenizer_drops_takes_its_own_subword(invisible):
    tokenizer = TOKENIZERS["wordpiece lower-cased"]
    aligner = Aligner(tokenizer, "word", "subwords")
    plain, odd, alone = aligner.documents(
        ["Kim met Seoul", f"Kim {invisible}met {invisible}{invisible}Seoul", f"Kim {invisible} Seoul"]
    )
    assert odd.subwords == plain.subwords and odd.unit_subwords == plain.unit_subwords
    # A word of nothing else has no subword of its own: it takes the last one before it.
    assert alone.unit_subwords == [plain.unit_subwords[0], plain.unit_subwords[1] - 1, alone.unit_subwords[2]]
    assert alone.subwords[alone.unit_subwords[2]] == plain.subwords[plain.unit_subwords[2]]


def test_a_cluster_takes_the_subword_of_any_of_its_characters():
    # The tokenizer drops the space without width, not the accent behind it.
    aligner = Aligner(TOKENIZERS["wordpiece"], "character", "subwords")
    (document,) = aligner.documents(["e\u0301 \u200b\u0301"])
    assert document.units == [(0, 2), (2, 3), (3, 5)]
    assert document.offsets[-1] == (3, 5) and document.unit_subwords == [0, 0, 1]


# --- white space ------------------------------------------------------------------------------------------------------


@by_tokenizer
@by_unit
@by_input
@pytest.mark.parametrize("splitting", ["white_space", "punctuation"])
@given(text=HOSTILE, space=st.sampled_from(SPACES))
@example(text="x\u0301 y", space="\u2000")
@settings(derandomize=True, deadline=None, max_examples=25)
def test_white_space_of_all_kinds_gives_the_same_units_and_subwords(
    tokenizer, unit, encoder_input, splitting, text, space
):
    aligner = Aligner(tokenizer, unit, encoder_input, word_splitting=splitting)
    replaced = "".join(space if each.isspace() else each for each in text)
    plain = "".join(" " if each.isspace() else each for each in text)
    one, other = aligner.documents([plain, replaced])
    assert one[1:] == other[1:]


@by_tokenizer
def test_white_space_takes_the_blank_entry_where_units_are_characters(tokenizer):
    aligner = Aligner(tokenizer, "character", "units")
    (document,) = aligner.documents(["가" + "".join(SPACES) + "나"])
    assert [document.subwords[at] for at in document.unit_subwords[1:-1]] == [aligner._blank] * len(SPACES)
    for decomposed in ("\u1100\u1161\r\n\u0301", "e\u0301\u2001\u00a0"):
        (document,) = aligner.documents([decomposed])
        for (start, end), subword in zip(document.units, document.unit_subwords):
            blank = decomposed[start:end].isspace()
            assert blank or not any(each.isspace() for each in decomposed[start:end])
            assert not blank or document.subwords[subword] == aligner._blank


def test_white_space_composes_with_nothing():
    assert clusters("e\u0301 \u0301\u3000\u0323") == [
        (0, 2, "é"),
        (2, 3, " "),
        (3, 4, "\u0301"),
        (4, 5, "\u3000"),
        (5, 6, "\u0323"),
    ]


# --- words ------------------------------------------------------------------------------------------------------------


@by_tokenizer
@by_input
def test_words_of_a_list_have_the_features_of_their_joined_text(tokenizer, encoder_input):
    """Data with a token per line are read as they were before a document could be a list of words."""
    text = "Kim met 3 people in Seoul , 2024 . ( U.S. ) 's -- 오후 3시 30분에 만나요"
    tokens = text.split()
    joined = Aligner(tokenizer, "word", encoder_input, shapes=True, word_splitting="white_space")
    given = Aligner(tokenizer, "word", encoder_input, shapes=True, word_splitting="punctuation")
    (one,), (other,) = joined.documents([text]), given.documents([tokens])
    assert one == other and [one.text[start:end] for start, end in one.units] == tokens
    assert joined.windows(one) == given.windows(other)


@by_input
def test_words_of_a_list_are_not_split_and_a_raw_text_is(encoder_input):
    aligner = Aligner(TOKENIZERS["wordpiece"], "word", encoder_input, word_splitting="punctuation")
    raw, listed = aligner.documents(["Kim met Seoul.", ("Kim met", "Seoul.", " ")])
    assert raw.units == [(0, 3), (4, 7), (8, 13), (13, 14)]
    assert (listed.text, listed.units) == ("Kim met Seoul.  ", [(0, 7), (8, 14)])
    assert raw.subwords[raw.unit_subwords[3]] == TOKENIZERS["wordpiece"].convert_tokens_to_ids(".")


@by_tokenizer
@by_input
def test_white_space_inside_a_word_of_a_list_is_a_space(tokenizer, encoder_input):
    aligner = Aligner(tokenizer, "word", encoder_input)
    (plain,) = aligner.documents([["3 people", " met"]])
    for other in aligner.documents([[f"3{space}people", f"{space}met"] for space in SPACES]):
        assert other[1:] == plain[1:]


def test_a_model_of_characters_reads_the_text_of_a_list_of_words():
    aligner = Aligner(TOKENIZERS["wordpiece"], "character", "units", word_splitting="punctuation")
    assert aligner.documents([["서울", "에서"]]) == aligner.documents(["서울 에서"])


def test_space_takes_the_first_unused_entry_and_else_the_unknown_token():
    subwords = TOKENIZERS["wordpiece"]
    (document,) = Aligner(subwords, "character", "units").documents(["서 울"])
    assert document.subwords[1] == subwords.convert_tokens_to_ids("[unused0]")
    subwords = TOKENIZERS["metaspace"]
    (document,) = Aligner(subwords, "character", "units").documents(["서 울"])
    assert subwords.unk_token_id in document.subwords


def test_byte_level_units_are_word_starts():
    tokenizer = TOKENIZERS["byte-level"]
    (document,) = Aligner(tokenizer, "word", "units").documents(["met Kim"])
    expected = [tokenizer(f" {word}", add_special_tokens=False)["input_ids"] for word in ("met", "Kim")]
    assert document.subwords == expected[0] + expected[1]


def test_composed_and_decomposed_text_give_the_same_subwords():
    text = "한국은행이 금리를 올렸다"
    aligner = Aligner(TOKENIZERS["wordpiece"], "character", "subwords")
    one, other = aligner.documents([text, unicodedata.normalize("NFD", text)])
    assert (
        one.subwords == other.subwords
        and one.unit_subwords == other.unit_subwords
        and one.unit_places == other.unit_places
    )
    assert len(one.units) == len(other.units)


def test_a_unit_belongs_to_the_window_that_sees_most_around_it():
    aligner = Aligner(TOKENIZERS["wordpiece"], "character", "units", max_length=8, stride=4)
    (document,) = aligner.documents(["가나다라마바사아자차"])
    windows = aligner.windows(document)
    assert [(each.first_subword, len(each.input_ids) - 2) for each in windows] == [(0, 6), (2, 6), (4, 6)]
    # Distances to the nearest edge: 0 1 2 2 1 0 in each window; ties go to the earlier.
    assert aligner.owners(document, windows) == [0, 0, 0, 0, 1, 1, 2, 2, 2, 2]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), max_size=8),
    st.lists(st.tuples(st.integers(0, 6), st.integers(1, 6)), max_size=5),
)
@settings(derandomize=True, deadline=None)
def test_unit_spans_hold_every_unit_that_a_span_meets(gaps, raw):
    units, at = [], 0
    for gap, size in gaps:
        units.append((at + gap, at + gap + size))
        at += gap + size
    spans, reached = [], 0
    for gap, size in raw:
        spans.append((reached + gap, reached + gap + size, "PS"))
        reached += gap + size
    covered: set[int] = set()
    for first, last, _ in unit_spans(units, spans):
        assert not covered & set(range(first, last))
        covered |= set(range(first, last))
    expected = {at for at, (start, end) in enumerate(units) for first, last, _ in spans if start < last and first < end}
    assert covered == expected


def test_what_cannot_work_is_refused():
    class Slow:
        is_fast = False

    with pytest.raises(ValueError, match="fast tokenizer"):
        Aligner(Slow())
    behind = wordpiece(False)
    ids = [(token, behind.convert_tokens_to_ids(token)) for token in ("[CLS]", "[SEP]")]
    behind.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A [SEP] [CLS]", pair="$A [SEP] $B [SEP] [CLS]", special_tokens=ids
    )
    with pytest.raises(ValueError, match=r"special tokens before a text, .* got one that puts all behind it; use an"):
        Aligner(behind)
    with pytest.raises(ValueError, match="raise max_length or lower stride"):
        Aligner(TOKENIZERS["wordpiece"], max_length=10, stride=8)
    with pytest.raises(ValueError, match="expected unit to be one of character, word, got 'token'"):
        Aligner(TOKENIZERS["wordpiece"], unit="token")
    with pytest.raises(ValueError, match="expected word_splitting to be one of white_space, punctuation, got 'spacy'"):
        Aligner(TOKENIZERS["wordpiece"], word_splitting="spacy")


def test_empty_text_has_no_windows():
    for encoder_input in ("units", "subwords"):
        aligner = Aligner(TOKENIZERS["wordpiece"], "character", encoder_input)
        (document,) = aligner.documents([""])
        assert document.units == [] and aligner.windows(document) == []


# --- windows behind a question ----------------------------------------------------------------------------------------


@by_tokenizer
@by_unit
@by_input
@given(text=HOSTILE, question=HOSTILE, max_length=st.integers(6, 24), stride=st.integers(0, 4), most=st.integers(0, 8))
@settings(derandomize=True, deadline=None, max_examples=40)
def test_windows_behind_a_question_hold_every_unit(
    tokenizer, unit, encoder_input, text, question, max_length, stride, most
):
    aligner = Aligner(tokenizer, unit, encoder_input, max_length=400, stride=9)
    document, asked = aligner.documents([text, question])
    asked = asked.subwords[:most]
    if max_length - 3 - len(asked) - stride < 1:
        if document.units:
            with pytest.raises(ValueError, match=r"expected a (stride|question)"):
                aligner.windows(document, asked, stride, max_length)
        return
    windows = aligner.windows(document, asked, stride, max_length)
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    reached = 0
    for each in windows:
        text_at = each.text_at
        assert len(each.input_ids) <= max_length and text_at == len(asked) + 2
        assert each.input_ids[:text_at] == [cls, *asked, sep] and each.input_ids[-1] == sep
        own = each.input_ids[text_at:-1]
        assert own == document.subwords[each.first_subword : each.first_subword + len(own)]
        last = each.first_unit + len(each.unit_positions)
        assert each.first_unit <= reached <= last, "no unit is left out"
        reached = last
        for position, subword in zip(each.unit_positions, document.unit_subwords[each.first_unit : last]):
            # What stands before the first subword takes the special token before the text.
            assert each.input_ids[position] == (document.subwords[subword] if subword >= 0 else sep)
            assert text_at - 1 <= position < len(each.input_ids) - 1
        # Windows overlap by the stride, whatever was asked; one that holds only a unit's later subwords is left out.
        assert each.first_subword % (max_length - 3 - len(asked) - stride) == 0
    assert reached == len(document.units)


def test_a_call_s_own_stride_and_window_are_taken():
    aligner = Aligner(TOKENIZERS["wordpiece"], "character", "units", max_length=30, stride=4)
    (document,) = aligner.documents(["가" * 60])
    asked = [7, 7, 7]

    def starts(**settings) -> list[int]:
        return [each.first_subword for each in aligner.windows(document, asked, **settings)]

    assert starts() == [0, 20, 40] and starts(stride=14) == list(range(0, 41, 10))
    assert starts(max_length=15) == [0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55][: len(starts(max_length=15))]
    assert [each.first_subword for each in aligner.windows(document)] == [0, 24, 48]


def test_an_answer_as_long_as_the_overlap_stands_whole_in_a_window():
    aligner = Aligner(TOKENIZERS["wordpiece"], "character", "units", max_length=20, stride=5)
    (document,) = aligner.documents(["가나다라" * 20])
    windows = aligner.windows(document, [7] * 4)
    for first in range(len(document.units) - 4):
        assert any(
            each.first_unit <= first and first + 5 <= each.first_unit + len(each.unit_positions) for each in windows
        )


def test_what_leaves_nothing_to_read_is_refused():
    aligner = Aligner(TOKENIZERS["wordpiece"], "character", "units", max_length=20, stride=5)
    (document,) = aligner.documents(["가나다라" * 20])
    with pytest.raises(ValueError, match="expected a question of at most 11 subwords, got 12; make the window longer"):
        aligner.windows(document, [7] * 12)
    assert len(aligner.windows(document, [7] * 11)) == 75
    for asked in (None, [], [7]):
        with pytest.raises(
            ValueError, match=r"a stride that leaves a window of 20 positions .*, got 18; make the stride"
        ):
            aligner.windows(document, asked, stride=18)


def test_a_tokenizer_without_a_form_for_pairs_still_parts_them():
    tokenizer = wordpiece(False)
    ids = [(token, tokenizer.convert_tokens_to_ids(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=ids)
    (document,) = (aligner := Aligner(tokenizer, max_length=30, stride=2)).documents(["서울"])
    (window,) = aligner.windows(document, [7, 8])
    assert window.input_ids[:4] == [tokenizer.cls_token_id, 7, 8, tokenizer.sep_token_id]


def test_a_pair_of_roberta_has_two_separators():
    tokenizer = byte_level()
    ids = [(token, tokenizer.convert_tokens_to_ids(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] [SEP] $B [SEP]", special_tokens=ids
    )
    question, text = "Who met?", "Kim met 3 people"
    (document,) = (aligner := Aligner(tokenizer, max_length=60, stride=2)).documents([text])
    (window,) = aligner.windows(document, aligner.documents([question])[0].subwords)
    assert window.input_ids == tokenizer(question, text)["input_ids"]
