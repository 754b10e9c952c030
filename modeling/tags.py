"""Conversion between tag names and spans (BIO, BIOES), and the allowed transitions.

A *unit span* is `(start, end, label)` in units, half-open. A stray `I-` (no `B-` of its type before it) opens nothing:
scoring is strict, and a span posterior is the mass of paths that hold the `B-`.
"""

SCHEMES = ("BIO", "BIOES")
UnitSpan = tuple[int, int, str]


def check_scheme(scheme: str) -> None:
    """Check that `scheme` is one of `SCHEMES`.

    Raises:
        ValueError: If `scheme` is none of `SCHEMES`.
    """
    if scheme not in SCHEMES:
        raise ValueError(f"expected the tag scheme to be one of {', '.join(SCHEMES)}, got {scheme!r}")


def tag_names(labels: list[str], scheme: str = "BIO") -> list[str]:
    """Return all tags of `labels`, "O" first, the labels in their given order.

    >>> tag_names(["PS", "LC"])
    ['O', 'B-PS', 'I-PS', 'B-LC', 'I-LC']
    """
    check_scheme(scheme)
    prefixes = "BI" if scheme == "BIO" else "BIES"
    return ["O"] + [f"{prefix}-{label}" for label in labels for prefix in prefixes]


def labels_of(tags: list[str]) -> list[str]:
    """Return the labels of a list of tag names, in order of first appearance.

    >>> labels_of(["O", "B-PS", "I-PS", "B-LC", "I-LC"])
    ['PS', 'LC']
    """
    return list(dict.fromkeys(tag[2:] for tag in tags if tag != "O"))


def span_tag_ids(tags: list[str], scheme: str) -> list[list[int]]:
    """Return the ids of the tags of each kind (B, I, and in BIOES E and S), each in the order of `labels_of`.

    >>> span_tag_ids(["O", "B-LC", "I-LC", "B-PS", "I-PS"], "BIO")
    [[1, 3], [2, 4]]
    """
    prefixes = "BI" if scheme == "BIO" else "BIES"
    return [[tags.index(f"{prefix}-{label}") for label in labels_of(tags)] for prefix in prefixes]


def span_tags(length: int, label: str, scheme: str = "BIO") -> list[str]:
    """Return the tags of one span of `length` units.

    >>> span_tags(3, "LC"), span_tags(3, "LC", "BIOES"), span_tags(1, "LC", "BIOES")
    (['B-LC', 'I-LC', 'I-LC'], ['B-LC', 'I-LC', 'E-LC'], ['S-LC'])
    """
    if scheme == "BIO":
        return [f"B-{label}"] + [f"I-{label}"] * (length - 1)
    if length == 1:
        return [f"S-{label}"]
    return [f"B-{label}"] + [f"I-{label}"] * (length - 2) + [f"E-{label}"]


def spans_to_tags(spans: list[UnitSpan], length: int, scheme: str = "BIO") -> list[str]:
    """Return the tag of each of `length` units.

    Raises:
            ValueError: If a span is empty, is outside the text, or overlaps another.

    >>> spans_to_tags([(1, 3, "PS")], 4)
    ['O', 'B-PS', 'I-PS', 'O']
    """
    check_scheme(scheme)
    tags = ["O"] * length
    reached = 0
    for start, end, label in sorted(spans):
        if not reached <= start < end <= length:
            raise ValueError(
                f"expected non-empty unit spans inside 0..{length} that do not overlap, got ({start}, {end}, "
                f"{label!r}) after a span that ends at {reached}; drop one of the two"
            )
        tags[start:end] = span_tags(end - start, label, scheme)
        reached = end
    return tags


def tags_to_spans(tags: list[str], scheme: str = "BIO") -> list[UnitSpan]:
    """Return the complete spans in `tags`: BIO requires the `B-`, BIOES requires `S-` or `B- I-* E-`.

    >>> tags_to_spans(["B-PS", "I-PS", "O", "I-LC", "B-LC", "B-LC"])
    [(0, 2, 'PS'), (4, 5, 'LC'), (5, 6, 'LC')]
    """
    check_scheme(scheme)
    spans: list[UnitSpan] = []
    start, label = None, ""
    for at, tag in enumerate([*tags, "O"]):
        prefix, _, name = tag.partition("-")
        continues = start is not None and name == label and prefix in ("I", "E")
        if not continues:
            if start is not None and scheme == "BIO":
                spans.append((start, at, label))
            start = None
        if prefix == "S" and scheme == "BIOES":
            spans.append((at, at + 1, name))
        elif prefix == "B":
            start, label = at, name
        elif prefix == "E" and continues:
            spans.append((start, at + 1, label))
            start = None
    return spans


def iob1_to_bio(tags: list[str]) -> list[str]:
    """Convert IOB1 (`B-` only between touching spans of one type), the scheme of CoNLL-2003's files, to BIO.

    >>> iob1_to_bio(["I-PER", "I-PER", "B-PER", "O", "I-LOC"])
    ['B-PER', 'I-PER', 'B-PER', 'O', 'B-LOC']
    """
    converted, previous = [], "O"
    for tag in tags:
        opens = tag.startswith("I-") and previous[2:] != tag[2:]
        converted.append(f"B-{tag[2:]}" if opens else tag)
        previous = tag
    return converted


def bioes_to_bio(tags: list[str]) -> list[str]:
    """Convert BIOES to BIO: `S-` becomes `B-`, `E-` becomes `I-`.

    >>> bioes_to_bio(["S-PER", "O", "B-LOC", "E-LOC"])
    ['B-PER', 'O', 'B-LOC', 'I-LOC']
    """
    return [{"S-": "B-", "E-": "I-"}.get(tag[:2], tag[:2]) + tag[2:] for tag in tags]


def first_broken_tag(tags: list[str]) -> int | None:
    """Return the index of the first `I-` of a BIO sequence without a span to continue; None if there is none.

    >>> first_broken_tag(["B-PS", "I-LC"])
    1
    """
    previous = "O"
    for at, tag in enumerate(tags):
        if tag.startswith("I-") and previous[2:] != tag[2:]:
            return at
        previous = tag
    return None


def may_start(tag: str) -> bool:
    """Return whether a document's first unit may carry `tag`."""
    return tag[:2] not in ("I-", "E-")


def may_end(tag: str, scheme: str = "BIO") -> bool:
    """Return whether a document's last unit may carry `tag`."""
    return scheme == "BIO" or tag[:2] not in ("B-", "I-")


def may_follow(first: str, second: str, scheme: str = "BIO") -> bool:
    """Return whether `second` may directly follow `first`.

    >>> may_follow("B-PS", "I-PS"), may_follow("B-PS", "I-LC"), may_follow("B-PS", "O", "BIOES")
    (True, False, False)
    """
    inside = second[:2] in ("I-", "E-")
    is_open = first[:2] in ("B-", "I-")
    if inside:
        return is_open and first[2:] == second[2:]
    return scheme == "BIO" or not is_open
