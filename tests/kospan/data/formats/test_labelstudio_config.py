"""Labelling interfaces of Label Studio."""

import pytest

from kospan.data.formats.labelstudio_config import CLASSES, read_config, text_of
from kospan.data.formats.labelstudio_results import Control

TEXT = '<Text name="text" value="$text"/>'


def view(inner: str, text: str = TEXT) -> str:
    return f"<View>{text}{inner}</View>"


def labels(*tags: str, name: str = "label", to_name: str = "text") -> str:
    return f'<Labels name="{name}" toName="{to_name}">{"".join(tags)}</Labels>'


def label(value: str, **attributes: str) -> str:
    return f'<Label value="{value}" {" ".join(f"{key}={chr(34)}{each}{chr(34)}" for key, each in attributes.items())}/>'


def test_labels():
    tag, others = read_config(view(labels(label("PS", background="red"), label("기타"))), ["PS", "LC"])
    assert tag.control == Control("label", "text") and tag.field == "text" and others == ()
    assert tag.written == {"PS": "PS"} and tag.labels == ("PS", "기타") and tag.without_model() == ["기타"]


@pytest.mark.parametrize(
    ("tag", "written"),
    [
        (label("인물", predicted_values="PS, PER"), {"PS": "인물"}),
        (label("인물", alias="PS"), {"PS": "PS"}),
        (label("PS", alias="사람"), {"PS": "사람"}),
        (label(" PS "), {"PS": " PS "}),
    ],
)
def test_names_of_labels(tag, written):
    assert read_config(view(labels(tag, label("OG"))), ["PS", "LC"]).tag.written == written


def test_the_tag_with_the_most_labels_is_taken():
    xml = view(
        labels(label("PS"), name="one")
        + "<View>"
        + labels(label("PS"), label("LC"), name="two", to_name="body")
        + '<Text name="body" value="$body"/></View>'
    )
    tag, others = read_config(xml, ["PS", "LC"])
    assert tag.control == Control("two", "body") and tag.field == "body" and others == ("text",)


def test_one_label_of_a_model_takes_one_label_of_any_name():
    xml = view(labels(label("정답"), to_name="context"), '<Header value="$q"/><Text name="context" value="$body"/>')
    tag, others = read_config(xml, ["answer"])
    assert tag.written == {"answer": "정답"} and tag.field == "body" and others == ("q",)
    with pytest.raises(ValueError, match="expected labels of the model"):
        read_config(view(labels(label("a"), label("b"))), ["answer"])


def test_choices():
    choices = '<Choices name="topic" toName="text"><Choice value="경제"/><Choice value="기타"/></Choices>'
    tag = read_config(view(labels(label("PS")) + choices), ["경제", "사회"], CLASSES).tag
    assert tag.control == Control("topic", "text") and tag.written == {"경제": "경제"}


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        ("", "expected a labelling interface in XML, got no element found"),
        ("<View>", "expected a labelling interface in XML"),
        ("\ud800", "expected a labelling interface in XML"),
        ("<View/>", 'expected <Labels name="label" toName="text"> in the labelling interface, got none'),
        (view(labels(label("XX"))), r"expected labels of the model \(PS, LC\) in <Labels>, got XX"),
        (view(labels()), "got none; rename them"),
        (view(labels(label("PS"), to_name="other")), 'expected <Text name="other" value='),
        (view(labels(label("PS")), '<Image name="text" value="$text"/>'), 'expected <Text name="text" value='),
        (view(labels(label("PS")), '<Text name="text" value="fixed"/>'), 'expected value="\\$text" of'),
        (view(labels(label("PS")), '<Text name="text" value="$text" valueType="url"/>'), "got valueType 'url'"),
        (view("<Labels><Label value='PS'/></Labels>"), "expected the attributes name and toName of <Labels>"),
    ],
)
def test_errors(xml, message):
    with pytest.raises(ValueError, match=message):
        read_config(xml, ["PS", "LC"])


def test_entities_are_not_expanded(tmp_path):
    (tmp_path / "secret").write_text("PS", encoding="utf-8")
    bomb = "".join(f'<!ENTITY a{at} "{f"&a{at - 1};" * 10 if at else "PS"}">' for at in range(12))
    for inner, value in ((bomb, "&a11;"), (f'<!ENTITY s SYSTEM "{tmp_path}/secret">', "&s;"), ("", "PS")):
        xml = f"<!DOCTYPE View [{inner}]>" + view(labels(label(value)))
        with pytest.raises(ValueError, match="expected a labelling interface without a document type"):
            read_config(xml, ["PS"])


def test_other_types():
    with pytest.raises(TypeError, match="expected the labelling interface as a string, got NoneType"):
        read_config(None, ["PS"])


def test_text_of():
    assert text_of({"body": "비가 온다."}, "body", "task 1") == "비가 온다."
    for data, got in (({}, "none"), ({"body": 5}, "int")):
        with pytest.raises(ValueError, match=f"task 1: expected a text under 'body' in its data, got {got}"):
            text_of(data, "body", "task 1")
