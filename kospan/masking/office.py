"""DOCX and HWPX files: texts of all parts, and copies with changed texts and without the names of authors."""

import base64
import os
from collections.abc import Iterator, Sequence

from kospan.masking.aliases import Change
from kospan.masking.archive import Archive
from kospan.masking.documents import TextUnit, with_contexts
from kospan.masking.labels import NOTICE_KEY
from kospan.masking.masker import Edit
from kospan.masking.office_xml import COMMANDS, Slot, apply_to_slots, key, parse_xml, stretches, text_of, xml_bytes

# A transparent pixel, in place of the picture of the first page.
_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
# Attributes with names of persons: of comments, of tracked changes, of the list of people.
_AUTHORS = ("author", "initials", "userId")
# Attributes with free text, by the local names of element and attribute: fields, links, shapes, controls, variables.
_TEXTS = {("fldSimple", "instr"), ("hyperlink", "tooltip"), ("shape", "alt"), ("textpath", "string"), ("docVar", "val")}
_TEXTS |= {("alias", "val"), ("docPr", "descr"), ("docPr", "title")}
# Properties with names of persons or companies, which are emptied, and with free text, which is masked.
_NAMES = {"creator", "lastModifiedBy", "Company", "Manager", "lastsaveby"}
_FREE = {"title", "subject", "keywords", "category", "lpwstr", "keyword", "contentStatus", "HyperlinkBase"}
_FREE |= {"description", "lpstr"}


class OfficeDocument:
    """A DOCX or HWPX file.

    Args:
        path: The file.
        what: "DOCX" or "HWPX".

    Raises:
        ValueError: If it is another kind of file, broken or encrypted.
        OSError: If it cannot be read.
        ImportError: If lxml is missing.
    """

    def __init__(self, path: str | os.PathLike, what: str):
        self.path, self.what = path, what
        self.archive = Archive(path, what)
        self._check_kind()
        self.trees = {
            name: parse_xml(data, f"{path}, {name}")
            for name, data in self.archive.contents.items()
            if name.lower().endswith((".xml", ".rels", ".hpf")) and data.strip()
        }
        slots, places, rest = [], [], []
        for name, root in self.trees.items():
            for stretch in stretches(root):
                if text_of(stretch).strip():
                    slots.append(stretch)
                    places.append(name)
            rest += [(name, slot, by_model) for slot, by_model in _others(name, root)]
        self.units = with_contexts(places, [text_of(stretch) for stretch in slots])
        self.units += [TextUnit(name, slot.text, "", by_model) for name, slot, by_model in rest]
        self._slots: list[list[Slot]] = slots + [[slot] for _, slot, _ in rest]

    def _check_kind(self) -> None:
        names = self.archive.contents
        if self.what == "DOCX":
            found = any(name.startswith("word/") for name in names)
        else:
            found = any(name.startswith("Contents/section") for name in names)
            manifest = names.get("META-INF/manifest.xml", b"")
            if b"encryption-data" in manifest:
                raise ValueError(
                    f"{self.path}: expected an HWPX file without a password, got an encrypted one; remove it"
                )
        if not found:
            raise ValueError(
                f"{self.path}: expected a {self.what} file, got a zip archive without its parts; save the document as "
                f"{self.what}"
            )

    def change(self, at: int, changes: Sequence[Change]) -> None:
        """Change the text of a unit."""
        apply_to_slots(self._slots[at], [part for change in changes for part in _parts(change)])
        if self.what == "HWPX" and changes:
            self._remove_line_cache(self._slots[at][0].element)

    @staticmethod
    def _remove_line_cache(element) -> None:
        """Remove the cached line breaks of a paragraph, which count characters of the old text."""
        while element is not None and key(element) != ("hwpml", "p"):
            element = element.getparent()
        for child in list(element) if element is not None else ():
            if key(child) == ("hwpml", "linesegarray"):
                element.remove(child)

    def not_masked(self) -> list[str]:
        """Names of the parts that are no XML: pictures, embedded files."""
        return [
            name for name in self.archive.contents if name.startswith(("word/", "BinData/")) and name not in self.trees
        ]

    def write(self, path: str | os.PathLike, notice: str | None) -> None:
        """Write the changed file.

        Args:
            path: The file.
            notice: A sentence for the description of the document, whose authors and preview are removed; None for a
                copy that is not masked.
        """
        if notice is not None:
            self._remove_names(notice)
            self._remove_previews(notice)
        for name, root in self.trees.items():
            self.archive.contents[name] = xml_bytes(root)
        self.archive.write(path)

    def _remove_names(self, notice: str) -> None:
        for name, root in self.trees.items():
            for element in root.iter():
                if not isinstance(element.tag, str):
                    continue
                for attribute in element.attrib:
                    if attribute.rpartition("}")[2] in _AUTHORS and name.startswith(("word/", "Contents/")):
                        element.set(attribute, "")
                if _property(name, element) in _NAMES:
                    element.text = ""
            if name == "docProps/core.xml":
                _describe(root, "{http://purl.org/dc/elements/1.1/}description", {}, notice)
            elif name == "Contents/content.hpf":
                metadata = next((each for each in root.iter() if key(each)[1] == "metadata"), None)
                if metadata is not None:
                    tag = metadata.tag.rpartition("}")[0] + "}meta"
                    _describe(metadata, tag, {"name": NOTICE_KEY, "content": "text"}, notice)

    def _remove_previews(self, notice: str) -> None:
        contents = self.archive.contents
        if "Preview/PrvText.txt" in contents:
            contents["Preview/PrvText.txt"] = notice.encode()
        if "Preview/PrvImage.png" in contents:
            contents["Preview/PrvImage.png"] = _PIXEL
        root = self.trees.get("_rels/.rels")
        for relation in list(root) if root is not None else ():
            if relation.get("Type", "").endswith("/thumbnail"):
                root.remove(relation)
                if (target := relation.get("Target", "").lstrip("/")) in contents:
                    self.archive.remove(target)


