"""Metrics of answers by the official rules of KorQuAD 1.0 and 2.x, SQuAD and KLUE-MRC.

A metric is a function of a `ComparedAnswer` and a line in `METRICS`; scores are means over questions. KorQuAD 1.0 and
SQuAD 1.1 have no question without a gold answer; for such a question all rules count "no answer" as right and any
answer as wrong.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from html import unescape
from typing import NamedTuple

import pandas as pd

from kospan.evaluation import metrics as tables
from kospan.evaluation.dataset_names import set_of
from kospan.evaluation.metrics import Metric
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.tasks.question_answering.rouge import klue_rouge_w

_PUNCTUATION = str.maketrans("", "", string.punctuation)
# Quotation marks and brackets of titles, which KorQuAD drops before lowering case.
_KORQUAD_MARKS = str.maketrans(dict.fromkeys("'\"《》<>〈〉()‘’", " "))
# The benchmark's pattern lacks a bracket: it drops one of the marks only in front of "()‘’", so 《》 stay.
_KLUE_MARKS = re.compile(r"['\"《》<>〈〉]\(\)‘’")
_ARTICLES = re.compile(r"\b(a|an|the)\b")
# Invisible elements, comments and tags of a page, also a tag that is cut off at the end. A quotation mark quotes a ">"
# only after an equals sign.
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
    """A plain text as KorQuAD 2.x compares it: in the form of KorQuAD 1.0, without any space.

    Examples that kospan reads are plain text: `<` and `&` in them are characters of the page, not markup.

    >>> korquad2_form("List<String>, 3월 2일")
    'liststring3월2일'
    """
    return korquad_form(text).replace(" ", "")


def korquad2_html_form(text: str) -> str:
    """A raw HTML answer as KorQuAD 2.x compares it: its text in the form of `korquad2_form`.

    >>> korquad2_html_form("<td>3월&nbsp;<b>2일</b></td>") == korquad2_form("3월 2일")
    True
    """
    return korquad2_form(unescape(_MARKUP.sub("", text)))


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
    """Rules for comparing answers.

    Args:
        form: Normalises an answer.
        tokens: Tokens of a normalised answer that F1 counts: its characters without spaces, or its words.
        empty_equal: Whether two empty normalised answers have F1 1 or 0.
        empty_gold: Whether a gold answer that is empty after normalisation counts as one.
    """

    form: Callable[[str], str]
    tokens: Callable[[str], list[str]]
    empty_equal: bool = False
    empty_gold: bool = True


RULES = {
    "korquad": Rules(korquad_form, _characters),
    "korquad2": Rules(korquad2_form, _characters),
    # For answers that are still HTML, such as those of a file of predictions in the official form.
    "korquad2_html": Rules(korquad2_html_form, _characters),
    "squad": Rules(squad_form, str.split),
    "squad_v2": Rules(squad_form, str.split, empty_equal=True, empty_gold=False),
    # The benchmark has exact match and ROUGE-W; F1 is KorQuAD's over KLUE's form, for comparison with the others.
    "klue_mrc": Rules(klue_form, _characters, empty_equal=True),
}


def rules_of(dataset: str) -> str:
    """The name of the rules for a data set; those of KorQuAD 1.0 if it has none of its own.

    >>> rules_of("klue_mrc"), rules_of("korquad2"), rules_of("hub:rajpurkar/squad_v2")
    ('klue_mrc', 'korquad2', 'squad_v2')
    """
    name = set_of(dataset)
    return name if name in RULES else "korquad"


class ComparedAnswer(NamedTuple):
    """An answer beside the gold ones, in the form in which rules compare them.

    Args:
        predicted: The answer; empty for "no answer".
        gold: The gold answers, one empty one if the question has none.
        tokens: See `Rules`.
        empty_equal: See `Rules`.
    """

    predicted: str
    gold: list[str]
    tokens: Callable[[str], list[str]]
    empty_equal: bool


def token_f1(answer: ComparedAnswer) -> float:
    """F1 of the tokens of two answers, the best over the gold ones."""
    mine = answer.tokens(answer.predicted)
    return max(_f1(mine, answer.tokens(gold), answer.empty_equal) for gold in answer.gold)


def _f1(mine: list[str], theirs: list[str], empty_equal: bool) -> float:
    if not mine and not theirs:
        return float(empty_equal)
    common = sum((Counter(mine) & Counter(theirs)).values())
    return 2 * common / (len(mine) + len(theirs))


def rouge_w(answer: ComparedAnswer) -> float:
    """ROUGE-W of two answers, the best over the gold ones."""
    return max(klue_rouge_w(answer.predicted, gold) for gold in answer.gold)


_MEAN = {"averaging": "mean over questions"}
METRICS = {
    "exact_match": Metric(lambda answer: answer.predicted in answer.gold, "exact match", "exact_match", _MEAN),
    "f1": Metric(token_f1, "F1", "f1", _MEAN),
    "rouge_w": Metric(rouge_w, "ROUGE-W", "rouge_w", _MEAN, only="klue_mrc"),
}
# Parts of a data set that have metrics of their own.
PARTS = {
    "answerable": "questions with an answer",
    "unanswerable": "questions without an answer",
    "left_out": "questions whose answer is no readable text, which count 0",
}
PART_METRICS = {
    f"{name}_{part}": metric._replace(function=None, words=f"{metric.words} of {questions}")
    for part, questions in PARTS.items()
    for name, metric in METRICS.items()
} | {f"support_{part}": Metric(None, questions, "count") for part, questions in PARTS.items()}


def metric_names(rules: str, unanswerable: bool = False, left_out: bool = False) -> list[str]:
    """Return the names of all metrics that `score_answers` gives.

    Args:
        rules: A name of `RULES`.
        unanswerable: Whether some questions have no answer.
        left_out: Whether the data reader left out some questions.

    >>> metric_names("klue_mrc")
    ['exact_match', 'f1', 'rouge_w']
    """
    names = tables.metric_names(METRICS, checked_rules(rules))
    parts = ["answerable", "unanswerable"] if unanswerable else []
    parts += ["left_out"] if left_out else []
    return names + [f"{name}_{part}" for part in parts for name in [*names, "support"]]


def answer_metrics(predicted: str, gold: Sequence[str], rules: str) -> dict[str, float]:
    """Compute all metrics of one answer, each the best over the gold ones.

    Args:
        predicted: The answer; empty for "no answer".
        gold: The gold answers; none if the question has no answer.
        rules: A name of `RULES`.

    >>> answer_metrics("서울특별시", ["서울시"], "klue_mrc")
    {'exact_match': 0.0, 'f1': 0.75, 'rouge_w': 0.5}
    """
    form, tokens, empty_equal, empty_gold = RULES[checked_rules(rules)]
    theirs = [normalised for each in gold if (normalised := form(each)) or empty_gold]
    if not theirs:
        theirs, empty_equal = [""], True
    return tables.compute(METRICS, ComparedAnswer(form(predicted), theirs, tokens, empty_equal), of=rules)


def checked_rules(name: str) -> str:
    """Return the name. Raises: ValueError if there are no such rules."""
    if name not in RULES:
        raise ValueError(f"expected rules to be one of {', '.join(RULES)}, got {name!r}; choose one of them")
    return name


def predicted_answer(example: Example, spans: Sequence[Span]) -> str:
    """The text of the best answer; empty if there is none."""
    return example.text[spans[0].start : spans[0].end] if spans else ""


def gold_answers(example: Example) -> list[str]:
    """The texts of the gold answers; none if the question has no answer."""
    return [example.text[span.start : span.end] for span in example.spans]


def check_answers(examples: Sequence[Example], predicted: Sequence[Sequence[Span]]) -> None:
    """Raise ValueError if the two differ in length or a question has no gold answers."""
    if len(examples) != len(predicted):
        raise ValueError(
            f"expected answers to {len(examples):,} questions, got {len(predicted):,}; pass an empty list for a "
            "question without an answer"
        )
    unlabelled = next((example.id for example in examples if example.spans is None), None)
    if unlabelled is not None:
        raise ValueError(f"example {unlabelled!r}: expected gold answers to score by, got none; remove the question")


def metrics_per_question(examples: Sequence[Example], predicted: Sequence[Sequence[Span]], rules: str) -> pd.DataFrame:
    """A row per question and a column per metric. Raises: ValueError as `score_answers`."""
    check_answers(examples, predicted)
    rows = [
        answer_metrics(predicted_answer(example, spans), gold_answers(example), rules)
        for example, spans in zip(examples, predicted)
    ]
    return pd.DataFrame(rows, columns=metric_names(rules), dtype=float)


def score_answers(
    examples: Sequence[Example], predicted: Sequence[Sequence[Span]], rules: str = "korquad", left_out: int = 0
) -> dict[str, float]:
    """Compute `exact_match`, `f1` and by KLUE's rules `rouge_w`, means over questions from 0 to 1.

    With unanswerable questions there are also the metrics of both parts, `exact_match_answerable` and so on, and how
    many they are, `support_answerable` and `support_unanswerable`. Questions that were left out count 0 in the means;
    `support_left_out` is their number.

    Args:
        examples: Questions with gold spans; an empty tuple means that there is no answer.
        predicted: Answers to each, best first; none means "no answer".
        rules: A name of `RULES`.
        left_out: Questions of the data set that the data reader left out.

    Raises: ValueError if the lengths differ, a question is unlabelled, or `rules` is no name of `RULES`.

    >>> example = Example("a", "수도는 서울이다", (Span(4, 6, "answer"),), "수도는?")
    >>> score_answers([example], [[Span(4, 8, "answer", 0.7)]])
    {'exact_match': 0.0, 'f1': 0.6666666666666666}
    """
    rows = metrics_per_question(examples, predicted, rules)
    metrics = _means(rows, left_out)
    answerable = pd.Series([bool(example.spans) for example in examples], dtype=bool)
    if not answerable.all():
        for part, chosen in (("answerable", rows[answerable]), ("unanswerable", rows[~answerable])):
            metrics |= {f"{name}_{part}": value for name, value in _means(chosen).items()}
            metrics[f"support_{part}"] = float(len(chosen))
    if left_out:
        metrics |= {f"{name}_left_out": 0.0 for name in rows} | {"support_left_out": float(left_out)}
    return metrics


def _means(rows: pd.DataFrame, left_out: int = 0) -> dict[str, float]:
    return {name: sum(values.tolist()) / max(1, len(rows) + left_out) for name, values in rows.items()}
