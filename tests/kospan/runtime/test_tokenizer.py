import pytest
from stub_cases import wordpiece
from tokenizers import Tokenizer

from kospan.modeling.alignment import Aligner
from kospan.runtime.tokenizer import FastTokenizer

TEXTS = ["이재용 회장이 서울에서", "", "  비가\t온다. ", "\u1100\u1161\u3000👨\u200d👩 e\u0301", "[SEP] 비 [CLS][PAD]"]


@pytest.fixture(params=["characters", "subwords"])
def tokenizers(request, character_tokenizer, texts):
    """A tokenizer of transformers, and the adapter of the same tokenizer from a file's content."""
    full = character_tokenizer if request.param == "characters" else wordpiece(texts)
    backend = full.backend_tokenizer
    backend.enable_truncation(4)
    backend.enable_padding(length=9)
    plain = Tokenizer.from_str(backend.to_str())
    backend.no_truncation()
    backend.no_padding()
    return full, FastTokenizer(plain, full.pad_token_id, full.unk_token_id)


def test_equals_a_tokenizer_of_transformers(tokenizers):
    full, own = tokenizers
    assert own.get_vocab() == full.get_vocab()
    for offsets in (False, True):
        settings = {"add_special_tokens": False, "return_offsets_mapping": offsets, "return_attention_mask": False}
        wanted = full(TEXTS, **settings)
        found = own(TEXTS, **settings)
        assert found["input_ids"] == wanted["input_ids"]
        assert not offsets or found["offset_mapping"] == wanted["offset_mapping"]
    for texts in (("",), ("a",), ("서울", "비")):
        wanted = full(*texts, return_token_type_ids=True)
        assert own(*texts) == {"input_ids": wanted["input_ids"], "token_type_ids": wanted["token_type_ids"]}


@pytest.mark.parametrize("unit", ["character", "word"])
@pytest.mark.parametrize("encoder_input", ["units", "subwords"])
def test_an_aligner_takes_it(tokenizers, unit, encoder_input):
    one, other = (Aligner(each, unit, encoder_input, max_length=12, stride=3) for each in tokenizers)
    documents = one.documents(TEXTS)
    assert other.documents(TEXTS) == documents
    assert [other.windows(each) for each in documents] == [one.windows(each) for each in documents]
