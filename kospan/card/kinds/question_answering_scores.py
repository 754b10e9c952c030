"""The scores of a reader's card: by the official rules, by kind of question and answer, and errors."""

from typing import Any, NamedTuple

from kospan.card import phrases
from kospan.card.markdown import decimal, plain, table
from kospan.card.phrases import Pair, check_same_run, error_rows, interval, plain_rows
from kospan.card.run_record import RunRecord
from kospan.tasks.question_answering.breakdown import NO_ANSWER
from kospan.tasks.question_answering.metrics import rules_of
from kospan.tasks.token_classification.analysis import SAMPLES

SCORED = ("exact_match", "f1", "rouge_w")
HEADLINE = ("f1", "exact_match")
NAMES = {"exact_match": "exact match", "f1": "F1", "rouge_w": "ROUGE-W"}
_MEAN = {"averaging": "mean over questions"}
METRICS = {
    "exact_match": ("exact_match", "exact match", _MEAN),
    "f1": ("f1", "F1", _MEAN),
    "rouge_w": ("rouge_w", "ROUGE-W", _MEAN),
}
_PARTS = {
    "_answerable": "questions that have an answer",
    "_unanswerable": "questions without an answer",
    "_left_out": "questions whose answer is no readable text, which count 0",
}
# What stands beside a Korean question word where English is read.
GLOSSES = {
    "누구": "who",
    "무엇": "what",
    "언제": "when",
    "어디": "where",
    "몇, 얼마": "how many or how much",
    "어떤, 어느": "which",
    "왜": "why",
    "어떻게": "how",
}
OUTCOMES = {
    "exact": "equals a gold answer by the rules",
    "too long": "holds a gold answer and more",
    "too short": "a part of a gold answer",
    "overlaps": "shares characters with a gold answer",
    "elsewhere": "shares none with any gold answer",
    "no answer said": "said that there is none, or was left out",
    "answer where there is none": "the text does not hold an answer",
}
# Outcomes that only models that know "no answer", or data with such questions, can have.
WITHOUT_ANSWER = ("no answer said", "answer where there is none")


class RulesInWords(NamedTuple):
    """
    Args:
        title: Whose rules they are.
        tokens: What F1 counts.
        dropped: What two answers may differ in.
    """

    title: str
    tokens: str
    dropped: str


RULES = {
    "korquad": RulesInWords("KorQuAD 1.0", "characters", "case, punctuation, quotation marks of titles and spacing"),
    "korquad2": RulesInWords(
        "KorQuAD 2.x", "characters", "tags, case, punctuation, quotation marks of titles and all spaces"
    ),
    "squad": RulesInWords("SQuAD 1.1", "words", "case, punctuation, articles and spacing"),
    "squad_v2": RulesInWords("SQuAD 2.0", "words", "case, punctuation, articles and spacing"),
    "klue_mrc": RulesInWords("KLUE-MRC", "characters", "case, punctuation and spacing"),
}


def rules_in_use(left: RunRecord) -> str:
    """Whose rules the metrics follow, a name of `RULES`."""
    return rules_of(left.setting("dataset"))


def measured(left: RunRecord) -> dict[str, str]:
    """Unit and rules."""
    return {"unit": left.config["unit"], "rules": RULES[rules_in_use(left)].title}


def metric(name: str) -> tuple[str, str, dict[str, str]] | None:
    """Figures of the questions that have an answer, and of those that have none.

    >>> metric("f1_unanswerable")[:2], metric("support_answerable")[:2]
    (('f1', 'F1 of questions without an answer'), ('count', 'questions that have an answer'))
    """
    for suffix, words in _PARTS.items():
        base = name.removesuffix(suffix)
        if base == "support" and name.endswith(suffix):
            return "count", words, {}
        if base in METRICS and name.endswith(suffix):
            kind, title, settings = METRICS[base]
            return kind, f"{title} of {words}", settings
    return None


def stands_above(name: str) -> bool:
    """Figures of all questions, and how many there are."""
    return name in SCORED or name.startswith("support_")


def counted(part: dict, other: str = "") -> str:
    """Questions, of which each has one best answer.

    >>> counted({"documents": 90, "spans": 90}, "other ")
    'the best answers to 90 other questions'
    """
    return f"the best answers to {part['documents']:,} {other}questions"


def held_out(left: RunRecord) -> Pair:
    """Questions of one article are held out together."""
    return phrases.held_out(left, "article")


