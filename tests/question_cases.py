"""A few questions with answers about invented places, for tests of everything that learns to read."""

from kospan.data.corpus import Corpus
from kospan.example import Example
from kospan.modeling.spans import Span

PLACES = ["서울", "부산", "대구", "광주"]
THINGS = ["도서관", "박물관", "시장", "학당"]
TEXT = "{thing}은 {year}년에 {place}에서 문을 열었다. 첫해에 {count}명이 다녀갔다."
QUESTIONS = {"place": "{thing}이 문을 연 곳은 어디인가?", "count": "첫해에 {thing}을 다녀간 사람은 몇 명인가?"}


def questions(count: int = 8) -> list[Example]:
    """The given number of questions, two about each text, the answers at different places."""
    found = []
    for at in range(count):
        values = {
            "thing": THINGS[at // 2 % 4],
            "place": PLACES[at // 2 % 3],
            "year": str(1950 + at // 2),
            "count": str(120 + 7 * (at // 2)),
        }
        kind = list(QUESTIONS)[at % 2]
        text = TEXT.format(**values)
        start = text.index(values[kind])
        span = Span(start, start + len(values[kind]), "answer")
        found.append(Example(f"q-{at}", text, (span,), QUESTIONS[kind].format(**values), f"text-{at // 2}"))
    return found


def corpus(count: int = 8, long: int = 0) -> Corpus:
    """Questions for training and, the last three, for validation.

    Args:
        count: How many.
        long: Characters of filling behind the first text, so that it needs windows.
    """
    found = questions(count)
    if long:
        first = found[0]
        found[0] = Example(
            first.id, first.text + " 비가 온다." * (long // 7), first.spans, first.question, first.source
        )
    return Corpus(("answer",), {"train": found, "validation": found[-3:]}, 0)
