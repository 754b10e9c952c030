"""Spans of a JSON record, under the project's own key or under an unambiguous key of another tool."""

import math
from collections.abc import Sequence
from unicodedata import combining, normalize

from kospan.data.checks import located, shown, typed
from kospan.data.formats.keys import check_no_annotations
from kospan.data.formats.offsets import UNITS, RawSpan, interpretations
from kospan.data.prodigy import ANSWERS
from kospan.data.questions import answer_spans, answers_of, impossible_of
from kospan.modeling.spans import Span

STARTS, ENDS = ("start", "start_offset", "start_char"), ("end", "end_offset", "end_char")
LABELS = ("label", "type", "tag", "entity_group", "entity_type", "labels")
# Beside the offsets some tools write the text between them.
_SURFACES = ("text", "surface", "form", "surface_form", "word", "value", "entity")
# Keys whose lists of spans are read: those of spaCy, of the Hub's sets and of doccano.
SPAN_KEYS = ("entities", "ents", "label", "labels", "annotations")
_FORM = 'write {"start": 0, "end": 2, "label": "PS"} for each under \'spans\', offsets in characters'
_ANSWER_FORM = 'write {"start": 0, "end": 2, "label": "answer"} for each right answer under \'spans\''
_DOCCANO = "convert the file with `kospan convert data FILE train.jsonl --from doccano --offsets UNIT`"


def annotated_spans(line: dict, text: str, place: str) -> tuple[Span, ...] | None:
    """The gold spans of a record of JSON Lines; None if it has no annotation.

    Args:
        line: The record.
        text: Its text.
        place: As errors name it.

    Raises:
        ValueError, TypeError: If spans are malformed, two keys disagree, or annotations are under a key that is not
            read.

    >>> annotated_spans({"entities": [[0, 2, "LC"]]}, "서울에 간다", "record")
    (Span(start=0, end=2, label='LC', score=1.0),)
    """
    others = [key for key in SPAN_KEYS if line.get(key) not in (None, "")]
    if "spans" in line:
        if line["spans"] is None:
            raise TypeError(
                f"{place}: expected 'spans' to be a list, got null; omit the key for an unlabelled text, or write [] "
                "for a text without spans"
            )
        spans = spans_of(typed(line["spans"], list, place, "'spans'"), text, place, "span")
        if line.get("question"):
            _check_answers(line, spans, text, place)
        found = {"spans": spans} | {key: other for key in others if (other := _tried(line[key], text)) is not None}
    elif line.get("question"):
        return _answers(line, text, place)
    else:
        found = {key: _under(key, line[key], text, place) for key in others}
        if not found:
            _check_others(line, place)
    different = [key for key, spans in found.items() if _bare(spans) != _bare(next(iter(found.values())))]
    if different:
        raise ValueError(
            f"{place}: expected one set of annotations, got different ones under {next(iter(found))!r} and "
            f"{different[0]!r}; remove one of the two keys"
        )
    return next(iter(found.values()), None)


def _bare(spans: Sequence[Span]) -> set[tuple]:
    return {span[:3] for span in spans}


def _tried(value, text: str) -> tuple[Span, ...] | None:
    """The spans under a key beside 'spans'; None if it holds something else."""
    try:
        return spans_of(value, text, "", "") if isinstance(value, list) else None
    except (ValueError, TypeError):
        return None


def _under(key: str, value, text: str, place: str) -> tuple[Span, ...]:
    """The spans under another tool's key."""
    if key == "label" and isinstance(value, (str, int, float)):
        raise ValueError(
            f"{place}: expected 'spans', got the key 'label' with {shown(value)}, the class of a whole text; set "
            f"dataset: labelled to read classes, or {_FORM}"
        )
    rows = [value]
    if isinstance(value, list):
        rows = value
    elif isinstance(value, dict) and _is_span(value):
        rows = rows_of(value, place, key)
    if not all(_is_span(row) for row in rows):
        other = next(row for row in rows if not _is_span(row))
        what = "names without offsets" if isinstance(other, str) else f"items such as {shown(other)}"
        raise ValueError(f"{place}: expected spans, got the key {key!r} with {what}; {_FORM}")
    if key in ("label", "labels") or any(isinstance(row, dict) and row.get("start_offset") is not None for row in rows):
        rows = _in_characters(rows, text, place, key)
    return spans_of(rows, text, place, key)


def _in_characters(rows: list, text: str, place: str, key: str) -> list:
    """Convert doccano's spans, whose offsets may count UTF-16 code units or graphemes, to offsets in characters."""
    keys = [[_key(row, names) for names in (STARTS, ENDS)] if isinstance(row, dict) else (0, 1) for row in rows]
    places = [f"{place}, {key} {at}" for at in range(len(rows))]
    pairs = [
        tuple(typed(row[each], int, where, repr(each) if isinstance(row, dict) else "an offset") for each in found)
        for row, found, where in zip(rows, keys, places)
    ]
    raw_spans = [RawSpan(where, (pair,), _surface(row)) for where, pair, row in zip(places, pairs, rows)]
    possible = interpretations(text, raw_spans, UNITS)
    meanings = list(dict.fromkeys(tuple(fragments[0] for fragments in found) for found in possible.values()))
    if len(meanings) > 1:
        at = next(at for at, found in enumerate(zip(*meanings)) if len(set(found)) > 1)
        cut = " or ".join(repr(text[start:end]) for start, end in dict.fromkeys(found[at] for found in meanings))
        raise ValueError(
            f"{places[at]}: expected offsets with one possible meaning, got {pairs[at][0]} and {pairs[at][1]}, which "
            f"doccano may count in several ways: {cut}; {_DOCCANO}"
        )
    if not meanings:
        return rows
    return [
        row | dict(zip(found, pair)) if isinstance(row, dict) else [*pair, *row[2:]]
        for pair, found, row in zip(meanings[0], keys, rows)
    ]


