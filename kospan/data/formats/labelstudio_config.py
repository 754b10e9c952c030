"""Labelling interfaces of Label Studio, in XML, and the tags for the predictions of a model."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from xml.etree import ElementTree

from kospan.data.formats.labelstudio_results import Control
from kospan.example import clean_label

# Control tag and tag of a label, by form of the predictions.
SPANS, CLASSES = ("Labels", "Label"), ("Choices", "Choice")


class ControlTag(NamedTuple):
    """A tag with labels.

    Args:
        control: Its names.
        field: Field of the task's data that holds the text.
        written: Label in Label Studio by label of the model, for all that it has.
        labels: All of its labels.
    """

    control: Control
    field: str
    written: dict[str, str]
    labels: tuple[str, ...]

    def without_model(self) -> list[str]:
        """Labels that the model does not predict."""
        return [label for label in self.labels if label not in self.written.values()]


class LabelConfig(NamedTuple):
    """The parts of a labelling interface that a model needs.

    Args:
        tag: The tag with the labels.
        others: Fields of the data that other tags show, in order.
    """

    tag: ControlTag
    others: tuple[str, ...]


def read_config(xml: str, labels: Sequence[str], kinds: tuple[str, str] = SPANS) -> LabelConfig:
    """Find the tag of a labelling interface that has the labels of a model.

    A label of the interface matches the labels of the model that are named by its `value`, its `alias` or its
    `predicted_values`, separated by commas. Of several tags the one with the most labels of the model is chosen. A tag
    with a single label matches the single label of a model, whatever its name.

    Args:
        xml: The labelling interface.
        labels: Labels of the model.
        kinds: `SPANS` or `CLASSES`.

    Raises:
        ValueError: If it is not XML, has a document type (whose entities could be expanded without end), or has no such
            tag over a text.
        TypeError: If `xml` is not a string.

    >>> xml = '<View><Labels name="l" toName="t"><Label value="PS"/></Labels><Text name="t" value="$text"/></View>'
    >>> read_config(xml, ["PS", "LC"]).tag.written
    {'PS': 'PS'}
    """
    root = _parsed(xml)
    control, label = kinds
    found = [_control_tag(root, element, label, labels) for element in root.iter(control)]
    if not found:
        raise ValueError(
            f'expected <{control} name="label" toName="text"> in the labelling interface, got none; add one with the '
            f"labels {', '.join(labels)}"
        )
    tag = max(found, key=lambda each: len(each.written))
    if not tag.written:
        own = ", ".join(dict.fromkeys(label for each in found for label in each.labels)) or "none"
        raise ValueError(
            f"expected labels of the model ({', '.join(labels)}) in <{control}>, got {own}; rename them, or add "
            f'predicted_values="..." with the label of the model to each <{label}>'
        )
    shown = [value[1:] for element in root.iter() if (value := element.get("value", "")).startswith("$")]
    return LabelConfig(tag, tuple(dict.fromkeys(field for field in shown if field != tag.field)))


class _Builder(ElementTree.TreeBuilder):
    """Builder of trees without document types."""

    def doctype(self, name, pubid, system):
        """Refuse a document type."""
        raise ValueError("expected a labelling interface without a document type, got one; remove <!DOCTYPE ...>")


def _parsed(xml: str) -> ElementTree.Element:
    if not isinstance(xml, str):
        raise TypeError(f"expected the labelling interface as a string, got {type(xml).__name__}; send its XML")
    parser = ElementTree.XMLParser(target=_Builder())
    try:
        parser.feed(xml)
        return parser.close()
    except (ElementTree.ParseError, UnicodeEncodeError) as error:
        raise ValueError(f"expected a labelling interface in XML, got {error}; copy it from Label Studio") from error


def _control_tag(root, element, label_tag: str, labels: Sequence[str]) -> ControlTag:
    name, to_name = element.get("name"), element.get("toName")
    if not name or not to_name:
        raise ValueError(
            f"expected the attributes name and toName of <{element.tag}>, got {sorted(element.attrib)}; add them"
        )
    written: dict[str, str] = {}
    own = []
    for each in element.iter(label_tag):
        value = each.get("value", "")
        # Label Studio writes the alias in place of the value, if there is one.
        shown = each.get("alias") or value
        own.append(shown)
        for key in (value, shown, *each.get("predicted_values", "").split(",")):
            if (key := clean_label(key)) in labels:
                written.setdefault(key, shown)
    if len(own) == len(labels) == 1:
        written = {labels[0]: own[0]}
    return ControlTag(Control(name, to_name), _field(root, element.tag, to_name), written, tuple(own))


def _field(root, tag: str, to_name: str) -> str:
    """Return the field of the data that the tag of a name shows."""
    shown = next((each for each in root.iter() if each.get("name") == to_name and each.tag == "Text"), None)
    if shown is None:
        raise ValueError(
            f'expected <Text name="{to_name}" value="$text"/>, which <{tag}> names in toName, got none; predictions '
            "are for plain text"
        )
    value = shown.get("value", "")
    if not value.startswith("$") or len(value) == 1:
        raise ValueError(f'expected value="$text" of <Text name="{to_name}">, got {value!r}; name a field of the data')
    if shown.get("valueType", "text") != "text":
        raise ValueError(
            f'expected <Text name="{to_name}"> with the text itself, got valueType {shown.get("valueType")!r}; the '
            "server downloads nothing"
        )
    return value[1:]


def text_of(data: Mapping, field: str, place: str) -> str:
    """Return the text in a field of a task's data.

    Raises:
        ValueError: If there is no text.
    """
    value = data.get(field)
    if not isinstance(value, str):
        got = "none" if field not in data else type(value).__name__
        raise ValueError(f"{place}: expected a text under {field!r} in its data, got {got}; correct the task")
    return value
