"""The data of the study of long documents, as JSON Lines: entities, answers, pairs of texts; beginnings of the same."""

import random
from collections.abc import Sequence
from pathlib import Path

from kospan.data.corpus import load_corpus
from kospan.data.questions import list_of, read_articles
from kospan.data.squad import read_squad
from kospan.example import Example
from kospan.modeling.spans import Span
from studies.joined_text import Part, Subwords, joined, sentences

KLUE, KORQUAD = "klue-ner/*.tsv", "korquad-v1/*.json*"
# Every eighth, as the project's splits: sentences of KLUE, articles of KorQuAD (held out from pretraining too).
HELD_OUT = 8
# Subwords of either text of a pair: both together are within the source's own positions.
PAIRED = 55


def found_file(data: Path, pattern: str) -> Path:
    """The one file of a set. Raises: FileNotFoundError where there is none."""
    files = sorted(data.glob(pattern))
    if not files:
        raise FileNotFoundError(f"expected {pattern} in {data}, found none; pass the folder above it with --data")
    return files[0]


def entities(data: Path, subwords: Subwords, limit: int) -> dict[str, list[Example]]:
    """KLUE's sentences joined in their order to documents of up to `limit` subwords, of each split by itself."""
    found = {}
    for split, examples in load_corpus("klue_ner", str(found_file(data, KLUE))).splits.items():
        parts = [Part(each.text, each.spans) for each in examples]
        documents = joined(parts, subwords.sizes([each.text for each in parts]), limit)
        found[split] = [Example(f"{split}-{at}", each.text, each.spans) for at, each in enumerate(documents)]
    return found


def answers(data: Path, subwords: Subwords, limit: int, most: dict[str, int]) -> dict[str, list[Example]]:
    """Questions of KorQuAD on stretches of up to `limit` subwords of their article.

    An article's paragraphs are joined in their order and cut between sentences; a question is asked of the stretch in
    which its answer is. A question whose answer is whole in no sentence is omitted.

    Args:
        data: The folder of all sets.
        subwords: Of the model that reads.
        limit: Most subwords of a stretch.
        most: Questions of each split, evenly taken.
    """
    found: dict[str, list[Example]] = {split: [] for split in most}
    file = found_file(data, KORQUAD)
    asked = {item.example.id: item.example for item in read_squad(file)}
    for at, article in enumerate(read_articles(file, "SQuAD")):
        parts = []
        for paragraph in list_of(article, "paragraphs", str(file)):
            names = [str(each["id"]) for each in paragraph["qas"]]
            # The span of an answer carries its question's name until it is asked.
            spans = [asked[name].spans[0]._replace(label=name) for name in names]
            parts += sentences(paragraph["context"], spans)
        split = "validation" if at % HELD_OUT == 0 else "train"
        for stretch in joined(parts, subwords.sizes([each.text for each in parts]), limit):
            for span in stretch.spans:
                answer = (Span(span.start, span.end, "answer"),)
                found[split].append(Example(span.label, stretch.text, answer, asked[span.label].question))
    return {split: evenly(examples, most[split]) for split, examples in found.items()}


def pairs(data: Path, subwords: Subwords, most: dict[str, int], seed: int = 0) -> dict[str, list[Example]]:
    """Two sentences of KLUE, one of which names a quantity: which of the two, "first" or "second", as often each.

    Both texts hold everything that there is to see, so whoever cannot tell them apart is right of every second pair.

    Args:
        data: The folder of all sets.
        subwords: Of the model that reads.
        most: Pairs of each split.
        seed: Of the choice of sentences.
    """
    generator, found = random.Random(seed), {}
    for split, examples in load_corpus("klue_ner", str(found_file(data, KLUE))).splits.items():
        sizes = subwords.sizes([each.text for each in examples])
        short = [each for each, size in zip(examples, sizes) if size <= PAIRED]
        named, others = ([each for each in short if _names(each) == wanted] for wanted in (True, False))
        found[split] = []
        for at in range(most[split]):
            texts = [generator.choice(named).text, generator.choice(others).text]
            label = ("first", "second")[at % 2]
            first, second = texts if label == "first" else texts[::-1]
            found[split].append(Example(f"{split}-{at}", first, (Span(0, len(first), label),), text_pair=second))
    return found


def _names(example: Example) -> bool:
    return any(span.label == "QT" for span in example.spans)


def evenly(items: Sequence, most: int) -> list:
    """At most so many items, evenly taken.

    >>> evenly([0, 1, 2, 3, 4, 5], 3)
    [0, 2, 4]
    """
    return [items[at * len(items) // most] for at in range(most)] if len(items) > most else list(items)


def beginnings(examples: Sequence[Example], subwords: Subwords, most: int, training: bool) -> list[Example]:
    """Documents truncated to a number of subwords.

    A question whose answer is cut off is removed from training, and counts in evaluation.
    """
    cut = [subwords.beginning(each, most) for each in examples]
    return [each for each in cut if each.spans or not (training and each.question)]
