"""Further training of a saved model for generative NER: its prompt and its adapters stay the same."""

import dataclasses
import datetime
from contextlib import suppress

import torch
from transformers import AutoModelForCausalLM

from kospan.modeling import KospanGenerativeNER, KospanGenerativeNERConfig
from kospan.modeling.base_models import ADAPTER
from kospan.modeling.configuration_generative_ner import NAME
from kospan.recipe import Recipe, default_of
from kospan.tasks.building import changed, check_same, encoder_settings
from kospan.tasks.encoders import locate, read_settings
from kospan.tasks.generative_ner.base_model import loading
from kospan.training.lora import ADAPTED, MARK, PEFT, Lora, adapt_causal_lm, adapted_layers, lora_of
from kospan.training.saving import resumable_checkpoint


def trained_settings(recipe: Recipe) -> dict:
    """Return the settings of the model, and of its adapter, in the folder that a recipe's `encoder` names.

    Empty if there is no model for generative NER.
    """
    config, adapter = read_settings(recipe.encoder, NAME), read_settings(recipe.encoder, ADAPTER)
    if config.get("model_type") != KospanGenerativeNERConfig.model_type:
        return {}
    shown = config.get("shown")
    found = _few_shot(shown, len(config.get("examples") or ())) | {"lora_rank": adapter.get("r", 0)}
    return found | {key: config[key] for key in ("instruction",) if key in config}


def _few_shot(shown: int | None, examples: int) -> dict:
    """Return the recipe's settings for the examples of a prompt, from those of a config."""
    if shown is None:
        return {"few_shot": examples, "few_shot_strategy": "types"}
    return {"few_shot": shown, "few_shot_strategy": "similar"}


def prompt_date(recipe: Recipe) -> str:
    """Return the date for prompts: that of the checkpoint to resume from, or today's."""
    if recipe.resume_from_checkpoint:
        # A missing checkpoint is an error of the run itself.
        with suppress(FileNotFoundError):
            checkpoint, _ = resumable_checkpoint(recipe.output_dir, recipe.resume_from_checkpoint)
            date = read_settings(checkpoint, NAME).get("date")
            if date is not None:
                return date
    return datetime.date.today().isoformat()


def continued_model(recipe: Recipe) -> KospanGenerativeNER:
    """Load the model in the folder that a recipe's `encoder` names, ready to be trained further.

    Raises:
        ValueError: The recipe has another prompt or other adapters than the model.
    """
    generator = KospanGenerativeNER.from_pretrained(locate(recipe.encoder), **loading(recipe))
    check_prompt(recipe, generator)
    # A setting with its default value keeps the model's own.
    generator.config = dataclasses.replace(generator.config, **changed(recipe, generator.config.adjustable))
    generator.fix_date(prompt_date(recipe))
    # Raises if prompt and reply do not fit into the context.
    _ = generator.room
    if hasattr(generator.model, "peft_config"):
        train_adapter(generator.model, recipe)
    elif recipe.lora_rank:
        generator = generator.with_model(adapt_causal_lm(generator.model, lora_of(recipe)))
    return generator


def check_prompt(recipe: Recipe, generator: KospanGenerativeNER) -> None:
    """Check that a recipe does not change the base model and the prompt of a model that is trained further.

    Raises:
        ValueError: A setting is neither the default nor the model's own.
    """
    config = generator.config
    own = _few_shot(config.shown, len(config.examples)) | {"instruction": config.instruction, "unit": config.unit}
    asked = changed(recipe, own)
    for label, text in recipe.label_descriptions.items():
        name = f"label_descriptions[{label!r}]"
        asked[name], own[name] = str(text), config.descriptions.get(label)
    options, own_options = encoder_settings(recipe, generator.model.config)
    check_same(asked | options, own | own_options, recipe.encoder, "a base model")


def train_adapter(model, recipe: Recipe) -> None:
    """Make the adapter of a causal language model trainable, in place; the base stays frozen.

    Args:
        model: A `PeftModel` as it was opened, frozen.
        recipe: The recipe; a setting with its default value keeps the adapter's own. Dropout may change.

    Raises:
        ValueError: The adapter is not LoRA, or has other settings than the recipe.
    """
    settings = model.peft_config[model.active_adapter]
    kind = getattr(settings.peft_type, "value", settings.peft_type)
    if kind != "LORA":
        raise ValueError(
            f"expected a LoRA adapter to train further in {recipe.encoder}, got peft_type {kind}; train a new one from "
            "its base model"
        )
    for name, peft_name in PEFT.items():
        key = f"lora_{name}"
        _check_own(recipe, key, getattr(settings, peft_name))
    layers = {name for name, _ in adapted_layers(model)}
    targets = ",".join(sorted({name.rpartition(".")[2] for name in layers}))
    if recipe.lora_targets != default_of("lora_targets") and layers != _target_layers(model, recipe):
        _check_own(recipe, "lora_targets", targets)
    if recipe.lora_dropout != default_of("lora_dropout"):
        settings.lora_dropout = recipe.lora_dropout
        for _, layer in adapted_layers(model):
            layer.lora_dropout[model.active_adapter] = torch.nn.Dropout(recipe.lora_dropout)
    if getattr(model, "is_loaded_in_8bit", False) or getattr(model, "is_loaded_in_4bit", False):
        from peft import prepare_model_for_kbit_training

        prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    settings.inference_mode = False
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(ADAPTED in name)
    alpha, dropout = float(settings.lora_alpha), float(settings.lora_dropout)
    setattr(model, MARK, Lora(settings.r, alpha, dropout, targets, settings.use_rslora, settings.use_dora))


def _check_own(recipe: Recipe, key: str, own) -> None:
    value = getattr(recipe, key)
    if value not in (default_of(key), own):
        raise ValueError(
            f"expected {key} to be {own!r} as in the adapter {recipe.encoder} that is trained further, got {value!r}; "
            "change it, or merge the adapter first: kospan convert merge"
        )


def _target_layers(model, recipe: Recipe) -> set[str]:
    """Return the names of the layers that would get new adapters of the recipe."""
    base = model.get_base_model()
    with torch.device("meta"):
        bare = AutoModelForCausalLM.from_config(base.config)
        # Only the places of the adapters matter.
        adapted = adapt_causal_lm(bare, Lora(1, targets=recipe.lora_targets))
    return {name for name, _ in adapted_layers(adapted)}
