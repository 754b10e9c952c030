"""Public functions over saved models: they take files, texts and models, and their examples run."""

import doctest

import pytest

import kospan
import kospan.api
from kospan.data.jsonl import write_jsonl
from kospan.example import Example
from kospan.modeling.spans import Span


@pytest.fixture
def model(make_token_classifier, tmp_path, monkeypatch):
    """A model at the place that the examples name."""
    monkeypatch.chdir(tmp_path)
    model = make_token_classifier(encoder_input="units", labels=["PS", "LC", "OG", "DT", "TI", "QT"])
    model.save_pretrained(tmp_path / "outputs" / "quickstart")
    return model.eval()


def test_examples_of_the_documentation_run(model, capsys):
    found = doctest.testmod(kospan.api)
    assert found.attempted >= 8 and not found.failed
    assert not doctest.testmod(kospan).failed


def test_texts_files_and_opened_models_give_the_same_predictions(model, texts, tmp_path):
    expected = [tuple(spans) for spans in model.extract(texts)]
    assert any(expected)
    examples = [Example(f"text-{at}", text, None) for at, text in enumerate(texts)]
    write_jsonl(tmp_path / "texts.jsonl", examples)
    opened = kospan.load("outputs/quickstart")
    for given in (texts, examples, "texts.jsonl", tmp_path / "texts.jsonl"):
        found = kospan.predict(opened, given)
        assert [each.id for each in found] == [each.id for each in examples]
        for each, spans in zip(found, expected, strict=True):
            assert [span[:3] for span in each.spans] == [span[:3] for span in spans]
    assert all(each.spans == () for each in kospan.predict(opened, texts, threshold=1))


def test_a_model_agrees_with_itself_from_a_file_and_from_examples(model, texts, tmp_path):
    gold = kospan.predict("outputs/quickstart", texts)
    write_jsonl(tmp_path / "gold.jsonl", gold)
    reports = [kospan.evaluate("outputs/quickstart", data, train=data) for data in (gold, "gold.jsonl")]
    for report in reports:
        assert report["metrics"]["f1"] == 1.0 and report["documents"] == len(texts)
        assert report["task"] == "token-classification" and report["skipped"] == report["left_out"] == 0


def test_missing_records_are_reported_in_lines(model, texts, tmp_path):
    (tmp_path / "texts.jsonl").write_text('{"id": "a", "text": "서울"}\n{"id": "b"}\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"texts\.jsonl:2"):
        kospan.predict("outputs/quickstart", "texts.jsonl")
    lines: list[str] = []
    assert len(kospan.predict("outputs/quickstart", "texts.jsonl", skip_invalid=True, say=lines.append)) == 1
    assert len(lines) == 1 and lines[0].startswith("skipped 1 invalid records, the first: ")


def test_unlabelled_examples_cannot_be_scored(model, texts):
    with pytest.raises(ValueError, match="text-0"):
        kospan.evaluate("outputs/quickstart", [Example("text-0", texts[0], None)])
    with pytest.raises(ValueError, match="got 'XX'"):
        kospan.evaluate("outputs/quickstart", [Example("a", texts[0], (Span(0, 1, "XX"),))])


def test_missing_model_is_reported():
    with pytest.raises(FileNotFoundError, match="under the name 'no/such/model'"):
        kospan.load("no/such/model")
