"""Where a tagger looks when it finds an entity: attention, gradient times input, and a test of which is faithful.

Gradient times input is that of Shrikumar et al. 2016; the deletion test takes pieces away in the order in which a
method ranks them and watches the span's probability fall (Samek et al. 2017).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from modeling.alignment import unit_spans
from modeling.spans import Span
from modeling.tags import spans_to_tags

# Pieces that the deletion test takes away, one after the other.
DELETIONS = 5
METHODS = ("gradient times input", "attention", "random")


class Reading(NamedTuple):
    """One text that fits into a window, and what the encoder saw of it.

    Args:
        text: The text.
        pieces: The pieces' names, special tokens included `(length)`.
        offsets: `(start, end)` in characters of the text; `(0, 0)` for a special token `(length)`.
        attentions: Mean over heads by layer `(layers, length, length)`, float32; no layers where the encoder has none.
        spans: What the model finds.
    """

    text: str
    pieces: list[str]
    offsets: list[tuple[int, int]]
    attentions: np.ndarray
    spans: list[Span]


class Evidence(NamedTuple):
    """What speaks for one span.

    Args:
        span: The span.
        attention: Mean attention from the span's pieces to each piece, by layer `(layers, length)`.
        attribution: Gradient times input of each piece `(length)`; positive values speak for the span.
    """

    span: Span
    attention: np.ndarray
    attribution: np.ndarray


def read(model, text: str) -> Reading | None:
    """Pieces, attention and spans of a text; None where it holds nothing or needs more than one window."""
    seen = model.inspect(text)
    if len(seen.windows) != 1:
        return None
    view = seen.windows[0]
    length = len(view.pieces)
    layers = [layer.mean(dim=0).numpy() for layer in view.attentions]
    attentions = np.stack(layers) if layers else np.zeros((0, length, length), dtype=np.float32)
    return Reading(text, view.pieces, view.offsets, attentions, seen.spans)


def evidence(model, reading: Reading, span: Span) -> Evidence:
    """Attention from a span's pieces, and the gradient of its tags' mean log probability times the input.

    Args:
        model: A `SpanTagger`.
        reading: What `read` gave.
        span: One of its spans.
    """
    own = own_pieces(reading, span)
    attention = reading.attentions[:, own].mean(axis=1) if own else reading.attentions.mean(axis=1)
    batch, document = _batch(model, reading.text)
    units = unit_spans(document.units, [span[:3]])
    first, last, label = units[0]
    tags = spans_to_tags([(first, last, label)], len(document.units), model.config.scheme)[first:last]
    wanted = torch.tensor([model.config.tags.index(tag) for tag in tags], device=model.device)
    with model.reading(), torch.enable_grad():
        embedded = model.get_input_embeddings()(batch.pop("input_ids")).detach().requires_grad_(True)
        emissions = model(inputs_embeds=embedded, decode=False, **batch).emissions[0, first:last]
        score = emissions.log_softmax(dim=-1).gather(1, wanted.unsqueeze(1)).mean()
        (gradient,) = torch.autograd.grad(score, embedded)
    attribution = (gradient * embedded).sum(dim=-1)[0].detach().float().cpu().numpy()
    return Evidence(span, attention, attribution)


def own_pieces(reading: Reading, span: Span) -> list[int]:
    """Positions of the pieces that share a character with a span."""
    return [at for at, (start, end) in enumerate(reading.offsets) if start < span.end and end > span.start]


def _batch(model, text: str, hidden: Sequence[int] = ()) -> tuple[dict, object]:
    """The text's only window as a batch, pieces at `hidden` shown as the mask or the unknown token; and its units."""
    document = model.aligner.documents([text])[0]
    batch = model.collate(model.aligner.windows(document))
    tokenizer = model.tokenizer
    filler = tokenizer.mask_token_id if tokenizer.mask_token_id is not None else tokenizer.unk_token_id
    batch["input_ids"][0, list(hidden)] = filler if filler is not None else tokenizer.pad_token_id or 0
    return batch, document


def posterior_without(model, reading: Reading, span: Span, hidden: Sequence[int]) -> float:
    """The exact probability of a span when some pieces are hidden from the encoder."""
    batch, document = _batch(model, reading.text, hidden)
    with model.reading(), torch.no_grad():
        emissions = model(**batch, decode=False).emissions
        mask = batch["unit_positions"] != -100
        return model.head.posteriors(emissions, mask, [unit_spans(document.units, [span[:3]])])[0][0]


def deletion_test(model, readings: Sequence[Reading], most: int = 100, seed: int = 0) -> dict:
    """How fast a span's probability falls when what is said to speak for it is hidden; the span itself stays.

    Args:
        model: A `SpanTagger`.
        readings: Texts that were read.
        most: Spans that are tested at most, spread evenly over all.
        seed: Of the random order, the yardstick: a method that is no better says nothing about the model.

    Returns: `spans`, how many were tested; `methods`: for each of `METHODS` that the model allows `curve`, the mean
        probability after 0, 1, ... `DELETIONS` deletions, and `drop`, the mean fall over all of them, with the ends of
        its 95 % bootstrap interval over spans.
    """
    chosen = [(reading, span) for reading in readings for span in reading.spans]
    chosen = [pair for pair in chosen if len(_context(*pair)) >= DELETIONS]
    chosen = [chosen[at * len(chosen) // most] for at in range(most)] if len(chosen) > most else chosen
    generator = np.random.default_rng(seed)
    curves: dict[str, list[list[float]]] = {}
    for reading, span in chosen:
        found, context = evidence(model, reading, span), _context(reading, span)
        ranks = {"gradient times input": found.attribution}
        if len(reading.attentions):
            ranks["attention"] = found.attention.mean(axis=0)
        ranks["random"] = generator.random(len(reading.pieces))
        for method, values in ranks.items():
            order = sorted(context, key=lambda at, values=values: -values[at])
            curve = [posterior_without(model, reading, span, order[:count]) for count in range(DELETIONS + 1)]
            curves.setdefault(method, []).append(curve)
    return {
        "spans": len(chosen),
        "methods": {method: _summary(np.array(rows), generator) for method, rows in curves.items()},
    }


def _context(reading: Reading, span: Span) -> list[int]:
    """Positions that may be hidden: pieces of the text that are not the span's own."""
    own = set(own_pieces(reading, span))
    return [at for at, (start, end) in enumerate(reading.offsets) if start < end and at not in own]


def _summary(curves: np.ndarray, generator: np.random.Generator) -> dict:
    drops = (curves[:, :1] - curves[:, 1:]).mean(axis=1)  # shape: (spans,)
    resampled = drops[generator.integers(0, len(drops), (2000, len(drops)))].mean(axis=1)
    return {
        "curve": curves.mean(axis=0).tolist(),
        "drop": float(drops.mean()),
        "interval": np.quantile(resampled, [0.025, 0.975]).tolist(),
    }
