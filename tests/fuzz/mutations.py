"""Strategies of hypothesis for texts, JSON values and files that are almost valid.

Random bytes are refused by the first check of every parser. These strategies therefore start from a valid value and
change it in a few places: other types, renamed keys, numbers out of range, moved offsets, cut and repeated lines, bytes
of other encodings.
"""

import copy
import json
import math
from collections.abc import Sequence

from hypothesis import strategies as st

from kospan.data.text import COMPRESSIONS

# Parts of texts at which offsets, line ends, encodings and escapes go wrong.
PARTS = (
    *("가", "나라", "서울", "이재용", "3월", "ㅋㅋ", "A", "a b", "1.5%", "Don't", "U.S.", "010-1234-5678"),
    *("\u1100\u1161\u11a8", "\u1161", "e\u0301", "\u0301", "\u0327\u0301", "ﬁ", "\u212b", "\uac00\u11a8", "İ", "ß"),
    *("😀", "👩\u200d👧", "👍🏽", "🇰🇷", "\U0010ffff", "\ue000", "\u200d", "\u200b", "\u2060", "\u202e", "\ufeff"),
    *(
        "\n",
        "\r\n",
        "\r",
        "\t",
        " ",
        "  ",
        "\u00a0",
        "\u3000",
        "\u2028",
        "\u2029",
        "\x85",
        "\x0b",
        "\x1c",
        "\0",
        "\x7f",
    ),
    *("\\", "\\n", '"', '""', "'", "<", ">", "&amp;", "<b>", "</p>", "<![", "%", "%00", ";", ":", ",", "|", "=", "#"),
    *("[", "]", "[]", "[PS: ", "[PS_1]", "[LC_2]은", "\\]", "B-PS", "I-", "O", "-DOCSTART-", "## ", "[CLS]", "[UNK]"),
    *("null", "NaN", "true", "0", "-1", "1e999", "{", "}", "---", "!!python/object", "${x}", "{{", "../", "C:\\"),
)
SURROGATES = ("\ud800", "\udfff", "\ud83d", "\udc00\ud800")
NUMBERS = (0, 1, 2, 3, 5, -1, -3, 10**6, 2**31, 2**63, 2**64, 10**400, 0.5, 1.5, -0.0, 1e308, math.nan, math.inf)
# Values of other types than the expected one.
VALUES = (None, True, False, "", " ", "0", "가", [], {}, [[]], [None], {"": None}, [0, 2, "PS"], {"start": 0}, "\ud800")


def texts(max_size: int = 10, surrogates: bool = False) -> st.SearchStrategy[str]:
    """Texts of up to `max_size` parts."""
    parts = st.sampled_from(PARTS + (SURROGATES if surrogates else ()))
    single = st.characters() if surrogates else st.characters(codec="utf-8")
    return st.lists(st.one_of(parts, parts, single), max_size=max_size).map("".join)


def odd_values() -> st.SearchStrategy:
    """JSON values that few fields expect."""
    values = st.sampled_from(VALUES).map(copy.deepcopy)
    return st.one_of(values, st.sampled_from(NUMBERS), texts(3, surrogates=True), nested())


@st.composite
def nested(draw):
    """A deeply nested value, which may be beyond Python's limit when it is written as JSON."""
    value, depth = None, draw(st.sampled_from((3, 60, 600)))
    is_list = draw(st.booleans())
    for _ in range(depth):
        value = [value] if is_list else {"a": value}
    return value


