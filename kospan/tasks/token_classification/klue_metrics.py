"""Metrics of the KLUE benchmark as `evaluate.Metric` classes without network access.

`evaluate.load` fetches a script from the Hub, and `import evaluate` takes seconds, so these classes are in a module of
their own, imported when scores are computed. Both take one tag id per character, of all documents in one sequence: 0 is
"O", 1 + 2k and 2 + 2k are the `B-` and the `I-` of label k.
"""

import datasets
import evaluate
import numpy as np
from seqeval.metrics import f1_score as entity_f1_score
from seqeval.scheme import IOB2
from sklearn.metrics import f1_score

from kospan.modeling.tags import tag_names

CHUNK = 64


class TagMetric(evaluate.Metric):
    """Base of the two metrics: features with one tag id per character."""

    description = ""

    def _info(self):
        return evaluate.MetricInfo(
            description=self.description,
            citation="Park et al. 2021, KLUE: Korean Language Understanding Evaluation",
            inputs_description="predictions, references: tag ids (characters,); labels: the types in their order",
            features=datasets.Features({name: datasets.Value("int32") for name in ("predictions", "references")}),
        )


class KlueEntityF1(TagMetric):
    """Macro F1 over the types of exact entities, strict IOB2, all sentences as one sequence.

    >>> metric = KlueEntityF1(keep_in_memory=True)
    >>> metric.compute(predictions=[1, 2, 0, 3], references=[1, 2, 0, 0], labels=["LC", "PS"])
    {'klue_entity_f1': 0.5}
    """

    description = "KLUE-NER: entity macro F1 (seqeval, strict, IOB2, one sequence)"

    def _compute(self, predictions, references, labels):
        guesses, truths = np.asarray(predictions), np.asarray(references)
        if not ((guesses % 2).any() or (truths % 2).any()):
            return {"klue_entity_f1": 0.0}  # no B- on either side: seqeval's mean over no types is undefined
        names = np.array(tag_names(labels), dtype=object)
        cuts = safe_cuts(guesses, truths)
        subwords = list(zip(cuts, cuts[1:]))
        score = entity_f1_score(
            [names[truths[start:end]].tolist() for start, end in subwords],
            [names[guesses[start:end]].tolist() for start, end in subwords],
            average="macro",
            mode="strict",
            scheme=IOB2,
            zero_division=0,
        )
        return {"klue_entity_f1": float(score)}


class KlueCharF1(TagMetric):
    """Macro F1 over the tags of the label set on characters, with and without "O".

    >>> metric = KlueCharF1(keep_in_memory=True)
    >>> metric.compute(predictions=[1, 2, 0, 0], references=[1, 2, 0, 0], labels=["LC"])
    {'klue_char_f1': 1.0, 'klue_char_f1_no_o': 1.0}
    """

    description = "KLUE-NER: character macro F1 over all tags (scikit-learn), and without O"

    def _compute(self, predictions, references, labels):
        tags = list(range(1 + 2 * len(labels)))
        if not len(references):
            return {"klue_char_f1": 0.0, "klue_char_f1_no_o": 0.0}
        each = f1_score(references, predictions, labels=tags, average=None, zero_division=1)
        return {"klue_char_f1": float(each.mean()), "klue_char_f1_no_o": float(each[1:].mean())}


def safe_cuts(guesses: np.ndarray, truths: np.ndarray) -> list[int]:
    """Positions to cut a long sequence about every `CHUNK` characters without changing an entity of either side.

    A cut before a character that carries no `I-` on either side splits nothing that strict IOB2 would join. seqeval
    copies the rest of a sequence at each entity, so the time for one long sequence would be quadratic.

    Args:
        guesses: Tag ids `(characters,)`.
        truths: Tag ids `(characters,)`.

    Returns: Ascending cuts, 0 and the length included.

    >>> safe_cuts(np.zeros(100, int), np.zeros(100, int))
    [0, 64, 100]
    """

    def inside(tags):
        return (tags > 0) & (tags % 2 == 0)

    cuts = [0]
    for at in np.flatnonzero(~inside(guesses) & ~inside(truths)).tolist():
        if at - cuts[-1] >= CHUNK:
            cuts.append(at)
    return [*cuts, len(truths)]
