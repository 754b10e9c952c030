"""Scores of answers: exact match and F1 by the official rules of KorQuAD 1.0 and 2.x, SQuAD and KLUE-MRC.

KorQuAD 1.0 and SQuAD 1.1 have no question without a gold answer; where there is one, it is right by all rules to say
nothing, and wrong to say something.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from html import unescape
from typing import NamedTuple

from kospan.evaluation.dataset_names import set_of
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.tasks.question_answering.rouge import klue_rouge_w

_PUNCTUATION = str.maketrans("", "", string.punctuation)
# What KorQuAD drops before it lowers case: quotation marks and brackets of titles.
_KORQUAD_MARKS = str.maketrans(dict.fromkeys("'\"《》<>〈〉()‘’", " "))
# The benchmark's pattern lacks a bracket: it drops one of the marks only in front of "()‘’", so 《》 stay.
_KLUE_MARKS = re.compile(r"['\"《》<>〈〉]\(\)‘’")
_ARTICLES = re.compile(r"\b(a|an|the)\b")
# What is no text of a page: elements that nobody sees, comments, and tags, also one that is cut off at the end. A
# quotation mark quotes a ">" only behind an equals sign.
_MARKUP = re.compile(
    r"<(script|style|template)\b[^>]*>.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)"
    r"|<(?:/?[a-z]|[!?])(?:=\s*\"[^\"]*\"|=\s*'[^']*'|[^>])*?(?:>|\Z)",
    re.IGNORECASE | re.DOTALL | re.ASCII,
)


def korquad_form(text: str) -> str:
    """An answer as KorQuAD 1.0 compares it: without marks, punctuation, case and doubled spaces.

    A mark becomes a space, punctuation (that of ASCII alone) goes without one.

    >>> korquad_form("《서울》  (Seoul)")
    '서울 seoul'
    """
    return " ".join(text.translate(_KORQUAD_MARKS).lower().translate(_PUNCTUATION).split())


def korquad2_form(text: str) -> str:
    """An answer as KorQuAD 2.x compares it: the text of its HTML in the form of KorQuAD 1.0, without any space.

    >>> korquad2_form("<td>3월&nbsp;<b>2일</b></td>") == korquad2_form("3월2일")
    True
    """
    return korquad_form(unescape(_MARKUP.sub("", text))).replace(" ", "")


def squad_form(text: str) -> str:
    """An answer as SQuAD compares it: without punctuation, case, articles and doubled spaces.

    >>> squad_form("The  U.S. Senate")
    'us senate'
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def klue_form(text: str) -> str:
    """An answer as KLUE-MRC compares it: without punctuation of ASCII, case and doubled spaces; 《》 and ‘’ stay.

    >>> klue_form("《서울》  (Seoul)")
    '《서울》 seoul'
    """
    return " ".join(_KLUE_MARKS.sub(" ", text.lower()).translate(_PUNCTUATION).split())


def _characters(form: str) -> list[str]:
    return list(form.replace(" ", ""))


class Rules(NamedTuple):
    """How answers are compared.

    Args:
        form: What two answers are compared in.
        tokens: What F1 counts of a form: its characters without spaces, or its words.
        empty_equal: Whether two answers of which nothing is left share everything (F1 1) or nothing (F1 0).
        empty_gold: Whether a gold answer of which nothing is left is one, or is passed over.
        rouge_w: Whether ROUGE-W is a metric too.
    """

    form: Callable[[str], str]
    tokens: Callable[[str], list[str]]
    empty_equal: bool = False
    empty_gold: bool = True
    rouge_w: bool = False


RULES = {
    "korquad": Rules(korquad_form, _characters),
    "korquad2": Rules(korquad2_form, _characters),
    "squad": Rules(squad_form, str.split),
    "squad_v2": Rules(squad_form, str.split, empty_equal=True, empty_gold=False),
    # The benchmark has exact match and ROUGE-W; F1 is KorQuAD's over KLUE's form, for comparison with the others.
    "klue_mrc": Rules(klue_form, _characters, empty_equal=True, rouge_w=True),
}


def rules_of(dataset: str) -> str:
    """The name of the rules that a data set's scores follow; KorQuAD 1.0's where it has none of its own.

    >>> rules_of("klue_mrc"), rules_of("korquad2"), rules_of("hub:rajpurkar/squad_v2")
    ('klue_mrc', 'korquad2', 'squad_v2')
    """
    name = set_of(dataset)
    return name if name in RULES else "korquad"


def metric_names(rules: str, unanswerable: bool = False, left_out: bool = False) -> list[str]:
    """The names of all metrics that `score_answers` gives.

    Args:
        rules: A name of `RULES`.
        unanswerable: Whether some of the questions have no answer.
        left_out: Whether some questions were left out by the reader.

    >>> metric_names("klue_mrc")
    ['exact_match', 'f1', 'rouge_w']
    """
    names = ["exact_match", "f1", *(["rouge_w"] if _rules(rules).rouge_w else [])]
    parts = ["answerable", "unanswerable"] if unanswerable else []
    parts += ["left_out"] if left_out else []
    return names + [f"{name}_{part}" for part in parts for name in [*names, "support"]]


