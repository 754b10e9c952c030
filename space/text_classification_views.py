"""How classes and values are shown: bars of probabilities, and what each part of a long text says."""

from texts import say
from views import percent, safe, visible

# Of a text of a file so much is shown, and of classes so many bars.
PREVIEWED_CHARACTERS = 300
BARS = 12

# Class -> probability, the highest first; of a value its name -> the value.
Scores = dict[str, float]
# Start and end in characters, weight, and scores of each part of a text.
Parts = list[tuple[int, int, int, Scores]]


def shown_score(score: float, values: bool) -> str:
    """A probability, or a value, for people.

    >>> shown_score(0.5, False), shown_score(3.14159, True)
    ('50.0%', '3.142')
    """
    return f"{score:.4g}" if values else percent(score)


def verdict(scores: Scores, values: bool, language: str) -> str:
    """The class, or the value, in large letters with its probability; and bars of all classes."""
    label, best = next(iter(scores.items()))
    name = say(language, "value" if values else "class")
    said = shown_score(best, True) if values else label
    more = "" if values else f" <span>{safe(say(language, 'probable', percent=percent(best)))}</span>"
    top = f'<span class="name">{safe(name)}</span> <b dir="auto">{visible(said)}</b>{more}'
    top = f'<div class="reply reading">{top}</div>'
    return top if values else top + bars(scores)


def bars(scores: Scores) -> str:
    """A bar for each of the most probable classes."""
    rows = "".join(
        f'<div class="bar" title="{safe(label)}: {score:.4f}"><span class="label" dir="auto">{visible(label)}</span>'
        f'<span class="track"><span class="fill" style="width:{100 * score:.1f}%"></span></span>'
        f'<span class="share">{percent(score)}</span></div>'
        for label, score in list(scores.items())[:BARS]
    )
    return f'<div class="bars">{rows}</div>'


def parts_of(parts: Parts, values: bool, language: str, second: bool = False) -> str:
    """Show the scores of each part of a long text; empty for a text of one window.

    The parts are those of the second text if windows run over it.
    """
    if len(parts) < 2:
        return ""
    rows = []
    for start, end, _, scores in parts:
        label, best = max(scores.items(), key=lambda each: each[1])
        where = say(language, "characters_of_second" if second else "characters_of", first=start + 1, last=end)
        said = shown_score(best, True) if values else f"{label} {percent(best)}"
        rows.append(f'<div class="bar"><span class="label">{safe(where)}</span><b dir="auto">{visible(said)}</b></div>')
    return f'<p class="quiet">{safe(say(language, "parts_note"))}</p><div class="bars">{"".join(rows)}</div>'


def scores_table(scores: Scores, values: bool, language: str) -> dict:
    """Classes and probabilities as gradio's table takes them."""
    headers = [say(language, "value" if values else "class"), say(language, "value" if values else "probability")]
    return {"headers": headers, "data": [[label, shown_score(score, values)] for label, score in scores.items()]}


def previewed(document: dict, spans: list, values: bool, language: str) -> str:
    """A text of a file and its label."""
    shown = "".join(
        f'<p dir="auto">{visible(text if len(text) <= PREVIEWED_CHARACTERS else text[:PREVIEWED_CHARACTERS] + "…")}</p>'
        for text in (document[key] for key in ("text", "text_pair") if key in document)
    )
    said = " ".join(f"{label} {shown_score(score, values)}" for _, _, label, score in spans) or "–"
    return f'{shown}<p class="quiet"><b>{visible(said)}</b></p>'


def classify_python(loading: str, text: str, pair: str | None) -> str:
    """Code that says the same from a console; `loading` are the lines that open the model."""
    second = "" if pair is None else f"text_pair = {pair!r}\n"
    given = "text" if pair is None else "text, text_pair"
    return (
        f'{loading}text = {text!r}\n{second}span = model.classify({given})\nprint(span.label, f"{{span.score:.3f}}")\n'
    )
