"""Metrics of spans: strict scores, scores of tags, and the metrics of the KLUE benchmark.

A metric is a function of `ScoredSpans` and a line in `METRICS`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from tempfile import TemporaryDirectory

import numpy as np

from kospan.evaluation import metrics as tables
from kospan.evaluation.bootstrap import f1, span_metrics
from kospan.evaluation.metrics import Metric
from kospan.evaluation.span_counts import counts_per_type, tag_ids, unit_tag_ids
from kospan.example import Example
from kospan.modeling.spans import Span

UNITS = ("character", "word")


@dataclass(frozen=True)
class ScoredSpans:
    """Gold and predicted spans, with the counts that several metrics need computed once.

    Args:
        examples: Documents with gold spans.
        predicted: One list of spans per document, in the same order; only `span[:3]` counts.
        unit: "character" or "word".
        labels: The types, in the order of the model's label set.
    """

    examples: Sequence[Example]
    predicted: Sequence[Sequence[Span]]
    unit: str
    labels: Sequence[str]

    @cached_property
    def totals(self) -> np.ndarray:
        """Correct, predicted and gold spans of each type `(labels, 3)`."""
        return counts_per_type(self.examples, self.predicted, self.labels).sum(axis=0)

    @cached_property
    def strict(self) -> dict[str, float]:
        """Strict `f1`, `precision` and `recall` of all types together."""
        return span_metrics(self.totals.sum(axis=0))

    def of_label(self, label: str) -> np.ndarray:
        """Correct, predicted and gold spans of one type."""
        return self.totals[self.labels.index(label)]

    @cached_property
    def tag_scores(self) -> tuple[np.ndarray, np.ndarray]:
        """F1 and number of gold units of each BIO tag, "O" first, each `(tags,)`."""
        from sklearn.metrics import precision_recall_fscore_support

        guesses, truths = self._tags(
            lambda example, spans, place: unit_tag_ids(example.document, spans, place, self.unit)
        )
        tags = list(range(1 + 2 * len(self.labels)))
        if not len(truths):
            return np.zeros(len(tags)), np.zeros(len(tags))
        found = precision_recall_fscore_support(truths, guesses, labels=tags, average=None, zero_division=0)
        return found[2], found[3]

    def weighted_tag_f1(self, first: int) -> float:
        """F1 of the tags from `first` on, weighted by their gold units; 0.0 without gold units of these tags."""
        scores, support = self.tag_scores
        return float((scores[first:] * support[first:]).sum() / max(1, support[first:].sum()))

    @cached_property
    def klue(self) -> dict[str, float]:
        """Metrics of the KLUE benchmark (Park et al. 2021), and the second one without "O".

        As in its public scorer, spaces (U+0020) are dropped from the character tags and all sentences form one
        sequence. `klue_entity_f1` is seqeval's macro F1 in mode strict under IOB2; `klue_char_f1` is scikit-learn's
        macro F1 over the whole tag set, "O" included, with `zero_division=1` (a tag that neither side uses counts as
        1). One difference: the scorer also counts the tags predicted at [CLS] and [SEP] as two "O" characters per
        sentence; here only characters count, so that models without such subwords can be compared. It affects the F1
        of "O" alone, one of 13 terms. A span that begins with a space loses its `B-` with the space, so it is never
        right.
        """
        from kospan.tasks.token_classification.klue_metrics import KlueCharF1, KlueEntityF1

        def tags(example: Example, spans: Sequence[Span], place: dict[str, int]) -> np.ndarray:
            kept = np.array([character != " " for character in example.text], dtype=bool)
            return tag_ids(spans, place, len(kept))[kept]

        guesses, truths = self._tags(tags)
        scores: dict[str, float] = {}
        with TemporaryDirectory() as folder:  # evaluate creates a folder even if it writes nothing into it
            for metric in (KlueEntityF1, KlueCharF1):
                computer = metric(keep_in_memory=True, cache_dir=folder)
                scores |= computer.compute(predictions=guesses, references=truths, labels=list(self.labels))
        return scores

    def _tags(self, tags_of) -> tuple[np.ndarray, np.ndarray]:
        """Predicted and gold tag ids of all documents in one sequence; 0 is "O", then B- and I- of each label."""
        place = {label: 1 + 2 * at for at, label in enumerate(self.labels)}
        empty = np.zeros(0, np.int32)
        guesses = [tags_of(example, spans, place) for example, spans in zip(self.examples, self.predicted)]
        truths = [tags_of(example, example.spans, place) for example in self.examples]
        return np.concatenate([empty, *guesses]), np.concatenate([empty, *truths])


MICRO, STRICT = {"averaging": "micro", "mode": "strict"}, {"mode": "strict"}
WEIGHTED = {"averaging": "weighted over BIO tags, O left out"}
WEIGHTED_O = {"averaging": "weighted over BIO tags, O included"}
KLUE = {"averaging": "macro over types", "mode": "strict, spaces dropped"}
KLUE_TAGS = {"averaging": "macro over tags, O left out"}
KLUE_TAGS_O = {"averaging": "macro over tags, O included"}
METRICS = {
    "f1": Metric(lambda scored: scored.strict["f1"], "strict micro F1 over exact spans", "f1", MICRO),
    "precision": Metric(
        lambda scored: scored.strict["precision"], "strict micro precision over exact spans", "precision", MICRO
    ),
    "recall": Metric(lambda scored: scored.strict["recall"], "strict micro recall over exact spans", "recall", MICRO),
    "f1_{label}": Metric(lambda scored, label: f1(scored.of_label(label)), "strict F1 of {label}", "f1", STRICT),
    "support_{label}": Metric(lambda scored, label: scored.of_label(label)[2], "gold spans of {label}", "count"),
    "flat_f1": Metric(lambda scored: scored.weighted_tag_f1(1), "F1 of unit tags without O", "f1", WEIGHTED),
    "flat_f1_with_o": Metric(lambda scored: scored.weighted_tag_f1(0), "F1 of unit tags", "f1", WEIGHTED_O),
} | {
    name: Metric(lambda scored, name=name: scored.klue[name], f"KLUE {words}", "f1", settings, only="character")
    for name, words, settings in (
        ("klue_entity_f1", "entity F1", KLUE),
        ("klue_char_f1", "character F1", KLUE_TAGS_O),
        ("klue_char_f1_no_o", "character F1 without O", KLUE_TAGS),
    )
}
# Metrics of learning curves.
CURVES = ("f1", "precision", "recall", "klue_entity_f1")


def score_spans(
    examples: Sequence[Example],
    predicted: Sequence[Sequence[Span]],
    unit: str,
    labels: Sequence[str],
    metrics: tables.Metrics = METRICS,
) -> dict[str, float]:
    """Compute all metrics of one prediction; arguments as in `ScoredSpans`.

    Returns: `f1`, `precision`, `recall` (strict micro over exact character spans, spaces kept, 0.0 where nothing can be
        right), `f1_TYPE` and `support_TYPE` (gold spans) for each of `labels`, `flat_f1` and `flat_f1_with_o` (F1 of
        the BIO tags of units weighted by gold units, without and with "O", as papers that score tokens report), and for
        characters `klue_entity_f1`, `klue_char_f1`, `klue_char_f1_no_o` (see `ScoredSpans.klue`).

    Raises: ValueError if the lengths differ, an example is unlabelled, a predicted span is outside its text or overlaps
        another, a label is not in `labels`, or `unit` is none of `UNITS`.

    >>> gold = [Example("a", "이재용 회장이 서울에서", (Span(0, 3, "PS"), Span(8, 10, "LC")))]
    >>> scores = score_spans(gold, [[Span(0, 3, "PS"), Span(8, 12, "LC")]], "word", ["LC", "PS"])
    >>> scores["f1"], scores["f1_LC"], scores["f1_PS"], scores["support_PS"]
    (0.5, 0.0, 1.0, 1.0)
    """
    if unit not in UNITS:
        raise ValueError(f"expected unit to be one of {', '.join(UNITS)}, got {unit!r}")
    return tables.compute(metrics, ScoredSpans(examples, predicted, unit, list(labels)), of=unit, labels=labels)


def metric_names(unit: str, labels: Sequence[str], metrics: tables.Metrics = METRICS) -> list[str]:
    """Return the names of all metrics that `score_spans` gives.

    >>> metric_names("word", ["PS"])
    ['f1', 'precision', 'recall', 'f1_PS', 'support_PS', 'flat_f1', 'flat_f1_with_o']
    """
    return tables.metric_names(metrics, unit, labels)
