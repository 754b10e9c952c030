"""Checkpoints of a model whose encoder has adapters: an ordinary model, with the adapters beside it for resuming."""

import json
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from kospan.modeling.base_models import ADAPTER
from kospan.training.lora import MARK, PEFT, Lora, adapter_state, is_adapted, plain_state

# The adapters unmerged, beside the model of a checkpoint that holds them merged.
ADAPTERS = "adapters.safetensors"
# In that file: what they were made with, as JSON.
SETTINGS = "lora"


def check_unsharded(model, accelerator: Accelerator) -> None:
    """Raises: ValueError where an encoder with adapters would be sharded, whose whole weights no process holds."""
    if is_adapted(model) and accelerator.distributed_type in (DistributedType.FSDP, DistributedType.DEEPSPEED):
        raise ValueError(
            "expected whole weights on every process with lora_rank on an encoder, got "
            f"{accelerator.distributed_type.value}, which shards them; start without it"
        )


def save_adapters(model, folder: str | Path) -> None:
    """Write the unmerged adapters of an encoder into a checkpoint; a model without them, or another folder, none."""
    if is_adapted(model) and Path(folder).name.startswith(PREFIX_CHECKPOINT_DIR):
        state = {name: value.detach().cpu().contiguous() for name, value in adapter_state(model).items()}
        # One entry alone: the order of several would differ from file to file.
        settings = json.dumps(getattr(model, MARK)._asdict())
        save_file(state, str(Path(folder) / ADAPTERS), metadata={SETTINGS: settings})


def check_adapters(model, folder: str | Path) -> None:
    """Check that a checkpoint holds the adapters that a model has, or none.

    Raises: FileNotFoundError where they are missing; ValueError where the model has none, or other settings made them.
    """
    folder = Path(folder)
    if is_adapted(model):
        return _check_own(model, folder)
    path, is_peft = folder / ADAPTER, hasattr(model, "peft_config")
    if (folder / ADAPTERS).is_file() or (path.is_file() and not is_peft):
        raise ValueError(
            f"expected a checkpoint of a training without adapters in {folder}, got one with them; resume with the "
            "recipe's lora_rank, or start again with --overwrite_output_dir"
        )
    if is_peft and not path.is_file():
        raise FileNotFoundError(
            f"expected an adapter in {path}, found none: this training has none; remove lora_rank, or "
            "start again with --overwrite_output_dir"
        )
    if hasattr(model, MARK) and path.is_file():
        # peft loads weights of the right shapes whatever they were scaled by.
        found = json.loads(path.read_text(encoding="utf-8"))
        check_settings(getattr(model, MARK), {name: found.get(own) for name, own in PEFT.items()}, folder)


def _check_own(model, folder: Path) -> None:
    """`check_adapters` for an encoder with adapters."""
    if not (folder / ADAPTERS).is_file():
        raise FileNotFoundError(
            f"expected adapters in {folder / ADAPTERS}, found none: this training has none; remove "
            "lora_rank, or start again with --overwrite_output_dir"
        )
    with safe_open(str(folder / ADAPTERS), framework="pt") as file:
        # Files of earlier versions lack the settings.
        settings = json.loads((file.metadata() or {}).get(SETTINGS, "{}"))
        got = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    check_settings(getattr(model, MARK), settings, folder)
    asked = {name: tuple(value.shape) for name, value in adapter_state(model).items()}
    if asked != got:
        name = min(name for name in asked.keys() | got.keys() if asked.get(name) != got.get(name))
        of = f" of lora_targets: {settings['targets']}" if "targets" in settings else ""
        raise ValueError(
            f"expected the recipe's adapters in {folder}, got others{of} ({name}: {asked.get(name, 'none')} in the "
            f"recipe, {got.get(name, 'none')} there); resume with the recipe that the checkpoint was made with"
        )


def restore(model, folder: str | Path) -> None:
    """Load the weights of a checkpoint into a model with adapters, bit for bit.

    Raises: as `check_adapters`; ValueError where the adapters belong to another encoder.
    """
    folder = Path(folder)
    check_adapters(model, folder)
    adapters = load_file(folder / ADAPTERS)
    saved: dict[str, torch.Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        if path.name != ADAPTERS:
            saved |= load_file(path)
    own = model.state_dict()
    model.load_state_dict({name: value for name, value in saved.items() if name in own} | adapters, strict=False)
    # The weights below the adapters are the recipe's encoder, which must be the checkpoint's.
    for name, value in plain_state(model).items():
        if name not in own and not torch.allclose(value.cpu().float(), saved[name].float(), rtol=1e-3, atol=1e-5):
            raise ValueError(
                f"expected the encoder that the checkpoint {folder} was trained on, got one whose {name} is another; "
                "set the recipe's encoder, lora_alpha and lora_rslora to that of that training"
            )


def check_settings(lora: Lora, saved: dict, folder: Path) -> None:
    """Check that a checkpoint's adapters have the recipe's settings.

    Targets are compared by the names of the weights; dropout, like a learning rate, may change during training.

    Args:
        lora: The recipe's adapters.
        saved: The settings of the checkpoint's adapters; unknown ones are missing or None.
        folder: The checkpoint.

    Raises: ValueError naming the setting that differs.
    """
    for name in PEFT:
        asked, found = getattr(lora, name), saved.get(name)
        if found is not None and found != asked:
            raise ValueError(
                f"expected lora_{name}: {_written(found)}, with which the checkpoint {folder} was made, got "
                f"{_written(asked)}; resume with the recipe of that training, or start again with "
                "--overwrite_output_dir"
            )


def _written(value: float | bool) -> str:
    """A value as a recipe writes it."""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"
