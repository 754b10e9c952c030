"""Encoder with its head for masked language modelling, and tokenizer: from scratch, or pretrained."""

from typing import NamedTuple

import torch
from transformers import AutoModelForMaskedLM, PreTrainedModel, PreTrainedTokenizerBase
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from kospan.data.raw_texts import RawCorpus
from kospan.modeling.settings import encoder_limit
from kospan.modeling.words import plain_spaces
from kospan.recipe import Recipe
from kospan.setting import suggestion
from kospan.tasks.encoders import (
    buildable,
    character_tokenizer,
    check_encoder_options,
    check_kind,
    check_not_of_tokenizer,
    check_reads,
    encoder_parts,
    load_tokenizer,
    locate,
    whole_weights,
)

# Sizes of a small model with rotary positions and local attention; encoder_options of a recipe win.
SCRATCH_TYPE = "modernbert"
SCRATCH = {
    "hidden_size": 256,
    "intermediate_size": 384,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "local_attention": 64,
    "global_attn_every_n_layers": 2,
    "max_position_embeddings": 512,
    # Scores of the vocabulary are computed for masked subwords alone.
    "sparse_prediction": True,
}
# Settings that the tokenizer gives.
_OF_TOKENIZER = ("vocab_size", *(f"{role}_token_id" for role in ("pad", "bos", "eos", "cls", "sep")))


def scratch_options(options: dict) -> dict:
    """Check and complete `encoder_options` of an encoder from scratch; `model_type` names its type.

    Raises:
        ValueError: As `check_encoder_options`, or the type has no head for masked language modelling.
    """
    options = dict(options)
    kind = options.pop("model_type", SCRATCH_TYPE)
    known = [config.model_type for config in AutoModelForMaskedLM._model_mapping]
    if kind not in known:
        raise ValueError(
            f"expected encoder_options['model_type'] of an encoder with a head for masked language modelling, got "
            f"{kind!r}; {suggestion(kind, known, 'did you mean modernbert?')}"
        )
    check_not_of_tokenizer(options, _OF_TOKENIZER)
    usual = SCRATCH if kind == SCRATCH_TYPE else {}
    known = {"min_count": 1} | ({"global_attn_every_n_layers": 3} if kind == SCRATCH_TYPE else {})
    return {"model_type": kind} | check_encoder_options({**usual, **options}, CONFIG_MAPPING[kind](), known)


class Built(NamedTuple):
    """Model and tokenizer of a recipe.

    Args:
        model: The encoder with its head.
        tokenizer: Its tokenizer.
        new_head: Number of weights of the head that the checkpoint lacks, and that are random.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    new_head: int = 0


def build_model(recipe: Recipe, corpus: RawCorpus, attention: str | None = None) -> Built:
    """Build the model of a recipe, from scratch or from a pretrained encoder.

    Args:
        recipe: The recipe.
        corpus: The texts, for the vocabulary of a tokenizer from scratch.
        attention: Implementation of attention, as `attn_implementation` in transformers; None takes the usual one.

    Raises:
        ValueError: There is no head for masked language modelling for the encoder, its tokenizer has no mask token, or
            weights of the encoder are missing.
    """
    kwargs = {} if attention is None else {"attn_implementation": attention}
    if recipe.encoder == "scratch":
        return _from_scratch(recipe, corpus, kwargs)
    config, tokenizer = encoder_parts(recipe, [])
    _check_mask(tokenizer, recipe.encoder)
    if type(config) not in AutoModelForMaskedLM._model_mapping:
        raise ValueError(
            f"expected an encoder with a head for masked language modelling, got {recipe.encoder} of type "
            f"{config.model_type!r}; name one of BERT's, RoBERTa's or ModernBERT's kind"
        )
    with buildable(recipe.encoder_options), whole_weights(recipe.encoder):
        model, report = AutoModelForMaskedLM.from_pretrained(
            locate(recipe.encoder), config=config, dtype=torch.float32, output_loading_info=True, **kwargs
        )
    of_encoder = f"{model.base_model_prefix}."
    missing = sorted(key for key in report["missing_keys"] if key.startswith(of_encoder))
    if missing:
        raise ValueError(
            f"expected every weight of the encoder in {recipe.encoder}, got a checkpoint that lacks {len(missing)} of "
            f"them (first: {missing[0]}); copy or download it again"
        )
    check_reads(model.base_model, recipe.encoder, tokenizer.pad_token_id)
    return Built(model, tokenizer, len(report["missing_keys"]))


def _from_scratch(recipe: Recipe, corpus: RawCorpus, kwargs: dict) -> Built:
    options = scratch_options(recipe.encoder_options)
    min_count = options.pop("min_count", 1)
    if recipe.tokenizer is None:
        counted = (text for text, times in zip(corpus.splits["train"], corpus.repeats) for _ in range(times))
        tokenizer = character_tokenizer((plain_spaces(text) for text in counted), min_count)
    else:
        tokenizer = load_tokenizer(recipe.tokenizer)
        _check_mask(tokenizer, recipe.tokenizer)
    ids = {f"{role}_token_id": getattr(tokenizer, f"{role}_token_id") for role in ("pad", "bos", "eos", "cls", "sep")}
    ids["bos_token_id"] = ids["cls_token_id"] if ids["bos_token_id"] is None else ids["bos_token_id"]
    ids["eos_token_id"] = ids["sep_token_id"] if ids["eos_token_id"] is None else ids["eos_token_id"]
    with buildable(recipe.encoder_options):
        config = CONFIG_MAPPING[options.pop("model_type")](vocab_size=len(tokenizer), **ids, **options)
        check_kind(config, "encoder: scratch")
        model = AutoModelForMaskedLM.from_config(config, **kwargs)
    check_reads(model.base_model, "encoder: scratch", tokenizer.pad_token_id)
    limit = encoder_limit(config)
    if limit:
        tokenizer.model_max_length = limit
    return Built(model, tokenizer)


def _check_mask(tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    if tokenizer.mask_token_id is None:
        raise ValueError(
            f"expected a tokenizer with a mask token, got that of {name}, which has none; name one of BERT's, "
            "RoBERTa's or ModernBERT's kind"
        )
