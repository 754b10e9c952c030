"""HTML of spans and of the model's inner values. Text of visitors is escaped here."""

import json
import re
import unicodedata
from html import escape

from texts import label_name, say

from kospan.modeling.colors import Color

# Longest sentence whose inner values are computed: attention needs memory that is quadratic in this.
SENTENCE_CHARACTERS = 200
# Entries of the list of entities.
MOST_PLACES = 200
_SENTENCE_END = re.compile(r"[.!?。！？…]+[\"'”’)\]]*(?=\s)|\n")
# Characters of the page's template language, besides those of HTML.
_TEMPLATE = str.maketrans({"$": "&#36;", "{": "&#123;", "}": "&#125;", "@": "&#64;", "`": "&#96;"})
# Direction marks are shown as signs: they would turn the direction of all that follows.
_TURNING = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_PLAIN = re.compile(r"[^\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")

Spans = list[tuple[int, int, str, float]]


def safe(text: str) -> str:
    """Escape text for HTML, attributes included.

    >>> safe("<b>${1}")
    '&lt;b&gt;&#36;&#123;1&#125;'
    """
    return escape(text).translate(_TEMPLATE)


def visible(text: str) -> str:
    """Text as HTML with visible signs for control characters, zero-width spaces and direction marks."""
    if _PLAIN.fullmatch(text):
        return safe(text)
    parts, at = [], 0
    for match in _PLAIN.finditer(text):
        parts += [_sign(character) for character in text[at : match.start()]] + [safe(match.group())]
        at = match.end()
    return "".join(parts + [_sign(character) for character in text[at:]])


def _sign(character: str) -> str:
    if character == "\r":
        return ""
    name = unicodedata.name(character, "control character")
    return f'<i class="sign" title="U+{ord(character):04X} {name.lower()}">·</i>'


def percent(share: float) -> str:
    """A probability in percent.

    >>> percent(0.9834), percent(0.99996)
    ('98.3%', '100.0%')
    """
    return f"{100 * share:.1f}%"


def highlighted(text: str, spans: Spans, threshold: float, colours: dict[str, Color], language: str) -> str:
    """The text with coloured spans, under the number of spans per label.

    Args:
        text: The text.
        spans: Sorted by start, without overlaps.
        threshold: Spans with a lower score are not coloured.
        colours: Colour of each label.
        language: Language of the page.
    """
    kept = [span for span in spans if span[3] >= threshold]
    parts, at = [], 0
    for start, end, label, score in kept:
        name, confidence = label_name(label, language), say(language, "confidence", percent=percent(score))
        parts.append(visible(text[at:start]))
        spoken = safe(f"{text[start:end]}, {name}, {confidence}")
        kinds = "found short" if end - start <= 20 else "found"
        parts.append(
            f'<mark class="{kinds}" tabindex="0" style="{_style(colours, label)}" data-tip="{safe(confidence)}" '
            f'aria-label="{spoken}">{visible(text[start:end])}'
            f'<span class="kind" aria-hidden="true">{safe(name)}</span></mark>'
        )
        at = end
    parts.append(visible(text[at:]))
    counts: dict[str, int] = {}
    for _, _, label, _ in kept:
        counts[label] = counts.get(label, 0) + 1
    chips = [f'<span class="name">{safe(say(language, "found"))}</span>']
    chips += [
        f'<span class="chip" style="{_style(colours, label)}">{safe(label_name(label, language))} '
        f"<b>{counts[label]}</b></span>"
        for label in sorted(counts)
    ]
    if not kept:
        chips.append(f'<span class="quiet">{safe(say(language, "nothing"))}</span>')
    if len(kept) < len(spans):
        chips.append(f'<span class="quiet">{safe(say(language, "hidden", count=len(spans) - len(kept)))}</span>')
    return f'<div class="chips">{"".join(chips)}</div>\n<div class="marked-text" dir="auto">{"".join(parts)}</div>'


def _style(colours: dict[str, Color], label: str) -> str:
    colour = colours[label]
    return f"--tint:{colour.tint};--ink:{colour.ink}"


def notice(message: str, kind: str = "refusal") -> str:
    """A message in place of a result."""
    return f'<div class="{kind}" role="status">{safe(message)}</div>'