def _check_others(line: dict, place: str) -> None:
    """Check that there are no annotations under a key that is not read.

    Raises:
        ValueError: If annotations are under a key that is not read.
    """
    wanted = 'under \'spans\', each as {"start": 0, "end": 2, "label": "PS"} in characters'
    check_no_annotations(line, place, wanted, SPAN_KEYS)
    answer = line.get("answer")
    # Prodigy writes "accept" beside the spans of a line.
    if answer and answer != "accept":
        raise ValueError(
            f"{place}: expected a 'question' beside the key 'answer', got {shown(answer)} without one; write both, "
            "or remove the key"
        )


def _is_span(value) -> bool:
    if isinstance(value, dict):
        return all(_key(value, names) in value for names in (STARTS, ENDS, LABELS))
    if not isinstance(value, list) or len(value) != 3:
        return False
    return isinstance(value[2], str) and all(isinstance(each, int) and not isinstance(each, bool) for each in value[:2])


def _key(value: dict, names: Sequence[str]) -> str:
    """The first of some names that has a value, else the first that is a key, else the first name.

    Arrow gives all rows of a set the same keys, and those that a row lacks the value None.
    """
    present = [name for name in names if name in value]
    return next((name for name in present if value[name] is not None), (*present, names[0])[0])


def _answers(line: dict, text: str, place: str) -> tuple[Span, ...] | None:
    """The right answers to a record's question, from `answers` or `answer`."""
    impossible = impossible_of(line.get("is_impossible"), place)
    key = _key(line, ("answers", "answer"))
    value = _placed(line, key)
    if isinstance(value, (str, int, float)) and value != "":
        raise ValueError(
            f"{place}: expected an answer with its place, got the key {key!r} with {shown(value)}; add "
            f"'answer_start', or {_ANSWER_FORM}"
        )
    alone = next((name for name in ("answer_text", "answer_start") if line.get(name) is not None), None)
    if value in (None, "") and alone and not impossible:
        raise ValueError(
            f"{place}: expected answers under 'spans', got the key {alone!r} with {shown(line[alone])}; {_ANSWER_FORM}"
        )
    if impossible:
        return ()
    answers = answers_of(value or None, place)
    if answers is None and (value is not None or any(line.get(key) is not None for key in SPAN_KEYS)):
        key = next((key for key in ("answers", "answer", *SPAN_KEYS) if line.get(key) is not None), "answer")
        raise ValueError(
            f"{place}: expected answers under 'spans', got the key {key!r} with {shown(line[key])}; {_ANSWER_FORM}, "
            "[] where the text holds none"
        )
    if impossible is False and answers == []:
        raise ValueError(
            f"{place}: expected an answer or more beside is_impossible: false, got none; set is_impossible: true if "
            "the text has none, or omit 'answers' if the question is unlabelled"
        )
    if answers is None:
        return None
    spans = answer_spans(answers, text, place)
    _check_answers(line, spans, text, place, key)
    return spans


def _placed(line: dict, key: str):
    """The value of a key of answers, with `answer_start` if that is beside it."""
    value = line.get(key)
    if isinstance(value, str) and value and line.get("answer_start") is not None:
        return {"text": value, "answer_start": line["answer_start"]}
    return value


def _check_answers(line: dict, spans: tuple[Span, ...], text: str, place: str, source: str = "spans") -> None:
    """Check that a question's spans, read from the key `source`, agree with its other keys.

    Raises:
        ValueError, TypeError: If they contradict `answers`, `answer` or `is_impossible`.
    """
    impossible = impossible_of(line.get("is_impossible"), place)
    wrong = "is_impossible" if impossible is not None and impossible == bool(spans) else None
    # Beside is_impossible: true, answers are only plausible.
    for key in () if impossible else ("answers", "answer"):
        value = _placed(line, key)
        if value is None or (isinstance(value, str) and value in ("", *ANSWERS)):
            continue
        given = value if isinstance(value, list) else [value]
        if given and all(isinstance(each, str) for each in given):
            surfaces = {_squeezed(text[span.start : span.end]) for span in spans}
            agrees = any(_squeezed(each) in surfaces for each in given)
        else:
            try:
                answers = answers_of(value, place)
            except (ValueError, TypeError):
                continue
            agrees = {span[:2] for span in answer_spans(answers, text, place)} == {span[:2] for span in spans}
        wrong = wrong if agrees else wrong or key
    if wrong:
        raise ValueError(
            f"{place}: expected one set of answers, got {len(spans)} under {source!r} and {wrong!r} with "
            f"{shown(line[wrong])}; remove one of the two keys"
        )


