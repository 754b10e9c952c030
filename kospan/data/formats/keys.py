"""Detection of annotations under unknown keys."""

import os
import warnings
from collections import Counter
from collections.abc import Collection

# Names under which tools keep annotated spans or tags.
NAMES = frozenset(
    (
        *("annotation", "annotations", "completions", "ent", "ents", "entity", "entities", "label", "labels"),
        *("mentions", "ner", "ner_tags", "span", "spans"),
        *("answers", "bio", "bio_tags", "cats", "entity_list", "iob", "iob_tags", "named_entities", "ne", "ner_labels"),
    )
)
# Keys of the other fields of an example.
EXTRA_KEYS = ("question", "text_pair", "source")
# Parts of a text that have offsets but are not annotations.
PARTS = ("tokens", "sents", "sentences", "words")


def check_no_annotations(
    record: dict, place: str, wanted: str, other: Collection[str] = (), by_name: bool = True
) -> None:
    """Check that a record without the keys of its format holds no annotations under another key.

    Args:
        record: The record, which counts as unlabelled if it passes.
        place: Place of the record, for errors.
        wanted: Place of the annotations in this format, for the error.
        other: Keys that may hold anything.
        by_name: Whether a key is refused for its name alone; else only values that have starts and ends are.

    Raises:
        ValueError: Naming the key.

    >>> check_no_annotations({"text": "서울", "meta": {"page": 3}}, "a.jsonl:1", "under 'label'")
    >>> check_no_annotations({"text": "서울", "marks": [[0, 2, "LC"]]}, "a.jsonl:1", "under 'label'")
    Traceback (most recent call last):
    ...
    ValueError: a.jsonl:1: expected annotations under 'label', got apparent annotations under 'marks'; rename the key, or remove it if the text is unlabelled
    """  # noqa: E501
    for key, value in record.items():
        if key in other or key in PARTS or value is None:
            continue
        is_named = by_name and key.lower() in NAMES and isinstance(value, (list, dict, str))
        if is_named or _holds_offsets(value) or _holds_tags(value):
            raise ValueError(
                f"{place}: expected annotations {wanted}, got apparent annotations under {key!r}; rename the key, or "
                "remove it if the text is unlabelled"
            )


def warn_ignored(path: str | os.PathLike, ignored: Counter) -> None:
    """Warn about annotations that were not read, if there are any.

    Args:
        path: The file.
        ignored: Their number by kind.
    """
    if ignored:
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(ignored.items()))
        warnings.warn(f"{path}: ignored {counts}", stacklevel=3)


def _holds_offsets(value) -> bool:
    if isinstance(value, dict):
        return _is_offsets(value) or any(_holds_offsets(each) for each in value.values())
    return isinstance(value, list) and any(_is_offsets(each) or _holds_offsets(each) for each in value)


def _holds_tags(value) -> bool:
    """Return whether a value is a list of BIO or BIOES tags with at least one span."""
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        return False
    tags = [each for each in value if each != "O"]
    return bool(tags) and all(tag[:2] in ("B-", "I-", "E-", "S-") for tag in tags)


def _is_offsets(value) -> bool:
    """Return whether a value has a start, an end and a text, as annotations do."""
    if isinstance(value, dict):
        numbers = [key.lower() for key, each in value.items() if _is_offset(each)]
        starts = any(word in key for key in numbers for word in ("start", "begin", "from", "offset"))
        ends = any(word in key for key in numbers for word in ("end", "stop", "to", "length"))
        return starts and ends
    if isinstance(value, list) and 3 <= len(value) <= 5:
        return sum(map(_is_offset, value)) >= 2 and any(isinstance(each, str) for each in value)
    return False


def _is_offset(value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
