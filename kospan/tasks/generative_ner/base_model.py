"""Causal language models from the Hub, a folder, or scratch; in full, half, 8-bit or 4-bit weights."""

import importlib.metadata
import re

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from kospan.recipe import Recipe
from kospan.tasks.encoders import (
    character_tokenizer,
    check_encoder_options,
    check_no_file,
    check_not_of_tokenizer,
    load_config,
    load_tokenizer,
    locate,
    whole_weights,
)

# Sizes of a small model; encoder_options of a recipe win.
SCRATCH = {
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "max_position_embeddings": 1024,
}
# The first version of bitsandbytes that is tested without a GPU.
_BITS_ON_CPU = (0, 50)


def scratch_options(options: dict) -> dict:
    """Check and complete `encoder_options` of a decoder from scratch, as `check_encoder_options` does."""
    check_not_of_tokenizer(options, ("vocab_size", "pad_token_id", "bos_token_id", "eos_token_id"))
    sizes = {**SCRATCH, **options}
    sizes.setdefault("num_key_value_heads", sizes["num_attention_heads"])
    known = {"min_count": 1, "num_key_value_heads": 1, "head_dim": 1}
    checked = check_encoder_options(sizes, LlamaConfig(), known)
    heads, groups = checked["num_attention_heads"], checked["num_key_value_heads"]
    if groups < 1 or heads % groups:
        raise ValueError(
            f"expected encoder_options with num_key_value_heads that divide num_attention_heads, got {groups} and "
            f"{heads}; change one of them"
        )
    return checked


def scratch_decoder(texts: list[str], spelling: str, options: dict) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """Build a Llama with random weights and a vocabulary of characters.

    Args:
        texts: Texts for the vocabulary.
        spelling: Characters that are always in it: those of prompts and replies.
        options: Settings of LlamaConfig; `min_count` belongs to the vocabulary.
    """
    options = scratch_options(options)
    least = options.pop("min_count", 1)
    tokenizer = character_tokenizer([*texts, *[spelling] * least], least)
    tokenizer.add_special_tokens({"bos_token": "[CLS]", "eos_token": "[SEP]"})
    tokenizer.model_max_length = options["max_position_embeddings"]
    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "bos", "eos")}
    return LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **ids, **options)), tokenizer


def load_decoder(recipe: Recipe):
    """Load the causal language model of a recipe with its tokenizer.

    Raises:
        FileNotFoundError: There is none.
        ValueError: The model generates no text, or its weights cannot be loaded as the recipe says.
    """
    check_no_file(recipe.encoder)
    config = load_config(recipe.encoder, recipe.encoder_options)
    if type(config) not in AutoModelForCausalLM._model_mapping:
        raise ValueError(
            f"expected a causal language model for task: generative-ner, got {recipe.encoder} of type "
            f"{config.model_type!r}, which generates no text; name one such as Qwen/Qwen2.5-0.5B, or set task: "
            "token-classification"
        )
    # Masked language models are bidirectional, unless their config makes a decoder of them; XLM calls it `causal`.
    decodes = getattr(config, "is_decoder", getattr(config, "causal", True))
    if type(config) in AutoModelForMaskedLM._model_mapping and not decodes:
        raise ValueError(
            f"expected a causal language model for task: generative-ner, got the encoder {recipe.encoder} "
            f"({config.model_type}); name one such as Qwen/Qwen2.5-0.5B, or set task: token-classification"
        )
    with whole_weights(recipe.encoder):
        model = AutoModelForCausalLM.from_pretrained(locate(recipe.encoder), config=config, **loading(recipe))
    return model, load_tokenizer(recipe.encoder)


def loading(recipe: Recipe) -> dict:
    """Return the options of `from_pretrained` for the precision and the devices of a recipe.

    Raises:
        ValueError, ImportError: As `check_loading`.
    """
    check_loading(recipe)
    settings: dict = {"dtype": getattr(torch, recipe.dtype)}
    if recipe.device_map is not None:
        settings["device_map"] = recipe.device_map
    if recipe.load_in_8bit or recipe.load_in_4bit:
        from transformers import BitsAndBytesConfig

        settings["quantization_config"] = (
            BitsAndBytesConfig(load_in_8bit=True)
            if recipe.load_in_8bit
            # QLoRA (Dettmers et al. 2023): normal floats, quantised twice.
            else BitsAndBytesConfig(
                load_in_4bit=True,
                bnb_4bit_quant_type="nf4",
                bnb_4bit_use_double_quant=True,
                bnb_4bit_compute_dtype=torch.bfloat16,
            )
        )
        settings.setdefault("device_map", {"": torch.cuda.current_device() if _on_gpu(recipe) else "cpu"})
    return settings


def _bits_key(recipe: Recipe) -> str:
    return "load_in_8bit" if recipe.load_in_8bit else "load_in_4bit"


def _on_gpu(recipe: Recipe) -> bool:
    """Whether quantised weights are on a GPU."""
    return torch.cuda.is_available() and not recipe.trainer.get("use_cpu")


def _check_bitsandbytes(recipe: Recipe) -> None:
    """Check the version of bitsandbytes.

    Raises:
        ImportError: It is missing, or too old for the CPU.
    """
    try:
        found = importlib.metadata.version("bitsandbytes")
    except importlib.metadata.PackageNotFoundError:
        found = None
    number = tuple(map(int, re.findall(r"\d+", found or "")[:2]))
    if number and (number >= _BITS_ON_CPU or _on_gpu(recipe)):
        return
    least = "" if _on_gpu(recipe) else f" {'.'.join(map(str, _BITS_ON_CPU))} or newer on the CPU"
    raise ImportError(
        f"expected bitsandbytes{least} for {_bits_key(recipe)}: true, found {found or 'none'}; "
        '`pip install -c constraints.txt -e ".[quantization]"` in the folder of kospan installs it'
    )


def check_loading(recipe: Recipe) -> None:
    """Check that machine, packages and the rest of the recipe allow its precision and devices.

    Raises:
        ValueError: They do not.
        ImportError: bitsandbytes is missing or too old.
    """
    if recipe.load_in_8bit and recipe.load_in_4bit:
        raise ValueError("expected load_in_8bit or load_in_4bit, got both; remove one of them")
    if recipe.load_in_8bit or recipe.load_in_4bit:
        key = _bits_key(recipe)
        if not recipe.lora_rank:
            raise ValueError(
                f"expected lora_rank above 0 with {key}, got 0, because quantised weights cannot be trained; set "
                f"lora_rank: 16, or remove {key}"
            )
        _check_bitsandbytes(recipe)
    if recipe.device_map is not None and not torch.cuda.is_available():
        raise ValueError(
            f"expected a CUDA device for device_map: {recipe.device_map}, got none on this machine; remove it"
        )
    if recipe.dtype == "float16" and not recipe.lora_rank:
        raise ValueError(
            "expected dtype: float32 or bfloat16 where all weights are trained, got float16, whose range the "
            "optimizer exceeds; set dtype: bfloat16, or lora_rank"
        )