def refusal(refused: tuple[str, dict], language: str) -> str:
    """The reason of a refused request: key of its string, and the values."""
    key, values = refused
    return notice(say(language, key, **values))


def table(text: str, spans: Spans, threshold: float, language: str) -> dict:
    """Spans as the value of a gradio table."""
    headers = [say(language, key) for key in ("start", "end", "label", "span_text", "score")]
    rows = [
        [start, end, label_name(label, language), text[start:end], percent(score)]
        for start, end, label, score in spans
        if score >= threshold
    ]
    return {"headers": headers, "data": rows}


def record(text: str, spans: Spans, threshold: float = 0.0, **fields) -> dict:
    """A document with its spans, as in JSON Lines."""
    found = [
        {"start": start, "end": end, "label": label, "score": score}
        for start, end, label, score in spans
        if score >= threshold
    ]
    pair = {"text_pair": fields.pop("text_pair")} if "text_pair" in fields else {}
    return {**fields, "text": text, **pair, "spans": found}


def as_json(text: str, spans: Spans, threshold: float, **fields) -> str:
    """The record as text, one span per line."""
    line = record(text, [(*span[:3], round(span[3], 4)) for span in spans if span[3] >= threshold], **fields)
    found = ",\n".join("    " + json.dumps(span, ensure_ascii=False) for span in line.pop("spans"))
    inner = f"[\n{found}\n  ]" if found else "[]"
    values = "".join(f'  "{key}": {json.dumps(value, ensure_ascii=False)},\n' for key, value in line.items())
    return f'{{\n{values}  "spans": {inner}\n}}'


def as_python(loading: str, text: str, threshold: float) -> str:
    """Python code that finds the same spans.

    Args:
        loading: Lines that open the model.
        text: The text.
        threshold: Spans with a lower score are left out.
    """
    limit = f", threshold={threshold:g}" if threshold else ""
    return (
        f"{loading}"
        f"text = {text!r}\n"
        f"for span in model.extract(text{limit}):\n"
        '    print(span.start, span.end, span.label, text[span.start : span.end], f"{span.score:.3f}")\n'
    )


# --- inner values -----------------------------------------------------------------------------------------------------


def sentences(text: str) -> list[tuple[int, int]]:
    """`(start, end)` of each sentence, split after full stops and at line ends, without surrounding spaces.

    >>> sentences("비가 온다. 춥다!")
    [(0, 6), (7, 10)]
    """
    found, at = [], 0
    for end in [match.end() for match in _SENTENCE_END.finditer(text)] + [len(text)]:
        inner = text[at:end]
        start = at + len(inner) - len(inner.lstrip())
        if inner.strip():
            found.append((start, start + len(inner.strip())))
        at = end
    return found


