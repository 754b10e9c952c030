"""Report of question answering: classes of wrong answers, and questions with their texts."""

from kospan.report import plots
from kospan.report.analysis import Analysis, TaskReport
from kospan.tasks.question_answering.breakdown import ANSWER_CLASSES, LENGTH_GROUPS, SEEN_ANSWERS, answer_rows
from kospan.tasks.question_answering.metrics import metric_names
from kospan.tasks.question_answering.question_words import QUESTION_WORDS


def draw(analysis: Analysis) -> dict[str, bytes]:
    """Draw classes of wrong answers."""
    return {"error_classes": plots.error_classes({"wrong answers": analysis.metrics["errors"]["classes"]})}


def data(analysis: Analysis) -> dict:
    """Data of the page's script; a text is in it once, however many questions are about it."""
    texts = list(dict.fromkeys(example.text for example in analysis.examples))
    return {
        "examples": records(analysis, texts),
        "texts": texts,
        "kinds": list(ANSWER_CLASSES),
        "words": list(QUESTION_WORDS),
        "lengths": LENGTH_GROUPS,
        "seen": list(SEEN_ANSWERS),
    }


def records(analysis: Analysis, texts: list[str]) -> list[dict]:
    """Every question with its answers, for the page's script.

    Returns: `id`, `question`, `source`; `text`, its place in `texts`; `gold`, `[start, end]` of each; `found`, `[start,
        end, score]` or null; `kind`, `word`, `length` and `seen` (-1 without training data), places in the lists of
        `data`; `metrics`, those of the question by name; `particle`, whether only a particle is wrong.
    """
    place = {text: at for at, text in enumerate(texts)}
    rules = analysis.metrics["rules"]
    rows = answer_rows(analysis.examples, analysis.predicted, rules, analysis.training).to_dict("records")
    records = []
    for example, spans, row in zip(analysis.examples, analysis.predicted, rows):
        best = spans[0] if spans else None
        records.append(
            {
                "id": example.id,
                "question": example.question,
                "source": example.source,
                "text": place[example.text],
                "gold": [[span.start, span.end] for span in example.spans],
                "found": [best.start, best.end, round(float(best.score), 4)] if best else None,
                "kind": ANSWER_CLASSES.index(row["class"]),
                "word": QUESTION_WORDS.index(row["question word"]),
                "length": LENGTH_GROUPS.index(row["answer length"]),
                "seen": SEEN_ANSWERS.index(row["answer"]) if "answer" in row else -1,
                "metrics": {name: round(row[name], 4) for name in metric_names(rules)},
                "particle": row["particle"],
            }
        )
    return records


REPORT = TaskReport("kospan.tasks.question_answering", draw, data)
