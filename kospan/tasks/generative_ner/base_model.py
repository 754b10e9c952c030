"""Where a causal LM comes from: the Hub, a folder, or scratch; in full, half, 8-bit or 4-bit weights."""

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
    load_config,
    load_tokenizer,
    locate,
    whole_weights,
)

# What stands for a small model; a recipe's encoder_options win.
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
    """As `check_encoder_options`, for a decoder from nothing; what is left out has the values of `SCRATCH`."""
    for name in ("vocab_size", "pad_token_id", "bos_token_id", "eos_token_id"):
        if name in options:
            raise ValueError(
                f"expected encoder_options without {name} for encoder: scratch, whose tokenizer gives it, got "
                f"{options[name]!r}; take it out"
            )
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
    """A Llama with random weights and a vocabulary of characters.

    Args:
        texts: What the vocabulary is counted on.
        spelling: Characters that are in it however seldom they are: those of prompts and replies.
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
    """`(causal LM, tokenizer)` that a recipe names.

    Raises: FileNotFoundError where there is none; ValueError where the model is none that writes, or its weights cannot
        be loaded as asked.
    """
    check_no_file(recipe.encoder)
    config = load_config(recipe.encoder, recipe.encoder_options)
    if type(config) not in AutoModelForCausalLM._model_mapping:
        raise ValueError(
            f"expected a causal language model for task: generative-ner, got {recipe.encoder} of type "
            f"{config.model_type!r}, which writes nothing; name one such as Qwen/Qwen2.5-0.5B, or set task: "
            "token-classification"
        )
    # What fills in masks reads both ways, unless its config makes a decoder of it; XLM has a word of its own for that.
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
    """What `from_pretrained` takes for a recipe's precision and devices.

    Raises: as `check_loading`.
    """
    check_loading(recipe)
    settings: dict = {"dtype": getattr(torch, recipe.dtype)}
    if recipe.device_map is not None:
        settings["device_map"] = recipe.device_map
    if recipe.load_bits is not None:
        from transformers import BitsAndBytesConfig

        settings["quantization_config"] = (
            BitsAndBytesConfig(load_in_8bit=True)
            if recipe.load_bits == 8
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


def _on_gpu(recipe: Recipe) -> bool:
    """Whether weights of few bits go to a GPU; else the CPU reads them."""
    return torch.cuda.is_available() and not recipe.trainer.get("use_cpu")


def _check_bitsandbytes(recipe: Recipe) -> None:
    """Raises: ImportError where bitsandbytes is missing, or too old for the CPU."""
    try:
        found = importlib.metadata.version("bitsandbytes")
    except importlib.metadata.PackageNotFoundError:
        found = None
    number = tuple(map(int, re.findall(r"\d+", found or "")[:2]))
    if number and (number >= _BITS_ON_CPU or _on_gpu(recipe)):
        return
    least = "" if _on_gpu(recipe) else f" {'.'.join(map(str, _BITS_ON_CPU))} or newer on the CPU"
    raise ImportError(
        f"expected bitsandbytes{least} for load_bits: {recipe.load_bits}, found {found or 'none'}; "
        '`pip install -c constraints.txt -e ".[quantization]"` in the folder of kospan brings it'
    )


def check_loading(recipe: Recipe) -> None:
    """Raises: ValueError or ImportError where machine, packages or the rest of the recipe do not allow such loading."""
    if recipe.load_bits is not None:
        if not recipe.lora_rank:
            raise ValueError(
                f"expected lora_rank above 0 with load_bits, got 0: weights of {recipe.load_bits} bits cannot be "
                "trained themselves; set lora_rank: 16, or take load_bits out"
            )
        _check_bitsandbytes(recipe)
    if recipe.device_map is not None and not torch.cuda.is_available():
        raise ValueError(
            f"expected a CUDA device for device_map: {recipe.device_map}, got none on this machine; take it out"
        )
    if recipe.dtype == "float16" and not recipe.lora_rank:
        raise ValueError(
            "expected dtype: float32 or bfloat16 where all weights are trained, got float16, whose range the "
            "optimizer leaves; set dtype: bfloat16, or lora_rank"
        )