def places(value, path=()) -> list[tuple]:
    """Paths of all values of a tree but its root, not below a depth at which nothing is read."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    if len(path) > 12:
        return []
    return [found for key in keys for found in ((*path, key), *places(value[key], (*path, key)))]


def parent(value, path: tuple):
    """The dictionary or list that holds the value at a path."""
    for key in path[:-1]:
        value = value[key]
    return value


@st.composite
def mutated(draw, value, keys: Sequence[str] = (), most: int = 3):
    """A JSON value with up to `most` changes.

    Args:
        draw: Function of hypothesis.
        value: A valid value.
        keys: Names that keys are renamed to, in addition to those in the value.
        most: Number of changes at most.
    """
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(0, most))):
        found = places(value)
        if not found:
            return draw(odd_values())
        path = draw(st.sampled_from(found))
        _change(draw, value, path, [*keys, *{key for place in found for key in place if isinstance(key, str)}])
    return value


def _change(draw, root, path: tuple, names: list[str]) -> None:
    """Change the value at a path in place."""
    holder, key = parent(root, path), path[-1]
    value, kind = holder[key], draw(st.integers(0, 9))
    if kind == 0:
        holder[key] = draw(odd_values())
    elif kind == 1:
        del holder[key]
    elif kind == 2 and isinstance(holder, dict):
        holder[draw(st.sampled_from([*sorted(names), "", "가", key.upper(), f"{key} "]))] = holder.pop(key)
    elif kind == 3 and isinstance(holder, dict):
        holder[draw(st.sampled_from(sorted(names) or ["text"]))] = draw(odd_values())
    elif kind == 4 and isinstance(holder, list):
        holder.insert(draw(st.integers(0, len(holder))), copy.deepcopy(value))
    elif kind == 5:
        holder[key] = [value] if draw(st.booleans()) else {"0": value}
    elif kind == 6:
        other = draw(st.sampled_from(places(root)))
        holder[key] = copy.deepcopy(parent(root, other)[other[-1]])
    elif isinstance(value, bool) or value is None:
        holder[key] = draw(st.sampled_from((True, False, None, 0, 1, "true")))
    elif isinstance(value, (int, float)):
        holder[key] = _number(draw, value)
    elif isinstance(value, str):
        holder[key] = _text(draw, value)
    elif isinstance(value, list) and value:
        holder[key] = value[: draw(st.integers(0, len(value)))] if draw(st.booleans()) else value[::-1]


def _number(draw, value):
    kind = draw(st.integers(0, 4))
    if kind == 0:
        return draw(st.sampled_from(NUMBERS))
    if kind == 1:
        return str(value)
    if kind == 2:
        return float(value) if abs(value) < 10**300 else value
    return value + draw(st.integers(-3, 3))


def _text(draw, value: str) -> str:
    kind = draw(st.integers(0, 4))
    if kind == 0:
        return draw(texts(surrogates=True))
    at = draw(st.integers(0, len(value)))
    if kind == 1:
        return value[:at] + draw(st.sampled_from(PARTS + SURROGATES)) + value[at:]
    if kind == 2:
        return value[:at]
    if kind == 3:
        return value.upper()
    return value + value


@st.composite
def json_text(draw, value, indent: bool = False) -> str:
    """A value as JSON, sometimes as other programs write it."""
    escaped = draw(st.booleans())
    try:
        text = json.dumps(value, ensure_ascii=escaped, indent=1 if indent and draw(st.booleans()) else None)
    except (RecursionError, ValueError):  # Whole numbers of thousands of digits.
        return "[" * 5000 + "]" * 5000
    if draw(st.integers(0, 19)) == 0:
        text = draw(st.sampled_from(("[" * 5000, '{"a":' * 5000, "9" * 5000, f"{text} //", f"{text},", f"'{text}'")))
    return text


@st.composite
def mutated_text(draw, text: str, separators: str = "\t", most: int = 3) -> str:
    """A text of lines and columns with up to `most` changes."""
    lines = text.split("\n")
    for _ in range(draw(st.integers(0, most))):
        at, kind = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, 7))
        if kind == 0:
            del lines[at]
        elif kind == 1:
            lines.insert(at, lines[draw(st.integers(0, len(lines) - 1))])
        elif kind == 2:
            lines[at] = draw(texts(4, surrogates=False))
        elif kind == 3:
            lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
        elif kind == 4 and draw(st.booleans()):
            lines = "\n".join(lines).replace("\n", draw(st.sampled_from(("\r\n", "\r", "\n\n", "\u2028")))).split("\n")
        else:
            separator = draw(st.sampled_from(separators))
            cells = lines[at].split(separator)
            cell = draw(st.integers(0, len(cells) - 1))
            cells[cell] = draw(st.one_of(texts(2), st.sampled_from(["", *cells, *(str(n) for n in NUMBERS[:12])])))
            lines[at] = separator.join(cells)
        lines = lines or [""]
    return "\n".join(lines)


def encoded(text: str) -> bytes:
    """A text in UTF-8; half surrogate pairs become bytes that are invalid there."""
    return text.encode("utf-8", "surrogatepass")


@st.composite
def mutated_bytes(draw, data: bytes, most: int = 2, whole: int = 2) -> bytes:
    """Bytes with up to `most` changes; `whole` in `whole + 1` cases stay as they are."""
    if draw(st.integers(0, whole)):
        return data
    for _ in range(draw(st.integers(1, most))):
        at, kind = draw(st.integers(0, len(data))), draw(st.integers(0, 7))
        if kind == 0:
            data = data[:at]
        elif kind == 1 and data:
            at = min(at, len(data) - 1)
            data = data[:at] + bytes([data[at] ^ (1 << draw(st.integers(0, 7)))]) + data[at + 1 :]
        elif kind == 2:
            data = data[:at] + draw(st.binary(max_size=4)) + data[at:]
        elif kind == 3:
            data = draw(st.sampled_from((b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b"PK\x03\x04", b"PAR1"))) + data
        elif kind == 4:
            data = data.decode("utf-8", "replace").encode(
                draw(st.sampled_from(("utf-16", "cp949", "utf-32"))), "replace"
            )
        elif kind == 5:
            data = draw(st.sampled_from([each.compress for each in COMPRESSIONS.values()]))(data)
        elif kind == 6:
            other = draw(st.integers(0, len(data)))
            data = data[:other] + data[at : at + 40] + data[other:]
        else:
            data = data[:at] + data[at + draw(st.integers(1, 40)) :]
    return data
