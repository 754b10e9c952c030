import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kospan.modeling.block_pattern import block_table

shapes = st.tuples(st.integers(0, 30), st.integers(1, 4), st.integers(0, 4), st.integers(0, 40)).map(
    lambda drawn: {"layer": drawn[0], "heads": drawn[1], "blocks": 5 + drawn[2] + drawn[3], "random_blocks": drawn[2]}
)


@given(shapes)
def test_every_row_has_the_global_blocks_its_window_and_distinct_random_ones(shape):
    blocks, count = shape["blocks"], shape["random_blocks"]
    table = block_table(**shape)
    assert table.edges.shape == (2, shape["heads"], 4 + count)
    assert table.middle.shape == (blocks - 4, shape["heads"], 5 + count)
    rows = [(1, table.edges[0]), (blocks - 2, table.edges[1]), *zip(range(2, blocks - 2), table.middle)]
    for row, by_head in rows:
        known = {0, row - 1, row, row + 1, blocks - 1}
        for slots in by_head:
            assert len(set(slots.tolist())) == len(slots)
            assert known <= set(slots.tolist())
            drawn = slots[len(known) :]
            assert len(drawn) == count and not known & set(drawn.tolist())
            assert all(0 < block < blocks - 1 for block in drawn)


@given(shapes)
def test_the_same_call_gives_the_same_blocks_and_touches_no_global_generator(shape):
    np.random.seed(3)
    torch.manual_seed(3)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    first = block_table(**shape)
    block_table.cache_clear()
    again = block_table(**shape)
    assert all((one == other).all() for one, other in zip(first, again))
    assert (np.random.get_state()[1] == before[0]).all() and torch.equal(torch.get_rng_state(), before[1])


def test_the_pattern_is_the_one_that_models_were_trained_with():
    """A change of these numbers would change every converted model."""
    table = block_table(layer=1, heads=2, blocks=12, random_blocks=2)
    assert table.edges[:, :, 4:].tolist() == [[[9, 3], [6, 10]], [[2, 6], [6, 4]]]
    assert table.middle[:3, :, 5:].tolist() == [[[8, 9], [6, 5]], [[9, 6], [9, 8]], [[8, 2], [8, 10]]]


def test_layers_heads_and_lengths_draw_for_themselves():
    one = block_table(layer=0, heads=2, blocks=40, random_blocks=3).middle[:, :, 5:]
    other = block_table(layer=1, heads=2, blocks=40, random_blocks=3).middle[:, :, 5:]
    assert (one != other).mean() > 0.8
    assert (one[:, 0] != one[:, 1]).mean() > 0.8


def test_every_free_block_is_drawn_equally_often():
    drawn = np.concatenate(
        [block_table(layer, 8, 12, 2).middle[3, :, 5:].ravel() for layer in range(200)]
    )  # row 5: free are 1, 2, 3, 7, 8, 9, 10
    counts = np.bincount(drawn, minlength=12)[[1, 2, 3, 7, 8, 9, 10]]
    assert counts.sum() == 3200
    # Chi-squared with 6 degrees of freedom; 22.5 is passed once in a thousand draws.
    assert ((counts - 3200 / 7) ** 2 / (3200 / 7)).sum() < 22.5


def test_a_table_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        block_table(0, 1, 10, 1).middle[0] = 0


def test_a_text_of_too_few_blocks_is_refused():
    with pytest.raises(ValueError, match="expected at least 8 blocks for 3 random ones per row, got 7; read a text"):
        block_table(0, 2, 7, 3)
