"""Inputs of a CRF: checks of shapes, types, masks, gold tags and segments, and conversion to NumPy."""

import numpy as np
import torch

from .best_paths import LARGEST_FLOAT32_SCORE
from .forward_backward import Rows


def prepare_inputs(
    emissions: torch.Tensor,
    mask: torch.Tensor | None,
    begins: torch.Tensor | None,
    ends: torch.Tensor | None,
    num_tags: int,
    batch_first: bool,
    allowed: tuple[torch.Tensor, ...] | None,
) -> tuple[torch.Tensor, Rows]:
    """Return emissions as `(length, batch, tags)`, and masks and constraints of each row.

    Raises:
        ValueError: On another shape or type, or a mask with holes.
    """
    order = "(batch, length, tags)" if batch_first else "(length, batch, tags)"
    if emissions.dim() != 3 or emissions.shape[2] != num_tags or not emissions.is_floating_point():
        raise ValueError(
            f"expected emissions to be floats {order} with {num_tags} tags, got {emissions.dtype} of shape "
            f"{tuple(emissions.shape)}; pass the tag scores of the last linear layer"
        )
    shape = tuple(emissions.shape[:2])
    if batch_first:
        emissions = emissions.transpose(0, 1)
    if mask is not None:
        if tuple(mask.shape) != shape or mask.is_floating_point() or mask.is_complex():
            raise ValueError(
                f"expected mask to be bool or integer of shape {shape}, got {mask.dtype} of shape "
                f"{tuple(mask.shape)}; pass 1 for units and 0 for padding"
            )
        mask = (mask.transpose(0, 1) if batch_first else mask) != 0
        if bool((mask[1:] & ~mask[:-1]).any()):
            row = int((mask[1:] & ~mask[:-1]).any(dim=0).nonzero()[0])
            raise ValueError(
                f"expected mask to be a prefix of each row, got a unit after a gap in row {row}; compact first: move "
                "the units to the front of their row and pad on the right"
            )
    for name, flags in (("begins", begins), ("ends", ends)):
        if flags is not None and (flags.dtype != torch.bool or flags.shape != emissions.shape[1:2]):
            raise ValueError(
                f"expected {name} to be bool of shape {tuple(emissions.shape[1:2])}, got {flags.dtype} of shape "
                f"{tuple(flags.shape)}; pass one value per row, True where the document itself {name}"
            )
    return emissions, Rows(mask, begins, ends, allowed)


def check_allowed(given: dict[str, torch.Tensor], num_tags: int, when: str) -> None:
    """Check shape and type of constraints, and `when`.

    Raises:
        ValueError: If constraints have another shape or type, or `when` is unknown.
    """
    if when not in ("none", "decode", "both"):
        raise ValueError(f'expected when to be "none", "decode" or "both", got {when!r}')
    for name, tensor in given.items():
        shape = (num_tags,) * (2 if name == "allowed_transitions" else 1)
        if tensor.dtype != torch.bool or tuple(tensor.shape) != shape:
            raise ValueError(
                f"expected {name} to be bool of shape {shape}, got {tensor.dtype} of shape {tuple(tensor.shape)}; "
                "pass True where a step is allowed"
            )


def check_tags(
    tags: torch.Tensor, rows: Rows, shape: tuple[int, int], num_tags: int, batch_first: bool
) -> torch.Tensor:
    """Return gold tags as `(length, batch)`, int64; `shape` is that of the emissions, length first.

    Raises:
        ValueError: On another shape or type, a tag out of range, or tags that the rows forbid.
    """
    given = (shape[1], shape[0]) if batch_first else shape
    if tuple(tags.shape) != given or tags.is_floating_point() or tags.is_complex() or tags.dtype == torch.bool:
        raise ValueError(
            f"expected tags to be integers of shape {given}, got {tags.dtype} of shape {tuple(tags.shape)}; pass one "
            "tag id per unit"
        )
    tags = (tags.transpose(0, 1) if batch_first else tags).long()
    wrong = (tags < 0) | (tags >= num_tags)
    if rows.mask is not None:
        wrong &= rows.mask
    if bool(wrong.any()):
        row, at = wrong.t().nonzero()[0].tolist()
        raise ValueError(
            f"expected tags from 0 to {num_tags - 1} where mask is on, got {int(tags[at, row])} in row {row} at "
            f"position {at}; mask padding out, and check that labels and num_tags come from one list"
        )
    if rows.allowed is not None:
        _check_gold_path(tags, rows)
    return tags