def surroundings(text: str, start: int, end: int, most: int = SENTENCE_CHARACTERS) -> tuple[int, int, bool]:
    """The sentence around a range, cut to at most `most` characters; and whether it was cut."""
    touching = [each for each in sentences(text) if each[0] < end and start < each[1]] or [(start, end)]
    first, last = min(touching[0][0], start), max(touching[-1][1], end)
    if last - first <= most:
        return first, last, False
    spare = max(0, most - (end - start))
    first = max(first, min(start - spare // 2, last - most))
    return first, min(last, first + most), True


def places(text: str, spans: Spans, language: str) -> list[tuple[str, str]]:
    """Choices of the list of entities: `(text, "start-end")` of each span, or of each sentence if there is none."""
    if spans:
        return [
            (f"{_short(text[start:end])} · {label_name(label, language)} · {start}–{end}", f"{start}-{end}")
            for start, end, label, _ in spans[:MOST_PLACES]
        ]
    return [
        (f"{say(language, 'sentence', number=number)} · {_short(text[start:end])}", f"{start}-{end}")
        for number, (start, end) in enumerate(sentences(text)[:MOST_PLACES], 1)
    ]


def _short(text: str, most: int = 30) -> str:
    line = "".join(character for character in " ".join(text.split()) if character not in _TURNING)
    return line if len(line) <= most else line[: most - 1] + "…"


def marginals(inspection, colours: dict[str, Color], language: str, chosen: tuple[int, int]) -> str:
    """Tag marginals as a heatmap with tags as rows and units as columns.

    Args:
        inspection: Result of `model.inspect`.
        colours: Colour of each label.
        language: Language of the page.
        chosen: `(start, end)` in characters of the inspected text, framed in the heatmap.
    """
    values = inspection.marginals.tolist()
    rows = [at for at, tag in enumerate(inspection.tags) if tag == "O" or any(unit[at] >= 0.01 for unit in values)]
    inside = [start < chosen[1] and chosen[0] < end for start, end in inspection.units]
    heads = "".join(
        f'<th scope="col"{" class=chosen" if within else ""}>{visible(inspection.text[start:end]).strip() or "␣"}</th>'
        for (start, end), within in zip(inspection.units, inside)
    )
    lines = []
    for at in rows:
        tag = inspection.tags[at]
        label = tag.partition("-")[2]
        ink = colours[label].ink if label in colours else "#6b7280"
        cells = "".join(
            f'<td style="--p:{unit[at]:.3f}" title="{safe(tag)} {percent(unit[at])}"></td>' for unit in values
        )
        lines.append(f'<tr style="--ink:{ink}"><th scope="row">{safe(tag)}</th>{cells}</tr>')
    return (
        f'<h3 class="inner-title">{safe(say(language, "marginals"))}</h3>'
        f'<p class="quiet">{safe(say(language, "marginals_note"))}</p>'
        f'<div class="scroll"><table class="heat"><thead><tr><th></th>{heads}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def attention(inspection, chosen: tuple[int, int], layer: int, language: str, is_entity: bool = True) -> str:
    """Attention of a range: the subwords of its sentence, coloured by attention.

    Args:
        inspection: Result of `model.inspect`.
        chosen: `(start, end)` in characters of the inspected text.
        layer: Number of the layer, from 1; 0 is the mean over layers.
        language: Language of the page, "en" or "ko".
        is_entity: Whether the stretch is an entity.
    """
    title = say(language, "attention", text=_short(inspection.text[chosen[0] : chosen[1]]))
    # A sentence nearly always fits into one window; otherwise the window with the start of the range.
    holding = [view for view in inspection.windows if any(start <= chosen[0] < end for start, end in view.offsets)]
    view = (holding or inspection.windows or [None])[0]
    if view is None or not view.attentions:
        return notice(say(language, "attention_none"), "quiet")
    layers = view.attentions
    layer = layer if 0 <= layer <= len(layers) else 0
    picked = layers if layer == 0 else [layers[layer - 1]]
    # shape: (length, length), from each subword to each subword
    mean = sum(each.mean(0) for each in picked) / len(picked)
    looking = [at for at, (start, end) in enumerate(view.offsets) if start < chosen[1] and chosen[0] < end]
    weights = mean[looking or slice(None)].mean(0).tolist()
    special = [start == end for start, end in view.offsets]
    largest = max((weight for weight, bare in zip(weights, special) if not bare), default=0.0) or 1.0
    parts, reached = [], None
    for subword, (start, end), weight, bare in zip(view.subwords, view.offsets, weights, special):
        if not bare and reached is not None and start > reached:
            parts.append(visible(inspection.text[reached:start]))
        shown = safe(subword) if bare else visible(inspection.text[max(start, reached or 0) : end])
        if not bare:
            reached = max(end, reached or 0)
        kinds = "subword" + " special" * bare + " chosen" * (start < chosen[1] and chosen[0] < end and is_entity)
        parts.append(
            f'<span class="{kinds}" style="--p:{min(1.0, weight / largest):.3f}" title="{percent(weight)}">'
            f"{shown}</span>"
        )
    which = (
        say(language, "attention_one", number=layer) if layer else say(language, "attention_mean", count=len(layers))
    )
    share = percent(sum(weight for weight, bare in zip(weights, special) if bare))
    note = say(language, "attention_note", layer=which, heads=layers[0].shape[0], special=share)
    if len(inspection.windows) > 1:
        note += " " + say(language, "attention_window", count=len(inspection.windows))
    if not is_entity:
        note += " " + say(language, "attention_whole")
    return (
        f'<h3 class="inner-title">{safe(title)}</h3><p class="quiet">{safe(note)}</p>'
        f'<div class="marked-text attention" dir="auto">{"".join(parts)}</div>'
    )
