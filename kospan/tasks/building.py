"""Data and models that tasks build from a recipe: a trained model of ours that is trained further, or a new one."""

import random
from collections.abc import Iterable

import torch

from kospan.data.corpus import Corpus, load_corpus
from kospan.data.records import ReadOptions
from kospan.modeling.configuration_kospan import KospanConfig
from kospan.modeling.settings import encoder_limit
from kospan.recipe import FIELDS, Recipe, default_of
from kospan.tasks.encoders import (
    buildable,
    check_encoder_options,
    check_reads,
    encoder_parts,
    load_config,
    load_ours,
    locate,
    start_without_positions,
    whole_weights,
)
from kospan.training.lora import adapt_encoder, lora_of


def corpus_of(
    recipe: Recipe, problem_type: str | None = "single_label_classification", whole_texts: bool = False
) -> Corpus:
    """Read, split and check the data of a recipe.

    Args:
        recipe: The recipe.
        problem_type: As for `load_corpus`.
        whole_texts: Whether spans are labels of whole texts.
    """
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
        whole_texts=whole_texts,
        extra_train_file=recipe.extra_train_file,
    )


def changed(recipe: Recipe, names: Iterable[str]) -> dict:
    """Return the named settings of a recipe that are not the default."""
    return {name: getattr(recipe, name) for name in names if getattr(recipe, name) != default_of(name)}


def check_same(asked: dict, own: dict, model: str, source: str) -> None:
    """Compare settings of a recipe with those of the trained model in its `encoder`.

    Args:
        asked: Settings of the recipe by name.
        own: The model's own values; missing ones are None.
        model: The model, as errors name it.
        source: What a new model is trained from.

    Raises:
        ValueError: A setting differs.
    """
    for key, value in asked.items():
        if value != own.get(key):
            raise ValueError(
                f"expected {key} to be {own.get(key)!r} as in the model {model} that is trained further, got "
                f"{value!r}; remove it, or train a new model from {source}"
            )


def encoder_settings(recipe: Recipe, config) -> tuple[dict, dict]:
    """Return `encoder_options` of a recipe and the values in the config of a trained model, for `check_same`."""
    # The vocabulary is the model's own, however it was counted.
    options = {key: value for key, value in recipe.encoder_options.items() if key != "min_count"}
    checked = check_encoder_options(options, config)
    names = {key: f"encoder_options[{key!r}]" for key in checked}
    return {names[key]: checked[key] for key in names}, {names[key]: getattr(config, key) for key in names}


def continued_model(recipe: Recipe, config_class: type[KospanConfig]):
    """Load the trained model that a recipe's `encoder` names, ready to be trained further.

    Args:
        recipe: The recipe.
        config_class: The config of the task's models.

    Returns: The model; None if `encoder` is no such model.

    Raises:
        ValueError: As `check_continued`.
    """
    if recipe.encoder == "scratch":
        return None
    found = load_config(recipe.encoder, {})
    if found.model_type != config_class.model_type:
        return None
    check_continued(recipe, found)
    # A setting with its default value keeps the model's own.
    taken = changed(recipe, config_class.adjustable)
    # Training changes the scores that temperature and thresholds were chosen for.
    chosen = {"threshold": 0.0, "operating_points": {}}
    taken |= {name: value for name, value in chosen.items() if name in config_class.settings()}
    model = load_ours(locate(recipe.encoder), calibration_temperature=1.0, **taken)
    return _prepared(model, recipe)


def check_continued(recipe: Recipe, config: KospanConfig) -> None:
    """Check what a recipe changes of a trained model that is trained further.

    Args:
        recipe: The recipe.
        config: The model's config.

    Raises:
        ValueError: A setting that is fixed with the model is neither the default nor the model's own.
    """
    type(config)(**{key: getattr(recipe, key) for key in config.adjustable})
    fixed = [key for key in config.settings() if key in FIELDS and key not in config.adjustable]
    own = {key: getattr(config, key) for key in fixed}
    options, own_options = encoder_settings(recipe, config.encoder_config)
    check_same(changed(recipe, fixed) | options, own | own_options, recipe.encoder, "an encoder")


def new_model(recipe: Recipe, model_class: type, texts: list[str], **decided):
    """Build a new model over the encoder of a recipe.

    Args:
        recipe: The recipe.
        model_class: `KospanForTokenClassification` or another class of ours.
        texts: Training texts, for the vocabulary of `encoder: scratch`.
        **decided: Settings of the config that the data decide.

    Raises:
        ValueError: Tokenizer, window and stride do not fit together.
    """
    encoder_config, tokenizer = encoder_parts(recipe, texts)
    usual = model_class.config_class.settings()["max_length"]
    config = model_class.config_class.from_recipe(
        recipe,
        encoder_config=encoder_config,
        max_length=recipe.max_length or min(usual, encoder_limit(encoder_config) or usual),
        # The Trainer warns where ids differ from the tokenizer's.
        **{f"{role}_token_id": getattr(tokenizer, f"{role}_token_id") for role in ("pad", "bos", "eos")},
        **decided,
    )
    seed = int(recipe.trainer.get("seed", 42))
    torch.manual_seed(seed)
    random.seed(seed)
    if recipe.encoder == "scratch":
        model = model_class(config)
        model.tokenizer = tokenizer
        start_without_positions(model.encoder)
        model.prepare()
    else:
        with buildable(recipe.encoder_options), whole_weights(recipe.encoder):
            model = model_class.from_encoder(locate(recipe.encoder), config, tokenizer)
        check_reads(model.encoder, recipe.encoder, tokenizer.pad_token_id)
    _prepared(model, recipe)
    # Raises if tokenizer, window and stride do not fit together.
    _ = model.aligner
    return model


def _prepared(model, recipe: Recipe):
    """Freeze the encoder, or insert adapters, as the recipe asks."""
    lora = lora_of(recipe)
    if lora is not None:
        if recipe.encoder == "scratch":
            raise ValueError(
                f"expected a pretrained encoder with lora_rank {recipe.lora_rank}, got encoder: scratch, whose "
                "random weights would never be trained; name an encoder, or remove lora_rank"
            )
        adapt_encoder(model, lora)
    elif recipe.freeze_encoder:
        model.freeze_encoder()
    return model
