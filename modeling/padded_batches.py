"""Batches of windows in NumPy: their order by length, and padding."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

# Documents that are tokenized at a time: enough to sort by length, few enough that memory does not grow with the data.
DOCUMENTS_AT_A_TIME = 1024


def length_batches(lengths: Sequence[int], batch_size: int, positions: float = math.inf) -> Iterator[list[int]]:
    """Yield indices of windows to process together, sorted by length.

    Args:
        lengths: Positions of each window.
        batch_size: Maximum number of windows.
        positions: Maximum number of positions with padding; a longer window is a batch of its own.

    >>> list(length_batches([4, 1, 3], 2)), list(length_batches([4, 1, 3], 2, positions=4))
    ([[1, 2], [0]], [[1], [2], [0]])
    """
    batch: list[int] = []
    for at in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) == batch_size or (len(batch) + 1) * lengths[at] > positions):
            yield batch
            batch = []
        batch.append(at)
    if batch:
        yield batch


def padded_batch(features: Sequence[Mapping], padding_id: int = 0) -> dict[str, np.ndarray | list]:
    """Pad features of windows on the right.

    Args:
        features: Dicts with the same keys; values are lists of whole numbers, lists of lists of them, or single values.
        padding_id: Id of the padding token, for `input_ids`. `token_type_ids` are padded with 0, features of units with
            -100.

    Returns:
        For each key an array, int64, or the list of single values.
    """
    fillers, batch = {"input_ids": padding_id, "token_type_ids": 0}, {}
    for key, first in features[0].items():
        values = [feature[key] for feature in features]
        if not isinstance(first, list):
            batch[key] = values
            continue
        # A unit may have several values, such as the ids of its n-grams.
        shape = (len(values), max(map(len, values)), *np.shape(first[:1])[1:])
        batch[key] = np.full(shape, fillers.get(key, -100), dtype=np.int64)
        for row, value in zip(batch[key], values):
            row[: len(value)] = value
    return batch


def attention_mask(lengths: Sequence[int]) -> np.ndarray:
    """Return 1 for the positions of each window and 0 for padding `(batch, length)`, int64."""
    return (np.arange(max(lengths)) < np.asarray(lengths)[:, None]).astype(np.int64)
