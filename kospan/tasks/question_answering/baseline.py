"""Baseline of question answering: the word of the text with most words of the question around it.

This is the sliding window of Richardson et al. 2013 ("MCTest") in its simplest form, without training.
"""

from collections.abc import Sequence

from kospan.example import Example
from kospan.modeling.exact_match import match_lengths
from kospan.modeling.particles import trimmed_end
from kospan.modeling.spans import Span
from kospan.modeling.words import words

REACH = 30  # Characters on either side in which question and text are compared.


def nearest_answer(question: str, text: str, label: str = "answer") -> list[Span]:
    """Find the word that is not in the question and has most of the question around it, without its particle.

    Args:
        question: The question.
        text: The text.
        label: The label of the span.

    Returns: One span with score 1, or none if every word of the text is in the question.

    >>> text = "제주의 감귤 축제는 십일월에 열린다."
    >>> [text[span.start : span.end] for span in nearest_answer("감귤 축제는 언제 열리나?", text)]
    ['십일월']
    """
    matches = match_lengths(text, question)
    # One long match counts more than several short ones with as many characters.
    weights = [length * length for length in matches]
    best: tuple[float, int, int] | None = None
    for start, end in words(text):
        while start < end and not text[start].isalnum():
            start += 1
        while start < end and not text[end - 1].isalnum():
            end -= 1
        stem = trimmed_end(text, start, end)
        # A word of the question is hardly its answer.
        if start == end or 2 * sum(length > 1 for length in matches[start:stem]) >= stem - start:
            continue
        # Nearer words count more.
        before, after = weights[max(0, start - REACH) : start][::-1], weights[stem : stem + REACH]
        around = sum(weight * (1 - at / REACH) for side in (before, after) for at, weight in enumerate(side))
        if best is None or around > best[0]:
            best = (around, start, stem)
    return [Span(best[1], best[2], label, 1.0)] if best else []


def nearest_answers(documents: Sequence[Example], label: str = "answer") -> list[list[Span]]:
    """Return `nearest_answer` of each question."""
    return [nearest_answer(document.question, document.text, label) for document in documents]
