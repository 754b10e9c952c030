"""Reports of models with hostile labels, ids and texts: the page has the elements of a report with plain ones."""

import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kospan.example import Example
from kospan.report.analysis import analyze
from kospan.report.page import _as_json, page
from kospan.tasks.token_classification.task import TokenClassificationTask

HOSTILE = [
    "</script><script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>'",
    "' onclick='alert(1)",
    "<!--",
    "{{ 7 * 7 }}",
    "]]> & \u2028 `x`",
]


class Elements(HTMLParser):
    """Start tags with the names of their attributes; the texts apart."""

    def __init__(self, text: str):
        super().__init__()
        self.found, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, tuple(sorted(name for name, _ in attrs))))

    def handle_data(self, data):
        self.texts.append(data)


def rendered(make, texts, name: str) -> tuple[Elements, str]:
    model = make(encoder_input="units", labels=["PS", name, "OG"])
    own = [*texts, f"{name} {texts[0]}"]
    examples = [
        Example(f"{name}{at}", text, tuple(spans)) for at, (text, spans) in enumerate(zip(own, model.extract(own)))
    ]
    analysis = analyze(TokenClassificationTask.over(model, "jsonl"), "folder", examples)
    text = page(name, analysis, {})
    return Elements(text), text


@pytest.mark.parametrize("name", HOSTILE)
def test_a_report_keeps_its_elements(make_token_classifier, texts, name):
    found, text = rendered(make_token_classifier, texts, name)
    # Elements may only repeat: rows and numbers depend on which spans are found.
    expected, _ = rendered(make_token_classifier, texts, "LC")
    assert set(found.found) <= set(expected.found)
    assert [tag for tag, _ in found.found].count("script") == 2
    assert any(name in " ".join(each.split()) or name in each for each in found.texts)
    data = re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)[1]
    assert name in json.dumps(json.loads(data), ensure_ascii=False) or json.dumps(name)[1:-1] in data
    assert "default-src 'none'" in text


@given(st.recursive(st.text(), lambda inner: st.dictionaries(st.text(), inner) | st.lists(inner)))
def test_json_cannot_end_its_element(value):
    text = _as_json(value)
    assert "<" not in text and "\u2028" not in text and json.loads(text) == value
