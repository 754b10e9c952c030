"""Checkpoints of a model whose encoder has adapters: each is an ordinary model, and training can go on from it."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from accelerate.utils import DistributedType
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from kospan.modeling.base_models import ADAPTER
from kospan.modeling.code_files import follow_umask
from kospan.training.lora import MARK, PEFT, Lora, adapter_state, is_adapted, plain_state

# The adapters unmerged, beside the model of a checkpoint that holds them merged.
ADAPTERS = "adapters.safetensors"
# In that file: what they were made with, as JSON.
SETTINGS = "lora"


class AdaptedTrainer:
    """The seams of transformers' Trainer through which it saves and loads weights; stands before it among the bases of
    `KospanTrainer`. The weights of a model whose encoder has no adapters are saved and loaded by the Trainer alone;
    those of peft's own models too, after a look at whether they were made as the recipe asks.

    Args:
        save_beside: Writes into a checkpoint's folder what the model needs beside weights and tokenizer, with adapters
            or without; None where the model writes it itself.
    """

    def __init__(self, *args, save_beside: Callable[[Path], None] | None = None, **kwargs):
        self.save_beside = save_beside
        super().__init__(*args, **kwargs)
        if is_adapted(self.model) and self.accelerator.distributed_type in (
            DistributedType.FSDP,
            DistributedType.DEEPSPEED,
        ):
            raise ValueError(
                "expected whole weights on every process with lora_rank on an encoder, got "
                f"{self.accelerator.distributed_type.value}, which shards them; start without it"
            )

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        folder = Path(output_dir or self.args.output_dir)
        self._write(folder, output_dir, state_dict)
        if self.args.should_save:
            follow_umask(folder)

    def _write(self, folder: Path, output_dir: str | None, state_dict: dict | None) -> None:
        if self.save_beside is not None and self.args.should_save:
            folder.mkdir(parents=True, exist_ok=True)
            self.save_beside(folder)
        if not is_adapted(self.model):
            return super()._save(output_dir, state_dict)
        super()._save(str(folder), plain_state(self.model))
        if self.args.should_save and folder.name.startswith(PREFIX_CHECKPOINT_DIR):
            state = {name: value.detach().cpu().contiguous() for name, value in adapter_state(self.model).items()}
            # One entry alone: the order of several would differ from file to file.
            settings = json.dumps(getattr(self.model, MARK)._asdict())
            save_file(state, str(folder / ADAPTERS), metadata={SETTINGS: settings})

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model=None) -> None:
        model = self.model if model is None else model
        if is_adapted(model):
            return restore(model, resume_from_checkpoint)
        check_adapters(model, resume_from_checkpoint)
        return super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_best_model(self) -> None:
        if not is_adapted(self.model):
            return super()._load_best_model()
        restore(self.model, self.state.best_model_checkpoint)


def check_adapters(model, folder: str | Path) -> None:
    """Whether a checkpoint holds the adapters that a model has, none where it has none.

    Raises: FileNotFoundError where it has none and should; ValueError where it has some and should not, or they were
        made by other settings.
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
            f"expected an adapter in {path}, found none: this training was begun without one; take lora_rank out, or "
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
            f"expected adapters in {folder / ADAPTERS}, found none: this training was begun without them; take "
            "lora_rank out, or start again with --overwrite_output_dir"
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
    """Gives a model with adapters the weights of a checkpoint, bit for bit.

    Raises: as `check_adapters`; ValueError where the adapters stand on another encoder.
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
    # The weights below the adapters are the recipe's encoder; the checkpoint tells whether it still is the same one.
    for name, value in plain_state(model).items():
        if name not in own and not torch.allclose(value.cpu().float(), saved[name].float(), rtol=1e-3, atol=1e-5):
            raise ValueError(
                f"expected the encoder that the checkpoint {folder} was trained on, got one whose {name} is another; "
                "set the recipe's encoder, lora_alpha and lora_rslora to that of that training"
            )


def check_settings(lora: Lora, saved: dict, folder: Path) -> None:
    """Raises: ValueError where adapters of other settings would be taken for the recipe's.

    Which layers have adapters shows in their weights, however they were named; and dropout, like a rate, may be changed
    on the way.

    Args:
        lora: What the recipe asks for.
        saved: What the adapters of a checkpoint were made with; what is not known is left out, or None.
        folder: The checkpoint.
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
    """As a recipe writes it."""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"