def _check_gold_path(tags: torch.Tensor, rows: Rows) -> None:
    """Refuse gold tags that the constraints forbid: their log-likelihood would be -inf."""
    steps, starts, ends = rows.allowed
    length, batch = tags.shape
    if not length or not batch:
        return
    mask = torch.ones_like(tags, dtype=torch.bool) if rows.mask is None else rows.mask
    safe = tags.masked_fill(~mask, 0)
    is_last = mask & ~torch.cat([mask[1:], torch.zeros_like(mask[:1])])
    # shape: (length, batch) each; whether the step into, and out of, a unit is forbidden
    into, out_of = torch.zeros_like(mask), ~ends[safe] & is_last
    into[0] = ~starts[safe[0]] & mask[0]
    into[1:] = ~steps[safe[:-1], safe[1:]] & mask[1:]
    if rows.begins is not None:
        into[0] &= rows.begins
    if rows.ends is not None:
        out_of &= rows.ends
    broken = (into | out_of).t().nonzero()
    if not len(broken):
        return
    row, at = broken[0].tolist()
    tag = int(safe[at, row])
    before = "the start" if at == 0 else f"tag {int(safe[at - 1, row])}"
    step = f"from {before} to tag {tag}" if bool(into[at, row]) else f"from tag {tag} to the end"
    raise ValueError(
        f"expected gold tags that the constraints allow, got the forbidden step {step} in row {row} at position "
        f'{at}; repair the labels, pass begins=False or ends=False for cut rows, or constrain with when="decode"'
    )


def check_segment(
    at: int, row: int, start: int, tags: list[int], banned_next: int, lengths: list[int], num_tags: int
) -> None:
    """Check that a segment is inside its row and consists of tags.

    Raises:
        ValueError: If segment `at` is outside its row `(row, start, tags)` or names an unknown tag.
    """
    if not 0 <= row < len(lengths) or start < 0 or not tags or start + len(tags) > lengths[row]:
        is_row = 0 <= row < len(lengths)
        room = f"row {row} has {lengths[row]} units" if is_row else f"there are {len(lengths)} rows"
        raise ValueError(
            f"expected segments[{at}] to be a non-empty run of tags inside its row, got row {row}, start {start}, "
            f"{len(tags)} tags, and {room}; give offsets in units of this batch"
        )
    if not all(0 <= tag < num_tags for tag in tags) or not -1 <= banned_next < num_tags:
        raise ValueError(
            f"expected segments[{at}] to name tags from 0 to {num_tags - 1} (banned_next also -1), got tags {tags} "
            f"and banned_next {banned_next}"
        )


def result_type(tensor: torch.Tensor) -> torch.dtype:
    """Return float64 for float64, float32 for all other types."""
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32


def row_lengths(emissions: torch.Tensor, rows: Rows) -> np.ndarray:
    """Units per row `(batch,)` of emissions `(length, batch, tags)`."""
    if rows.mask is None:
        return np.full(emissions.shape[1], emissions.shape[0])
    return rows.mask.sum(dim=0).cpu().numpy()


def as_arrays(
    emissions: torch.Tensor, rows: Rows, parameters: tuple[torch.Tensor, ...], at_least: type = np.float32
) -> tuple[np.ndarray, ...]:
    """Convert emissions, lengths, first, transition and last scores for `best_paths`, forbidden ones to -inf.

    Args:
        emissions: `(length, batch, tags)`.
        rows: Masks and constraints of the batch.
        parameters: Start `(tags,)`, transition `(tags, tags)` and end `(tags,)` scores.
        at_least: The narrowest float type of the result.
    """
    scores = emissions.detach().to(result_type(emissions)).cpu().numpy()
    start, transitions, end = (x.detach().to(result_type(x)).cpu().numpy().copy() for x in parameters)
    if rows.mask is not None:
        scores = np.where(rows.mask.cpu().numpy()[:, :, None], scores, np.zeros((), scores.dtype))
    dtype = np.result_type(scores, start, at_least)
    if scores.size:
        largest = max(abs(scores.max()), abs(scores.min()))
        largest += max(np.abs(array).max() for array in (start, transitions, end))
        if largest * len(scores) > LARGEST_FLOAT32_SCORE:
            dtype = np.dtype(np.float64)
    if rows.allowed is not None:
        for array, allowed in zip((transitions, start, end), rows.allowed, strict=True):
            array[~allowed.cpu().numpy()] = -np.inf
    edges = []
    for array, flags in ((start, rows.begins), (end, rows.ends)):
        wide = np.broadcast_to(array, (scores.shape[1], len(array)))
        edges.append(wide if flags is None else np.where(flags.cpu().numpy()[:, None], wide, 0))
    first, last = (edge.astype(dtype) for edge in edges)
    return scores.astype(dtype), row_lengths(emissions, rows), first, transitions.astype(dtype), last
