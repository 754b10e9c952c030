"""Checks of single values, shared by all readers; errors name the place of the value."""

from kospan.example import clean_label
from kospan.modeling.spans import Span

KINDS = {str: "a string", int: "an integer", float: "a number", list: "a list", dict: "an object"}
KINDS |= {bool: "true or false"}


def typed(value, kind: type, place: str, what: str):
    """Return the value if it is of the given type; True and False do not count as integers.

    Raises:
        TypeError: Naming what came instead.
    """
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    quoted = isinstance(value, str) and kind in (int, float, bool)
    raise TypeError(
        f"{place}: expected {what} to be {KINDS[kind]}, got {shown(value)} ({type(value).__name__}); "
        f"{'write it without quotation marks' if quoted else 'correct it'}"
    )


def id_of(value, place: str) -> str:
    """Return an id, a string or a whole number, as a string.

    Raises:
        TypeError: If it is something else.
    """
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else typed(value, str, place, "'id'")


def shown(value) -> str:
    """Return the representation of a value for an error message, shortened if it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def keys_in(value: dict) -> str:
    """The keys of an object, as errors list them."""
    return ", ".join(map(repr, value)) or "none"


def located(start: int, end: int, label: str, length: int, place: str, score: float = 1.0) -> Span:
    """Return a span after checking that it fits a text of `length` characters and has a label (see `clean_label`).

    Raises:
        ValueError: If it does not, or the label cannot be encoded as UTF-8.
    """
    # The label of an empty text covers the whole text, which has no characters.
    if not (0 <= start < end <= length or start == end == length == 0):
        raise ValueError(
            f"{place}: expected 0 <= start < end <= {length} (the text's length), got start {start}, end {end}; "
            "offsets count characters, the end is the offset behind the last one"
        )
    label = clean_label(label)
    if not label:
        raise ValueError(f"{place}: expected a label, got an empty string; name the span's type")
    check_encodable(label, place)
    return Span(start, end, label, score)


def check_encodable(text: str, place: str) -> None:
    """Check that a text can be encoded as UTF-8.

    Raises:
        ValueError: If a text holds half a surrogate pair, which UTF-8 cannot hold.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{place}: expected whole characters, got the half surrogate pair {text[error.start]!a} at character "
            f"{error.start}; write the character itself or both halves"
        ) from error