def answer_scores(predicted: str, gold: Sequence[str], rules: str) -> tuple[float, float]:
    """Exact match and F1 of one answer, each the best over the gold ones.

    Args:
        predicted: The answer; empty for "no answer".
        gold: The right answers; none where the question has no answer.
        rules: A name of `RULES`.

    >>> answer_scores("서울특별시", ["서울", "서울시"], "korquad")
    (0.0, 0.75)
    """
    metrics = answer_metrics(predicted, gold, rules)
    return metrics["exact_match"], metrics["f1"]


def answer_metrics(predicted: str, gold: Sequence[str], rules: str) -> dict[str, float]:
    """All metrics of one answer, each the best over the gold ones: `exact_match`, `f1`, by KLUE's rules `rouge_w`.

    Args:
        predicted: The answer; empty for "no answer".
        gold: The right answers; none where the question has no answer.
        rules: A name of `RULES`.

    >>> answer_metrics("서울특별시", ["서울시"], "klue_mrc")
    {'exact_match': 0.0, 'f1': 0.75, 'rouge_w': 0.5}
    """
    form, tokens, empty_equal, empty_gold, rouge_w = _rules(rules)
    mine, theirs = form(predicted), [form(each) for each in gold]
    if not empty_gold:
        theirs = [each for each in theirs if each]
    if not theirs:
        theirs, empty_equal = [""], True
    metrics = {
        "exact_match": float(mine in theirs),
        "f1": max(_f1(tokens(mine), tokens(each), empty_equal) for each in theirs),
    }
    if rouge_w:
        metrics["rouge_w"] = max(klue_rouge_w(mine, each) for each in theirs)
    return metrics


def _rules(name: str) -> Rules:
    if name not in RULES:
        raise ValueError(f"expected rules to be one of {', '.join(RULES)}, got {name!r}; choose one of them")
    return RULES[name]


def _f1(mine: list[str], theirs: list[str], empty_equal: bool) -> float:
    if not mine and not theirs:
        return float(empty_equal)
    common = sum((Counter(mine) & Counter(theirs)).values())
    return 2 * common / (len(mine) + len(theirs))


def said(example: Example, spans: Sequence[Span]) -> str:
    """The text of the best answer; empty where there is none."""
    return example.text[spans[0].start : spans[0].end] if spans else ""


def gold_answers(example: Example) -> list[str]:
    """The texts of the right answers; none where the question has no answer."""
    return [example.text[span.start : span.end] for span in example.spans]


def check_answers(examples: Sequence[Example], predicted: Sequence[Sequence[Span]]) -> None:
    """Raises: ValueError where the two differ in length or a question has not been answered by anybody."""
    if len(examples) != len(predicted):
        raise ValueError(
            f"expected answers to {len(examples):,} questions, got {len(predicted):,}; give an empty list where a "
            "question is not answered"
        )
    unlabelled = next((example.id for example in examples if example.spans is None), None)
    if unlabelled is not None:
        raise ValueError(f"example {unlabelled!r}: expected gold answers to score by, got none; drop the question")


def score_answers(
    examples: Sequence[Example], predicted: Sequence[Sequence[Span]], rules: str = "korquad", left_out: int = 0
) -> dict[str, float]:
    """`exact_match`, `f1` and by KLUE's rules `rouge_w`, means over questions from 0 to 1.

    With unanswerable questions there are also the metrics of both parts, `exact_match_answerable` and so on, and how
    many they are, `support_answerable` and `support_unanswerable`. Questions that were left out count 0 in the means;
    `support_left_out` is how many they are.

    Args:
        examples: Questions with gold spans; an empty tuple means that there is no answer.
        predicted: Answers to each, best first; none means "no answer".
        rules: A name of `RULES`.
        left_out: Questions of the data set that the reader left out, which nobody was asked.

    Raises: ValueError where the lengths differ, a question is unlabelled, or `rules` is no name of `RULES`.

    >>> example = Example("a", "수도는 서울이다", (Span(4, 6, "answer"),), "수도는?")
    >>> score_answers([example], [[Span(4, 8, "answer", 0.7)]])
    {'exact_match': 0.0, 'f1': 0.6666666666666666}
    """
    check_answers(examples, predicted)
    names = metric_names(rules)
    rows = [
        answer_metrics(said(example, spans), gold_answers(example), rules)
        for example, spans in zip(examples, predicted)
    ]
    metrics = _means(rows, names, left_out)
    if not all(example.spans for example in examples):
        for part, kind in (("answerable", True), ("unanswerable", False)):
            chosen = [row for row, example in zip(rows, examples) if bool(example.spans) == kind]
            metrics |= {f"{name}_{part}": value for name, value in _means(chosen, names).items()}
            metrics[f"support_{part}"] = float(len(chosen))
    if left_out:
        metrics |= {f"{name}_left_out": 0.0 for name in names} | {"support_left_out": float(left_out)}
    return metrics


def _means(rows: Sequence[dict[str, float]], names: Sequence[str], left_out: int = 0) -> dict[str, float]:
    return {name: sum(row[name] for row in rows) / max(1, len(rows) + left_out) for name in names}
