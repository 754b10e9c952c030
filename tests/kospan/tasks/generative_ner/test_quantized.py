"""Causal LMs in 8 and 4 bits on the CPU: loaded, trained with adapters, saved and opened again."""

import json

import pytest
import torch
from ablation_generative_cases import corpus, recipe_over
from generative_cases import TOKENIZERS, tiny_lm
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from kospan.modeling import KospanGenerativeNER
from kospan.run import train
from kospan.tasks.generative_ner.base_model import load_decoder, loading

# Type of the stored weights, and how far logits go from those of float32, as a share of the largest.
BITS = {8: (torch.int8, 0.05), 4: (torch.uint8, 0.4)}


pytestmark = pytest.mark.optional("bitsandbytes", "quantization")


@pytest.fixture(autouse=True)
def on_cpu(monkeypatch):
    # What is tested is the CPU, also where there is a GPU.
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def base(tmp_path) -> str:
    """A tiny LM in a folder; its layers are wide enough for blocks of 64 values."""
    tokenizer = TOKENIZERS["characters"]()
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4, "num_key_value_heads": 4}
    tiny_lm(tokenizer, factor=2.0, **sizes).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    return str(tmp_path / "base")


def logits(model, tokenizer) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.tensor([tokenizer("이재용은 서울에 갔다.")["input_ids"]])).logits.float()


@pytest.mark.parametrize("bits", BITS)
def test_quantised_weights_give_similar_scores(base, tmp_path, bits):
    recipe = recipe_over(tmp_path, encoder=base, encoder_options={}, lora_rank=2, **{f"load_in_{bits}bit": True})
    model, tokenizer = load_decoder(recipe)
    stored, far = BITS[bits]
    assert model.model.layers[0].mlp.up_proj.weight.dtype == stored and model.device.type == "cpu"
    whole = logits(AutoModelForCausalLM.from_pretrained(base), tokenizer)
    difference = (logits(model, tokenizer) - whole).abs().max() / whole.abs().max()
    assert 1e-4 < difference < far


@pytest.mark.parametrize("bits", BITS)
def test_a_quantised_model_is_trained_and_opened_again(base, tmp_path, bits):
    flags = {"encoder": base, "encoder_options": {}, "lora_rank": 4, "learning_rate": 0.02, f"load_in_{bits}bit": True}
    flags |= {"save_strategy": "no", "eval_strategy": "no", "load_best_model_at_end": False, "max_new_tokens": 24}
    recipe = recipe_over(tmp_path, **flags)
    metrics = train(recipe)
    out = tmp_path / "out"
    assert 0 <= metrics["eval_f1"] <= 1 and not (out / "model.safetensors").exists()
    # Half of an adapter begins as zeros.
    trained = {name: value for name, value in load_file(out / "adapter_model.safetensors").items() if "lora_B" in name}
    assert trained and all(value.isfinite().all() and value.any() for value in trained.values())
    # As the run scored it, and by a user who asks for the same bits.
    texts = [example.text for example in corpus().splits["validation"]]
    generator = KospanGenerativeNER.from_pretrained(out, **loading(recipe))
    assert generator.model.get_base_model().model.layers[0].mlp.up_proj.base_layer.weight.dtype == BITS[bits][0]
    found = [json.loads(line)["spans"] for line in (out / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [[(span["start"], span["end"]) for span in spans] for spans in found] == [
        [span[:2] for span in spans] for spans in generator.extract(texts)
    ]
    assert generator.pipeline()(texts[0]) is not None
    # The adapter itself is an ordinary one.
    assert len(KospanGenerativeNER.from_pretrained(out).extract(texts)) == len(texts)
