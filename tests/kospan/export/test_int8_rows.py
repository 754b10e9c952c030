"""Rounding of matrices to int8: bounds of the error, and the choice of the matrices."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.torch import save_file

from kospan.export.int8_rows import int8_rows, rounded_weights
from kospan.modeling.int8_weights import SCALE, restored_weights

MATRICES = arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 6)), elements=st.floats(-1e4, 1e4, width=32))


@given(values=MATRICES, bits=st.sampled_from([7, 8]))
def test_error_is_at_most_half_a_scale(values, bits):
    rows, scales = int8_rows(values, bits)
    assert rows.dtype == np.int8 and scales.dtype == np.float32 and scales.shape == (len(values), 1)
    largest = 2 ** (bits - 1) - 1
    assert np.abs(rows.astype(int)).max() <= largest
    # In float64: the rounding alone.
    error = np.abs(rows.astype(np.float64) * scales.astype(np.float64) - values)
    normal = np.abs(values).max(axis=1) > 1e-30
    assert (error[normal] <= 0.50001 * scales.astype(np.float64)[normal]).all()
    assert (np.abs(rows.astype(int)).max(axis=1)[normal] == largest).all()


def test_rows_of_known_values():
    rows, scales = int8_rows(np.float32([[127, -63.4, 1.6], [0, 0, 0], [0.5, -1.0, 0.0]]))
    assert rows.tolist() == [[127, -63, 2], [0, 0, 0], [64, -127, 0]]
    assert scales[0, 0] == 1 and scales[2, 0] == pytest.approx(1 / 127)


def test_large_matrices_are_rounded_to_int8_and_the_rest_to_float16(tmp_path):
    draw = torch.Generator().manual_seed(0)
    weights = {
        "encoder.table": torch.randn(128, 128, generator=draw),
        "encoder.small": torch.randn(4, 4, generator=draw),
        "encoder.bias": torch.randn(2**15, generator=draw),
        "head.projection.weight": torch.randn(128, 128, generator=draw),
        "steps": torch.tensor([7]),
    }
    stored = rounded_weights(weights)
    kinds = {name: each.dtype for name, each in stored.items()}
    assert kinds.pop("encoder.table") == torch.int8 and kinds.pop("encoder.table" + SCALE) == torch.float32
    assert kinds.pop("steps") == torch.int64 and set(kinds.values()) == {torch.float16}
    save_file(stored, tmp_path / "model.safetensors")
    restored = restored_weights(tmp_path / "model.safetensors")
    assert restored.keys() == weights.keys()
    error = (restored["encoder.table"] - weights["encoder.table"]).abs()
    assert (error <= weights["encoder.table"].abs().amax(dim=1, keepdim=True) / 253).all() and error.max() > 0
    assert torch.equal(restored["head.projection.weight"], weights["head.projection.weight"].half())
    assert {each.dtype for each in rounded_weights(weights, 16).values()} == {torch.float16, torch.int64}


@pytest.mark.parametrize("value", [7e4, float("nan"), float("-inf")])
@pytest.mark.parametrize("shape", [(2,), (128, 128)])
def test_weights_beyond_float16_are_refused(value, shape):
    weights = {"wide": torch.ones(shape)}
    weights["wide"].view(-1)[0] = value
    with pytest.raises(ValueError, match="expected finite weights within the range of float16, got wide beyond it"):
        rounded_weights(weights)
