"""Pattern of BigBird's sparse attention: the key blocks of each query block."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

# Every model has the same pattern: weights that were trained with one are of no use with another.
_SEED = 2309_10339


class BlockTable(NamedTuple):
    """Key blocks of every query block between the first and the last, which attend to the whole text.

    Args:
        edges: For the second block and the last but one, whose windows reach a global block `(2, heads, 4 + random
            blocks)`.
        middle: For the blocks between these two `(blocks - 4, heads, 5 + random blocks)`.
    """

    edges: np.ndarray
    middle: np.ndarray


def least_blocks(random_blocks: int) -> int:
    """Return the least number of blocks with enough random blocks outside each row's window: 5 + random blocks."""
    return 5 + random_blocks


@lru_cache(maxsize=512)
def block_table(layer: int, heads: int, blocks: int, random_blocks: int) -> BlockTable:
    """Return the pattern of one layer for a text of so many blocks, the same in training and in evaluation.

    A row attends to the first block and the last, to its own and its two neighbours, and to `random_blocks` others, all
    distinct, which each head draws for itself. The draw depends on the arguments and on nothing else.

    Args:
        layer: The layer's number.
        heads: Attention heads.
        blocks: Blocks of the text.
        random_blocks: Random blocks per row, r.

    Returns:
        Numbers of blocks, which must not be written to: the table is kept for the next call.

    Raises:
        ValueError: If the text is too short for the pattern.

    >>> block_table(layer=0, heads=1, blocks=6, random_blocks=1).middle.tolist()
    [[[0, 5, 1, 2, 3, 4]], [[0, 5, 2, 3, 4, 1]]]
    """
    if blocks < least_blocks(random_blocks):
        raise ValueError(
            f"expected at least {least_blocks(random_blocks)} blocks for {random_blocks} random ones per row, got "
            f"{blocks}; read a text as short as this in full attention"
        )
    rows = np.arange(1, blocks - 1)
    # The window of a row, without the two global blocks; shape: (blocks - 2)
    first, last = np.maximum(rows - 1, 1), np.minimum(rows + 1, blocks - 2)
    drawn = _draw(np.random.default_rng((_SEED, layer, blocks)), heads, blocks - 2 - (last - first + 1), random_blocks)
    # The n-th free block is the n-th after the first global one, or comes after the window.
    free = drawn + 1
    free += np.where(free >= first[:, None, None], (last - first + 1)[:, None, None], 0)

    def lay(rows: np.ndarray, slots: list[np.ndarray]) -> np.ndarray:
        fixed = np.stack([np.broadcast_to(slot, rows.shape) for slot in slots], axis=1)
        return np.concatenate([np.repeat(fixed[:, None], heads, axis=1), free[rows - 1]], axis=2)

    edges, middle = rows[[0, -1]], rows[1:-1]
    near = np.array([[1, 2], [blocks - 3, blocks - 2]])
    table = BlockTable(
        lay(edges, [np.array(0), np.array(blocks - 1), near[:, 0], near[:, 1]]),
        lay(middle, [np.array(0), np.array(blocks - 1), middle - 1, middle, middle + 1]),
    )
    for part in table:
        part.flags.writeable = False
    return table


def _draw(generator: np.random.Generator, heads: int, choices: np.ndarray, count: int) -> np.ndarray:
    """Draw `count` distinct numbers below `choices` for each row and head, `(rows, heads, count)`.

    Raw uniform numbers alone are used: numpy keeps their stream from version to version, that of its other draws not.
    """
    uniform = generator.random((len(choices), heads, count))
    drawn = np.empty(uniform.shape, dtype=np.int64)
    for at in range(count):
        # A number among those not drawn yet, counted from the smallest on without the drawn ones.
        pick = (uniform[:, :, at] * (choices - at)[:, None]).astype(np.int64)
        for other in np.moveaxis(np.sort(drawn[:, :, :at], axis=2), 2, 0):
            pick += pick >= other
        drawn[:, :, at] = pick
    return drawn
