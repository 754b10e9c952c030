"""The synthetic set: gold spans, seeds, labels."""

from collections import Counter

import pytest

from kospan.data.jsonl import read_jsonl
from kospan.masking.labels import RULE_LABELS
from kospan.masking.masker import Masker
from kospan.masking.synthetic import VALUES, main, synthetic_examples


def test_spans_are_the_generated_values():
    examples = synthetic_examples(300)
    labels = Counter(span.label for example in examples for span in example.spans)
    assert set(labels) == {"PS", *RULE_LABELS} and min(labels.values()) >= 5
    for example in examples:
        ends = 0
        for span in example.spans:
            surface = example.text[span.start : span.end]
            assert surface == surface.strip() != "" and ends <= span.start < span.end <= len(example.text)
            ends = span.end
        assert "{" not in example.text
    assert any(not example.spans for example in examples)


def test_equal_seeds_give_equal_documents():
    assert synthetic_examples(50, 3) == synthetic_examples(60, 3)[:50] != synthetic_examples(50, 4)
    assert len({example.id for example in synthetic_examples(1200)}) == 1200
    assert len({example.text for example in synthetic_examples(1200)}) >= 1000


def test_particles_of_the_templates_agree():
    texts = " ".join(example.text for example in synthetic_examples(400))
    assert not any(each in texts for each in ("입니다은", "원를", "일를"))
    assert set(VALUES) >= set(RULE_LABELS)


@pytest.mark.optional("presidio_analyzer", "mask")
def test_rules_find_nearly_all_values():
    examples = synthetic_examples(600, seed=2)
    found = Masker(None).mask([example.text for example in examples])
    gold, right, wrong = Counter(), Counter(), Counter()
    for example, masked in zip(examples, found):
        spans = {span[:3] for span in example.spans if span.label != "PS"}
        regions = {(edit.start, edit.end, edit.label) for edit in masked.edits}
        gold.update(span[2] for span in spans)
        right.update(span[2] for span in spans & regions)
        wrong.update(region[2] for region in regions - spans)
    for label in RULE_LABELS:
        assert right[label] >= 0.9 * gold[label] and wrong[label] <= 0.05 * gold[label], label


@pytest.mark.parametrize("flags", [[], ["--groups"]])
def test_a_set_is_written_as_json_lines(tmp_path, flags, capsys):
    main(["--count", "60", "--seed", "3", "--output", str(tmp_path / "a.jsonl"), *flags])
    found = read_jsonl(tmp_path / "a.jsonl")
    expected = synthetic_examples(60, 3)
    assert [each.text for each in found] == [each.text for each in expected]
    labels = {span.label for each in found for span in each.spans}
    assert ("ID" in labels, "RRN" in labels) == (bool(flags), not flags)
    assert capsys.readouterr().out.startswith("60 documents, ")
