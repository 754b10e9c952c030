"""Tiny causal LMs over every kind of vocabulary, and their writers."""

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.trainers import BpeTrainer, UnigramTrainer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from kospan.modeling import KospanGenerativeNER, KospanGenerativeNERConfig
from kospan.tasks.encoders import character_tokenizer

TEXTS = [
    "이재용 회장이 서울에서 회의를 열었다. [PS: 이재용] [LC: 서울]",
    "김연아는 지난해 3월 5일 부산 사직 체육관을 찾았다. [PS: 김연아] [LC: 부산 사직]",
    "오후 3:15에 [속보] C:\\새 폴더를 열었다. [OG: \\[속보\\]] []",
    "Text:\nAnswer:\n- : \\ ] [ 글: 답: 유형:",
]


def byte_level(size: int = 420) -> PreTrainedTokenizerFast:
    """Byte-level BPE: subwords of a syllable, and merges such as `] [`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=size, special_tokens=["<|end|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(TEXTS * 4, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>")


def sentencepiece(fallback: bool = True) -> PreTrainedTokenizerFast:
    """BPE with `▁` for spaces, as Llama 2 and Gemma have it; with subwords for single bytes, or without."""
    special = ["<unk>", "<s>", "</s>"]
    tokenizer = Tokenizer(models.BPE(byte_fallback=fallback, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), *([decoders.ByteFallback()] if fallback else []), decoders.Fuse()]
    )
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)] if fallback else []
    trainer = BpeTrainer(vocab_size=len(bytes_) + 200, special_tokens=[*special, *bytes_])
    tokenizer.train_from_iterator(TEXTS * 4, trainer)
    found = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>")
    # The trainer marks the bytes as special; to the model they are subwords.
    return _without_special(found, set(bytes_)) if fallback else found


def _without_special(tokenizer: PreTrainedTokenizerFast, subwords: set[str]) -> PreTrainedTokenizerFast:
    import json

    settings = json.loads(tokenizer.backend_tokenizer.to_str())
    settings["added_tokens"] = [each for each in settings["added_tokens"] if each["content"] not in subwords]
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(settings)), unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )


def unigram() -> PreTrainedTokenizerFast:
    """Unigram with Metaspace."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = UnigramTrainer(vocab_size=150, special_tokens=["<unk>", "</s>"], unk_token="<unk>")
    tokenizer.train_from_iterator(TEXTS * 4, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="</s>")


def characters() -> PreTrainedTokenizerFast:
    """A subword per character."""
    tokenizer = character_tokenizer(TEXTS)
    tokenizer.add_special_tokens({"bos_token": "[CLS]", "eos_token": "[SEP]"})
    return tokenizer


TOKENIZERS = {
    "bytes": byte_level,
    "single bytes": lambda: byte_level(257),
    "sentencepiece": sentencepiece,
    "sentencepiece without bytes": lambda: sentencepiece(False),
    "unigram": unigram,
    "characters": characters,
}


def tiny_lm(tokenizer, seed: int = 0, factor: float = 8.0, **settings) -> LlamaForCausalLM:
    """A random Llama whose replies differ; `factor` 1 is the usual initialisation."""
    torch.manual_seed(seed)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = LlamaConfig(
        **{
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 256,
            "num_key_value_heads": 2,
            **sizes,
            **settings,
        }
    )
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(factor)
    return model


def make_generative_model(
    kind: str = "bytes", seed: int = 0, lm: dict | None = None, **settings
) -> KospanGenerativeNER:
    """A generator over a tiny random LM; keyword arguments are settings of its config."""
    tokenizer = TOKENIZERS[kind]()
    config = KospanGenerativeNERConfig(**{"labels": ["LC", "PS"], "instruction": "", "max_new_tokens": 40, **settings})
    return KospanGenerativeNER(tiny_lm(tokenizer, seed, **(lm or {})), tokenizer, config)
