"""HTML of answers and their probabilities. Text of visitors is escaped here."""

import unicodedata
from collections.abc import Sequence

from texts import say
from views import Spans, notice, percent, safe, surroundings, visible

from kospan.modeling.colors import Color

# Text without an answer that is longer than this is folded in the middle; both ends are kept.
FOLDED_CHARACTERS, KEPT_CHARACTERS = 300, 100
# Lowest probability of the deepest colour of the strip, so that probabilities near 0 look like it.
LEAST_PEAK = 0.05
# Ranges that are shown character by character.
RANGES = 3
# Longer words may be broken between two lines.
LONGEST_WORD = 20
# Characters of a document of a file that are shown.
PREVIEWED_CHARACTERS = 300
_JOINER = "\u200d"

Cluster = tuple[int, int]


def stated(answers: Spans) -> Spans:
    """The answers that are more probable than "no answer", as in JSON Lines: `[]` means "no answer".

    >>> stated([(0, 2, "answer", 0.5), (0, 0, "answer", 0.3), (4, 5, "answer", 0.1)])
    [(0, 2, 'answer', 0.5)]
    """
    none = [at for at, (start, end, *_) in enumerate(answers) if start == end]
    return answers[: none[0]] if none else answers


def chosen(answers: Spans, count: int, least: float) -> Spans:
    """The first `count` answers with at least this probability, as `model.answer` returns them."""
    return [answer for answer in answers[:count] if answer[3] >= least]


def reply(text: str, answers: Spans, null: float, language: str) -> str:
    """The line above the text: the best answer, or that there is none.

    Args:
        text: The text.
        answers: Best first; "no answer" is the range from 0 to 0.
        null: Probability of "no answer"; 0 if the model does not predict it.
        language: Language of the page.
    """
    none = f'<span class="quiet">{safe(say(language, "no_answer_among", percent=percent(null)))}</span>' if null else ""
    if not answers:
        return f'<div class="reply"><span class="quiet">{safe(say(language, "nothing_above"))}</span>{none}</div>'
    start, end, _, score = answers[0]
    if start == end:
        return f'<div class="reply"><b class="none">{safe(say(language, "no_answer_here"))}</b>{none}</div>'
    sure = safe(say(language, "probable", percent=percent(score)))
    return (
        f'<div class="reply"><span class="name">{safe(say(language, "best"))}</span>'
        f'<b dir="auto">{visible(text[start:end])}</b><span class="quiet">{sure}</span>{none}</div>'
    )


def marked(text: str, answers: Spans, colour: Color, language: str) -> str:
    """The text with marked answers: the best in full colour, the others lighter, each with its rank.

    Args:
        text: The text.
        answers: Best first, without overlaps; "no answer" has a rank but no range.
        colour: Colour of the answers.
        language: Language of the page.
    """
    ranked = sorted((start, end, rank, score) for rank, (start, end, _, score) in enumerate(answers, 1) if start < end)
    parts, at = [], 0
    for start, end, rank, score in ranked:
        parts.append(_between(text[at:start]))
        spoken = safe(f"{text[start:end]}, {say(language, 'ranked', rank=rank, percent=percent(score))}")
        kinds = "answer" + " best" * (rank == 1) + " short" * (end - start <= LONGEST_WORD)
        parts.append(
            f'<mark class="{kinds}" tabindex="0" aria-label="{spoken}">{visible(text[start:end])}'
            f'<span class="kind" aria-hidden="true">{rank} · {percent(score)}</span></mark>'
        )
        at = end
    parts.append(_between(text[at:]))
    style = f"--tint:{colour.tint};--ink:{colour.ink}"
    return f'<div class="marked-text answers" dir="auto" style="{style}">{"".join(parts)}</div>'


def _between(text: str) -> str:
    if len(text) <= FOLDED_CHARACTERS:
        return visible(text)
    # Cut between clusters; a single one cannot be cut.
    edges = [start for start, _ in _clusters(text)] + [len(text)]
    first = next(edge for edge in edges if edge >= KEPT_CHARACTERS)
    last = next(edge for edge in reversed(edges) if edge <= len(text) - KEPT_CHARACTERS)
    if last <= first:
        return visible(text)
    count = f"{last - first:,}"
    return (
        f'{visible(text[:first])}<details class="fold"><summary>⋯ {count} ⋯</summary>{visible(text[first:last])}'
        f"</details>{visible(text[last:])}"
    )


def previewed(question: str, text: str, answers: Spans, colour: Color, language: str) -> str:
    """A question of a file, with the answer in its sentence, or the first characters if there is none."""
    asked = f'<p class="asked" dir="auto">{visible(question)}</p>'
    if not answers:
        none = f'<p class="quiet">({safe(say(language, "no_answer"))})</p>'
        return asked + none + marked(text[:PREVIEWED_CHARACTERS], [], colour, language)
    first, last, _ = surroundings(text, *answers[0][:2], PREVIEWED_CHARACTERS)
    moved = [(start - first, end - first, *rest) for start, end, *rest in answers]
    return asked + marked(text[first:last], moved, colour, language)