def score_parts(left: RunRecord) -> dict[str, Any]:
    """Everything under "Scores" but other metrics and calibration."""
    split, title = held_out(left)[0], plain(left.about.title)
    rules = RULES[rules_in_use(left)]
    definition = (
        f"Every question's most probable answer counts, by the official rules of {rules.title}: exact match is the "
        f"share that equals a gold answer but for {rules.dropped}; F1 is that of the {rules.tokens} that both have, "
        "a mean over questions; of several gold answers the one that fits best counts."
    )
    if "rouge_w" in left.results:
        definition += " ROUGE-W, the benchmark's own second metric, rewards long common stretches."
    if left.config.get("threshold"):
        definition += " No answer was left out for being unsure: the threshold below was chosen later."
    if left.record is None:
        found = [(NAMES[name], value) for name, value in left.results.items() if name in SCORED]
        return {
            "scores_intro": f"Measured on {title}: {split}. {definition}",
            "scores": table(["metric", "value"], plain_rows(found)),
        }
    record = left.record["evaluation"]
    overall, plainly = record["overall"], record["baseline"]
    check_same_run(left, "exact_match", overall["exact_match"])
    check_same_run(left, "f1", overall["f1"])
    without = int(left.results.get("support_unanswerable") or 0)
    unanswerable = f", {without:,} of which have no answer in their text" if without else ""
    left_out = int(left.results.get("support_left_out") or 0)
    if left_out:
        unanswerable += f", and {left_out:,} more whose answer is no readable text, which count 0"
    rows = [
        [f"**{words}**", decimal(overall[name]), interval(overall, name), decimal(plainly[name])]
        for name, words in NAMES.items()
        if name in overall
    ]
    return {
        "scores_intro": f"Measured on {title}: {split}, {record['documents']:,} questions{unanswerable}. {definition}",
        "scores": table(["metric", "value", "95 % interval", "nearest word"], rows),
        "intervals": (
            f"Intervals: percentile bootstrap over questions, {SAMPLES:,} resamples. The nearest word is what a "
            "method gives that learns nothing: the word nearest to where the question's words crowd."
        ),
        "groups": _groups(record),
        "errors_intro": "What became of the most probable answer to each question, by place in the text:",
        "errors": table(
            ["outcome", "", "questions", "of the errors"], error_rows(_occurring(record), OUTCOMES, "exact"), 2
        ),
        "errors_end": _particles(record),
    }


def _groups(record: dict) -> list[tuple[str, str]]:
    titles = {
        "question word": "By question word:",
        "answer length": "By length of the first gold answer in characters:",
        "answer": "By whether a gold answer was one in the training data too:",
    }
    header = ["questions", "exact match", "95 % interval", "F1", "95 % interval"]
    return [
        (
            intro,
            table(
                [title, *header],
                [[plain(shown(row["group"])), *_cells(row)] for row in record["groups"][title]],
            ),
        )
        for title, intro in titles.items()
        if record["groups"].get(title)
    ]


def shown(group: str) -> str:
    """A group's name as English readers understand it.

    >>> shown("어떤, 어느"), shown("17 and more")
    ('어떤·어느 (which)', '17 and more')
    """
    return f"{group.replace(', ', '·')} ({GLOSSES[group]})" if group in GLOSSES else group


def _cells(row: dict) -> list[str]:
    ends = [cell for name in ("exact_match", "f1") for cell in (decimal(row[name]), interval(row, name))]
    return [f"{row['questions']:,}", *ends]


def _occurring(record: dict) -> dict[str, int]:
    """Counts of outcomes; those that only some models and data know where they occur."""
    return {kind: count for kind, count in record["errors"].items() if count or kind not in WITHOUT_ANSWER}


def _particles(record: dict) -> str | None:
    wrong = sum(count for kind, count in record["errors"].items() if kind != "exact")
    if not wrong or (record["hangul"] < 0.5 and not record["particles"]):
        return None
    return (
        f"Of the {wrong:,} that are not exact {record['particles']:,} ({record['particles'] / wrong:.1%}) differ "
        "from a gold answer by nothing but a Korean particle or ending."
    )


def group_rows(record: dict, title: str) -> list[dict]:
    """Rows of a table of groups, without questions that have no answer."""
    return [row for row in record["groups"].get(title, []) if row["group"] != NO_ANSWER]