def spans_of(value, text: str, place: str, what: str = "span", names: Sequence[str] | None = None) -> tuple[Span, ...]:
    """Spans from a list of objects or of `[start, end, label]`, or from an object of lists.

    An object has `start`, `end` (or `start_offset`, `end_offset`), a label under one of `LABELS`, and perhaps a
    `score`. If it also has its text, the offsets must select it.

    Args:
        value: The annotations.
        text: The text that offsets count in.
        place: As errors name it.
        what: Name of one annotation, for errors.
        names: The labels behind whole numbers; None if labels are strings.

    Raises:
        ValueError, TypeError: If something is missing, has the wrong type or is outside the text.

    >>> spans_of({"start": [0], "end": [2], "type": [1]}, "서울에 간다", "row 0", names=["PS", "LC"])
    (Span(start=0, end=2, label='LC', score=1.0),)
    """
    rows = rows_of(value, place, what) if isinstance(value, dict) else typed(value, list, place, f"the {what}s")
    return tuple(sorted(_span(row, text, f"{place}, {what} {at}", names) for at, row in enumerate(rows)))


def rows_of(value: dict, place: str, what: str) -> list[dict]:
    """Convert an object of lists to a list of objects."""
    lists = {key: each for key, each in value.items() if isinstance(each, list)}
    if len(lists) < len(value) or len({len(each) for each in lists.values()}) > 1:
        raise ValueError(f"{place}: expected lists of one length for {what}, got {shown(value)}; correct them")
    return [dict(zip(lists, each)) for each in zip(*lists.values())]


def _span(value, text: str, place: str, names: Sequence[str] | None) -> Span:
    if isinstance(value, (list, tuple)):
        if len(value) != 3:
            raise ValueError(f"{place}: expected [start, end, label], got {shown(value)}; write the three of them")
        value = dict(zip(("start", "end", "label"), value))
    typed(value, dict, place, "a span")
    start, end, label = (_key(value, keys) for keys in (STARTS, ENDS, LABELS))
    for key in (start, end, label):
        if key not in value:
            raise ValueError(
                f"{place}: expected the keys start, end and label, got {', '.join(value) or 'none'}; add {key}"
            )
    found = located(
        typed(value[start], int, place, repr(start)),
        typed(value[end], int, place, repr(end)),
        label_of(value[label], place, repr(label), names),
        len(text),
        place,
        1.0 if value.get("score") is None else _score(value["score"], place),
    )
    surface = _surface(value)
    if surface is not None and not _selects(value, surface, text[found.start : found.end]):
        raise ValueError(
            f"{place}: expected the text {shown(surface)} from {found.start} to {found.end}, got "
            f"{shown(text[found.start : found.end])}; offsets count characters from 0, the end is the offset behind "
            "the last one"
        )
    return found


def _surface(value) -> str | None:
    """The text stored beside the offsets; None if there is none."""
    key = _surface_key(value) if isinstance(value, dict) else None
    return None if key is None else value[key]


def _surface_key(value: dict) -> str | None:
    key = next((key for key in _SURFACES if isinstance(value.get(key), str)), None)
    # `entity` may also repeat the label, as a tag or not.
    label = value.get(_key(value, LABELS))
    label = label[0] if isinstance(label, list) and label else label
    is_label = key == "entity" and (label is None or value[key].rpartition("-")[2] == label)
    return None if is_label else key


def _selects(value: dict, surface: str, selected: str) -> bool:
    """Return whether the text between two offsets is the one beside them."""
    if _squeezed(surface) == _squeezed(selected):
        return True
    # A pipeline of transformers decodes `word` from subwords, which may lack case, accents and unknown characters.
    is_word = _surface_key(value) == "word"
    return is_word and ("[UNK]" in surface or "<unk>" in surface or _folded(surface) == _folded(selected))


def _folded(text: str) -> str:
    text = normalize("NFKD", text).casefold().removeprefix("##")
    return "".join(each for each in text if not each.isspace() and not combining(each))


def _squeezed(text: str) -> str:
    return " ".join(normalize("NFC", text).split())


def label_of(value, place: str, what: str = "'label'", names: Sequence[str] | None = None) -> str:
    """The label of a span: a string, a list of one, or a number with a name."""
    if isinstance(value, list):
        if len(value) != 1:
            raise ValueError(f"{place}: expected one label, got {shown(value)}; write a span for each")
        value = value[0]
    if names is not None and isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value < len(names):
            raise ValueError(f"{place}: expected a label from 0 to {len(names) - 1}, got {value}; correct the row")
        return names[value]
    return typed(value, str, place, what)


def _score(score, place: str) -> float:
    if isinstance(score, int) and not isinstance(score, bool):
        score = float(score)
    if isinstance(score, float) and not math.isfinite(score):
        raise ValueError(f"{place}: expected 'score' to be finite, got {score}; omit the key if none is known")
    return typed(score, float, place, "'score'")
