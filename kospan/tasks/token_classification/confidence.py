"""Confidence of token classification in its spans and tags."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from kospan.evaluation.confidence import Claims
from kospan.example import Example
from kospan.modeling.alignment import unit_spans
from kospan.modeling.spans import Span
from kospan.modeling.tags import span_tags, spans_to_tags, tags_to_spans
from kospan.modeling.words import trimmed

# Documents decoded at a time.
_ROWS = 64
# Simple confidences of a span, for comparison: its tags' softmax values, multiplied or averaged.
_MERGES = {"softmax, product": np.prod, "softmax, mean": np.mean}


class SpanConfidence:
    """Emissions for labelled documents, computed once, and predictions from them at any temperature.

    A span has its exact probability ("posterior"), which `extract` reports, or a product or mean of the softmax of the
    emissions at its tags. A tag has its probability in the chain ("marginal") or in the softmax of the emissions.

    Args:
        model: A `KospanForTokenClassification`.
        examples: Documents with gold spans.
        batch_size: Windows per batch.
    """

    kinds = {"spans": ("posterior", *_MERGES), "tags": ("marginal", "softmax")}

    def __init__(self, model, examples: Sequence[Example], batch_size: int = 32):
        self.head, config = model.head, model.config
        self.tags, self.scheme = list(config.tags), config.scheme
        self.tag_ids = {tag: at for at, tag in enumerate(self.tags)}
        emissions = model.token_scores([example.document for example in examples], batch_size)
        self.empty = [not found.units for found in emissions]
        self.rows = [(example, found) for example, found in zip(examples, emissions) if found.units]
        self.documents = len(self.rows)
        # Units of each predicted span, and its characters without white space at the ends.
        self.units: list[list[tuple[int, int, str]]] = []
        self.characters: list[list[tuple[int, int, str]]] = []
        for batch, mask, place in self._batches():
            for (example, found), path in zip(self.rows[place], self.head.decode(batch, mask)):
                spans = []
                for first, last, label in tags_to_spans([self.tags[tag] for tag in path], self.scheme):
                    start, end = trimmed(example.text, found.units[first][0], found.units[last - 1][1])
                    if start < end:
                        spans.append(((first, last, label), (start, end, label)))
                self.units.append([units for units, _ in spans])
                self.characters.append([characters for _, characters in spans])

    @torch.no_grad()
    def claims(self, part: str, kind: str, temperature: float) -> Claims:
        """Return predicted spans or the most probable tag of each unit, with confidences of a kind."""
        return self._tags(kind, temperature) if part == "tags" else self._spans(kind, temperature)

    def predicted(self, temperature: float) -> list[list[Span]]:
        """Return the spans that `extract` gives for each document at this temperature."""
        scores = iter(self.claims("spans", "posterior", temperature).confidence.tolist())
        found = iter([[Span(*span, next(scores)) for span in spans] for spans in self.characters])
        return [[] if empty else next(found) for empty in self.empty]

    def _spans(self, kind: str, temperature: float) -> Claims:
        confidence: list[float] = []
        with _Tempered(self.head, temperature):
            for batch, mask, place in self._batches():
                if kind == "posterior":
                    confidence += [
                        value for row in self.head.posteriors(batch, mask, self.units[place]) for value in row
                    ]
                    continue
                softmax = (batch.double() / temperature).softmax(dim=-1).cpu().numpy()
                for row, spans in zip(softmax, self.units[place]):
                    for first, last, label in spans:
                        path = [self.tag_ids[tag] for tag in span_tags(last - first, label, self.scheme)]
                        confidence.append(float(_MERGES[kind](row[np.arange(first, last), path])))
        gold = [{span[:3] for span in example.spans} for example, _ in self.rows]
        found = [(span[2], span in spans) for spans, row in zip(gold, self.characters) for span in row]
        labels, right = zip(*found) if found else ((), ())
        return Claims(np.array(labels, dtype=object), np.array(right, dtype=bool), np.array(confidence, np.float64))

    def _tags(self, kind: str, temperature: float) -> Claims:
        confidence, top = [np.zeros(0)], [np.zeros(0, dtype=np.int64)]
        with _Tempered(self.head, temperature):
            for batch, mask, _ in self._batches():
                if kind == "marginal":
                    values = self.head.marginals(batch, mask).double()
                else:
                    values = (batch.double() / temperature).softmax(dim=-1)
                best = values.max(dim=-1)
                confidence.append(best.values[mask].cpu().numpy())
                top.append(best.indices[mask].cpu().numpy())
        gold = np.concatenate([[], *(self._gold_tags(example, found.units) for example, found in self.rows)])
        types = np.array([tag.partition("-")[2] or "O" for tag in self.tags], dtype=object)
        chosen = np.concatenate(top)
        return Claims(types[chosen], chosen == gold, np.concatenate(confidence))

    def _gold_tags(self, example: Example, units: list[tuple[int, int]]) -> np.ndarray:
        names = spans_to_tags(unit_spans(units, sorted(example.spans)), len(units), self.scheme)
        return np.array([self.tag_ids[name] for name in names])

    def _batches(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, slice]]:
        """Emissions `(batch, units, tags)`, mask `(batch, units)` and the rows of each batch, in order."""
        for start in range(0, len(self.rows), _ROWS):
            chains = [found.emissions for _, found in self.rows[start : start + _ROWS]]
            batch = torch.nn.utils.rnn.pad_sequence(chains, batch_first=True)
            lengths = torch.tensor([len(chain) for chain in chains], device=batch.device)
            mask = torch.arange(batch.shape[1], device=batch.device) < lengths.unsqueeze(1)
            yield batch, mask, slice(start, start + _ROWS)


class _Tempered:
    """Context in which the head has another temperature."""

    def __init__(self, head, temperature: float):
        self.crf, self.temperature = head.crf, temperature

    def __enter__(self) -> None:
        self.before, self.crf.temperature = self.crf.temperature, self.temperature

    def __exit__(self, *error) -> None:
        self.crf.temperature = self.before


def confidence(task, examples: Sequence[Example]) -> SpanConfidence | None:
    """Confidence of a task's model; None for a stock model, which has no chain."""
    return SpanConfidence(task.model, examples) if hasattr(task.model, "head") else None
