"""Span scores: strict F1 over exact character spans and, for characters, the metrics of the KLUE benchmark.

Everything is counted per document first (`counts_per_document`), in one pass and in time linear in the data; the
metrics are sums of those counts, so a bootstrap can resample documents without scoring anything again.
"""

import difflib
from collections.abc import Sequence
from tempfile import TemporaryDirectory

import numpy as np

from kospan.example import Example
from kospan.modeling.alignment import unit_spans
from kospan.modeling.spans import Span, first_overlap
from kospan.modeling.words import document_text, document_words

UNITS = ("character", "word")


def score_spans(examples: list[Example], predicted: list[list[Span]], unit: str, labels: list[str]) -> dict[str, float]:
    """All metrics of one prediction, flat names without a prefix.

    Args:
        examples: Documents with gold spans.
        predicted: One list of spans a document, in the same order; only `span[:3]` counts.
        unit: "character" or "word"; "character" adds the metrics of the KLUE benchmark.
        labels: The types, in the order of the model's label set.

    Returns: `f1`, `precision`, `recall` (strict micro over exact character spans, spaces kept, 0.0 where nothing can be
        right), `f1_TYPE` and `support_TYPE` (gold spans) for each of `labels`, `flat_f1` and `flat_f1_with_o` (see
        `flat_metrics`), and for characters `klue_entity_f1`, `klue_char_f1`, `klue_char_f1_no_o` (see `klue_metrics`).

    Raises: ValueError where the lengths differ, an example is unlabelled, a predicted span leaves its text or overlaps
        another, a label is not in `labels`, or `unit` is none of `UNITS`.

    >>> gold = [Example("a", "이재용 회장이 서울에서", (Span(0, 3, "PS"), Span(8, 10, "LC")))]
    >>> scores = score_spans(gold, [[Span(0, 3, "PS"), Span(8, 12, "LC")]], "word", ["LC", "PS"])
    >>> scores["f1"], scores["f1_LC"], scores["f1_PS"], scores["support_PS"]
    (0.5, 0.0, 1.0, 1.0)
    """
    if unit not in UNITS:
        raise ValueError(f"expected unit to be one of {', '.join(UNITS)}, got {unit!r}")
    totals = counts_per_type(examples, predicted, labels).sum(axis=0)  # shape: (labels, 3)
    scores = metrics(totals.sum(axis=0))
    for label, counts in zip(labels, totals):
        scores[f"f1_{label}"] = metrics(counts)["f1"]
        scores[f"support_{label}"] = float(counts[2])
    scores |= flat_metrics(examples, predicted, labels, unit)
    if unit == "character":
        scores |= klue_metrics(examples, predicted, labels)
    return scores


def metric_names(unit: str, labels: Sequence[str]) -> list[str]:
    """The names of all metrics that `score_spans` gives.

    >>> metric_names("word", ["PS"])
    ['f1', 'precision', 'recall', 'f1_PS', 'support_PS', 'flat_f1', 'flat_f1_with_o']
    """
    klue = ["klue_entity_f1", "klue_char_f1", "klue_char_f1_no_o"] if unit == "character" else []
    types = [f"{kind}_{label}" for label in labels for kind in ("f1", "support")]
    return ["f1", "precision", "recall", *types, "flat_f1", "flat_f1_with_o", *klue]


def check_metric(key: str, name: str, known: Sequence[str]) -> None:
    """Raises: ValueError naming the nearest right one where a setting names a metric that there will not be.

    Args:
        key: The setting, as the error names it.
        name: What it names, with or without the prefix `eval_`.
        known: The metrics that there will be.
    """
    if name.removeprefix("eval_") not in known:
        near = next(iter(difflib.get_close_matches(name.removeprefix("eval_"), known, 1, 0.5)), None)
        advice = f"did you mean {near}?" if near else f"there are {', '.join(known)}"
        raise ValueError(f"expected {key} to be a metric that evaluation gives, got {name!r}; {advice}")


def metrics(counts: np.ndarray) -> dict[str, float]:
    """Micro F1, precision and recall of summed counts; 0.0 where a denominator is 0 (as seqeval does).

    Args:
        counts: Correct, predicted and gold spans `(3,)`.

    >>> metrics(np.array([1, 2, 2]))
    {'f1': 0.5, 'precision': 0.5, 'recall': 0.5}
    """
    correct, guessed, gold = (int(count) for count in counts)
    return {
        "f1": 2 * correct / max(1, guessed + gold),
        "precision": correct / max(1, guessed),
        "recall": correct / max(1, gold),
    }


