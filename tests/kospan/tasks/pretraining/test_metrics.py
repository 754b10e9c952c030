"""Bits per character: of a uniform model, and for several tokenizers."""

import math

import pytest
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Sequence, Split
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from kospan.modeling.alignment import Aligner
from kospan.modeling.words import words
from kospan.tasks.pretraining.masking import NO_LABEL, evaluated_words
from kospan.tasks.pretraining.metrics import evaluated
from kospan.tasks.pretraining.windows import windows_of

TEXTS = ["이재용 회장이 서울에서 회의를 열었다.", "비가 온다.", "한국은행이 금리를 0.25%포인트 올렸다고 전했다."] * 5


def pairs_of_characters() -> PreTrainedTokenizerFast:
    """A tokenizer whose subwords are up to two characters of a word."""
    subwords = {text[at : at + n] for text in TEXTS for at in range(len(text)) for n in (1, 2)}
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(subwords)]
    own = Tokenizer(WordLevel({name: at for at, name in enumerate(names)}, unk_token="[UNK]"))
    own.pre_tokenizer = Sequence([Split(" ", "removed"), Split(Regex(r"[\s\S]{1,2}"), "isolated")])
    own.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    roles = {f"{role}_token": f"[{role.upper()}]" for role in ("pad", "unk", "cls", "sep", "mask")}
    return PreTrainedTokenizerFast(tokenizer_object=own, **roles)


def masks_of(tokenizer, encoder_input, length=64):
    reader = Aligner(tokenizer, encoder_input=encoder_input, max_length=length, stride=0)
    return evaluated(TEXTS, windows_of(TEXTS, reader), tokenizer.mask_token_id, tokenizer.unk_token_id)


def test_a_uniform_model_over_characters_needs_the_logarithm_of_the_vocabulary(character_tokenizer):
    masks = masks_of(character_tokenizer, "units")
    assert masks.subwords == masks.characters > 0 and masks.unknown == 0
    assert masks.bits_per_character(math.log(50)) == pytest.approx(math.log2(50))


@pytest.mark.parametrize("length", [64, 8])
def test_the_same_characters_are_masked_for_every_tokenizer(character_tokenizer, length):
    characters = sum(
        end - start
        for at, text in enumerate(TEXTS)
        for (start, end), chosen in zip(words(text), evaluated_words(len(words(text)), at))
        if chosen
    )
    for encoder_input in ("units", "subwords"):
        masks = masks_of(character_tokenizer, encoder_input, length)
        assert masks.characters == characters == masks.subwords
    masks = masks_of(pairs_of_characters(), "subwords", length)
    assert masks.characters == characters and characters / 2 < masks.subwords < characters
    assert masks.bits_per_character(1.0) == pytest.approx(masks.subwords / characters / math.log(2))


def test_every_subword_of_a_masked_word_is_the_mask_token(character_tokenizer):
    masks = masks_of(character_tokenizer, "units")
    for feature in masks.features:
        chosen = feature["labels"] != NO_LABEL
        assert (feature["input_ids"][chosen] == 4).all() and (feature["input_ids"][~chosen] != 4).all()


def test_unknown_subwords_are_counted(character_tokenizer):
    reader = Aligner(character_tokenizer, encoder_input="units", max_length=64, stride=0)
    masks = evaluated(["뷁뷁"], windows_of(["뷁뷁"], reader), 4, 1)
    assert (masks.unknown, masks.subwords, masks.characters) == (2, 2, 2)
