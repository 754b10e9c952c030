"""Packing: several windows in one training row, each computed as if it were alone.

Padding costs time and trains nothing. In a packed row the positions of each window begin at 0, from which transformers
infers the windows (`find_packed_sequence_indices` in its `masking_utils`), so that no window sees another. It does so
only without attention mask and cache, and not for every model, so each model is tested before training.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Sequence

import torch

from kospan.modeling import KospanGenerativeNER

# Positions of a row without `max_length`; attention over the context of large models needs too much memory.
ROW = 2048
# Subwords of a window in the test of a model, which may still be on the CPU.
TRIED = 32
# Largest change of the scores of a packed window, as a share of their spread: rounding, in float32 and in less.
SAME, SAME_IN_HALF = 1e-3, 0.1


def row_length(generator: KospanGenerativeNER, longest: int) -> int:
    """Return the positions of a packed row.

    It is the recipe's `max_length`, or 2,048, at most the context of the model and at least the longest window.
    """
    if generator.config.max_length is not None:
        return generator.context
    return max(longest, min(ROW, generator.context or ROW))


def pack(windows: Sequence[dict], length: int) -> list[dict]:
    """Pack windows into rows, each into the fullest that has room for it (best fit, deterministic).

    Args:
        windows: `input_ids` and `labels`, none longer than a row, and other lists, which are joined.
        length: Positions of a row.

    Returns: `input_ids`, `labels` and `position_ids` of each row; positions begin at 0 for each window.

    >>> rows = pack([{"input_ids": [7] * many, "labels": [7] * many} for many in (3, 2, 2)], 5)
    >>> [row["position_ids"] for row in rows]
    [[0, 1, 2, 0, 1], [0, 1]]
    """
    rows: list[dict] = []
    free: list[tuple[int, int]] = []  # Room and index of each row, the fullest first.
    for window in windows:
        need = len(window["input_ids"])
        at = bisect_left(free, (need, -1))
        if at < len(free):
            room, row = free.pop(at)
        else:
            room, row = length, len(rows)
            rows.append({"input_ids": [], "labels": [], "position_ids": []})
        for key, values in (*window.items(), ("position_ids", range(need))):
            rows[row].setdefault(key, []).extend(values)
        insort(free, (room - need, row))
    return rows


def unpack(rows: Sequence[dict]) -> list[dict]:
    """Return the windows of packed rows, row by row; other windows stay as they are."""
    windows = []
    for row in rows:
        if "position_ids" not in row:
            windows.append(row)
            continue
        starts = [at for at, position in enumerate(row["position_ids"]) if position == 0]
        for start, end in zip(starts, [*starts[1:], len(row["position_ids"])]):
            windows.append({key: row[key][start:end] for key in ("input_ids", "labels")})
    return windows


def packed_batch(batch: dict[str, torch.Tensor], rows: Sequence[dict]) -> dict:
    """Replace the mask of a padded batch by `position_ids` `(batch, length)` of packed rows.

    The positions of padding begin at 0, so it is a window of its own. `use_cache` is off, as in the Trainer: with a
    cache transformers would not infer the windows.
    """
    length = batch["input_ids"].shape[1]
    positions = [[*row["position_ids"], *range(length - len(row["position_ids"]))] for row in rows]
    return {
        "input_ids": batch["input_ids"],
        "position_ids": torch.tensor(positions),
        "labels": batch["labels"],
        "use_cache": False,
    }


@torch.no_grad()
def check_packing(generator: KospanGenerativeNER, windows: Sequence[dict], collate: Callable) -> None:
    """Check that a model computes a packed window as it does alone.

    Args:
        generator: The model, in evaluation mode.
        windows: Training windows, of which the two shortest are used.
        collate: Makes a batch of windows or packed rows.

    Raises:
        ValueError: It does not: its positions, its attention or its state continue from window to window.
    """
    if len(windows) < 2:
        return
    pair = [
        {key: values[-TRIED:] for key, values in window.items()}
        for window in sorted(windows, key=lambda window: len(window["input_ids"]))[:2]
    ]
    sizes = [len(window["input_ids"]) for window in pair]
    # Each is once the second of a row, in a batch of two rows as in training.
    rows = [row for order in (pair, pair[::-1]) for row in pack(order, sum(sizes))]
    with generator.evaluating():
        alone = _scores(generator, {**collate(pair), "use_cache": False})
        packed = _scores(generator, collate(rows))
    behind = torch.cat([packed[1, sizes[1] :], packed[0, sizes[0] :]])
    expected = torch.cat([alone[0, : sizes[0]], alone[1, : sizes[1]]])
    change = ((behind - expected).norm() / (expected - expected.mean()).norm()).item()
    model = generator.model
    whole = model.dtype in (torch.float32, torch.float64) and getattr(model, "hf_quantizer", None) is None
    if not change <= (SAME if whole else SAME_IN_HALF):
        raise ValueError(
            "expected a model that reads windows packed into one row as it reads each alone, got "
            f"{model.config.model_type!r}, whose scores change by {change:.1%} of their spread; remove packing"
        )


def _scores(generator: KospanGenerativeNER, batch: dict) -> torch.Tensor:
    """Return the scores of each subword `(batch, length, vocabulary)`, float32."""
    batch = {key: value.to(generator.device) if torch.is_tensor(value) else value for key, value in batch.items()}
    batch.pop("labels")
    try:
        return generator.model(**batch).logits.float()
    except TypeError as error:
        raise ValueError(
            f"expected a model that takes position_ids with packing, got {generator.model.config.model_type!r}, which "
            f"does not ({error}); remove packing"
        ) from error
