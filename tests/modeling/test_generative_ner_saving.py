"""Saving and loading of generative models: folders, pushes, fresh processes, adapters."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from generative_cases import TEXTS, byte_level, make_generative_model, tiny_lm
from huggingface_hub import ModelCard
from transformers import GenerationConfig

from kospan.modeling import KospanGenerativeNER
from kospan.modeling.configuration_generative_ner import NAME

ROOT = Path(__file__).parent.parent.parent
ODD = [*TEXTS, "", "비", "[x]\\:", "<|end|> [SEP] </s>", "서울 서울 서울"]


def test_a_saved_model_says_the_same_in_a_fresh_process(tmp_path):
    model = make_generative_model("bytes", examples=[["서울", "[LC: 서울]"]], descriptions={"LC": "장소"})
    model.save_pretrained(tmp_path / "model")
    again = KospanGenerativeNER.from_pretrained(tmp_path / "model")
    assert again.config == model.config
    expected = [[list(span) for span in spans] for spans in model.extract(ODD)]
    assert any(expected)
    code = (
        "import json, sys; from modeling import KospanGenerativeNER\n"
        "writer = KospanGenerativeNER.from_pretrained(sys.argv[1])\n"
        "print(json.dumps(writer.extract(json.loads(sys.stdin.read()))))"
    )
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "model")],
        input=json.dumps(ODD),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "HF_HOME": str(tmp_path / "empty"), "PYTHONIOENCODING": "utf-8"},
        check=True,
    )
    found = json.loads(ended.stdout.splitlines()[-1])
    assert [[span[:3] for span in spans] for spans in found] == [[span[:3] for span in spans] for spans in expected]
    assert [span[3] for spans in found for span in spans] == pytest.approx(
        [span[3] for spans in expected for span in spans]
    )


def test_a_push_takes_along_all_that_a_folder_holds(tmp_path, monkeypatch):
    pushed = []

    class Hub:
        def create_repo(self, repo_id, **settings):
            return SimpleNamespace(repo_id=f"me/{repo_id}", settings=settings)

        def create_commit(self, repo_id, operations, **settings):
            pushed.append((repo_id, {each.path_in_repo for each in operations}, settings))

    monkeypatch.setattr("transformers.utils.hub.hf_api", Hub)
    monkeypatch.setattr("transformers.utils.hub.create_and_tag_model_card", lambda *args, **kwargs: ModelCard(""))
    model = make_generative_model("characters")
    model.save_pretrained(tmp_path / "tiny", push_to_hub=True, token="secret", commit_message="Say", private=True)
    ((repo_id, files, settings_),) = pushed
    assert repo_id == "me/tiny" and (settings_["token"], settings_["commit_message"]) == ("secret", "Say")
    assert files == {each.name for each in (tmp_path / "tiny").iterdir()} | {"README.md"}
    assert {"kospan.json", "model.safetensors", "tokenizer.json", "modeling_generative_ner.py", "handler.py"} < files
    model.push_to_hub("other")
    assert pushed[1][:2] == ("me/other", files)


TRAVELLER = """
import json, os, sys
assert not any(os.path.isdir(os.path.join(path, "kospan")) for path in sys.path if path), sys.path
from transformers.dynamic_module_utils import get_class_from_dynamic_module
folder, texts = sys.argv[1], json.loads(sys.stdin.read())
def load(folder):
    model_class = get_class_from_dynamic_module("modeling_generative_ner.KospanGenerativeNER", folder)
    return model_class.from_pretrained(folder, dtype="float32")
