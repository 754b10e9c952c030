"""Tiny encoders of every kind that fits into a BigBird, as folders, for the tests of conversion."""

import json
import os

import torch
from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers, processors, trainers
from tokenizers.models import BPE, WordLevel
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertModel,
    ElectraConfig,
    ElectraForMaskedLM,
    ElectraForPreTraining,
    ElectraModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaModel,
)

SENTENCES = (
    "이재용 회장이 서울에서 회의를 열었다.",
    "비가 온다.",
    "The library in the old town opens at nine.",
    "한국은행이 금리를 0.25%포인트 올렸다고 박민수 기자가 전했다.",
)
# n, the positions that each of them reads.
REACH = 24
KINDS = {
    "roberta": (RobertaConfig, RobertaModel),
    "roberta head": (RobertaConfig, RobertaForMaskedLM),
    "bert": (BertConfig, BertModel),
    "bert head": (BertConfig, BertForMaskedLM),
    "electra": (ElectraConfig, ElectraModel),
    "electra head": (ElectraConfig, ElectraForMaskedLM),
    "electra discriminator": (ElectraConfig, ElectraForPreTraining),
}


def roberta_tokenizer() -> PreTrainedTokenizerFast:
    """Bytes in pairs, two separators between two texts, no segments: as RoBERTa's."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", AddedToken("<mask>", lstrip=True, special=True)]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=330, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), True, False)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        sep_token="</s>",
        pad_token="<pad>",
        cls_token="<s>",
        mask_token=AddedToken("<mask>", lstrip=True, special=True),
        model_input_names=["input_ids", "attention_mask"],
        model_max_length=REACH,
    )


def bert_tokenizer() -> PreTrainedTokenizerFast:
    """A subword per word or sign, one separator, segments 0 and 1: as BERT's; its file cuts at 9 subwords."""
    split = pre_tokenizers.BertPreTokenizer()
    words = sorted({word for text in SENTENCES for word, _ in split.pre_tokenize_str(text)})
    vocabulary = {subword: at for at, subword in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = split
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_truncation(9)
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=REACH, **names)


def save_source(folder, kind: str, seed: int = 0, dtype=torch.float32, tokenizer=None, **options) -> str:
    """A tiny encoder with its tokenizer in a folder.

    Args:
        folder: Where it goes.
        kind: A name of `KINDS`.
        seed: Of its weights.
        dtype: Their type.
        tokenizer: Another tokenizer than the kind's own.
        **options: Settings of its config.
    """
    torch.manual_seed(seed)
    config_class, model_class = KINDS[kind]
    roberta = kind.startswith("roberta")
    tokenizer = tokenizer or (roberta_tokenizer() if roberta else bert_tokenizer())
    sizes = {
        "vocab_size": len(tokenizer),
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "max_position_embeddings": REACH + 2 * roberta,
        "type_vocab_size": 1 if roberta else 2,
        "pad_token_id": tokenizer.pad_token_id,
        "layer_norm_eps": 1e-5 if roberta else 1e-12,
        "hidden_dropout_prob": 0.07,
        "attention_probs_dropout_prob": 0.03,
        "initializer_range": 0.31,
        **({"embedding_size": 16} if kind.startswith("electra") else {}),
        **options,
    }
    model = model_class(config_class(**sizes))
    with torch.no_grad():
        for parameter in model.parameters():
            # Biases are born as zeros and norms as ones, which would hide a pair that was swapped.
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.to(dtype).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def edit_config(folder: str, **settings) -> None:
    """Changes a saved config by hand; None takes a setting out."""
    path = os.path.join(folder, "config.json")
    with open(path, encoding="utf-8") as file:
        config = {**json.load(file), **settings}
    with open(path, "w", encoding="utf-8") as file:
        json.dump({name: value for name, value in config.items() if value is not None}, file)
