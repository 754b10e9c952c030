"""Whole weights of a model whose parameters are sharded over processes (FSDP2), for evaluation and saving."""

import copy

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType
from transformers.integrations import is_deepspeed_zero3_enabled


def check_sharding(accelerator: Accelerator) -> None:
    """Raises: ValueError where no process can gather the whole weights between two steps."""
    plugin = getattr(accelerator.state, "fsdp_plugin", None)
    if accelerator.distributed_type == DistributedType.FSDP and getattr(plugin, "fsdp_version", 2) == 1:
        raise ValueError(
            "expected fsdp_version: 2, whose weights can be gathered for an evaluation, got version 1; set it in the "
            "configuration of accelerate, see recipes/accelerate/fsdp2.yaml"
        )
    if accelerator.distributed_type == DistributedType.DEEPSPEED and is_deepspeed_zero3_enabled():
        raise ValueError(
            "expected DeepSpeed's ZeRO stage 1 or 2, which leaves every process the whole weights for evaluations, got "
            "stage 3; see recipes/accelerate/deepspeed_zero2.yaml"
        )


class WholeModel:
    """The model with whole weights on every process.

    Args:
        model: The model before it is wrapped or sharded.
        sharded: Whether it will be sharded: then a copy on the CPU takes the gathered weights.
    """

    def __init__(self, model: torch.nn.Module, sharded: bool):
        self._copy = copy.deepcopy(model).cpu() if sharded else None

    def of(self, model: torch.nn.Module, device: torch.device | str) -> torch.nn.Module:
        """The unwrapped model itself, or the copy with its present weights.

        Every process has to call it, because each sends its shards to the others.

        Args:
            model: The unwrapped model.
            device: Device of the copy.
        """
        if self._copy is None:
            return model
        self._copy.cpu()
        whole = {name: _whole(value) for name, value in model.state_dict().items()}
        self._copy.load_state_dict(whole)
        return self._copy.to(device).eval()


def _whole(value: torch.Tensor) -> torch.Tensor:
    return (value.full_tensor() if hasattr(value, "full_tensor") else value).detach().cpu()
