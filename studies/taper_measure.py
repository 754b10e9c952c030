"""Masked-LM loss by position: the same masks for every variant, buckets, and intervals of differences in pairs."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from transformers import DataCollatorForLanguageModeling

from studies.taper_train import MASKED, losses_at_masks


class Masks(NamedTuple):
    """Documents with masks drawn once, so that every variant fills in the same.

    Args:
        inputs: Subwords as a model sees them `(rows, length)`; every document is in it once per draw.
        labels: What stood at masked places, -100 elsewhere `(rows, length)`.
        documents: Which document a row is of `(rows,)`.
    """

    inputs: torch.Tensor
    labels: torch.Tensor
    documents: np.ndarray


def draw_masks(tokenizer, rows: Sequence[Sequence[int]], draws: int, seed: int) -> Masks:
    """Masks 15 % of each document, `draws` times over: 80 % by the mask, 10 % by other subwords, 10 % unchanged.

    Args:
        tokenizer: For its mask, and to leave special subwords alone.
        rows: Documents of one length.
        draws: Times that each is masked.
        seed: Of the draws; no other random state is touched.
    """
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=MASKED, seed=seed)
    batch = collator([{"input_ids": list(row)} for _ in range(draws) for row in rows])
    return Masks(batch["input_ids"], batch["labels"], np.tile(np.arange(len(rows)), draws))


@torch.no_grad()
def losses_by_place(encoder: nn.Module, head: nn.Module, masks: Masks, batch: int = 2) -> np.ndarray:
    """Losses in nats where a mask was drawn, NaN elsewhere `(rows, length)`."""
    found = np.full(masks.inputs.shape, np.nan)
    for start in range(0, len(masks.inputs), batch):
        rows = slice(start, start + batch)
        losses, places = losses_at_masks(encoder, head, masks.inputs[rows], masks.labels[rows])
        found[places[:, 0].numpy() + start, places[:, 1].numpy()] = losses.double().numpy()
    return found


@torch.no_grad()
def windowed_losses(
    encoder: nn.Module, head: nn.Module, masks: Masks, window: int, overlap: int, batch: int = 16
) -> np.ndarray:
    """The same through windows of a short encoder; a place counts in the window in which it is farthest from an edge.

    Args:
        encoder: Reads `window` positions.
        head: As in `losses_by_place`.
        masks: The same documents with the same masks.
        window: Positions of a window, `<s>` and `</s>` among them.
        overlap: Subwords that two windows share.
        batch: Documents read at once.

    Returns: `(rows, length)` as `losses_by_place` gives them, so the two compare place by place.
    """
    length, inside = masks.inputs.shape[1], window - 2
    starts = window_starts(length - 2, inside, overlap)
    owner = deepest_window(length - 2, inside, starts)
    found = np.full(masks.inputs.shape, np.nan)
    ends = masks.inputs[:1, :1], masks.inputs[:1, -1:]
    none = torch.full((1, 1), -100)
    for first in range(0, len(masks.inputs), batch):
        rows = slice(first, first + batch)
        for at, start in enumerate(starts):
            cut = slice(1 + start, 1 + start + inside)
            labels = masks.labels[rows, cut].clone()
            labels[:, torch.from_numpy(owner[start : start + inside] != at)] = -100
            many = len(labels)
            if labels.eq(-100).all():
                continue
            inputs = torch.cat([ends[0].expand(many, 1), masks.inputs[rows, cut], ends[1].expand(many, 1)], 1)
            labels = torch.cat([none.expand(many, 1), labels, none.expand(many, 1)], 1)
            losses, places = losses_at_masks(encoder, head, inputs, labels)
            # A window's position 1 is the document's 1 + start.
            found[places[:, 0].numpy() + first, places[:, 1].numpy() + start] = losses.double().numpy()
    return found


def window_starts(subwords: int, inside: int, overlap: int) -> list[int]:
    """Starts of windows; the last one ends with the text.

    >>> window_starts(10, 4, 1), window_starts(10, 4, 0), window_starts(3, 4, 0)
    ([0, 3, 6], [0, 4, 6], [0])
    """
    starts = list(range(0, max(1, subwords - inside + 1), inside - overlap))
    if starts[-1] + inside < subwords:
        starts.append(subwords - inside)
    return starts


def deepest_window(subwords: int, inside: int, starts: Sequence[int]) -> np.ndarray:
    """The window in which each subword has the most on its poorer side `(subwords,)`; the first of equal ones.

    The ends of the text are no poorer for being ends.

    >>> deepest_window(7, 4, [0, 3]).tolist()
    [0, 0, 0, 0, 1, 1, 1]
    """
    depth = np.full((len(starts), subwords), -1)
    for at, start in enumerate(starts):
        places = np.arange(start, min(start + inside, subwords))
        left = places - start if start else np.full(len(places), subwords)
        right = start + inside - 1 - places if start + inside < subwords else np.full(len(places), subwords)
        depth[at, places] = np.minimum(left, right)
    return depth.argmax(0)


def mass_aside(weights: torch.Tensor, offsets: Sequence[int], n: int) -> list[tuple[float, float]]:
    """Attention of one-sided heads in a stretched model: to their neighbour, or to its copies.

    Args:
        weights: Of one layer's attention `(batch, heads, length, length)`, `length` a multiple of n.
        offsets: Where each head looks, in places.
        n: Positions of the source.

    Returns: for each repetition, the mean weight on the right place, and that on the same place of all other
    repetitions; places too near a repetition's ends are left out.
    """
    margin, length = max(map(abs, offsets)), weights.shape[-1]
    inside = torch.arange(margin, n - margin)
    found = []
    for at in range(length // n):
        mass = torch.zeros(length // n)
        for head, offset in enumerate(offsets):
            for other in range(length // n):
                mass[other] += weights[:, head, at * n + inside, other * n + inside + offset].mean() / len(offsets)
        found.append((mass[at].item(), (mass.sum() - mass[at]).item()))
    return found


class Sums(NamedTuple):
    """Losses summed up.

    Args:
        losses: Per document and bucket `(documents, buckets)`.
        counts: Masked places `(documents, buckets)`.
    """

    losses: np.ndarray
    counts: np.ndarray

    def means(self) -> list[float]:
        """Loss of each bucket over all its masked places `(buckets,)`."""
        return (self.losses.sum(0) / self.counts.sum(0)).tolist()

    def mean(self, first: int = 0) -> float:
        """Loss over all masked places from bucket `first` on."""
        return float(self.losses[:, first:].sum() / self.counts[:, first:].sum())


def in_buckets(losses: np.ndarray, documents: np.ndarray, width: int) -> Sums:
    """Sums up by document and by positions 0 to width - 1, width to 2 * width - 1, ...

    Args:
        losses: `(rows, length)` with NaN where nothing was masked.
        documents: Of each row `(rows,)`, counted from 0.
        width: Positions of a bucket; the last may have fewer.
    """
    many, length = documents.max() + 1, losses.shape[1]
    bucket = np.arange(length) // width
    sums, counts = (np.zeros((many, bucket[-1] + 1)) for _ in range(2))
    rows, places = np.nonzero(~np.isnan(losses))
    np.add.at(sums, (documents[rows], bucket[places]), losses[rows, places])
    np.add.at(counts, (documents[rows], bucket[places]), 1)
    return Sums(sums, counts)


def difference(
    variant: Sums, other: Sums, first: int = 0, groups: Sequence | None = None, samples: int = 10_000, seed: int = 0
) -> tuple[float, float, float]:
    """Difference of the losses of two variants at the same masked positions, with a 95 % percentile interval.

    Documents are drawn with replacement, both variants' losses together.

    Args:
        variant: Sums of an variant.
        other: Sums of what it is held against.
        first: Bucket from which places count.
        groups: What each document belongs to, where whole groups are to be drawn instead of documents.
        samples: Number of resamples.
        seed: Of numpy's generator.

    Returns: difference, lower end, upper end, nats per masked subword.

    Raises: ValueError where the two do not have the same masks.
    """
    if variant.counts.shape != other.counts.shape or (variant.counts != other.counts).any():
        raise ValueError(
            "expected two variants with the same masked places in each document and bucket, got other counts; "
            "measure both with one draw of masks"
        )
    apart = (variant.losses - other.losses)[:, first:].sum(1)
    counts = variant.counts[:, first:].sum(1)
    keys = np.unique(groups if groups is not None else np.arange(len(counts)), return_inverse=True)[1]
    # shape: (groups, 2)
    pairs = np.stack([np.bincount(keys, apart), np.bincount(keys, counts)], 1)
    weights = np.random.default_rng(seed).multinomial(len(pairs), np.full(len(pairs), 1 / len(pairs)), size=samples)
    totals = weights @ pairs
    low, high = np.quantile(totals[:, 0] / totals[:, 1], [0.025, 0.975])
    return float(apart.sum() / counts.sum()), float(low), float(high)
