"""What every task builds from a recipe: its data, and its model, one of ours that is trained on or a new one."""

import random
from collections.abc import Sequence

import torch

from kospan.data.corpus import Corpus, load_corpus
from kospan.data.records import ReadOptions
from kospan.modeling.configuration_kospan import KospanConfig
from kospan.recipe import Recipe
from kospan.tasks.encoders import (
    check_encoder_options,
    check_reads,
    load_config,
    load_ours,
    locate,
    start_without_positions,
    whole_weights,
)
from kospan.training.lora import adapt_encoder, lora_of


def corpus_of(recipe: Recipe, problem_type: str | None = "single_label_classification") -> Corpus:
    """The data of a recipe, split and checked; `problem_type` as `load_corpus` takes it."""
    return load_corpus(
        recipe.dataset,
        recipe.train_file,
        recipe.validation_file,
        recipe.overlaps,
        recipe.calibration_split,
        recipe.max_train_samples,
        problem_type,
        recipe.max_eval_samples,
        ReadOptions(recipe.quoting, recipe.token_column, recipe.tag_column, recipe.skip_invalid),
        whole_texts=recipe.task == "text-classification",
    )


def continued_model(recipe: Recipe, config_class: type[KospanConfig], continued: Sequence[str], fixed: Sequence[str]):
    """The model that a recipe's `encoder` names, ready to be trained on; None where it is none of ours of this kind.

    Args:
        recipe: The recipe.
        config_class: The kind.
        continued: Settings that a training may set anew.
        fixed: Settings that make the model.

    Raises: ValueError as `check_continued`.
    """
    if recipe.encoder == "scratch":
        return None
    found = load_config(recipe.encoder, {})
    if found.model_type != config_class.model_type:
        return None
    check_continued(recipe, found, continued, fixed)
    # What a recipe leaves as usual stays as the model has it.
    taken = {key: getattr(recipe, key) for key in continued if getattr(recipe, key) != getattr(Recipe(), key)}
    # Training changes the scores that the temperature was fitted to, and the threshold that was chosen by them.
    if "threshold" in found.to_dict():
        taken["threshold"] = 0.0
    model = load_ours(locate(recipe.encoder), calibration_temperature=1.0, **taken)
    return _prepared(model, recipe)


def check_continued(recipe: Recipe, config: KospanConfig, continued: Sequence[str], fixed: Sequence[str]) -> None:
    """What a recipe asks of a model of ours that it trains on: what the model is stays as it is.

    Args:
        recipe: The recipe.
        config: The model's config.
        continued: Settings that a training may set anew.
        fixed: Settings that make the model.

    Raises: ValueError where a setting that makes the model is neither the default nor what the model has.
    """
    type(config)(**{key: getattr(recipe, key) for key in continued})
    default = Recipe()
    asked = {key: (getattr(recipe, key), getattr(config, key)) for key in fixed}
    asked = {key: pair for key, pair in asked.items() if pair[0] != getattr(default, key)}
    # The vocabulary is the model's own, however it was counted.
    options = {key: value for key, value in recipe.encoder_options.items() if key != "min_count"}
    for key, value in check_encoder_options(options, config.encoder_config).items():
        asked[f"encoder_options[{key!r}]"] = value, getattr(config.encoder_config, key)
    for key, (value, own) in asked.items():
        if value != own:
            raise ValueError(
                f"expected {key} to be {own!r} as in the model {recipe.encoder} that is trained on, got {value!r}; "
                "take it out, or train a new model from an encoder"
            )


def new_model(recipe: Recipe, model_class: type, config: KospanConfig, tokenizer):
    """A new model of ours, its encoder with weights where the recipe names some.

    Args:
        recipe: The recipe.
        model_class: `KospanForTokenClassification` or a sibling.
        config: Its config.
        tokenizer: The encoder's tokenizer.

    Raises: ValueError where tokenizer, window and stride do not fit together.
    """
    torch.manual_seed(int(recipe.trainer.get("seed", 42)))
    random.seed(int(recipe.trainer.get("seed", 42)))
    if recipe.encoder == "scratch":
        model = model_class(config)
        model.tokenizer = tokenizer
        start_without_positions(model.encoder)
        model.prepare()
    else:
        with whole_weights(recipe.encoder):
            model = model_class.from_encoder(locate(recipe.encoder), config, tokenizer)
        check_reads(model.encoder, recipe.encoder, tokenizer.pad_token_id)
    _prepared(model, recipe)
    # Says at once whether tokenizer, window and stride fit together.
    _ = model.aligner
    return model


def _prepared(model, recipe: Recipe):
    """The model with its encoder frozen, or with adapters in it, as the recipe asks."""
    lora = lora_of(recipe)
    if lora is not None:
        if recipe.encoder == "scratch":
            raise ValueError(
                f"expected a pretrained encoder with lora_rank {recipe.lora_rank}, got encoder: scratch, whose "
                "random weights would never be learnt; name an encoder, or take lora_rank out"
            )
        adapt_encoder(model, lora)
    elif recipe.freeze_encoder:
        model.freeze_encoder()
    return model


def special_ids(tokenizer) -> dict[str, int | None]:
    """Ids as the tokenizer has them, for a config: where they differ the Trainer warns."""
    return {
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
