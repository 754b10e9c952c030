"""Folders with weights as pickles: refused by every loader, and nothing in them runs."""

import pickle
from pathlib import Path

import pytest
import torch
from transformers import AutoModel, BertConfig, BertForTokenClassification

import kospan
from kospan.modeling import KospanForTokenClassification, KospanGenerativeNER
from kospan.modeling.code_files import check_safetensors

REFUSED = r"expected weights as safetensors in .*, got (pytorch|adapter)_model.*\.bin.*, a pickle, which can run code"


class Payload:
    """An object whose pickle writes a file when it is opened."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return Path.write_text, (self.target, "ran")


def only_pickles(folder: Path, target: Path, name: str = "pytorch_model.bin") -> Path:
    for path in folder.glob("*.safetensors"):
        path.unlink()
    (folder / name).write_bytes(pickle.dumps(Payload(target)))
    return folder


@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin"])
@pytest.mark.parametrize("load", [kospan.load, AutoModel.from_pretrained, KospanForTokenClassification.from_pretrained])
def test_a_model_of_ours(make_token_classifier, tmp_path, load, name):
    make_token_classifier().save_pretrained(tmp_path / "model")
    folder = only_pickles(tmp_path / "model", tmp_path / "ran.txt", name)
    with pytest.raises(ValueError, match=REFUSED):
        load(str(folder))
    assert not (tmp_path / "ran.txt").exists()


def test_a_subfolder(make_token_classifier, tmp_path):
    make_token_classifier().save_pretrained(tmp_path / "all" / "model")
    only_pickles(tmp_path / "all" / "model", tmp_path / "ran.txt")
    with pytest.raises(ValueError, match=REFUSED):
        KospanForTokenClassification.from_pretrained(tmp_path / "all", subfolder="model")


def test_safetensors_win_over_a_pickle_beside_them(make_token_classifier, texts, tmp_path):
    model = make_token_classifier()
    model.save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "pytorch_model.bin").write_bytes(pickle.dumps(Payload(tmp_path / "ran.txt")))
    for given in ({}, {"use_safetensors": False}):
        loaded = KospanForTokenClassification.from_pretrained(tmp_path / "model", **given)
        assert loaded.extract(texts) == model.extract(texts)
    assert not (tmp_path / "ran.txt").exists()


def test_a_stock_model(character_tokenizer, tmp_path):
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    model = BertForTokenClassification(BertConfig(vocab_size=len(character_tokenizer), **sizes))
    model.save_pretrained(tmp_path)
    character_tokenizer.save_pretrained(tmp_path)
    assert kospan.load(tmp_path).config.model_type == "bert"
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match=REFUSED):
        kospan.load(tmp_path)


def test_an_adapter(tmp_path):
    from release_cases import save_generative_run

    folder, base = save_generative_run(tmp_path)
    only_pickles(folder, tmp_path / "ran.txt", "adapter_model.bin")
    for load in (KospanGenerativeNER.from_pretrained, kospan.load):
        with pytest.raises(ValueError, match=REFUSED):
            load(folder)
    # peft reads the pickle whatever other safetensors are beside it.
    (folder / "model.safetensors").touch()
    with pytest.raises(ValueError, match=REFUSED):
        kospan.load(folder)
    assert base.is_dir() and not (tmp_path / "ran.txt").exists()


def test_names_on_the_hub_and_other_folders_are_not_checked(tmp_path):
    check_safetensors("kim/model")
    check_safetensors(None)
    (tmp_path / "training_args.bin").write_bytes(b"")
    check_safetensors(tmp_path)
