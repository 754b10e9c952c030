"""Text of the XML of DOCX and HWPX files, and changes of it across runs that keep their formatting."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from kospan.masking.aliases import Change

# Kinds of namespaces, by a word in their names: the names of versions and of the strict form differ.
_KINDS = ("wordprocessingml", "drawingml", "hwpml", "word/2")
PARAGRAPHS = {("wordprocessingml", "p"), ("drawingml", "p"), ("hwpml", "p")}
_TEXTS = {("wordprocessingml", "t"), ("wordprocessingml", "delText"), ("drawingml", "t"), ("hwpml", "t")}
# Elements in a text that are white space between two stretches of text.
_BREAKS = {("wordprocessingml", name) for name in ("tab", "ptab", "br", "cr")} | {("drawingml", "br")}
_BREAKS |= {("hwpml", "tab"), ("hwpml", "lineBreak")}
# Elements that are one character.
_CHARACTERS = {("wordprocessingml", "noBreakHyphen"): "-", ("hwpml", "hyphen"): "-"}
_CHARACTERS |= {("hwpml", "nbSpace"): " ", ("hwpml", "fwSpace"): " "}
# Commands with an address of a link.
COMMANDS = {("wordprocessingml", "instrText"), ("hwpml", "stringParam")}
_SPACE = "{http://www.w3.org/XML/1998/namespace}space"


class Slot(NamedTuple):
    """A place in the XML with a part of a text.

    Args:
        element: The element.
        place: "text", "tail", "element" for an element that is one character, or the name of an attribute.
        text: The text.
    """

    element: Any
    place: str
    text: str

    def write(self, text: str) -> None:
        """Replace the text."""
        if text == self.text:
            return
        if self.place == "element":
            _remove(self.element, text)
        elif self.place in ("text", "tail"):
            setattr(self.element, self.place, text)
            if self.place == "text" and key(self.element) == ("wordprocessingml", "t"):
                self.element.set(_SPACE, "preserve")
        else:
            self.element.set(self.place, text)


def key(element) -> tuple[str, str]:
    """Kind of namespace and local name of an element; empty for comments."""
    if not isinstance(element.tag, str):
        return "", ""
    namespace, _, name = element.tag.rpartition("}")
    return next((kind for kind in _KINDS if kind in namespace), ""), name


def parse_xml(data: bytes, name: str):
    """Parse XML without entities and network.

    Raises:
        ImportError: If lxml is missing.
        ValueError: If it is not well-formed.
    """
    etree = _etree()
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise ValueError(f"{name}: expected XML, got {error}; save the document again") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise ValueError(f"{name}: expected XML without a document type, got one; save the document again")
    return root


def xml_bytes(root) -> bytes:
    """Return an XML document as the office programs write it."""
    return _etree().tostring(root.getroottree(), xml_declaration=True, encoding="UTF-8", standalone=True)


def _etree():
    try:
        from lxml import etree
    except ModuleNotFoundError as error:
        raise ImportError(
            "expected the packages of the extra mask for DOCX and HWPX files, found no lxml; run `pip install -c "
            'constraints.txt -e ".[mask]"`'
        ) from error
    return etree


def stretches(root) -> Iterator[list[Slot]]:
    """Yield the stretches of text between breaks, of all paragraphs, each as its slots in order."""
    for element in root.iter():
        if key(element) in PARAGRAPHS:
            yield from _of_paragraph(element)


def _of_paragraph(paragraph) -> Iterator[list[Slot]]:
    slots: list[Slot] = []
    for slot in _slots(paragraph):
        if slot is not None:
            slots.append(slot)
        elif slots:
            yield slots
            slots = []
    if slots:
        yield slots


def _slots(element) -> Iterator[Slot | None]:
    """Yield the slots of a paragraph without those of paragraphs inside it; None for a break."""
    for child in element:
        kind = key(child)
        if kind in _TEXTS:
            if child.text:
                yield Slot(child, "text", child.text)
            for inner in child:
                yield from _character(inner)
                if inner.tail:
                    yield Slot(inner, "tail", inner.tail)
        elif kind in _BREAKS or kind in _CHARACTERS:
            yield from _character(child)
        elif kind not in PARAGRAPHS and kind not in COMMANDS:
            yield from _slots(child)


def _character(element) -> Iterator[Slot | None]:
    kind = key(element)
    if kind in _BREAKS:
        yield None
    elif kind in _CHARACTERS:
        yield Slot(element, "element", _CHARACTERS[kind])


def text_of(slots: Iterable[Slot]) -> str:
    """The text of a stretch."""
    return "".join(slot.text for slot in slots)


def apply_to_slots(slots: Sequence[Slot], edits: Sequence[Change]) -> None:
    """Change a stretch: a replacement takes the formatting of the first run that it touches.

    Args:
        slots: The slots of the stretch.
        edits: Changes of its text, in order.
    """
    at, written = 0, []
    for slot in slots:
        end, parts, here = at + len(slot.text), [], at
        for edit in edits:
            if edit.stop <= at or edit.start >= end:
                continue
            parts.append(slot.text[here - at : max(edit.start, at) - at])
            if edit.start >= at:
                parts.append(edit.text)
            here = min(edit.stop, end)
        parts.append(slot.text[here - at :])
        written.append((slot, "".join(parts)))
        at = end
    # Elements last: removing one moves the text after it.
    for slot, text in sorted(written, key=lambda each: each[0].place == "element"):
        slot.write(text)


def _remove(element, text: str) -> None:
    """Replace an element that is one character by text."""
    parent, before = element.getparent(), element.getprevious()
    text += element.tail or ""
    if key(parent) in _TEXTS:
        if before is None:
            parent.text = (parent.text or "") + text
        else:
            before.tail = (before.tail or "") + text
    elif text:
        kept = parent.makeelement(element.tag.rpartition("}")[0] + "}t")
        kept.text = text
        parent.insert(parent.index(element), kept)
    parent.remove(element)
