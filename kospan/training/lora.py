"""Low-rank adapters by peft, on the encoder of a model of kospan or on a causal LM.

Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models".
"""

import copy
import importlib.util
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import nn

from kospan.recipe import Recipe

# Attribute of a model that holds the settings of its adapters.
MARK = "lora_settings"
# Settings of `Lora` that the weights of adapters depend on, with peft's names.
PEFT = {"rank": "r", "alpha": "lora_alpha", "rslora": "use_rslora", "dora": "use_dora"}
# Part of the names of adapters' weights, and of no others.
ADAPTED = ".lora_"


class Lora(NamedTuple):
    """Settings of adapters: W' = W + scale * B A, with A `(rank, in)` and B `(out, rank)`.

    Args:
        rank: r.
        alpha: The scale is alpha / rank.
        dropout: Dropout on the input of A.
        targets: "all-linear", "attention-mlp", or ends of layers' names with commas.
        rslora: The scale is alpha / sqrt(rank).
        dora: Train direction and magnitude of the weights separately (DoRA).
    """

    rank: int
    alpha: float = 32.0
    dropout: float = 0.05
    targets: str = "all-linear"
    rslora: bool = False
    dora: bool = False


def lora_of(recipe: Recipe) -> Lora | None:
    """Adapters of a recipe; None where its `lora_rank` is 0.

    Raises: ValueError where settings do not go together, ImportError where peft is not installed.

    >>> lora_of(Recipe()) is None, lora_of(Recipe(lora_rank=8)).alpha
    (True, 32.0)
    """
    if not recipe.lora_rank:
        return None
    if recipe.freeze_encoder:
        raise ValueError(
            f"expected freeze_encoder: false with lora_rank, got true beside lora_rank {recipe.lora_rank}: adapters "
            "train the encoder; remove one of the two"
        )
    if not recipe.lora_alpha:
        raise ValueError("expected lora_alpha above 0, got 0, which turns the adapters off; set lora_rank: 0 instead")
    if not _names(recipe.lora_targets):
        raise ValueError(
            "expected lora_targets to be all-linear, attention-mlp or names such as query,value, got "
            f"{recipe.lora_targets!r}; name the layers that get adapters"
        )
    if importlib.util.find_spec("peft") is None:
        raise ImportError(
            f"expected peft with lora_rank {recipe.lora_rank}, found none installed; "
            '`pip install -c constraints.txt -e ".[llm]"` in the folder of kospan brings it'
        )
    return Lora(*(getattr(recipe, f"lora_{name}") for name in Lora._fields))


def adapt_encoder(model, lora: Lora):
    """Add adapters to the encoder of a model of kospan, in place; the layers above are trained in full.

    Args:
        model: A model of kospan with an encoder.
        lora: The adapters.

    Returns: the model.

    Raises: ValueError where the encoder has no layer of the targets' names.
    """
    from peft import inject_adapter_in_model

    config = peft_config(model.encoder, lora)
    model.encoder.requires_grad_(False)
    inject_adapter_in_model(config, model.encoder)
    setattr(model, MARK, lora)
    return model


def adapt_causal_lm(model, lora: Lora):
    """A causal language model with adapters: peft's `PeftModelForCausalLM`, saved and opened by peft.

    Args:
        model: A stock causal language model, which is changed in place; may be loaded in 8 or 4 bits.
        lora: The adapters.

    Raises: ValueError where the model has no layer of the targets' names.
    """
    from peft import get_peft_model, prepare_model_for_kbit_training

    if getattr(model, "is_loaded_in_8bit", False) or getattr(model, "is_loaded_in_4bit", False):
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    adapted = get_peft_model(model, peft_config(model, lora, task_type="CAUSAL_LM"))
    setattr(adapted, MARK, lora)
    return adapted


def peft_config(model: nn.Module, lora: Lora, task_type: str | None = None):
    """Return the `LoraConfig` of peft for a model.

    Raises:
        ValueError: If a target is not among them; the message names the model's layers.
    """
    from peft import LoraConfig

    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=_targets(model, lora.targets),
        use_rslora=lora.rslora,
        use_dora=lora.dora,
        task_type=task_type,
    )


def _names(targets: str) -> list[str]:
    return [name.strip() for name in targets.split(",") if name.strip()]


def _targets(model: nn.Module, targets: str) -> str | list[str]:
    if targets == "all-linear":
        return targets
    layers = _linear_layers(model)
    if targets == "attention-mlp":
        # Repeated layers are in a numbered list, unlike projections of embeddings, poolers and heads.
        found = [name for name in layers if any(part.isdigit() for part in name.split("."))]
        return found or layers
    for name in _names(targets):
        if not any(f".{layer}".endswith(f".{name}") for layer in layers):
            ends = dict.fromkeys(layer.rpartition(".")[2] for layer in layers)
            raise ValueError(
                f"expected lora_targets to name linear layers of the model, got {name!r}, which none of them ends "
                f"with; it has {', '.join(ends)}"
            )
    return _names(targets)


def _linear_layers(model: nn.Module) -> list[str]:
    """Names of the linear layers that may get adapters: all but the output layer of a language model."""
    from transformers.pytorch_utils import Conv1D

    last = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    return [name for name, each in model.named_modules() if isinstance(each, (nn.Linear, Conv1D)) and each is not last]


def is_adapted(model: nn.Module) -> bool:
    """Whether the encoder of a model of kospan has adapters, which are merged when it is saved."""
    return hasattr(model, MARK) and hasattr(model, "encoder")


def adapted_layers(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Names and modules of the layers with adapters."""
    for name, module in model.named_modules():
        if hasattr(module, "lora_A") and hasattr(module, "get_base_layer"):
            yield name, module


def adapter_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """The adapters' own weights, by their names in the model."""
    return {name: value for name, value in model.state_dict().items() if ADAPTED in name}


def plain_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """All weights of the model without adapters, these merged into their layers.

    The model is not changed: merging and unmerging would not restore the same bits.
    """
    state = {name: value for name, value in model.state_dict().items() if ADAPTED not in name}
    for name, layer in adapted_layers(model):
        merged = copy.deepcopy(layer)
        merged.merge(safe_merge=True)
        for own, value in merged.get_base_layer().state_dict().items():
            del state[f"{name}.base_layer.{own}"]
            state[f"{name}.{own}"] = value
    return state


def save_plain(model, folder) -> None:
    """`save_pretrained` with merged adapters: the folder can be opened without peft."""
    if is_adapted(model):
        model.save_pretrained(folder, state_dict=plain_state(model))
    else:
        model.save_pretrained(folder)


def adapter_lines(model: nn.Module) -> list[str]:
    """A log line about the adapters; empty without adapters."""
    lora = next((getattr(module, MARK) for module in model.modules() if hasattr(module, MARK)), None)
    if lora is None:
        return []
    layers = sum(1 for _ in adapted_layers(model))
    size = sum(value.numel() for name, value in model.named_parameters() if ADAPTED in name)
    kind = ("rs" if lora.rslora else "") + ("DoRA" if lora.dora else "LoRA")
    return [
        f"adapters            {kind} on {layers} layers ({lora.targets}): rank {lora.rank}, alpha {lora.alpha:g}, "
        f"dropout {lora.dropout:g}; {size:,} parameters"
    ]
