"""Packing: several windows in one training row, each read as if it stood there alone.

Padding costs time and teaches nothing. In a packed row the positions begin anew with each window, by which transformers
knows where one ends (`find_packed_sequence_indices` in its `masking_utils`): no window sees another. It looks for that
only where there is no attention mask and no cache, and not every model asks it, so each is tried before it is trained.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Sequence

import torch

from kospan.modeling import KospanGenerativeNER

# Positions of a row where the recipe has no window: attention over a whole context of today's models would not fit.
ROW = 2048
# Subwords of a window that are read to try a model; a large one may still lie on the CPU then.
TRIED = 32
# The share of the scores' spread by which a window may change in company: rounding alone, in float32 and in less.
SAME, SAME_IN_HALF = 1e-3, 0.1


def row_length(writer: KospanGenerativeNER, longest: int) -> int:
    """Return the positions of a packed row.

    It is the recipe's `max_length`, else 2,048; at most the model's context, and at least the longest window.
    """
    if writer.config.max_length is not None:
        return writer.context
    return max(longest, min(ROW, writer.context or ROW))


def pack(windows: Sequence[dict], length: int) -> list[dict]:
    """Windows in rows, each in the one that it fills best (best fit); the same rows every time.

    Args:
        windows: `input_ids` and `labels`, none longer than a row.
        length: Positions of a row.

    Returns: `input_ids`, `labels` and `position_ids` of each row, the latter from 0 for each window.

    >>> rows = pack([{"input_ids": [7] * many, "labels": [7] * many} for many in (3, 2, 2)], 5)
    >>> [row["position_ids"] for row in rows]
    [[0, 1, 2, 0, 1], [0, 1]]
    """
    rows: list[dict] = []
    free: list[tuple[int, int]] = []  # What is free in each row, and which one that is, the fullest first.
    for window in windows:
        need = len(window["input_ids"])
        at = bisect_left(free, (need, -1))
        if at < len(free):
            room, row = free.pop(at)
        else:
            room, row = length, len(rows)
            rows.append({"input_ids": [], "labels": [], "position_ids": []})
        for key, values in (*window.items(), ("position_ids", range(need))):
            rows[row][key] += values
        insort(free, (room - need, row))
    return rows


def unpack(rows: Sequence[dict]) -> list[dict]:
    """The windows of packed rows, row by row; what is not packed stays as it is."""
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
    """A batch padded on the right, as packed rows are read: `position_ids` `(batch, length)` in place of the mask.

    Padding begins anew too, so it is a window of its own. `use_cache` says what the Trainer says anyhow: with a cache
    transformers would not look at the positions, and windows would see each other.
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
def check_packing(writer: KospanGenerativeNER, windows: Sequence[dict], collate: Callable) -> None:
    """Tries whether the model reads a window in company as it reads it alone.

    Args:
        writer: Whose model is tried, in evaluation mode.
        windows: Training windows, of which the two shortest are read.
        collate: Makes a batch of windows or packed rows.

    Raises: ValueError where it does not: its positions do not begin anew, or its attention or state goes on.
    """
    if len(windows) < 2:
        return
    pair = [
        {key: values[-TRIED:] for key, values in window.items()}
        for window in sorted(windows, key=lambda window: len(window["input_ids"]))[:2]
    ]
    sizes = [len(window["input_ids"]) for window in pair]
    # Each stands once behind the other, in a batch of two rows as in training.
    rows = [row for order in (pair, pair[::-1]) for row in pack(order, sum(sizes))]
    with writer.evaluating():
        alone = _scores(writer, {**collate(pair), "use_cache": False})
        packed = _scores(writer, collate(rows))
    behind = torch.cat([packed[1, sizes[1] :], packed[0, sizes[0] :]])
    expected = torch.cat([alone[0, : sizes[0]], alone[1, : sizes[1]]])
    change = ((behind - expected).norm() / (expected - expected.mean()).norm()).item()
    model = writer.model
    whole = model.dtype in (torch.float32, torch.float64) and getattr(model, "hf_quantizer", None) is None
    if not change <= (SAME if whole else SAME_IN_HALF):
        raise ValueError(
            "expected a model that reads windows packed into one row as it reads each alone, got "
            f"{model.config.model_type!r}, whose scores change by {change:.1%} of their spread; take packing out"
        )


def _scores(writer: KospanGenerativeNER, batch: dict) -> torch.Tensor:
    """What the model says of each subword, `(batch, length, vocabulary)`, float32."""
    batch = {key: value.to(writer.device) if torch.is_tensor(value) else value for key, value in batch.items()}
    batch.pop("labels")
    try:
        return writer.model(**batch).logits.float()
    except TypeError as error:
        raise ValueError(
            f"expected a model that takes position_ids with packing, got {writer.model.config.model_type!r}, which "
            f"does not ({error}); take packing out"
        ) from error
