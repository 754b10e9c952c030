"""Weights stored as int8: restoring, loading by every class, and damaged scales."""

import json
import subprocess
import sys

import pytest
import torch
from clean_environment_cases import CLEAN_ENVIRONMENT
from ngram_cases import NGRAM_SETTINGS, with_ngrams
from safetensors.torch import load_file, save_file
from time_limits import SECONDS
from transformers import AutoModel

from kospan.export import int8_rows
from kospan.export.int8_rows import rounded_weights
from kospan.modeling import KospanForTokenClassification
from kospan.modeling.int8_weights import SCALE, restored_weights
from kospan.tasks.encoders import load_ours

CONSUMER = (
    CLEAN_ENVIRONMENT
    + """
model = AutoModel.from_pretrained(sys.argv[1], trust_remote_code=True)
model.save_pretrained(sys.argv[3])
again = AutoModel.from_pretrained(sys.argv[3], trust_remote_code=True)
for name, one in (("model", model), ("again", again)):
    found[name] = [[list(span) for span in spans] for spans in one.extract(json.loads(sys.argv[2]))]
print("FOUND" + json.dumps(found))
"""
)


@pytest.fixture
def stored(make_token_classifier, tmp_path, monkeypatch):
    """A folder with int8 weights, and the weights that they stand for."""
    monkeypatch.setattr(int8_rows, "_LEAST_ENTRIES", 64)
    with_ngrams(make_token_classifier(lstm_hidden_size=8, **NGRAM_SETTINGS)).save_pretrained(tmp_path / "model")
    file = tmp_path / "model" / "model.safetensors"
    rounded = rounded_weights(load_file(file))
    assert sum(name.endswith(SCALE) for name in rounded) > 5
    save_file(rounded, file, {"format": "pt"})
    wanted = {
        name: each.float() * rounded.get(name + SCALE, 1.0)
        if each.is_floating_point() or name + SCALE in rounded
        else each
        for name, each in rounded.items()
        if not name.endswith(SCALE)
    }
    return tmp_path / "model", wanted


def edit(folder, change) -> str:
    """Change the tensors of a folder; returns the name of the first int8 tensor."""
    tensors = load_file(folder / "model.safetensors")
    name = next(name for name, each in tensors.items() if each.dtype == torch.int8)
    change(tensors, name)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return name


def check_equal(model, wanted: dict, dtype: torch.dtype = torch.float32) -> None:
    found = model.state_dict()
    for name, each in wanted.items():
        own = dtype if each.is_floating_point() and ".crf." not in name else each.dtype
        assert found[name].dtype == own and torch.equal(found[name], each.to(own)), name


def test_every_way_of_loading_restores_the_weights(stored):
    folder, wanted = stored
    for load in (AutoModel.from_pretrained, KospanForTokenClassification.from_pretrained, load_ours):
        check_equal(load(folder), wanted)
    model, report = KospanForTokenClassification.from_pretrained(str(folder), output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    assert model.name_or_path == model.config.name_or_path == str(folder)
    assert model.tokenizer is not None and model.ngrams is not None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_are_restored_to_the_requested_type(stored, dtype):
    folder, wanted = stored
    check_equal(AutoModel.from_pretrained(folder, dtype=dtype), wanted, dtype)
    check_equal(KospanForTokenClassification.from_pretrained(folder, dtype=dtype), wanted, dtype)


def test_settings_of_the_config_may_be_given(stored):
    folder, wanted = stored
    for load in (AutoModel.from_pretrained, KospanForTokenClassification.from_pretrained):
        model = load(folder, calibration_temperature=2.5)
        assert model.config.calibration_temperature == model.head.crf.temperature == 2.5
    model = KospanForTokenClassification.from_pretrained(folder, config=str(folder), dropout=0.3)
    assert model.config.dropout == 0.3
    check_equal(model, wanted)


def test_folder_inside_a_folder(stored):
    folder, wanted = stored
    check_equal(KospanForTokenClassification.from_pretrained(folder.parent, subfolder=folder.name), wanted)


def test_saved_copy_has_ordinary_weights(stored, tmp_path):
    folder, wanted = stored
    AutoModel.from_pretrained(folder).save_pretrained(tmp_path / "copy")
    tensors = load_file(tmp_path / "copy" / "model.safetensors")
    assert tensors.keys() == wanted.keys() and torch.int8 not in {each.dtype for each in tensors.values()}
    check_equal(AutoModel.from_pretrained(tmp_path / "copy"), wanted)


def test_file_without_int8_weights_gives_none(tmp_path):
    save_file({"a": torch.ones(2, 2), "n": torch.tensor([3])}, tmp_path / "model.safetensors")
    assert restored_weights(tmp_path / "model.safetensors") is None


@pytest.mark.parametrize("version", ["this version", "transformers 4"])
def test_loads_with_transformers_alone(request, stored, tmp_path, texts, version):
    python = sys.executable if version == "this version" else request.getfixturevalue("transformers_4")
    folder, _ = stored
    expected = [[list(span) for span in spans] for spans in AutoModel.from_pretrained(folder).extract(texts)]
    command = [python, "-I", "-c", CONSUMER, str(folder), json.dumps(texts), str(tmp_path / "again")]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=SECONDS,
        env={"HF_HOME": str(tmp_path / "home"), "PATH": ""},
    )
    assert "FOUND" in done.stdout, done.stderr[-3000:]
    found = json.loads(done.stdout.partition("FOUND")[2])
    assert version == "this version" or found["version"].startswith("4.51")
    assert any(expected)
    for name in ("model", "again"):
        assert [[span[:3] for span in spans] for spans in found[name]] == [[s[:3] for s in each] for each in expected]


# --- damaged scales ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "got"),
    [
        (lambda tensors, name: tensors.pop(name + SCALE), "got none under"),
        (lambda tensors, name: tensors.update({name + SCALE: torch.ones(3, 1)}), r"got float32 \(3, 1\) under"),
        (lambda tensors, name: tensors.update({name + SCALE: tensors[name + SCALE].int()}), r"got int32 \("),
        (
            lambda tensors, name: tensors[name + SCALE][0].fill_(float("nan")),
            r"got float32 \(\d+, 1\) with NaN or infinite values under",
        ),
        (
            lambda tensors, name: tensors[name + SCALE][0].fill_(float("inf")),
            r"got float32 \(\d+, 1\) with NaN or infinite values under",
        ),
    ],
    ids=["missing", "shape", "type", "NaN", "infinite"],
)
def test_damaged_scales_are_refused(stored, change, got):
    folder, _ = stored
    name = edit(folder, change)
    with pytest.raises(
        ValueError, match=rf"for the int8 weights {name} in .+, {got}.+copy or download the model again$"
    ):
        AutoModel.from_pretrained(folder)


def test_missing_int8_weights_are_refused(stored):
    folder, _ = stored
    name = edit(folder, lambda tensors, name: tensors.pop(name))
    with pytest.raises(ValueError, match=f"lacks 1 of them .first: {name}"):
        load_ours(folder)
