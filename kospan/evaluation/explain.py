"""Explanations of predicted spans: attention, gradient times input, and a test of which is faithful.

Gradient times input is that of Shrikumar et al. 2016; the deletion test hides subwords in the order in which a method
ranks them and measures how far the span's probability falls (Samek et al. 2017). A task's `explain.py` subclasses
`Explainer`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from kospan.example import Example
from kospan.modeling.alignment import Document, unit_spans
from kospan.modeling.spans import Span

# Subwords that the deletion test hides, one after the other.
DELETIONS = 5
METHODS = ("gradient times input", "attention", "random")
# Subwords that are legible in one plot.
MAX_SHOWN = 48
# Spans of the shown text that are explained.
MAX_EXPLAINED = 6


class EncodedText(NamedTuple):
    """A text that fits into one window, with its attention and predicted spans.

    Args:
        text: The text; of a long text the encoded part.
        subwords: Names of the subwords, special tokens and question included `(length)`.
        offsets: `(start, end)` in characters of the text; `(0, 0)` for a special token or a question's `(length)`.
        attentions: Mean over heads by layer `(layers, length, length)`, float32; no layers if the encoder gives none.
        spans: The predicted spans.
        question: The question, or the other text of a pair; empty for a single text.
        asked: Positions of the question's subwords.
        asked_first: Whether the question comes before the text.
        units: `(start, end)` in characters of each unit, if the head has attention of its own; else empty.
        head_attention: From unit to unit, mean over heads `(units, units)`, float32; None if the head has none.
        words: The words of the text, if it was given word by word.
    """

    text: str
    subwords: list[str]
    offsets: list[tuple[int, int]]
    attentions: np.ndarray
    spans: list[Span]
    question: str = ""
    asked: Sequence[int] = ()
    asked_first: bool = True
    units: Sequence[tuple[int, int]] = ()
    head_attention: np.ndarray | None = None
    words: Sequence[str] | None = None


class Evidence(NamedTuple):
    """Evidence for one span.

    Args:
        span: The span.
        attention: Mean attention from the span's subwords to each subword, by layer `(layers, length)`.
        attribution: Gradient times input of each subword `(length)`; positive values support the span.
    """

    span: Span
    attention: np.ndarray
    attribution: np.ndarray


class Explanation(NamedTuple):
    """Explanation of a model's predictions.

    Args:
        encoded: The text that is shown.
        shown: Positions of its subwords that plots show.
        evidence: Evidence for its spans.
        deletion: Result of `deletion_test` on the documents.
        mass: Result of `entity_mass` on the documents; empty if the head has no attention.
    """

    encoded: EncodedText
    shown: list[int]
    evidence: list[Evidence]
    deletion: dict
    mass: dict = {}


class Explainer(ABC):
    """Encodes texts for a model, and scores their spans.

    Args:
        model: A model of the task.
    """

    # Documents of the deletion test.
    max_documents: int

    def __init__(self, model):
        self.model = model

    @abstractmethod
    def find(self, examples: Sequence[Example], sentence: str) -> Example:
        """Return the document with a text, question or id. Raises: ValueError if there must be one and is none."""

    @abstractmethod
    def fits(self, example: Example) -> bool:
        """Whether `encode` gives a text, without running the model."""

    @abstractmethod
    def encode(self, example: Example) -> EncodedText | None:
        """Encode a document and predict its spans; None if it is empty or does not fit."""

    def best(self, texts: Sequence[EncodedText]) -> EncodedText:
        """Return the text to show, by default the one with the surest span."""
        return max(texts, key=lambda encoded: encoded.spans[0].score)

    @abstractmethod
    def shown(self, encoded: EncodedText) -> list[int]:
        """Return the positions of the subwords that plots show, at most `MAX_SHOWN`."""

    @abstractmethod
    def features(self, encoded: EncodedText) -> tuple[dict, Document]:
        """Return the features of the text's only window, and the aligned text."""

    def batch(self, encoded: EncodedText, hidden: Sequence[int] = ()) -> tuple[dict, Document]:
        """Return the text as a batch with some subwords hidden, and the aligned text."""
        features, document = self.features(encoded)
        batch = self.model.collate([features])
        hide(self.model, batch["input_ids"], hidden)
        return self.model.to_device(batch), document

    @abstractmethod
    def score(self, document: Document, span: Span, **inputs) -> torch.Tensor:
        """Compute the explained score of a span, a scalar with a gradient."""

    def probability(self, document: Document, span: Span, **inputs) -> float:
        """Compute the probability of a span, by default from a log probability."""
        return float(self.score(document, span, **inputs).exp())


