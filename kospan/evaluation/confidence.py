"""What a tagger claims about labelled texts, how sure it is, and what came true."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from kospan.evaluation.calibration import log_loss
from kospan.example import Example
from modeling.alignment import unit_spans
from modeling.spans import Span
from modeling.tags import span_tags, spans_to_tags, tags_to_spans

# Documents decoded at a time.
_ROWS = 64


class SpanClaims(NamedTuple):
    """Every predicted span of a set of documents.

    Args:
        labels: Its type `(spans,)`.
        right: True where it is a gold span `(spans,)`.
        confidence: How sure, by kind, each `(spans,)`: "posterior", the exact probability that extract reports;
            "softmax, product" and "softmax, mean" of the emissions' softmax at the span's tags, the usual makeshifts.
    """

    labels: np.ndarray
    right: np.ndarray
    confidence: dict[str, np.ndarray]


class TagClaims(NamedTuple):
    """The most probable tag of every unit.

    Args:
        labels: The type in it, "O" where there is none `(units,)`.
        right: True where it is the gold tag `(units,)`.
        confidence: "marginal", of the chain, and "softmax" of the emissions, each with its own most probable tag; the
            second one's truth stands in `softmax_right`.
        softmax_labels: As `labels`, for "softmax".
        softmax_right: As `right`, for "softmax".
    """

    labels: np.ndarray
    right: np.ndarray
    confidence: dict[str, np.ndarray]
    softmax_labels: np.ndarray
    softmax_right: np.ndarray


class Claims:
    """A tagger's emissions for labelled documents, read once; what follows from them at any temperature.

    Args:
        model: A `SpanTagger`.
        examples: Documents with gold spans.
        batch_size: Windows read at once.
    """

    def __init__(self, model, examples: Sequence[Example], batch_size: int = 32):
        self.head, config = model.head, model.config
        self.tags, self.scheme = list(config.tags), config.scheme
        self.place = {tag: at for at, tag in enumerate(self.tags)}
        readings = model.read([example.text for example in examples], batch_size)
        self.rows = [(example, reading) for example, reading in zip(examples, readings) if reading.units]
        # The best path stays the best at every temperature, so the claims do not change, only how sure they are.
        self.found: list[list[tuple[int, int, str]]] = []
        for batch, mask, _ in self._batches():
            paths = self.head.decode(batch, mask)
            self.found += [tags_to_spans([self.tags[tag] for tag in path], self.scheme) for path in paths]

    @torch.no_grad()
    def spans(self, temperature: float) -> SpanClaims:
        """The predicted spans with the posteriors of this temperature."""
        labels, right = [], []
        for (example, reading), found in zip(self.rows, self.found):
            gold = {span[:3] for span in example.spans}
            for first, last, label in found:
                labels.append(label)
                right.append((reading.units[first][0], reading.units[last - 1][1], label) in gold)
        confidence: dict[str, list[float]] = {"posterior": [], "softmax, product": [], "softmax, mean": []}
        with _tempered(self.head, temperature):
            for batch, mask, place in self._batches():
                found = self.found[place]
                for row in self.head.posteriors(batch, mask, found):
                    confidence["posterior"] += row
                softmax = (batch.double() / temperature).softmax(dim=-1).cpu().numpy()
                for row, spans in zip(softmax, found):
                    for first, last, label in spans:
                        path = [self.place[tag] for tag in span_tags(last - first, label, self.scheme)]
                        own = row[np.arange(first, last), path]
                        confidence["softmax, product"].append(float(own.prod()))
                        confidence["softmax, mean"].append(float(own.mean()))
        return SpanClaims(
            np.array(labels, dtype=object),
            np.array(right, dtype=bool),
            {kind: np.array(values, dtype=np.float64) for kind, values in confidence.items()},
        )

    @torch.no_grad()
    def units(self, temperature: float) -> TagClaims:
        """The most probable tag of each unit, by the chain's marginals and by the emissions' softmax."""
        parts: dict[str, list[np.ndarray]] = {"marginal": [], "softmax": []}
        tops: dict[str, list[np.ndarray]] = {"marginal": [], "softmax": []}
        with _tempered(self.head, temperature):
            for batch, mask, _ in self._batches():
                kept = mask.cpu().numpy()
                marginals = self.head.marginals(batch, mask).double().cpu().numpy()
                softmax = (batch.double() / temperature).softmax(dim=-1).cpu().numpy()
                for kind, values in (("marginal", marginals), ("softmax", softmax)):
                    parts[kind].append(values.max(axis=-1)[kept])
                    tops[kind].append(values.argmax(axis=-1)[kept])
        gold = np.concatenate([self._gold_tags(example, reading.units) for example, reading in self.rows] or [[]])
        labels = np.array([tag.partition("-")[2] or "O" for tag in self.tags], dtype=object)
        top = {kind: np.concatenate([*values, np.zeros(0, dtype=np.int64)]) for kind, values in tops.items()}
        return TagClaims(
            labels[top["marginal"]],
            top["marginal"] == gold,
            {kind: np.concatenate([*values, np.zeros(0)]) for kind, values in parts.items()},
            labels[top["softmax"]],
            top["softmax"] == gold,
        )

    def predicted(self, temperature: float) -> list[list[Span]]:
        """What `extract` gives at this temperature, for each document that holds a unit."""
        scores = iter(self.spans(temperature).confidence["posterior"].tolist())
        return [
            [
                Span(reading.units[first][0], reading.units[last - 1][1], label, next(scores))
                for first, last, label in found
            ]
            for (_, reading), found in zip(self.rows, self.found)
        ]

    def _gold_tags(self, example: Example, units: list[tuple[int, int]]) -> np.ndarray:
        names = spans_to_tags(unit_spans(units, sorted(example.spans)), len(units), self.scheme)
        return np.array([self.place[name] for name in names])

    def _batches(self):
        """Emissions `(batch, units, tags)`, mask and which rows they are, in order."""
        for start in range(0, len(self.rows), _ROWS):
            chains = [reading.emissions for _, reading in self.rows[start : start + _ROWS]]
            batch = torch.nn.utils.rnn.pad_sequence(chains, batch_first=True)
            lengths = torch.tensor([len(chain) for chain in chains], device=batch.device)
            mask = torch.arange(batch.shape[1], device=batch.device) < lengths.unsqueeze(1)
            yield batch, mask, slice(start, start + _ROWS)


class _tempered:
    """The head at another temperature, and afterwards at its own."""

    def __init__(self, head, temperature: float):
        self.crf, self.temperature = head.crf, temperature

    def __enter__(self) -> None:
        self.before, self.crf.temperature = self.crf.temperature, self.temperature

    def __exit__(self, *error) -> None:
        self.crf.temperature = self.before


# A temperature is sought between these; beyond them all confidences are nearly 0 or 1, or nearly equal.
LOWEST, HIGHEST = 0.05, 20.0


def fit_temperature(claims: Claims) -> float:
    """The temperature at which the spans' posteriors tell best which of them are right (least mean log loss).

    Not the likelihood of whole tag sequences: what is reported is the confidence of spans, and that is what it shall
    fit. Rounded to four digits, so that a config says all of it.

    Raises: ValueError where nothing was predicted, or all of it is right or all wrong: any temperature would fit.
    """
    from scipy.optimize import minimize_scalar

    right = claims.spans(1.0).right
    if not 0 < right.sum() < len(right):
        state = "none" if not len(right) else f"{len(right):,} that are all {'right' if right.all() else 'wrong'}"
        raise ValueError(
            f"expected predicted spans of which some are right and some wrong to fit a temperature to, got {state}; "
            "fit it on more data"
        )

    def loss(logarithm: float) -> float:
        return log_loss(claims.spans(float(np.exp(logarithm))).confidence["posterior"], right)

    found = minimize_scalar(loss, bounds=(np.log(LOWEST), np.log(HIGHEST)), method="bounded", options={"xatol": 1e-3})
    return float(f"{np.exp(found.x):.4g}")