def counts_per_type(examples: list[Example], predicted: list[list[Span]], labels: list[str]) -> np.ndarray:
    """Correct, predicted and gold spans of each type in each document.

    Args:
        examples: Documents with gold spans.
        predicted: One list of spans a document, in the same order.
        labels: The types that the second axis stands for.

    Returns: Counts `(documents, labels, 3)`, int64.

    Raises: ValueError as `score_spans` does.

    >>> gold = [Example("a", "서울 부산", (Span(0, 2, "LC"), Span(3, 5, "LC")))]
    >>> counts_per_type(gold, [[Span(0, 2, "LC"), Span(3, 5, "PS")]], ["LC", "PS"]).tolist()
    [[[1, 1, 2], [0, 1, 0]]]
    """
    check(examples, predicted)
    place = {label: at for at, label in enumerate(labels)}
    counts = np.zeros((len(examples), len(labels), 3), dtype=np.int64)
    for row, example, spans in zip(counts, examples, predicted):
        gold = {span[:3] for span in example.spans}
        try:
            for span in spans:
                row[place[span.label], 1] += 1
                row[place[span.label], 0] += span[:3] in gold
            for _, _, label in gold:
                row[place[label], 2] += 1
        except KeyError as unknown:
            raise ValueError(
                f"example {example.id!r}: expected labels among {', '.join(labels)}, got {unknown}; score with the "
                "label set of the data"
            ) from None
    return counts


def counts_per_document(examples: list[Example], predicted: list[list[Span]]) -> np.ndarray:
    """Correct, predicted and gold spans of each document, whatever their types.

    Returns: Counts `(documents, 3)`, int64: what `kospan.evaluation.bootstrap` resamples.

    Raises: ValueError as `score_spans` does.

    >>> gold = [Example("a", "서울 부산", (Span(0, 2, "LC"), Span(3, 5, "LC"))), Example("b", "없다", ())]
    >>> counts_per_document(gold, [[Span(0, 2, "LC")], [Span(0, 2, "LC")]]).tolist()
    [[1, 1, 2], [0, 1, 0]]
    """
    check(examples, predicted)
    counts = np.zeros((len(examples), 3), dtype=np.int64)
    for row, example, spans in zip(counts, examples, predicted):
        gold = {span[:3] for span in example.spans}
        row[:] = sum(span[:3] in gold for span in spans), len(spans), len(gold)
    return counts


def check_gold(examples: Sequence[Example]) -> None:
    """Raises: ValueError where an example is unlabelled."""
    unlabelled = next((example.id for example in examples if example.spans is None), None)
    if unlabelled is not None:
        raise ValueError(
            f"example {unlabelled!r}: expected gold spans to score against, got an unlabelled example; leave it out, "
            "or give it empty spans if nothing is there"
        )


def check(examples: list[Example], predicted: list[list[Span]]) -> None:
    """Raises: ValueError where the two lists do not belong together or cannot be scored."""
    if len(examples) != len(predicted):
        raise ValueError(
            f"expected one list of predicted spans for each of {len(examples)} examples, got {len(predicted)} lists; "
            "pass [] for a document in which nothing was found"
        )
    check_gold(examples)
    for example, spans in zip(examples, predicted):
        for span in spans:
            if not 0 <= span.start < span.end <= len(example.text):
                raise ValueError(
                    f"example {example.id!r}: expected predicted spans with 0 <= start < end <= {len(example.text)} "
                    f"(the text's length), got {tuple(span[:3])}; offsets count characters of the raw text"
                )
        clash = first_overlap(spans)
        if clash:
            raise ValueError(
                f"example {example.id!r}: expected predicted spans that do not overlap, got {tuple(clash[0][:3])} "
                f"and {tuple(clash[1][:3])}; drop one of the two, say with kospan.modeling.spans.keep_longest"
            )


