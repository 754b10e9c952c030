"""Choice of unlabelled texts for annotation: those of which a model is least certain, without near duplicates."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple
from unicodedata import normalize

from kospan.evaluation.uncertainty import check_strategy
from kospan.example import Example
from kospan.modeling.similarity import runs
from kospan.task import Task


class Suggestion(NamedTuple):
    """A text that is suggested for annotation.

    Args:
        example: The text with predicted spans.
        uncertainty: Uncertainty of the model.
    """

    example: Example
    uncertainty: float


class Chosen:
    """Texts that have been chosen, and the similarity of others to them.

    The similarity is the Jaccard index of the sets of runs of two to four characters, without regard to case and
    white space; 1 for equal texts.

    >>> chosen = Chosen(["비가 온다."])
    >>> chosen.similarity("비가  온다.") == 1.0, chosen.similarity("서울에 갔다") < 0.1
    (True, True)
    """

    def __init__(self, texts: Iterable[str] = ()):
        self._holders: dict[str, list[int]] = {}
        self._sizes: list[int] = []
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Add a text."""
        found = _runs(text)
        for run in found:
            self._holders.setdefault(run, []).append(len(self._sizes))
        self._sizes.append(len(found))

    def similarity(self, text: str) -> float:
        """Return the highest similarity to a chosen text; 0 if there is none."""
        found = _runs(text)
        shared = Counter(at for run in found for at in self._holders.get(run, ()))
        return max((count / (len(found) + self._sizes[at] - count) for at, count in shared.items()), default=0.0)


def suggest(
    task: Task,
    examples: Sequence[Example],
    count: int = 100,
    strategy: str = "least_confidence",
    total: bool = False,
    max_similarity: float = 0.8,
    labelled: Sequence[Example] = (),
    batch_size: int = 32,
) -> list[Suggestion]:
    """Rank texts by uncertainty and return the first ones with predicted spans.

    Args:
        task: Task over a model.
        examples: The unlabelled texts.
        count: Number of suggestions at most.
        strategy: A name of `kospan.evaluation.uncertainty.STRATEGIES`.
        total: Whether uncertainty is summed over units instead of averaged.
        max_similarity: Texts that are more similar than this to an earlier suggestion or a labelled text are skipped,
            and so are equal ones, see `Chosen`.
        labelled: Texts that are labelled already.
        batch_size: Windows per batch.

    Returns:
        Suggestions, the most uncertain first; ties keep the order of the texts.

    Raises:
        ValueError: If a setting is out of range or has no effect, or the task has no probabilities.
    """
    check_strategy(strategy)
    if count < 1:
        raise ValueError(f"expected count of 1 or more, got {count}; pass the number of texts to annotate")
    if not 0 < max_similarity <= 1:
        raise ValueError(f"expected max_similarity above 0 and at most 1, got {max_similarity}; 1 skips equal texts")
    spec = task.spec
    if spec.uncertainty is None:
        raise ValueError(
            f"expected a model whose predictions have probabilities, got one of {spec.name}; pass a model of another "
            "task"
        )
    if total and not spec.length_normalized:
        raise ValueError(
            f"expected no sum over units for {spec.name}, whose predictions have no units, got one; leave out "
            "total=True (--normalization none)"
        )
    values = spec.uncertainty(task, examples, strategy, total, batch_size)
    order = sorted(range(len(examples)), key=lambda at: -values[at])
    chosen, kept = Chosen(_key(example) for example in labelled), []
    for at in order:
        similarity = chosen.similarity(_key(examples[at]))
        if similarity < 1 and similarity <= max_similarity:
            chosen.add(_key(examples[at]))
            kept.append(at)
            if len(kept) == count:
                break
    predicted = task.predict([examples[at] for at in kept], batch_size=batch_size)
    return [
        Suggestion(replace(examples[at], spans=tuple(spans)), float(values[at])) for at, spans in zip(kept, predicted)
    ]


def _key(example: Example) -> str:
    """Return the text that suggestions are compared by; questions about one text are different."""
    return " ".join(each for each in (example.question or example.text, example.text_pair) if each)


def _runs(text: str) -> set[str]:
    return set(runs(" ".join(normalize("NFKC", text).casefold().split())))
