"""What a tagger claims about labelled texts, how sure it is, and what came true."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch

from kospan.evaluation.calibration import (
    calibration_metrics,
    ece_by_chance,
    kept_above,
    log_loss,
    reliability,
    risk_coverage,
    threshold_for,
)
from kospan.example import Example
from kospan.modeling.alignment import unit_spans
from kospan.modeling.spans import Span
from kospan.modeling.tags import span_tags, spans_to_tags, tags_to_spans
from kospan.modeling.words import trimmed

# Documents decoded at a time.
_ROWS = 64


# How sure a span is: the exact probability that extract reports; and the usual makeshifts, the product and the mean of
# the emissions' softmax at the span's own tags.
SPAN_KINDS = ("posterior", "softmax, product", "softmax, mean")
# How sure a tag is: its probability in the chain, or in the emissions' softmax.
TAG_KINDS = ("marginal", "softmax")
_MERGES = {"softmax, product": np.prod, "softmax, mean": np.mean}


class SpanClaims(NamedTuple):
    """Every predicted span of a set of documents.

    Args:
        labels: Its type `(spans,)`.
        right: True where it is a gold span `(spans,)`.
        confidence: How sure, by kind, each `(spans,)`.
    """

    labels: np.ndarray
    right: np.ndarray
    confidence: dict[str, np.ndarray]


class TagClaims(NamedTuple):
    """The most probable tag of every unit of a set of documents.

    Args:
        labels: The type in it, "O" where there is none `(units,)`.
        right: True where it is the gold tag `(units,)`.
        confidence: How sure `(units,)`.
    """

    labels: np.ndarray
    right: np.ndarray
    confidence: np.ndarray


class Claims:
    """A tagger's emissions for labelled documents, read once; what follows from them at any temperature.

    Args:
        model: A `KospanForTokenClassification`.
        examples: Documents with gold spans.
        batch_size: Windows read at once.
    """

    span_kinds, tag_kinds = SPAN_KINDS, TAG_KINDS

    def __init__(self, model, examples: Sequence[Example], batch_size: int = 32):
        self.head, config = model.head, model.config
        self.tags, self.scheme = list(config.tags), config.scheme
        self.place = {tag: at for at, tag in enumerate(self.tags)}
        readings = model.token_scores([example.document for example in examples], batch_size)
        self.rows = [(example, reading) for example, reading in zip(examples, readings) if reading.units]
        # The best path stays the best at every temperature, so the claims do not change, only how sure they are.
        # Units of each span, and its characters without white space at their ends.
        self.found: list[list[tuple[int, int, str]]] = []
        self.ends: list[list[tuple[int, int]]] = []
        for batch, mask, place in self._batches():
            for (example, reading), path in zip(self.rows[place], self.head.decode(batch, mask)):
                found = tags_to_spans([self.tags[tag] for tag in path], self.scheme)
                edges = [(reading.units[first][0], reading.units[last - 1][1]) for first, last, _ in found]
                ends = [trimmed(example.text, *each) for each in edges]
                self.found.append([span for span, (start, end) in zip(found, ends) if start < end])
                self.ends.append([(start, end) for start, end in ends if start < end])

    @torch.no_grad()
    def spans(self, temperature: float, kinds: Sequence[str] = SPAN_KINDS) -> SpanClaims:
        """The predicted spans with their confidences at this temperature, of these kinds."""
        labels, right = [], []
        for (example, _), found, ends in zip(self.rows, self.found, self.ends):
            gold = {span[:3] for span in example.spans}
            for (_, _, label), (start, end) in zip(found, ends):
                labels.append(label)
                right.append((start, end, label) in gold)
        confidence: dict[str, list[float]] = {kind: [] for kind in kinds}
        with _tempered(self.head, temperature):
            for batch, mask, place in self._batches():
                found = self.found[place]
                if "posterior" in kinds:
                    for row in self.head.posteriors(batch, mask, found):
                        confidence["posterior"] += row
                if set(kinds) == {"posterior"}:
                    continue
                softmax = (batch.double() / temperature).softmax(dim=-1).cpu().numpy()
                for row, spans in zip(softmax, found):
                    for first, last, label in spans:
                        path = [self.place[tag] for tag in span_tags(last - first, label, self.scheme)]
                        own = row[np.arange(first, last), path]
                        for kind, merge in _MERGES.items():
                            if kind in kinds:
                                confidence[kind].append(float(merge(own)))
        values = {kind: np.array(each, dtype=np.float64) for kind, each in confidence.items()}
        return SpanClaims(np.array(labels, dtype=object), np.array(right, dtype=bool), values)

    @torch.no_grad()
    def tags_at(self, temperature: float, kind: str) -> TagClaims:
        """The most probable tag of each unit at this temperature: by the chain's "marginal", or by the "softmax"."""
        confidence, top = [np.zeros(0)], [np.zeros(0, dtype=np.int64)]
        with _tempered(self.head, temperature):
            for batch, mask, _ in self._batches():
                if kind == "marginal":
                    values = self.head.marginals(batch, mask).double()
                else:
                    values = (batch.double() / temperature).softmax(dim=-1)
                best = values.max(dim=-1)
                confidence.append(best.values[mask].cpu().numpy())
                top.append(best.indices[mask].cpu().numpy())
        gold = np.concatenate([[], *(self._gold_tags(example, reading.units) for example, reading in self.rows)])
        types = np.array([tag.partition("-")[2] or "O" for tag in self.tags], dtype=object)
        chosen = np.concatenate(top)
        return TagClaims(types[chosen], chosen == gold, np.concatenate(confidence))

    def predicted(self, temperature: float) -> list[list[Span]]:
        """What `extract` gives at this temperature, for each document that holds a unit."""
        scores = iter(self.spans(temperature, ["posterior"]).confidence["posterior"].tolist())
        return [
            [Span(start, end, label, next(scores)) for (_, _, label), (start, end) in zip(found, ends)]
            for found, ends in zip(self.found, self.ends)
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


def fit_temperature(claims: Claims, kind: str = "posterior") -> float:
    """The temperature at which the confidence in spans tells best which of them are right (least mean log loss).

    Not the likelihood of whole tag sequences: what is reported is the confidence of spans, and that is what it shall
    fit. Rounded to four digits, so that a config says all of it.

    Raises: ValueError where nothing was predicted, or all of it is right or all wrong: any temperature would fit.
    """
    right = claims.spans(1.0, ["posterior"]).right
    if not 0 < right.sum() < len(right):
        state = "none" if not len(right) else f"{len(right):,} that are all {'right' if right.all() else 'wrong'}"
        raise ValueError(
            f"expected predicted spans of which some are right and some wrong to fit a temperature to, got {state}; "
            "fit it on more data"
        )
    return _least(lambda temperature: log_loss(claims.spans(temperature, [kind]).confidence[kind], right))


def _least(loss: Callable[[float], float]) -> float:
    from scipy.optimize import minimize_scalar

    bounds = (np.log(LOWEST), np.log(HIGHEST))
    found = minimize_scalar(
        lambda logarithm: loss(float(np.exp(logarithm))), bounds=bounds, method="bounded", options={"xatol": 1e-3}
    )
    return float(f"{np.exp(found.x):.4g}")


def calibration_report(fitted: Claims, reported: Claims) -> dict:
    """Temperatures fitted on one set of documents, and metrics on another before and after.

    Args:
        fitted: `Claims`, or others with the same names (`AnswerClaims`), about what the temperatures are fitted to.
        reported: The same about what is reported.

    Returns: `temperature`, for the config; `fitted` and `reported`, how many documents and spans; `spans` by kind of
        the claims' `span_kinds` and `tags` by kind of their `tag_kinds`, each with the `temperature` that was used
        after, and `before` (temperature 1) and `after`: `metrics` as `calibration_metrics` gives them, `types` the
        same by type, `bins` by "width" and "mass", `risk` (pairs of coverage and risk, 101 at most). The model's own
        kinds use the one temperature that the config gets, the makeshifts each their own best one, so that they are
        compared at their best.

    Raises: ValueError as `fit_temperature`.
    """
    temperature = fit_temperature(fitted)
    report = {
        "temperature": temperature,
        "fitted": {"documents": len(fitted.rows), "spans": sum(map(len, fitted.found))},
        "reported": {"documents": len(reported.rows), "spans": sum(map(len, reported.found))},
        "spans": {},
        "tags": {},
    }
    for kind in fitted.span_kinds:
        own = temperature if kind == "posterior" else fit_temperature(fitted, kind)
        report["spans"][kind] = {"temperature": own} | {
            when: described(claims.labels, claims.right, claims.confidence[kind])
            for when, claims in (("before", reported.spans(1.0, [kind])), ("after", reported.spans(own, [kind])))
        }
    for kind in fitted.tag_kinds:
        own = temperature if kind == "marginal" else _fit_tags(fitted, kind)
        report["tags"][kind] = {"temperature": own} | {
            when: described(*reported.tags_at(value, kind)) for when, value in (("before", 1.0), ("after", own))
        }
    return report


def threshold_report(fitted: Claims, reported: Claims, temperature: float, precision: float) -> dict:
    """The threshold for a wished precision, fitted on one set of documents, and what it keeps of another.

    Args:
        fitted: As in `calibration_report`.
        reported: As there.
        temperature: Of the confidences.
        precision: The share of what is kept that shall be right.

    Returns: `wished`; `value`, the threshold, None where none does it; `fitted` and `reported`, what it keeps as
        `kept_above` gives it, None without a threshold; `best`, the highest precision that any threshold gives on what
        it is fitted to, None where nothing was predicted.
    """
    own = fitted.spans(temperature, ["posterior"])
    confidence = own.confidence["posterior"]
    value = threshold_for(confidence, own.right, precision)
    best = float(1 - risk_coverage(confidence, own.right)[1].min()) if len(own.right) else None
    report = {"wished": precision, "value": value, "fitted": None, "reported": None, "best": best}
    if value is not None:
        other = reported.spans(temperature, ["posterior"])
        report["fitted"] = kept_above(confidence, own.right, value)
        report["reported"] = kept_above(other.confidence["posterior"], other.right, value)
    return report


def _fit_tags(claims: Claims, kind: str) -> float:
    def loss(temperature: float) -> float:
        found = claims.tags_at(temperature, kind)
        return log_loss(found.confidence, found.right)

    return _least(loss)


def described(labels: np.ndarray, right: np.ndarray, confidence: np.ndarray) -> dict:
    """One set of claims: `metrics`, `by_chance` (the ECE that exact confidences would show), `types` (metrics by type),
    `bins` by "width" and "mass" with empty ones left out, and `risk`, pairs of coverage and risk.

    Args:
        labels: The type of each claim `(n,)`.
        right: Whether it is so `(n,)`.
        confidence: How sure it was `(n,)`.
    """
    coverage, risk = risk_coverage(confidence, right)
    shown = np.unique(np.linspace(0, len(coverage) - 1, 101).round().astype(int)) if len(coverage) else []
    return {
        "metrics": calibration_metrics(confidence, right),
        "by_chance": ece_by_chance(confidence),
        "types": {
            label: calibration_metrics(confidence[labels == label], right[labels == label])
            for label in sorted(set(labels.tolist()))
        },
        "bins": {
            equal: [list(each) for each in reliability(confidence, right, equal) if each.count]
            for equal in ("width", "mass")
        },
        "risk": [[float(coverage[at]), float(risk[at])] for at in shown],
    }