writer = load(folder)
writer.save_pretrained(folder + "-again")
again = load(folder + "-again")
found = [[span[:3] for span in spans] for spans in writer.extract(texts)]
assert found == [[span[:3] for span in spans] for spans in again.extract(texts)]
print(json.dumps(found))
"""


def travelled(python: str, folder: Path) -> list:
    """Output of a process that has the folder and no package of ours."""
    ended = subprocess.run(
        [python, "-W", "ignore", "-c", TRAVELLER, str(folder)],
        input=json.dumps(ODD),
        capture_output=True,
        text=True,
        cwd=folder.parent,
        env={**os.environ, "HF_HOME": str(folder.parent / "empty"), "PYTHONIOENCODING": "utf-8", "PYTHONPATH": ""},
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return json.loads(ended.stdout.splitlines()[-1])


# The second shows each text those of a pool that are most like it.
TRAVELLING = {
    "plain": {},
    "similar": {
        "examples": [[text, "[LC: 서울]"] for text in TEXTS],
        "shown": 2,
        "lm": {"max_position_embeddings": 900},
    },
}


@pytest.mark.parametrize("case", sorted(TRAVELLING))
def test_the_code_in_a_folder_is_all_that_it_needs(tmp_path, case):
    model = make_generative_model("sentencepiece", **TRAVELLING[case])
    model.save_pretrained(tmp_path / "model")
    found = travelled(sys.executable, tmp_path / "model")
    assert found == [[list(span[:3]) for span in spans] for spans in model.extract(ODD)] and any(found)


@pytest.mark.parametrize("case", sorted(TRAVELLING))
def test_the_code_in_a_folder_runs_on_transformers_4(tmp_path, transformers_4, case):
    model = make_generative_model("bytes", **TRAVELLING[case])
    model.save_pretrained(tmp_path / "model")
    found = travelled(transformers_4, tmp_path / "model")
    assert found == [[list(span[:3]) for span in spans] for spans in model.extract(ODD)] and any(found)


@pytest.fixture
def adapted(tmp_path):
    """An adapter's folder, and its writer."""
    peft = pytest.importorskip("peft")
    model = make_generative_model("bytes")
    model.model.save_pretrained(tmp_path / "base")
    model.tokenizer.save_pretrained(tmp_path / "base")
    base = type(model.model).from_pretrained(tmp_path / "base")
    settings = peft.LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    model = model.with_model(peft.get_peft_model(base, settings).eval())
    model.save_pretrained(tmp_path / "adapter")
    return tmp_path, model


def test_an_adapter_is_opened_over_its_base(adapted):
    folder, model = adapted
    assert not (folder / "adapter" / "model.safetensors").exists()
    again = KospanGenerativeNER.from_pretrained(folder / "adapter")
    assert again.extract(ODD) == model.extract(ODD)
    os.rename(folder / "base", folder / "moved")
    with pytest.raises(
        FileNotFoundError, match=r"expected the base model .* of the adapter in .*pass base= with its folder"
    ):
        KospanGenerativeNER.from_pretrained(folder / "adapter")
    assert KospanGenerativeNER.from_pretrained(folder / "adapter", base=folder / "moved").extract(ODD) == model.extract(
        ODD
    )
    # The word vectors in half precision are still known as the base's.
    half = KospanGenerativeNER.from_pretrained(folder / "adapter", base=folder / "moved", dtype=torch.bfloat16)
    assert half.model.dtype == torch.bfloat16 and len(half.extract(ODD)) == len(ODD)


def test_a_base_keeps_its_own_way_of_generating_under_an_adapter(adapted):
    _, model = adapted
    before, base = model.extract(ODD), model.model.get_base_model()
    base.generation_config = own = GenerationConfig(repetition_penalty=9.0)
    assert model.extract(ODD) == before
    assert base.generation_config is own and "generation_config" not in vars(model.model)


def test_an_adapter_for_another_base_is_refused(adapted):
    folder, _ = adapted
    for name, lm, message in (
        ("seed", {"seed": 5}, "got .* with other word vectors; pass base= with the right one"),
        ("wide", {"hidden_size": 32}, "got .* with hidden_size 32 in place of 16"),
        ("deep", {"num_hidden_layers": 2}, "with num_hidden_layers 2 in place of 1"),
    ):
        tiny_lm(byte_level(), **lm).save_pretrained(folder / name)
        with pytest.raises(ValueError, match=message):
            KospanGenerativeNER.from_pretrained(folder / "adapter", base=folder / name)
    with pytest.raises(ValueError, match="expected base only beside an adapter"):
        make_generative_model("bytes").save_pretrained(folder / "whole")
        KospanGenerativeNER.from_pretrained(folder / "whole", base=folder / "base")
    settings = json.loads((folder / "adapter" / NAME).read_text(encoding="utf-8"))
    (folder / "adapter" / NAME).write_text(json.dumps(settings | {"base": None}), encoding="utf-8")
    with pytest.raises(ValueError, match=r"expected the base model that the adapter in .* was trained on, got .*wide"):
        KospanGenerativeNER.from_pretrained(folder / "adapter", base=folder / "wide")


def test_an_adapter_that_names_no_base_is_refused(adapted):
    folder, _ = adapted
    path = folder / "adapter" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": None}))
    with pytest.raises(
        ValueError, match=r"expected adapter_config.json in .* to name the base model, got none; pass base="
    ):
        KospanGenerativeNER.from_pretrained(folder / "adapter")
