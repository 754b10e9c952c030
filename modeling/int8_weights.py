"""Weights stored as int8 with a scale per row: a quarter of the bytes of float32. Models compute in their own type."""

import os

import torch
from safetensors import safe_open

# The tensor NAME of int8 `(rows, columns)` has its scales under NAME + SCALE `(rows, 1)`.
SCALE = ".scale"


def restored_weights(path: str | os.PathLike) -> dict[str, torch.Tensor] | None:
    """Read a file of weights of which some are int8; None if none is.

    Args:
        path: A safetensors file.

    Returns:
        All tensors by name, those of int8 multiplied by their scales, float32.

    Raises:
        ValueError: If the scales of a tensor are missing or damaged.
    """
    with safe_open(path, framework="pt") as file:
        names = list(file.keys())
        rounded = [name for name in names if file.get_slice(name).get_dtype() == "I8"]
        if not rounded:
            return None
        tensors = {name: file.get_tensor(name) for name in names}
    for name in rounded:
        rows, scales = tensors[name], tensors.pop(name + SCALE, None)
        shape = (*rows.shape[:1], 1)
        found = "none" if scales is None else f"{str(scales.dtype).removeprefix('torch.')} {tuple(scales.shape)}"
        whole = scales is not None and scales.is_floating_point() and scales.shape == shape
        if not whole or not torch.isfinite(scales).all():
            found += " with NaN or infinite values" if whole else ""
            raise ValueError(
                f"expected finite scales {shape} of a float type for the int8 weights {name} in {path}, got {found} "
                f"under {name}{SCALE}; copy or download the model again"
            )
        tensors[name] = rows * scales.float()
    return tensors