def _parts(change: Change | Edit) -> list[Change]:
    """Separate a particle from the replacement before it, so that it keeps the formatting of its run."""
    if not isinstance(change, Edit) or change.stop == change.end:
        return [change]
    size = change.new_end - change.new_start
    return [
        Change(change.start, change.end, change.text[:size]),
        Change(change.end, change.stop, change.text[size:]),
    ]


def _describe(parent, tag: str, attributes: dict, notice: str) -> None:
    wanted = attributes.items()
    element = next((each for each in parent if each.tag == tag and wanted <= dict(each.attrib).items()), None)
    if element is None:
        element = parent.makeelement(tag, attributes)
        parent.append(element)
    element.text = notice


def _property(name: str, element) -> str:
    """Name of a property of the document; empty for other elements."""
    local = element.tag.rpartition("}")[2]
    if name.startswith("docProps/"):
        return local
    if name == "Contents/content.hpf":
        return element.get("name", "") if local == "meta" else local
    return ""


def _is_description(element) -> bool:
    """Return whether an element is the description of a picture, or a text in a chart."""
    kind, local = key(element)
    above = element.getparent().getparent() if local == "v" and element.getparent() is not None else None
    return (kind, local) == ("hwpml", "shapeComment") or (above is not None and key(above)[1] == "strCache")


def _others(name: str, root) -> Iterator[tuple[Slot, bool]]:
    """Yield the texts outside paragraphs, and whether the model reads them."""
    for element in root.iter():
        if not isinstance(element.tag, str):
            continue
        text = element.text or ""
        kind, local = key(element)
        if (kind, local) in COMMANDS and text.strip():
            yield Slot(element, "text", text), False
        elif text.strip() and name.startswith("customXml/"):
            # Typed data: the model would replace dates and numbers.
            yield Slot(element, "text", text), False
        elif text.strip() and (_property(name, element) in _FREE or _is_description(element)):
            yield Slot(element, "text", text), True
        if name.endswith(".rels") and element.get("TargetMode") == "External":
            yield Slot(element, "Target", element.get("Target", "")), False
        for attribute, value in element.attrib.items():
            name_of = attribute.rpartition("}")[2]
            if (local, name_of) in _TEXTS and value.strip():
                # A command, as in COMMANDS, has an address that rules find.
                yield Slot(element, attribute, value), name_of != "instr"
