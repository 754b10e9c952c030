"""Attention on entities, and the page of the upper bound with gold gates."""

import json
import shlex

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kospan.ablation.settings import flat
from kospan.example import Example
from kospan.flags import parse_flags
from kospan.modeling.spans import Span
from kospan.recipe import load_recipe, save_recipe
from studies import attention_mass, gate_oracle

TEXT = "Oslo and New York meet"
EXAMPLE = Example("a", TEXT, (Span(0, 4, "LC"), Span(9, 17, "LC")), words=tuple(TEXT.split()))


def by_hand(texts) -> dict:
    """The same means from sums over single weights."""
    sums = {name: [0.0, 0.0, 0] for name in ("entity", "other")}
    for weights, inside in texts:
        heads, units, _ = weights.shape
        for unit in range(units):
            row = sums["entity" if inside[unit] else "other"]
            for head in range(heads):
                row[0] += sum(weights[head, unit, other].item() for other in range(units) if inside[other]) / heads
            row[1] += sum(inside.tolist()) / units
            row[2] += 1
    return {name: (mass / units, uniform / units, units) for name, (mass, uniform, units) in sums.items()}


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3), st.lists(st.integers(2, 6), min_size=1, max_size=4), st.integers(0, 1000))
def test_masses_are_those_of_sums_over_single_weights(heads, lengths, seed):
    generator = torch.Generator().manual_seed(seed)
    texts = []
    for length in lengths:
        inside = torch.rand(length, generator=generator) < 0.4
        # One unit of each kind at least, so that no mean is over nothing.
        inside[:2] = torch.tensor([True, False])
        texts.append((torch.randn(heads, length, length, generator=generator).softmax(dim=2), inside))
    found, expected = attention_mass.masses(iter(texts)), by_hand(texts)
    assert found["texts"] == len(texts)
    for name, (mass, uniform, units) in expected.items():
        assert found[name]["units"] == units and len(found[name]["by_head"]) == heads
        assert found[name]["mass"] == pytest.approx(mass, abs=1e-6)
        assert found[name]["uniform"] == pytest.approx(uniform, abs=1e-6)


def test_uniform_attention_gives_the_uniform_share():
    inside = torch.tensor([True, True, False, False, False])
    found = attention_mass.masses([(torch.full((2, 5, 5), 0.2), inside), (torch.full((2, 1, 1), 1.0), inside[:1])])
    assert found["entity"]["mass"] == pytest.approx((0.4 + 0.4 + 1) / 3) == found["entity"]["uniform"]
    assert found["other"]["mass"] == pytest.approx(0.4) == found["other"]["uniform"]


def test_attention_is_read_from_a_model_and_written_with_its_seed(make_token_classifier, tmp_path, monkeypatch, capsys):
    model = make_token_classifier(labels=["LC"], unit="word", encoder_input="units", head="positional")
    ((weights, inside),) = attention_mass.attention_of(model, [EXAMPLE])
    assert weights.shape == (8, 5, 5) and torch.allclose(weights.sum(dim=2), torch.ones(8, 5), atol=1e-5)
    assert inside.tolist() == [True, False, True, True, False]
    model.save_pretrained(tmp_path / "model")
    save_recipe(load_recipe(None, {"seed": 7, "head": "positional"}), tmp_path / "model" / "recipe.yaml")
    data = tmp_path / "data.jsonl"
    record = {"id": "a", "text": TEXT, "words": TEXT.split(), "spans": [{"start": 0, "end": 4, "label": "LC"}]}
    data.write_text("".join(json.dumps(record | {"id": str(at)}) + "\n" for at in range(9)), encoding="utf-8")
    words = [str(tmp_path / "model"), "--dataset", "jsonl", "--data", str(data), "--out", str(tmp_path / "attention")]
    attention_mass.main(words)
    (run,) = json.loads((tmp_path / "attention.json").read_text(encoding="utf-8"))["models"]
    assert (run["seed"], run["texts"], run["entity"]["units"], run["other"]["units"]) == (7, 2, 2, 8)
    page = (tmp_path / "attention.md").read_text(encoding="utf-8")
    assert f"| 7 | 2 | entity units | 2 | {run['entity']['mass']:.3f} |" in page and page in capsys.readouterr().out


def test_a_model_without_positional_attention_is_refused(make_token_classifier, tmp_path, capsys):
    make_token_classifier(labels=["LC"]).save_pretrained(tmp_path)
    with pytest.raises(SystemExit):
        attention_mass.main([str(tmp_path), "--dataset", "sample", "--out", str(tmp_path / "attention")])
    assert "expected models with head: positional, got head: crf" in capsys.readouterr().err


def test_the_page_of_gold_gates_names_the_command_that_trained_the_model(tmp_path):
    flags = {
        "train_file": str(tmp_path / "gmb.zip"),
        "head_options": "{gate: soft, oracle: true}",
        "max_train_samples": "7000",
        "validation_loss": "false",
        "learning_rates": "{projection: 1e-2}",
        "dropout": "0.25",
    }
    used = load_recipe(gate_oracle.ROOT / "recipes" / "gmb_minilm_positional.yaml", flags)
    save_recipe(used, tmp_path / "recipe.yaml")
    record = {"training": {"commit": "abc", "device": "CPU", "versions": {"torch": "2"}}}
    (tmp_path / "training_record.json").write_text(json.dumps(record), encoding="utf-8")
    scores = {"gold (leakage)": {"f1": 0.75, "flat_f1": 0.8, "flat_f1_with_o": 0.9}}
    page = gate_oracle.page(tmp_path, {"texts": 5995, "omitted": 3, "scores": scores})
    assert "| gold (leakage) | 0.7500 | 0.8000 | 0.9000 |" in page and "5,995 validation\ntexts" in page
    assert str(tmp_path) not in page
    (command,) = [line for line in page.splitlines() if line.startswith("kospan train ")]
    path, parsed = parse_flags(shlex.split(command)[2:])
    again = flat(load_recipe(gate_oracle.ROOT / path, parsed))
    assert again | {"train_file": None} == flat(used) | {"train_file": None}


def test_words_of_token_files_stay_whole(make_token_classifier, tmp_path):
    options = {"unit": "word", "encoder_input": "units", "word_splitting": "punctuation"}
    model = make_token_classifier(labels=["LC"], head="positional", head_options={"oracle": True}, **options)
    model.save_pretrained(tmp_path)
    text = "(Oslo) and U.S.A., say"
    example = Example("a", text, (Span(0, 6, "LC"),), words=tuple(text.split()))
    task = gate_oracle.open_saved(str(tmp_path), dataset="jsonl")
    starts, ends = {0, 7, 11, 19}, {6, 10, 18, 22}
    for seed in range(5):
        torch.manual_seed(seed)
        torch.nn.init.normal_(task.model.head.projection.weight)
        (found,) = gate_oracle.found_with_labels(task, [example], 1)
        assert {span.start for span in found} <= starts and {span.end for span in found} <= ends
    ((weights, inside),) = attention_mass.attention_of(model, [example])
    assert weights.shape[1:] == (4, 4) and inside.tolist() == [True, False, False, False]
