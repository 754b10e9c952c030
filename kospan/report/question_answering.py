"""What the page of a reader shows that no other does: classes of wrong answers, and questions with their texts."""

from kospan.report import plots
from kospan.report.analysis import Analysis
from kospan.tasks.question_answering.breakdown import (
    ANSWER_CLASSES,
    SEEN_ANSWERS,
    answer_class,
    answer_length,
    answer_length_groups,
    differs_by_particle,
    metrics_per_question,
    seen_answers,
)
from kospan.tasks.question_answering.metrics import gold_answers, said
from kospan.tasks.question_answering.question_words import QUESTION_WORDS, question_word

ABOUT = (
    "Each question counts once, with its best answer. Exact match and F1 compare texts by the official rules of the "
    "data set. Intervals are 95 % bootstrap intervals over questions."
)
CONFIDENCE = (
    "The posterior of an answer is its share in one softmax over all answers that the text can give; the softmax "
    "over starts times the softmax over ends is the usual makeshift. An answer is right where it is an exact match."
)
LOOKED = (
    "Attention says where subwords of the answer look, mean over heads; gradient times input says which subwords of "
    "the question and the text make the answer more probable. Of a long text the part around the answer is read by "
    "itself."
)
SEARCHED = "question, text or id"


def lead(analysis: Analysis) -> str:
    """How much was scored, in a line."""
    texts = len({example.text for example in analysis.examples})
    unanswerable = sum(not example.spans for example in analysis.examples)
    silent = sum(not spans for spans in analysis.predicted)
    parts = [f"{analysis.metrics['documents']:,} questions about {texts:,} texts"]
    parts += [f"{unanswerable:,} of them without an answer"] if unanswerable else []
    parts += [f"{silent:,} left unanswered"] if silent else []
    return ", ".join([*parts, f"{analysis.unit} units."])


def draw(analysis: Analysis) -> dict[str, bytes]:
    """The metrics of errors by name."""
    classes = analysis.metrics["errors"]["classes"]
    return {"error_classes": plots.error_classes({"wrong answers": classes})}


def data(analysis: Analysis) -> dict:
    """What the page's script reads; a text stands there once, however many questions are about it."""
    texts = list(dict.fromkeys(example.text for example in analysis.examples))
    return {
        "examples": records(analysis, texts),
        "texts": texts,
        "kinds": list(ANSWER_CLASSES),
        "words": list(QUESTION_WORDS),
        "lengths": answer_length_groups(),
        "seen": list(SEEN_ANSWERS),
    }


def records(analysis: Analysis, texts: list[str]) -> list[dict]:
    """Every question with its answers, as the page's script reads them.

    Returns: `id`, `question`, `source`; `text`, its place in `texts`; `gold`, `[start, end]` of each; `found`, `[start,
        end, score]` or null; `kind`, `word`, `length` and `seen` (-1 without training data), places in what `data`
        names; `metrics`, those of the question by name; `particle`, whether a particle alone is wrong.
    """
    place = {text: at for at, text in enumerate(texts)}
    names, values = metrics_per_question(analysis.examples, analysis.predicted, analysis.metrics["rules"])
    exact = names.index("exact_match")
    seen = seen_answers(analysis.training) if analysis.training is not None else None
    rows = []
    for example, spans, scores in zip(analysis.examples, analysis.predicted, values.tolist()):
        right = scores[exact] == 1.0
        best = spans[0] if spans else None
        rows.append(
            {
                "id": example.id,
                "question": example.question,
                "source": example.source,
                "text": place[example.text],
                "gold": [[span.start, span.end] for span in example.spans],
                "found": [best.start, best.end, round(float(best.score), 4)] if best else None,
                "kind": ANSWER_CLASSES.index(answer_class(example, spans, right)),
                "word": QUESTION_WORDS.index(question_word(example.question)),
                "length": answer_length_groups().index(answer_length(example)),
                "seen": SEEN_ANSWERS.index(seen(example)) if seen else -1,
                "metrics": {name: round(value, 4) for name, value in zip(names, scores)},
                "particle": not right and differs_by_particle(said(example, spans), gold_answers(example)),
            }
        )
    return rows
