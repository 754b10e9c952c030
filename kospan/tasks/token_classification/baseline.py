"""Baseline of token classification: a dictionary of training spans, and patterns for dates, times and quantities."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from kospan.example import Example
from kospan.modeling.spans import Span, keep_longest

NUMBER = r"\d+(?:[.,]\d+)*"
SCALED = rf"{NUMBER}(?:\s?[십백천만억조]+(?:\s?{NUMBER}\s?[십백천만억조]+)?)?"
SPOKEN = "(?:한두|두세|서너|열한|열두|스무|한|두|세|네|다섯|여섯|일곱|여덟|아홉|열|몇|수십|수백|수천)"
COUNTED = "명|개|번째|번|살|마리|가지|곳|건|차례|편|권|배|사람|위|점|대|층|차|호|회|인|세|원|달러|엔|유로|학년|심|탄|단|강|기|급|부작"  # noqa: E501
EARLIER = r"(?:(?:지난해|지난달|지난|오는|올해|이달|내년)\s)?"
MEASURED = "%p|%|퍼센트|포인트|킬로미터|미터|킬로그램|그램|톤|리터|km²|㎢|km|kg|cm|mm|m|g"
PATTERNS = {
    "DT": (
        r"\d{4}\s?[-./]\s?\d{1,2}\s?[-./]\s?\d{1,2}",
        rf"{EARLIER}(?:기원전\s?)?\d{{1,4}}\s?년(?:대|간)?(?:\s?\d{{1,2}}월)?(?:\s?\d{{1,2}}일)?",
        rf"{EARLIER}\d{{1,2}}월(?:\s?\d{{1,2}}일)?",
        rf"{EARLIER}\d{{1,3}}일(?:간)?",
        r"\d{1,3}개월",
        r"\d{1,2}세기",
    ),
    "TI": (
        r"(?:(?:오전|오후|새벽|아침|저녁|밤)\s?)?\d{1,2}시(?:간)?(?:\s?\d{1,2}분)?(?:\s?\d{1,2}초)?",
        r"\d{1,3}분(?:\s?\d{1,2}초)?",
        r"\d{1,2}:\d{2}(?::\d{2})?",
        rf"{SPOKEN}\s?시간",
    ),
    "QT": (rf"{SCALED}(?:(?:\s?여)?\s?(?:{COUNTED}|{MEASURED}))?", rf"{SPOKEN}\s?(?:{COUNTED})"),
}


class DictionaryBaseline:
    """Finds surfaces that are labelled in training, longest match first, and numbers with their units.

    A surface matches only at the start of a word; if it ends in a letter or digit that is not Hangul, or has one
    syllable, also only at the end of a word (Korean particles follow a name without a space). Surfaces that are
    labelled in fewer than half of their occurrences in training are dropped; the rest get their most frequent label.
    The patterns `DT`, `TI` and `QT` are used if training has a label of that name; a longer match takes precedence.

    Args:
        examples: Training documents; unlabelled ones are skipped.

    >>> train = [Example("a", "이재용 회장이 서울에서", (Span(0, 3, "PS"), Span(8, 10, "LC")))]
    >>> text = "서울과 부산에서 이재용은"
    >>> [(text[span.start : span.end], span.label) for span in DictionaryBaseline(train).extract([text])[0]]
    [('서울', 'LC'), ('이재용', 'PS')]
    """

    def __init__(self, examples: list[Example]):
        labelled = [example for example in examples if example.spans is not None]
        labels: dict[str, Counter] = defaultdict(Counter)
        for example in labelled:
            for span in example.spans:
                labels[example.text[span.start : span.end]][span.label] += 1
        self.label = {surface: counts.most_common(1)[0][0] for surface, counts in labels.items()}
        self.lengths = self._lengths()
        self.patterns: list[tuple[str, re.Pattern]] = []
        seen, right = Counter(), Counter()
        for example in labelled:
            gold = {span[:2] for span in example.spans}
            for span in self._find(example.text):
                surface = example.text[span.start : span.end]
                seen[surface] += 1
                right[surface] += span[:2] in gold
        self.label = {name: label for name, label in self.label.items() if 2 * right[name] >= seen[name] > 0}
        self.lengths = self._lengths()
        known = {label for counts in labels.values() for label in counts}
        self.patterns = [
            (label, re.compile(rf"(?<![A-Za-z\d가-힣])(?:{'|'.join(patterns)})(?![A-Za-z\d])"))
            for label, patterns in PATTERNS.items()
            if label in known
        ]

    def extract(self, texts: list[str]) -> list[list[Span]]:
        """Find the spans of each text, sorted, without overlaps.

        >>> DictionaryBaseline([Example("a", "3명", (Span(0, 2, "QT"),))]).extract(["12명이 왔다"])
        [[Span(start=0, end=3, label='QT', score=1.0)]]
        """
        return [keep_longest(self._find(text) + self._numbers(text)) for text in texts]

    def _lengths(self) -> dict[str, list[int]]:
        """Lengths of the surfaces by first character, longest first."""
        lengths: dict[str, set[int]] = defaultdict(set)
        for surface in self.label:
            lengths[surface[0]].add(len(surface))
        return {first: sorted(those, reverse=True) for first, those in lengths.items()}

    def _find(self, text: str) -> list[Span]:
        spans, reached = [], 0
        for start, first in enumerate(text):
            if start < reached or (start and first.isalnum() and text[start - 1].isalnum()):
                continue
            for length in self.lengths.get(first, ()):
                # A slice beyond the end of the text is shorter and may be another surface.
                if start + length > len(text):
                    continue
                label = self.label.get(text[start : start + length])
                if label is not None and ends_well(text, start, start + length):
                    reached = start + length
                    spans.append(Span(start, reached, label))
                    break
        return spans

    def _numbers(self, text: str) -> list[Span]:
        return [Span(*found.span(), label) for label, pattern in self.patterns for found in pattern.finditer(text)]


def ends_well(text: str, start: int, end: int) -> bool:
    """Whether a surface may end at a position: at the end of a word, or before a Hangul particle.

    >>> ends_well("서울에서", 0, 2), ends_well("IBM은", 0, 3), ends_well("IBMs", 0, 3), ends_well("한국", 0, 1)
    (True, True, False, False)
    """
    if end >= len(text) or not text[end].isalnum() or not text[end - 1].isalnum():
        return True
    return "가" <= text[end] <= "힣" and (end - start > 1 or not "가" <= text[start] <= "힣")


def dictionary_predictions(task, documents: Sequence[Example]) -> list[list[Span]]:
    """Predict spans of documents with the dictionary of a task's training examples."""
    return DictionaryBaseline(task.examples("train")).extract([document.text for document in documents])
