"""Merging an adapter into its base as a person does, and every mix-up of the two."""

import json
import shutil
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from kospan.cli import main
from kospan.conversion.merge import check_same
from kospan.modeling.modeling_generative_ner import KospanGenerativeNER, KospanGenerativeNERConfig
from kospan.tasks.encoders import character_tokenizer
from kospan.training.lora import Lora, adapt_causal_lm

KINDS = {
    "llama": lambda size, layers: LlamaForCausalLM(
        LlamaConfig(
            vocab_size=size,
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=layers,
            num_attention_heads=2,
            tie_word_embeddings=True,
            max_position_embeddings=512,
        )
    ),
    # Its layers hold their weights transposed.
    "gpt2": lambda size, layers: GPT2LMHeadModel(
        GPT2Config(vocab_size=size, n_embd=16, n_layer=layers, n_head=2, n_positions=512)
    ),
}


def save_base(folder, tokenizer, kind: str = "llama", seed: int = 0, layers: int = 2) -> str:
    torch.manual_seed(seed)
    tokenizer.eos_token = "[SEP]"
    KINDS[kind](len(tokenizer), layers).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def save_adapter(folder, base: str, tokenizer, lora: Lora | None = None, writer: bool = True) -> str:
    """An adapter that says something, as a training leaves it."""
    torch.manual_seed(3)
    model = adapt_causal_lm(AutoModelForCausalLM.from_pretrained(base), lora or Lora(2, 4.0, 0.0))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".lora_" in name:
                parameter.add_(0.2 * torch.randn_like(parameter))
    if writer:
        config = KospanGenerativeNERConfig(["PS", "LC"], instruction="", max_new_tokens=16)
        KospanGenerativeNER(model.eval(), tokenizer, config).save_pretrained(folder)
    else:
        model.save_pretrained(folder)
    return str(folder)


@pytest.fixture
def tokenizer(texts):
    return character_tokenizer([*texts, "[PS: LC] \\"])


@pytest.fixture
def pair(tokenizer, tmp_path):
    base = save_base(tmp_path / "base", tokenizer)
    return base, save_adapter(tmp_path / "adapter", base, tokenizer)


