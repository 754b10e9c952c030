"""A writer of ours that is trained on: what it is stays as it is, and an adapter goes on as it was made."""

import dataclasses
import datetime
from contextlib import suppress

import torch
from transformers import AutoModelForCausalLM

from kospan.modeling import KospanGenerativeNER, KospanGenerativeNERConfig
from kospan.modeling.base_models import ADAPTER
from kospan.modeling.configuration_generative_ner import NAME
from kospan.recipe import Recipe
from kospan.tasks.encoders import check_encoder_options, locate, read_settings
from kospan.tasks.generative_ner.base_model import loading
from kospan.training.lora import ADAPTED, MARK, PEFT, Lora, adapt_causal_lm, adapted_layers, lora_of
from kospan.training.saving import last_whole_checkpoint

# What a training may set anew.
CONTINUED = ("constrained_decoding", "max_new_tokens", "max_length")


def own_settings(encoder: str) -> dict:
    """The settings of a recipe that a writer in a folder, or its adapter, has; empty where there is none."""
    config, adapter = read_settings(encoder, NAME), read_settings(encoder, ADAPTER)
    if config.get("model_type") != KospanGenerativeNERConfig.model_type:
        return {}
    shown = config.get("shown")
    found = {"few_shot": len(config.get("examples") or ()) if shown is None else shown}
    found |= {"few_shot_strategy": "types" if shown is None else "similar"}
    return found | {key: config[key] for key in ("instruction",) if key in config} | {"lora_rank": adapter.get("r", 0)}


def date_of(recipe: Recipe) -> str:
    """The date for prompts: that of the checkpoint which a run goes on from, else today's."""
    if recipe.resume_from_checkpoint:
        # Where there is no checkpoint the run itself says so.
        with suppress(FileNotFoundError):
            found = read_settings(last_whole_checkpoint(recipe.output_dir)[0], NAME).get("date")
            if found is not None:
                return found
    return datetime.date.today().isoformat()


def continued_writer(recipe: Recipe) -> KospanGenerativeNER:
    """The writer in the folder that a recipe's `encoder` names, ready to be trained on.

    Raises: ValueError where the recipe asks for another writer or other adapters than those that are there.
    """
    writer = KospanGenerativeNER.from_pretrained(locate(recipe.encoder), **loading(recipe))
    check_prompt(recipe, writer)
    usual = Recipe()
    # What a recipe leaves as usual stays as the model has it.
    anew = {key: getattr(recipe, key) for key in CONTINUED if getattr(recipe, key) != getattr(usual, key)}
    writer.config = dataclasses.replace(writer.config, **anew)
    writer.fix_date(date_of(recipe))
    # Says at once whether prompt and reply fit into the context.
    _ = writer.room
    if hasattr(writer.model, "peft_config"):
        train_adapter(writer.model, recipe)
    elif recipe.lora_rank:
        writer = writer.with_model(adapt_causal_lm(writer.model, lora_of(recipe)))
    return writer


def check_prompt(recipe: Recipe, writer: KospanGenerativeNER) -> None:
    """What a recipe asks of a writer that it trains on: what the model is, and what it is asked, stays as it is.

    Raises: ValueError where a setting is neither the default nor what the model has.
    """
    config, usual = writer.config, Recipe()
    shown, by = (len(config.examples), "types") if config.shown is None else (config.shown, "similar")
    own = {"few_shot": shown, "few_shot_strategy": by, "instruction": config.instruction, "unit": config.unit}
    asked = {key: (getattr(recipe, key), value) for key, value in own.items()}
    asked = {key: pair for key, pair in asked.items() if pair[0] != getattr(usual, key)}
    for label, text in recipe.label_descriptions.items():
        asked[f"label_descriptions[{label!r}]"] = str(text), config.descriptions.get(label)
    # The vocabulary is the model's own, however it was counted.
    options = {key: value for key, value in recipe.encoder_options.items() if key != "min_count"}
    for key, value in check_encoder_options(options, writer.model.config).items():
        asked[f"encoder_options[{key!r}]"] = value, getattr(writer.model.config, key)
    for key, (value, model_has) in asked.items():
        if value != model_has:
            raise ValueError(
                f"expected {key} to be {model_has!r} as in the model {recipe.encoder} that is trained on, got "
                f"{value!r}; take it out, or train a new model from a base"
            )


def train_adapter(model, recipe: Recipe) -> None:
    """Lets the adapter of a causal LM learn again, in place; the base stays frozen.

    Args:
        model: A `PeftModel` as it was opened, frozen.
        recipe: The recipe; what it leaves as usual stays as the adapter has it, and dropout may be set anew.

    Raises: ValueError where the adapter is none of LoRA, or not the one that the recipe asks for.
    """
    settings = model.peft_config[model.active_adapter]
    kind = getattr(settings.peft_type, "value", settings.peft_type)
    if kind != "LORA":
        raise ValueError(
            f"expected an adapter of LoRA to train on in {recipe.encoder}, got peft_type {kind}; train a new one "
            "from its base model"
        )
    usual = Recipe()
    for name, peft_name in PEFT.items():
        key = f"lora_{name}"
        _check_own(recipe, key, getattr(recipe, key), getattr(settings, peft_name), getattr(usual, key))
    layers = {name for name, _ in adapted_layers(model)}
    targets = ",".join(sorted({name.rpartition(".")[2] for name in layers}))
    if recipe.lora_targets != usual.lora_targets and layers != _layers_asked_for(model, recipe):
        _check_own(recipe, "lora_targets", recipe.lora_targets, targets, usual.lora_targets)
    if recipe.lora_dropout != usual.lora_dropout:
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


def _check_own(recipe: Recipe, key: str, value, own, usual) -> None:
    if value not in (usual, own):
        raise ValueError(
            f"expected {key} to be {own!r} as in the adapter {recipe.encoder} that is trained on, got {value!r}; set "
            "it so, or merge the adapter first: kospan convert merge"
        )


def _layers_asked_for(model, recipe: Recipe) -> set[str]:
    """Names of the layers that would get adapters, if the recipe made them anew."""
    base = model.get_base_model()
    with torch.device("meta"):
        bare = AutoModelForCausalLM.from_config(base.config)
        # Only where the adapters stand is asked.
        adapted = adapt_causal_lm(bare, Lora(1, targets=recipe.lora_targets))
    return {name for name, _ in adapted_layers(adapted)}
