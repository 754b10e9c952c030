"""A few labelled texts, pairs of texts and values, for tests of everything that classifies."""

from dataclasses import replace

from kospan.data.corpus import Corpus
from kospan.example import Example
from kospan.modeling.spans import Span

TOPICS = {
    "경제": ("한국은행이 금리를 {count}%포인트 올렸다", "환율이 {count}원 올랐다"),
    "사회": ("국립 중앙 도서관에 {count}명이 모였다", "비가 {count}mm 왔다"),
    "정치": ("국회가 {count}건의 법을 고쳤다", "장관 {count}명이 바뀌었다"),
}
TITLES = ("오늘의 소식", "어제 있었던 일", "내일의 전망")


def labelled(count: int = 8, pairs: bool = False, values: bool = False) -> list[Example]:
    """The given number of texts, the classes in turn; values grow with their number."""
    found, names = [], list(TOPICS)
    for at in range(count):
        label = names[at % len(names)]
        text = TOPICS[label][at // len(names) % 2].format(count=3 + 7 * at)
        span = Span(0, len(text), "value", at / 2) if values else Span(0, len(text), label)
        pair = TITLES[at % 3] if pairs else ""
        found.append(Example(f"text-{at}", text, (span,), source=f"source-{at % 2}", text_pair=pair))
    return found


def corpus(count: int = 8, long: int | None = 0, pairs: bool = False, values: bool = False) -> Corpus:
    """Texts for training and, the last three, for validation.

    Args:
        count: How many.
        long: Characters of filling behind the first text, so that it needs windows.
        pairs: Whether each has a title as its text_pair.
        values: Whether they have values in place of classes.
    """
    found = labelled(count, pairs, values)
    if long:
        text = found[0].text + " 비가 온다." * (long // 5)
        span = found[0].spans[0]._replace(end=len(text))
        found[0] = replace(found[0], text=text, spans=(span,))
    labels = ("value",) if values else tuple(sorted(TOPICS))
    return Corpus(labels, {"train": found, "validation": found[-3:]}, 0, values)
