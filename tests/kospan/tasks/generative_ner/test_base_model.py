"""Causal language models that a recipe names: precision, devices, and other kinds of models."""

import importlib.metadata
import re

import pytest
import torch
from generative_cases import byte_level
from transformers import AutoConfig, AutoModelForCausalLM

from kospan.recipe import Recipe
from kospan.tasks.generative_ner.base_model import check_loading, load_decoder, loading


def test_quantised_weights_need_adapters_and_bitsandbytes(monkeypatch):
    with pytest.raises(
        ValueError, match="expected lora_rank above 0 with load_in_4bit, got 0, because quantised weights"
    ):
        check_loading(Recipe(encoder="x", load_in_4bit=True))
    with pytest.raises(ValueError, match="expected load_in_8bit or load_in_4bit, got both; remove one of them"):
        check_loading(Recipe(encoder="x", load_in_8bit=True, load_in_4bit=True, lora_rank=4))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="expected a CUDA device for device_map: auto, got none on this machine"):
        check_loading(Recipe(encoder="x", device_map="auto"))
    with pytest.raises(ValueError, match="expected dtype: float32 or bfloat16 where all weights are trained"):
        check_loading(Recipe(encoder="x", dtype="float16"))
    few = Recipe(encoder="x", load_in_8bit=True, lora_rank=4)
    # Without a GPU the package must be new enough for the CPU.
    for version in (None, "0.49.9"):
        with_bitsandbytes(version, monkeypatch)
        needs = (
            f"expected bitsandbytes 0.50 or newer on the CPU for load_in_8bit: true, found {version or 'none'}; `pip"
        )
        with pytest.raises(ImportError, match=re.escape(needs)):
            check_loading(few)
    for version in ("0.50.0", "0.51.0.dev1", "1.0"):
        with_bitsandbytes(version, monkeypatch)
        check_loading(few)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with_bitsandbytes("0.43.1", monkeypatch)
    check_loading(few)
    with pytest.raises(ImportError, match=r"bitsandbytes 0\.50 or newer on the CPU"):
        check_loading(Recipe(encoder="x", load_in_8bit=True, lora_rank=4, trainer={"use_cpu": True}))
    with_bitsandbytes(None, monkeypatch)
    with pytest.raises(
        ImportError, match=r"expected bitsandbytes for load_in_8bit: true, found none; .*\[quantization\]"
    ):
        check_loading(few)


def with_bitsandbytes(version: str | None, monkeypatch) -> None:
    """Pretend that a version is installed; None is no version."""

    def installed(name: str) -> str:
        assert name == "bitsandbytes"
        if version is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(importlib.metadata, "version", installed)


@pytest.mark.parametrize("use_cpu", [True, False])
def test_quantised_weights_are_on_the_gpu_unless_use_cpu_is_set(monkeypatch, use_cpu):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr("kospan.tasks.generative_ner.base_model._check_bitsandbytes", lambda recipe: None)
    monkeypatch.setattr("transformers.BitsAndBytesConfig", lambda **settings: settings)
    found = loading(Recipe(encoder="x", load_in_8bit=True, lora_rank=4, trainer={"use_cpu": use_cpu}))
    assert found["device_map"] == {"": "cpu" if use_cpu else 1}
    assert found["quantization_config"] == {"load_in_8bit": True}


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta", "camembert", "rembert", "xlm"])
def test_an_encoder_is_no_language_model(tmp_path, kind):
    AutoConfig.for_model(kind).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="expected a causal language model for task: generative-ner, got the encoder"):
        load_decoder(Recipe(encoder=str(tmp_path)))


def test_an_encoder_whose_config_makes_it_a_decoder_is_a_language_model(tmp_path):
    settings = {"hidden_size": 8, "num_attention_heads": 1, "num_hidden_layers": 1, "intermediate_size": 8}
    config = AutoConfig.for_model("xlm-roberta", is_decoder=True, vocab_size=600, **settings)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    byte_level().save_pretrained(tmp_path)
    assert load_decoder(Recipe(encoder=str(tmp_path)))[0].config.is_decoder


def test_a_token_classifier_is_no_language_model(tmp_path, make_token_classifier):
    make_token_classifier().save_pretrained(tmp_path)
    with pytest.raises(
        ValueError, match=r"expected a causal language model for task: generative-ner, got .* generates no text"
    ):
        load_decoder(Recipe(encoder=str(tmp_path)))
