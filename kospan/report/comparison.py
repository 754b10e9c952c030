"""Page of a comparison of two systems: one HTML file that needs no other file."""

from collections.abc import Sequence
from importlib.resources import files

from jinja2 import Environment, PackageLoader

from kospan.modeling.colors import colours_of
from kospan.modeling.spans import Span

# Documents of each kind of change on the page; comparison.json holds all.
SHOWN = 200


def page(found, data: str) -> str:
    """Return the page of a comparison as one text; data is escaped.

    Args:
        found: Result of `kospan.compare.compare`.
        data: Name of the labelled data.
    """
    environment = Environment(
        loader=PackageLoader("kospan.report", ""), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    rows = [row for side in (*found.predicted, [example.spans for example in found.examples]) for row in side]
    labels = sorted({span.label for row in rows for span in row})
    return environment.get_template("comparison.html.jinja").render(
        found=found,
        data=data,
        shown=SHOWN,
        documents={change: _documents(found, change) for change in ("fixed", "introduced")},
        colors=colours_of(labels),
        css=(files("kospan.report") / "report.css").read_text(encoding="utf-8"),
    )


def _documents(found, change: str) -> list[dict]:
    """Documents with changes of a kind: parts of the text with gold and predicted spans, wrong ones marked."""
    by_document: dict[int, list[str]] = {}
    for each in found.changes:
        if each.change == change:
            by_document.setdefault(each.document, []).append(each.kind)
    documents = []
    for at, kinds in by_document.items():
        example = found.examples[at]
        gold = {span[:3] for span in example.spans}
        sides = [("gold", example.spans), *zip(("first", "second"), (side[at] for side in found.predicted))]
        rows = [(name, parts(example.text, spans, gold)) for name, spans in sides]
        documents.append({"example": example, "kinds": kinds, "rows": rows})
    return documents


def parts(text: str, spans: Sequence[Span], gold: set[tuple]) -> list[tuple[str, str, bool]]:
    """Cut a text at the ends of its spans.

    Args:
        text: The text.
        spans: Spans of the text; of overlapping ones the first is kept.
        gold: `span[:3]` of the gold spans.

    Returns: Parts of the text in order, each with its label, empty outside of spans, and whether it is a wrong span.

    >>> parts("서울에 간다", [Span(0, 2, "LC")], set())
    [('서울', 'LC', True), ('에 간다', '', False)]
    """
    found, end = [], 0
    for span in sorted(spans):
        if span.start < end:
            continue
        if span.start > end:
            found.append((text[end : span.start], "", False))
        found.append((text[span.start : span.end], span.label, span[:3] not in gold))
        end = span.end
    return [*found, *([(text[end:], "", False)] if end < len(text) else [])]
