"""Where a model looks when it finds a span: attention, gradient times input, and a test of which is faithful.

Gradient times input is that of Shrikumar et al. 2016; the deletion test takes subwords away in the order in which a
method ranks them and watches the span's probability fall (Samek et al. 2017).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from kospan.evaluation.explain import EncoderView, view_of
from kospan.example import Example
from kospan.modeling.alignment import unit_spans
from kospan.modeling.spans import Span

# Subwords that the deletion test takes away, one after the other.
DELETIONS = 5
METHODS = ("gradient times input", "attention", "random")


class Evidence(NamedTuple):
    """What speaks for one span.

    Args:
        span: The span.
        attention: Mean attention from the span's subwords to each subword, by layer `(layers, length)`.
        attribution: Gradient times input of each subword `(length)`; positive values speak for the span.
    """

    span: Span
    attention: np.ndarray
    attribution: np.ndarray


def read(model, text: str, question: str = "") -> EncoderView | None:
    """Subwords, attention and spans of a text, or of the part of it where the answer to a question stands; None where
    it holds nothing, or a tagger needs more than one window."""
    return view_of(model).read(Example("", text, None, question))


def evidence(model, reading: EncoderView, span: Span) -> Evidence:
    """Attention from a span's subwords, and the gradient of its score times the input.

    Args:
        model: A model that has a view.
        reading: What `read` gave.
        span: One of its spans.
    """
    own = own_subwords(reading, span)
    attention = reading.attentions[:, own].mean(axis=1) if own else reading.attentions.mean(axis=1)
    view = view_of(model)
    batch, document = view.batch(reading)
    with model.evaluating(), torch.enable_grad():
        embedded = model.get_input_embeddings()(batch.pop("input_ids")).detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(view.score(document, span, inputs_embeds=embedded, **batch), embedded)
    attribution = (gradient * embedded).sum(dim=-1)[0].detach().float().cpu().numpy()
    return Evidence(span, attention, attribution)


def own_subwords(reading: EncoderView, span: Span) -> list[int]:
    """Positions of the subwords that share a character with a span."""
    return [at for at, (start, end) in enumerate(reading.offsets) if start < span.end and end > span.start]


def posterior_without(model, reading: EncoderView, span: Span, hidden: Sequence[int]) -> float:
    """The probability of a span when some subwords are hidden from the encoder."""
    view = view_of(model)
    batch, document = view.batch(reading, hidden)
    with model.evaluating(), torch.no_grad():
        return view.probability(document, span, **batch)


def deletion_test(model, readings: Sequence[EncoderView], most: int = 100, seed: int = 0) -> dict:
    """How fast a span's probability falls when what is said to speak for it is hidden; the span itself stays.

    Args:
        model: A model that has a view.
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
        ranks["random"] = generator.random(len(reading.subwords))
        for method, values in ranks.items():
            order = sorted(context, key=lambda at, values=values: -values[at])
            curve = [posterior_without(model, reading, span, order[:count]) for count in range(DELETIONS + 1)]
            curves.setdefault(method, []).append(curve)
    return {
        "spans": len(chosen),
        "methods": {method: _summary(np.array(rows), generator) for method, rows in curves.items()},
    }


def entity_mass(readings: Sequence[EncoderView], golds: Sequence[Sequence[Span]]) -> dict[str, dict]:
    """How much of a head's attention falls on units inside gold entities, against attention that is spread evenly.

    Args:
        readings: Texts that were read by a model whose head has attention.
        golds: Gold spans of each.

    Returns: for "all units" that look, and for "units in entities" alone: `units`, how many looked; `mass`, the mean
        share of their attention that falls on units in gold entities; `even`, what it would be if each looked at all
        units of its text alike. Empty where there is no such reading or no such unit.
    """
    shares: dict[str, list[np.ndarray]] = {"all units": [], "units in entities": []}
    for reading, spans in zip(readings, golds):
        if reading.head_attention is None or not reading.units:
            continue
        inside = np.zeros(len(reading.units), dtype=bool)
        for first, last, _ in unit_spans(list(reading.units), sorted(spans)):
            inside[first:last] = True
        mass = reading.head_attention[:, inside].sum(axis=1)  # shape: (units,)
        both = np.stack([mass, np.full(len(mass), inside.mean())])
        shares["all units"].append(both)
        shares["units in entities"].append(both[:, inside])
    found = {}
    for who, parts in shares.items():
        together = np.concatenate(parts, axis=1) if parts else np.zeros((2, 0))
        if together.shape[1]:
            mass, even = together.mean(axis=1)
            found[who] = {"units": together.shape[1], "mass": float(mass), "even": float(even)}
    return found


def _context(reading: EncoderView, span: Span) -> list[int]:
    """Positions that may be hidden: subwords of text and question that are not the span's own."""
    own = set(own_subwords(reading, span))
    return [
        *reading.asked,
        *(at for at, (start, end) in enumerate(reading.offsets) if start < end and at not in own),
    ]


def _summary(curves: np.ndarray, generator: np.random.Generator) -> dict:
    drops = (curves[:, :1] - curves[:, 1:]).mean(axis=1)  # shape: (spans,)
    resampled = drops[generator.integers(0, len(drops), (2000, len(drops)))].mean(axis=1)
    return {
        "curve": curves.mean(axis=0).tolist(),
        "drop": float(drops.mean()),
        "interval": np.quantile(resampled, [0.025, 0.975]).tolist(),
    }
