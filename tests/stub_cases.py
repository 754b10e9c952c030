"""A tokenizer of subwords and an encoder whose states can be foretold, for tests of what stands on encoders."""

from types import SimpleNamespace

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import nn
from transformers import PreTrainedTokenizerFast


def wordpiece(texts: list[str]) -> PreTrainedTokenizerFast:
    """Word starts and inner subwords of one and two characters; the vocabulary is listed: training it is random."""
    words = [word for text in texts for word in text.replace(",", " ").replace(".", " ").split()]
    subwords = {word[at : at + length] for word in words for at in range(len(word)) for length in (1, 2)}
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[unused0]"]
    listed = [*special, ".", ",", *sorted(subwords), *(f"##{subword}" for subword in sorted(subwords))]
    tokenizer = Tokenizer(models.WordPiece({subword: at for at, subword in enumerate(listed)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )


class SubwordStates(nn.Module):
    """An encoder whose state at a position depends on the subword there and on nothing else."""

    def __init__(self, vocabulary: int, width: int):
        super().__init__()
        torch.manual_seed(5)
        self.table = nn.Embedding(vocabulary, width)

    def forward(self, input_ids, **kwargs):
        return SimpleNamespace(last_hidden_state=self.table(input_ids), hidden_states=None, attentions=None)