def sampled(explainer: Explainer, examples: Sequence[Example]) -> Sequence[Example]:
    """The documents of the deletion test, spread evenly over all."""
    most = explainer.max_documents
    return examples[:: max(1, len(examples) // most)][:most]


def check_explainable(explainer: Explainer, examples: Sequence[Example], sentence: str = "") -> None:
    """Raise ValueError if `explain` would, without running the model."""
    chosen = [explainer.find(examples, sentence)] if sentence else sampled(explainer, examples)
    if not any(map(explainer.fits, chosen)):
        got = f"one of {len(sentence):,} characters" if sentence else "none in the data"
        raise ValueError(
            f"expected a text that fits into one window of the model ({explainer.model.config.max_length} subwords), "
            f"got {got}; pass a shorter sentence with --attention"
        )


def explain(explainer: Explainer, examples: Sequence[Example], sentence: str = "") -> Explanation:
    """Explain the spans of one text, and measure methods on the documents.

    Args:
        explainer: The explainer of a model.
        examples: Labelled documents.
        sentence: The text, question or id to show; empty takes one of the documents with sure predictions.

    Raises: ValueError if the sentence must be one of the documents and is not, or is empty or too long for one window.
    """
    check_explainable(explainer, examples, sentence)
    pairs = [
        (encoded, example.spans) for example in sampled(explainer, examples) if (encoded := explainer.encode(example))
    ]
    texts = [encoded for encoded, _ in pairs]
    chosen = explainer.encode(explainer.find(examples, sentence)) if sentence else explainer.best(texts)
    return Explanation(
        chosen,
        explainer.shown(chosen),
        [evidence(explainer, chosen, span) for span in chosen.spans[:MAX_EXPLAINED]],
        deletion_test(explainer, texts),
        entity_mass(texts, [spans or () for _, spans in pairs]),
    )


def evidence(explainer: Explainer, encoded: EncodedText, span: Span) -> Evidence:
    """Compute attention from a span's subwords, and the gradient of its score times the input.

    Args:
        explainer: The explainer of a model.
        encoded: An encoded text.
        span: One of its spans.
    """
    own = own_subwords(encoded, span)
    attention = encoded.attentions[:, own].mean(axis=1) if own else encoded.attentions.mean(axis=1)
    batch, document = explainer.batch(encoded)
    model = explainer.model
    with model.evaluating(), torch.enable_grad():
        embedded = model.get_input_embeddings()(batch.pop("input_ids")).detach().requires_grad_(True)
        score = explainer.score(document, span, inputs_embeds=embedded, **batch)
        (gradient,) = torch.autograd.grad(score, embedded)
    attribution = (gradient * embedded).sum(dim=-1)[0].detach().float().cpu().numpy()
    return Evidence(span, attention, attribution)


def own_subwords(encoded: EncodedText, span: Span) -> list[int]:
    """Positions of the subwords that share a character with a span."""
    return [at for at, (start, end) in enumerate(encoded.offsets) if start < span.end and end > span.start]


def probability_without(explainer: Explainer, encoded: EncodedText, span: Span, hidden: Sequence[int]) -> float:
    """The probability of a span if some subwords are hidden from the encoder."""
    batch, document = explainer.batch(encoded, hidden)
    with explainer.model.evaluating(), torch.no_grad():
        return explainer.probability(document, span, **batch)


def deletion_test(explainer: Explainer, texts: Sequence[EncodedText], most: int = 100, seed: int = 0) -> dict:
    """Measure how fast a span's probability falls while the subwords that a method ranks highest are hidden.

    The span's own subwords are never hidden.

    Args:
        explainer: The explainer of a model.
        texts: Encoded texts.
        most: Largest number of spans, spread evenly over all.
        seed: Seed of the random order, the baseline of the test: a method that is no better says nothing about the
            model.

    Returns: `spans`, the number of spans; `methods`: for each of `METHODS` that the model allows `curve`, the mean
        probability after 0, 1, ... `DELETIONS` deletions, and `drop`, the mean fall over all of them, with the ends of
        its 95 % bootstrap `interval` over spans.
    """
    chosen = [(encoded, span) for encoded in texts for span in encoded.spans]
    chosen = [pair for pair in chosen if len(_context(*pair)) >= DELETIONS]
    chosen = [chosen[at * len(chosen) // most] for at in range(most)] if len(chosen) > most else chosen
    generator = np.random.default_rng(seed)
    curves: dict[str, list[list[float]]] = {}
    for encoded, span in chosen:
        found, context = evidence(explainer, encoded, span), _context(encoded, span)
        ranks = {"gradient times input": found.attribution}
        if len(encoded.attentions):
            ranks["attention"] = found.attention.mean(axis=0)
        ranks["random"] = generator.random(len(encoded.subwords))
        for method, values in ranks.items():
            order = sorted(context, key=lambda at, values=values: -values[at])
            curve = [probability_without(explainer, encoded, span, order[:count]) for count in range(DELETIONS + 1)]
            curves.setdefault(method, []).append(curve)
    return {
        "spans": len(chosen),
        "methods": {method: _summary(np.array(rows), generator) for method, rows in curves.items()},
    }


def _context(encoded: EncodedText, span: Span) -> list[int]:
    """Positions that may be hidden: subwords of text and question that are not the span's own."""
    own = set(own_subwords(encoded, span))
    return [
        *encoded.asked,
        *(at for at, (start, end) in enumerate(encoded.offsets) if start < end and at not in own),
    ]


def _summary(curves: np.ndarray, generator: np.random.Generator) -> dict:
    drops = (curves[:, :1] - curves[:, 1:]).mean(axis=1)  # shape: (spans,)
    resampled = drops[generator.integers(0, len(drops), (2000, len(drops)))].mean(axis=1)
    return {
        "curve": curves.mean(axis=0).tolist(),
        "drop": float(drops.mean()),
        "interval": np.quantile(resampled, [0.025, 0.975]).tolist(),
    }


def entity_mass(texts: Sequence[EncodedText], golds: Sequence[Sequence[Span]]) -> dict[str, dict]:
    """Share of a head's attention that falls on units inside gold entities, against evenly spread attention.

    Args:
        texts: Encoded texts of a model whose head has attention.
        golds: Gold spans of each.

    Returns: for attention from "all units", and from "units in entities" alone: `units`, their number; `mass`, the mean
        share of their attention on units in gold entities; `even`, the same if each attended to all units of its text
        equally. Empty if there is no such text or no such unit.
    """
    shares: dict[str, list[np.ndarray]] = {"all units": [], "units in entities": []}
    for encoded, spans in zip(texts, golds):
        if encoded.head_attention is None or not encoded.units:
            continue
        inside = np.zeros(len(encoded.units), dtype=bool)
        for first, last, _ in unit_spans(list(encoded.units), sorted(spans)):
            inside[first:last] = True
        mass = encoded.head_attention[:, inside].sum(axis=1)  # shape: (units,)
        both = np.stack([mass, np.full(len(mass), inside.mean())])
        shares["all units"].append(both)
        shares["units in entities"].append(both[:, inside])
    found = {}
    for name, parts in shares.items():
        together = np.concatenate(parts, axis=1) if parts else np.zeros((2, 0))
        if together.shape[1]:
            mass, even = together.mean(axis=1)
            found[name] = {"units": together.shape[1], "mass": float(mass), "even": float(even)}
    return found


def stacked(layers: Sequence[torch.Tensor], length: int) -> np.ndarray:
    """Mean over heads of each layer's `(heads, length, length)`."""
    means = [layer.mean(dim=0).numpy() for layer in layers]
    return np.stack(means) if means else np.zeros((0, length, length), dtype=np.float32)


def attentions_of(model, features: dict) -> np.ndarray:
    """Attention of the only row of a batch, mean over heads by layer `(layers, length, length)`."""
    inputs = {
        key: features[key].to(model.device)
        for key in ("input_ids", "attention_mask", "token_type_ids")
        if key in features
    }
    # Another thread that runs the model while the implementation changes would mix two kinds of attention mask.
    with model.evaluating(exclusive=True), torch.no_grad():
        implementation = model.encoder.config._attn_implementation
        try:
            model.encoder.set_attn_implementation("eager")
            layers = model.encoder(**inputs, output_attentions=True, return_dict=True).attentions
        finally:
            model.encoder.set_attn_implementation(implementation)
    return stacked([layer[0].float().cpu() for layer in layers or ()], features["input_ids"].shape[1])


def hide(model, ids: torch.Tensor, hidden: Sequence[int]) -> None:
    """Replace the subwords at `hidden` of the only row by the mask or the unknown token."""
    tokenizer = model.tokenizer
    filler = tokenizer.mask_token_id if tokenizer.mask_token_id is not None else tokenizer.unk_token_id
    ids[0, list(hidden)] = filler if filler is not None else tokenizer.pad_token_id or 0