def refused(words: list[str], capsys) -> str:
    capsys.readouterr()
    assert main(["convert", "merge", *words]) == 2
    message = capsys.readouterr().err
    assert message.startswith("kospan: ") and message.count("\n") == 1, message
    return message


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("lora", [Lora(2, 4.0, 0.1), Lora(3, 8.0, 0.0, "attention-mlp", True, True)])
def test_a_merged_model_is_a_stock_model_that_writes_the_same(kind, lora, tokenizer, texts, tmp_path, capsys):
    base = save_base(tmp_path / "base", tokenizer, kind)
    adapter = save_adapter(tmp_path / "adapter", base, tokenizer, lora)
    out = tmp_path / "deep" / "merged"
    assert main(["convert", "merge", adapter, str(out)]) == 0
    output = capsys.readouterr().out
    assert (
        f"rank {lora.rank}, " in output and "positions: at most" in output and f"base                {base}" in output
    )
    before = KospanGenerativeNER.from_pretrained(adapter)
    after = KospanGenerativeNER.from_pretrained(out)
    assert not hasattr(after.model, "peft_config") and not list(out.glob("adapter*")) and after.config.base is None
    assert {"config.json", "model.safetensors", "kospan.json", "tokenizer.json"} <= {
        each.name for each in out.iterdir()
    }
    ids = torch.tensor([tokenizer(texts[0])["input_ids"]])
    with torch.no_grad():
        logits = [each.model(ids).logits for each in (before, after)]
        plain = AutoModelForCausalLM.from_pretrained(base)(ids).logits
    assert torch.allclose(*logits, atol=1e-4) and not torch.allclose(logits[1], plain, atol=1e-2)
    assert [each.replies for each in after.generate(texts[:2])] == [each.replies for each in before.generate(texts[:2])]
    # A class that transformers 4.51 knows.
    written = json.loads((out / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert written["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert load_file(out / "model.safetensors").keys() == load_file(tmp_path / "base" / "model.safetensors").keys()


def test_any_adapter_of_lora_is_merged_and_its_base_may_have_moved(pair, tokenizer, tmp_path, capsys):
    base, _ = pair
    adapter = save_adapter(tmp_path / "bare", base, tokenizer, writer=False)
    shutil.move(base, tmp_path / "moved")
    assert "expected the base model" in refused([adapter, str(tmp_path / "out")], capsys)
    assert not (tmp_path / "out").exists()
    moved = ["--base", str(tmp_path / "moved")]
    assert "other than the source" in refused([adapter, str(tmp_path / "moved"), *moved, "--overwrite"], capsys)
    assert main(["convert", "merge", adapter, str(tmp_path / "out"), *moved]) == 0
    written = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert written["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert not (tmp_path / "out" / "kospan.json").exists() and (tmp_path / "out" / "tokenizer.json").is_file()


def test_metrics_come_along_as_the_adapters_and_predictions_stay(pair, tmp_path, capsys):
    adapter, out = tmp_path / "adapter", tmp_path / "out"
    (adapter / "recipe.yaml").write_text("task: generative-ner\n", encoding="utf-8")
    (adapter / "eval_results.json").write_text('{"eval_f1": 0.5}\n', encoding="utf-8")
    (adapter / "predictions.jsonl").write_text('{"id": "a", "text": "비", "spans": []}\n', encoding="utf-8")
    assert main(["convert", "merge", str(adapter), str(out)]) == 0
    found = json.loads((out / "eval_results.json").read_text(encoding="utf-8"))
    output = capsys.readouterr().out
    assert found.keys() == {"eval_f1", "eval_merged_difference"} and found["eval_f1"] == 0.5
    assert (
        f"at most {found['eval_merged_difference']:.2e} apart" in output and 0 <= found["eval_merged_difference"] < 1e-4
    )
    assert (out / "recipe.yaml").read_text(encoding="utf-8") == "task: generative-ner\n"
    assert not (out / "predictions.jsonl").exists()
    assert f"kospan predict {out} {adapter / 'predictions.jsonl'} --output {out / 'predictions.jsonl'}" in output
    for text, message in (("{", "expected JSON, got"), ("[1]", "expected a JSON object, got a list")):
        (adapter / "eval_results.json").write_text(text, encoding="utf-8")
        shown = refused([str(adapter), str(tmp_path / "o")], capsys)
        assert f"{adapter / 'eval_results.json'}: {message}" in shown and not (tmp_path / "o").exists()


def test_another_base_is_refused(pair, tokenizer, tmp_path, capsys):
    _, adapter = pair
    out = str(tmp_path / "out")
    bare = save_adapter(tmp_path / "bare", pair[0], tokenizer, writer=False)
    others = {
        "values": save_base(tmp_path / "values", tokenizer, seed=1),
        "kind": save_base(tmp_path / "kind", tokenizer, "gpt2"),
        "layers": save_base(tmp_path / "layers", tokenizer, layers=1),
        "more layers": save_base(tmp_path / "more", tokenizer, layers=3),
    }
    for other in others.values():
        message = refused([adapter, out, "--base", other], capsys)
        assert f"expected the base model that the adapter in {adapter} was trained on, got {other}" in message
    # Without kospan.json nothing tells of the values; the layers do.
    for name in ("kind", "layers"):
        message = refused([bare, out, "--base", others[name]], capsys)
        assert f"expected the base model that the adapter in {bare} was trained on, got {others[name]}" in message
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".out*"))


def test_what_is_no_adapter_is_refused(pair, tmp_path, capsys):
    base, adapter = pair
    out = str(tmp_path / "out")
    assert "found no adapter_config.json there; it holds a whole model" in refused([base, out], capsys)
    (tmp_path / "empty").mkdir()
    message = refused([str(tmp_path / "empty"), out], capsys)
    assert "found no adapter_config.json there; name the output folder" in message
    path = tmp_path / "adapter" / "adapter_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(settings | {"peft_type": "PREFIX_TUNING"}), encoding="utf-8")
    assert "got peft_type PREFIX_TUNING, which adds no weights" in refused([adapter, out], capsys)
    path.write_text("{", encoding="utf-8")
    assert "adapter_config.json: expected JSON" in refused([adapter, out], capsys)
    path.write_text(json.dumps(settings), encoding="utf-8")
    weights = tmp_path / "adapter" / "adapter_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    assert "expected whole weights of an adapter in" in refused([adapter, out], capsys)
    weights.write_bytes(whole)
    state = load_file(weights)
    state.pop(min(state))
    save_file(state, weights)
    assert "the adapter lacks" in refused([adapter, out], capsys)
    assert not (tmp_path / "out").exists()


def test_without_peft_the_message_says_what_brings_it(pair, tmp_path, capsys, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "peft"]:
        monkeypatch.setitem(sys.modules, name, None)
    assert "expected peft for merging an adapter, found none; `pip install" in refused(
        [pair[1], str(tmp_path / "o")], capsys
    )


def test_a_folder_with_other_things_stays(pair, tmp_path, capsys):
    _, adapter = pair
    out = tmp_path / "out"
    out.mkdir()
    (out / "letter.txt").write_text("Dear", encoding="utf-8")
    assert "found files in it; name another or pass --overwrite" in refused([adapter, str(out)], capsys)
    assert "found no config.json there" in refused([adapter, str(out), "--overwrite"], capsys)
    assert [each.name for each in out.iterdir()] == ["letter.txt"]
    (out / "config.json").write_text("{}", encoding="utf-8")
    assert main(["convert", "merge", adapter, str(out), "--overwrite"]) == 0
    assert not (out / "letter.txt").exists() and (out / "model.safetensors").is_file()


def test_weights_that_say_something_else_are_not_written(pair, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("kospan.conversion.merge.TOLERANCE", -1.0)
    assert "expected merged weights that give the adapter's logits to -1" in refused(
        [pair[1], str(tmp_path / "o")], capsys
    )
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(("other", "right"), [(0.0, True), (0.9e-4, True), (1.1e-4, False), (float("nan"), False)])
def test_a_tenth_of_a_thousandth_is_allowed(other, right):
    expected, found = [torch.zeros(2, 3), torch.zeros(1, 3)], [torch.zeros(2, 3), torch.full((1, 3), other)]
    if right:
        assert check_same(expected, found) == pytest.approx(other)
    else:
        with pytest.raises(
            ValueError, match=r"expected merged weights that give the adapter's logits to 0\.0001, got a"
        ):
            check_same(expected, found)