def answers_table(text: str, answers: Spans, language: str) -> dict:
    """Ranks, answers and offsets as the value of a gradio table."""
    headers = [say(language, key) for key in ("rank", "best", "start", "end", "probability")]
    rows = [
        [rank, text[start:end], str(start), str(end), percent(score)]
        if start < end
        else [rank, f"({say(language, 'no_answer')})", "–", "–", percent(score)]
        for rank, (start, end, _, score) in enumerate(answers, 1)
    ]
    return {"headers": headers, "data": rows}


def answer_python(loading: str, question: str, text: str, count: int, least: float) -> str:
    """Python code that finds the same answers; `loading` are the lines that open the model."""
    limit = f", threshold={least:g}" if least else ""
    return (
        f"{loading}"
        f"question = {question!r}\n"
        f"text = {text!r}\n"
        f"for span in model.answer(question, text, top_k={count}{limit}):\n"
        '    print(span.start, span.end, text[span.start : span.end], f"{span.score:.3f}")\n'
    )


# --- character by character -------------------------------------------------------------------------------------------


def ranges(text: str, answers: Spans) -> list[tuple[int, int]]:
    """`(start, end)` of the sentences around the best answers, in order; adjacent ones are joined."""
    found: list[tuple[int, int]] = []
    for start, end, *_ in answers:
        if start == end:
            continue
        first, last, _ = surroundings(text, start, end)
        touching = [each for each in found if each[0] <= last and first <= each[1]]
        if not touching and len(found) == RANGES:
            continue
        found = [each for each in found if each not in touching]
        found.append((min([first, *(each[0] for each in touching)]), max([last, *(each[1] for each in touching)])))
    return sorted(found)


def strip(text: str, answers: Spans, starts: Sequence[float], ends: Sequence[float], language: str) -> str:
    """Start and end probabilities: two coloured lines under each character around the best answers.

    Args:
        text: The text.
        answers: The shown answers, best first.
        starts: Probability that the answer starts at each character `(characters)`.
        ends: Probability that each character is the answer's last `(characters)`.
        language: Language of the page, "en" or "ko".
    """
    shown = ranges(text, answers)
    if not shown:
        return notice(say(language, "strip_waiting"), "quiet")
    cells = {
        (first, last): [
            (start, end, float(sum(starts[start:end])), float(sum(ends[start:end])))
            for start, end in ((first + one, first + other) for one, other in _clusters(text[first:last]))
        ]
        for first, last in shown
    }
    most = max(
        LEAST_PEAK, *(share for row in cells.values() for *_, begins, finishes in row for share in (begins, finishes))
    )
    parts = []
    for (first, last), row in cells.items():
        title = say(
            language,
            "range",
            first=first + 1,
            last=last,
            starts=percent(sum(begins for *_, begins, _ in row)),
            ends=percent(sum(finishes for *_, finishes in row)),
        )
        parts.append(f'<p class="quiet range">{safe(title)}</p><div class="strip" dir="auto">')
        parts += [_word(text, word, answers, most, language) for word in _words(text, row)] + ["</div>"]
    return (
        f'<h3 class="inner-title">{safe(say(language, "strip"))}</h3>'
        f'<p class="quiet">{safe(say(language, "strip_note", most=percent(most)))} '
        f'<span class="legend"><i class="from"></i>{safe(say(language, "begins"))}'
        f'<i class="to"></i>{safe(say(language, "finishes"))}</span></p>{"".join(parts)}'
    )


def _word(text: str, word: list[tuple], answers: Spans, most: float, language: str) -> str:
    cells = []
    for start, end, begins, finishes in word:
        ranks = [rank for rank, (one, other, *_) in enumerate(answers, 1) if one < end and start < other]
        kinds = "cell" + " within" * bool(ranks) + " best" * (1 in ranks)
        values = f"{say(language, 'begins')} {percent(begins)} · {say(language, 'finishes')} {percent(finishes)}"
        sign = '<i class="sign">↵</i>' if text[start:end] == "\n" else visible(text[start:end])
        shares = f"--s:{begins / most:.3f};--e:{finishes / most:.3f}"
        cells.append(f'<span class="{kinds}" style="{shares}" title="{safe(values)}">{sign}</span>')
    inner = "".join(cells)
    return f'<span class="word">{inner}</span>' if 1 < len(word) <= LONGEST_WORD else inner


def _words(text: str, row: list[tuple]) -> list[list[tuple]]:
    """Cells grouped by words, each with the spaces after it, so that no line starts with a space."""
    found: list[list[tuple]] = []
    was_space = True
    for cell in row:
        is_space = text[cell[0] : cell[1]].isspace()
        if not found or (was_space and not is_space):
            found.append([])
        found[-1].append(cell)
        was_space = is_space
    return found


def _clusters(text: str) -> list[Cluster]:
    """`(start, end)` of each grapheme cluster: a character with its marks, decomposed Hangul, joined emoji.

    >>> _clusters("가e\u0301")
    [(0, 1), (1, 3)]
    """
    found: list[Cluster] = []
    for at, character in enumerate(text):
        follows = (
            unicodedata.category(character) in ("Mn", "Mc", "Me")
            or "\u1160" <= character <= "\u11ff"
            or "\U0001f3fb" <= character <= "\U0001f3ff"
            or _JOINER in (character, text[at - 1 : at])
        )
        if follows and found:
            found[-1] = (found[-1][0], at + 1)
        else:
            found.append((at, at + 1))
    return found
