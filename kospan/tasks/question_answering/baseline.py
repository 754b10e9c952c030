"""What a reader has to beat: the words that stand where the question's words crowd.

The sliding window of Richardson et al. 2013 ("MCTest") in its simplest form: nothing is learnt.
"""

from collections.abc import Sequence

from kospan.example import Example
from kospan.modeling.exact_match import match_lengths
from kospan.modeling.particles import trimmed_end
from kospan.modeling.spans import Span
from kospan.modeling.words import words

REACH = 30  # Characters on either side in which question and text are compared.


def nearest_answer(question: str, text: str, label: str = "answer") -> list[Span]:
    """The word of the text that the question lacks and around which most of the question stands, without its particle.

    Args:
        question: The question.
        text: The text.
        label: The span's label.

    Returns: one span with score 1, or none where the text holds no word that the question lacks.

    >>> text = "제주의 감귤 축제는 십일월에 열린다."
    >>> [text[span.start : span.end] for span in nearest_answer("감귤 축제는 언제 열리나?", text)]
    ['십일월']
    """
    matches = match_lengths(text, question)
    # Longer common stretches say more than as many single characters.
    weights = [length * length for length in matches]
    best: tuple[float, int, int] | None = None
    for start, end in words(text):
        while start < end and not text[start].isalnum():
            start += 1
        while start < end and not text[end - 1].isalnum():
            end -= 1
        stem = trimmed_end(text, start, end)
        # A word that stands in the question is hardly its answer.
        if start == end or 2 * sum(length > 1 for length in matches[start:stem]) >= stem - start:
            continue
        # What stands nearer counts for more.
        before, behind = weights[max(0, start - REACH) : start][::-1], weights[stem : stem + REACH]
        around = sum(weight * (1 - at / REACH) for side in (before, behind) for at, weight in enumerate(side))
        if best is None or around > best[0]:
            best = (around, start, stem)
    return [Span(best[1], best[2], label, 1.0)] if best else []


def nearest_answers(documents: Sequence[Example], label: str = "answer") -> list[list[Span]]:
    """`nearest_answer` of each question."""
    return [nearest_answer(document.question, document.text, label) for document in documents]