def klue_metrics(examples: list[Example], predicted: list[list[Span]], labels: list[str]) -> dict[str, float]:
    """The two NER metrics of the KLUE benchmark (Park et al. 2021), and the second one without "O".

    As its public scorer does it: the rows of U+0020 are dropped from the character tags, the characters of all
    sentences stand in one sequence, `klue_entity_f1` is seqeval's macro F1 in mode strict under IOB2, `klue_char_f1`
    is scikit-learn's macro F1 over the whole tag set, "O" included, with `zero_division=1` (a tag that neither side
    uses counts as 1). `klue_char_f1_no_o` leaves "O" out of the same mean. One difference: the scorer also counts the
    tags predicted at [CLS] and [SEP] as two "O" characters a sentence; here only characters count, so that models
    without such subwords compare. It touches the F1 of "O" alone, one of 13 terms. A span that begins with a space
    loses its `B-` with the space and so never counts as right.

    Args:
        examples: Documents with gold spans.
        predicted: One list of spans a document, without overlaps.
        labels: The types, all that occur.

    >>> gold = [Example("a", "이재용 서울", (Span(0, 3, "PS"), Span(4, 6, "LC")))]
    >>> klue_metrics(gold, [[Span(0, 3, "PS")]], ["LC", "PS"])["klue_entity_f1"]
    0.5
    """
    from kospan.tasks.token_classification.klue_metrics import KlueCharF1, KlueEntityF1

    place = {label: 1 + 2 * at for at, label in enumerate(labels)}  # tag ids: 0 is O, then B-, I- of each label
    guesses, truths = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
    for example, spans in zip(examples, predicted):
        kept = np.array([character != " " for character in example.text], dtype=bool)
        guesses.append(tag_ids(spans, place, len(kept))[kept])
        truths.append(tag_ids(example.spans, place, len(kept))[kept])
    guesses, truths = np.concatenate(guesses), np.concatenate(truths)  # shape: (characters,)
    scores: dict[str, float] = {}
    with TemporaryDirectory() as folder:  # evaluate makes a folder even when it writes nothing into it
        for metric in (KlueEntityF1, KlueCharF1):
            computer = metric(keep_in_memory=True, cache_dir=folder)
            scores |= computer.compute(predictions=guesses, references=truths, labels=labels)
    return scores


def flat_metrics(
    examples: Sequence[Example], predicted: Sequence[Sequence[Span]], labels: Sequence[str], unit: str
) -> dict[str, float]:
    """F1 of the BIO tags of units, each tag weighted by how many gold units carry it.

    `flat_f1` leaves the tag "O" out of the mean, `flat_f1_with_o` keeps it; 0.0 where no gold unit carries any. It is
    the metric of papers that score tokens: an entity found in part counts in part, and a long one more than a short.

    Args:
        examples: Documents with gold spans.
        predicted: One list of spans a document.
        labels: The types, all that occur.
        unit: "character" (spaces kept) or "word" (one belongs to every span that it shares a character with).

    >>> gold = [Example("a", "Jane Doe left Paris", (Span(0, 8, "PER"), Span(14, 19, "LOC")))]
    >>> flat_metrics(gold, [[Span(0, 4, "PER"), Span(14, 19, "LOC")]], ["LOC", "PER"], "word")["flat_f1"]
    0.6666666666666666
    """
    from sklearn.metrics import precision_recall_fscore_support

    place = {label: 1 + 2 * at for at, label in enumerate(labels)}
    guesses, truths = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
    for example, spans in zip(examples, predicted):
        guess, truth = (
            unit_tag_ids(example.document, spans, place, unit),
            unit_tag_ids(example.document, example.spans, place, unit),
        )
        guesses.append(guess)
        truths.append(truth)
    guesses, truths = np.concatenate(guesses), np.concatenate(truths)  # shape: (units,)
    tags = list(range(1 + 2 * len(labels)))
    if not len(truths):
        return {"flat_f1": 0.0, "flat_f1_with_o": 0.0}
    found = precision_recall_fscore_support(truths, guesses, labels=tags, average=None, zero_division=0)
    f1, support = found[2], found[3]  # shape: (tags,)
    return {
        name: float((f1[first:] * support[first:]).sum() / max(1, support[first:].sum()))
        for name, first in (("flat_f1", 1), ("flat_f1_with_o", 0))
    }


def unit_tag_ids(document: str | Sequence[str], spans: Sequence[Span], place: dict[str, int], unit: str) -> np.ndarray:
    """BIO tag ids of the units of a text, or of a list of words, `(units,)`, int32; `place` gives the id of a label's
    `B-`.

    >>> unit_tag_ids("Jane Doe left.", [Span(0, 8, "PER")], {"PER": 1}, "word").tolist()
    [1, 2, 0, 0]
    """
    if unit == "character":
        return tag_ids(spans, place, len(document_text(document)))
    units = document_words(document)
    return tag_ids(unit_spans(units, sorted(spans)), place, len(units))


def tag_ids(spans: list[Span] | tuple[Span, ...], place: dict[str, int], length: int) -> np.ndarray:
    """BIO tag ids of `length` characters `(characters,)`, int32; `place` gives the id of a label's `B-`.

    >>> tag_ids([Span(1, 3, "PS")], {"LC": 1, "PS": 3}, 4).tolist()
    [0, 3, 4, 0]
    """
    tags = np.zeros(length, dtype=np.int32)
    for start, end, label, *_ in spans:
        tags[start:end] = place[label] + 1
        tags[start] = place[label]
    return tags
