"""Matrices as int8 with a scale per row: tables of a graph, and weights of a saved model."""

import numpy as np
import torch

from kospan.modeling.int8_weights import SCALE

# Smaller matrices are kept in float16: they need few bytes.
_LEAST_ENTRIES = 2**14
# Prefix of the names of the CRF and the projection to tags: their rounding errors change the scores directly.
_HEAD = "head."


def int8_rows(values: np.ndarray, bits: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Round a matrix to int8 with a scale per row; the largest entry of a row becomes 127, or 63 for 7 bits.

    Args:
        values: Finite values `(rows, columns)`, float32.
        bits: Bits that the integers use, at most 8.

    Returns:
        int8 `(rows, columns)`, and scales `(rows, 1)`, float32. Their product differs from the values by at most half a
        scale.
    """
    scales = np.maximum(np.abs(values).max(axis=1, keepdims=True), np.finfo(np.float32).tiny) / (2 ** (bits - 1) - 1)
    return np.rint(values / scales).astype(np.int8), scales.astype(np.float32)


def rounded_weights(tensors: dict[str, torch.Tensor], bits: int = 8) -> dict[str, torch.Tensor]:
    """Round weights for a small file: large matrices to int8 with a scale per row, all others to float16.

    Args:
        tensors: Weights by name, on the CPU; integers are not changed.
        bits: Bits of the matrices: 8, 7 (as many bytes, but a zip file, such as a wheel, is an eighth smaller), or 16
            for float16.

    Returns:
        Tensors that `restored_weights` restores.

    Raises:
        ValueError: If an entry is not finite, or beyond the range of float16.
    """
    stored = {}
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            stored[name] = tensor
            continue
        if not tensor.half().isfinite().all():
            raise ValueError(f"expected finite weights within the range of float16, got {name} beyond it; train again")
        large = tensor.dim() == 2 and tensor.numel() >= _LEAST_ENTRIES
        if bits < 16 and large and not name.startswith(_HEAD):
            rows, scales = int8_rows(tensor.float().numpy(), bits)
            stored[name], stored[name + SCALE] = torch.from_numpy(rows), torch.from_numpy(scales)
        else:
            stored[name] = tensor.half()
    return stored
