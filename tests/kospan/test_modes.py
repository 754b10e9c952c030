"""Every file and folder that kospan writes has the mode that the umask gives, weights included."""

import os
import stat
from pathlib import Path

import pytest
from ablation_generative_cases import recipe_over
from conversion_cases import save_source

from kospan.cli import main
from kospan.data.jsonl import write_jsonl
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.recipe import load_recipe
from kospan.run import train

UMASK = 0o026
TAGGING = {
    "dataset": "jsonl",
    "encoder_input": "units",
    "max_length": 40,
    "stride": 8,
    "max_steps": 2,
    "save_strategy": "steps",
    "eval_strategy": "steps",
    "save_steps": 1,
    "eval_steps": 1,
    "save_total_limit": 2,
    "per_device_train_batch_size": 2,
    "use_cpu": True,
}


@pytest.fixture(autouse=True)
def umask():
    """Not the usual one, and of a kind that neither 0600 nor 0644 would pass."""
    before = os.umask(UMASK)
    yield
    os.umask(before)


@pytest.fixture
def data(tmp_path) -> dict[str, str]:
    for split, text in (("train", "이재용 회장이 서울에서 말했다."), ("validation", "김연아 선수가 부산에서 뛰었다.")):
        spans = (Span(0, 3, "PS"), Span(8, 10, "LC"))
        examples = [Example(f"id-{at}", f"{text} {at}", spans) for at in range(4)]
        write_jsonl(tmp_path / f"{split}.jsonl", examples)
    return {f"{split}_file": str(tmp_path / f"{split}.jsonl") for split in ("train", "validation")}


def check(folder: Path, *expected: str) -> None:
    """All of a folder has the umask's modes, and these files are among it."""
    paths = [folder, *folder.rglob("*")]
    for path in paths:
        wanted = (0o777 if path.is_dir() else 0o666) & ~UMASK
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path
    names = {path.relative_to(folder).as_posix() for path in paths}
    assert set(expected) <= names, names
    assert not any(".mode-" in name for name in names)


def test_a_run_with_adapters_and_what_is_made_from_it(data, tmp_path):
    source, out = save_source(tmp_path / "source", "roberta"), tmp_path / "out"
    settings = {**TAGGING, **data, "encoder": source, "max_length": 24, "stride": 4, "lora_rank": 2}
    train(load_recipe(None, {**settings, "output_dir": str(out)}))
    check(
        out,
        "model.safetensors",
        "checkpoint-1/model.safetensors",
        "checkpoint-2/adapters.safetensors",
        "checkpoint-2/optimizer.pt",
        "predictions.jsonl",
        "eval_results.json",
        "README.md",
        "handler.py",
    )
    file = data["validation_file"]
    assert main(["analyze", str(out), "--data", file]) == 0
    assert main(["predict", str(out), file, "--output", str(out / "found.jsonl")]) == 0
    check(out, "report/index.html", "found.jsonl")


def test_a_frozen_encoder_and_the_cache_of_its_states(data, tmp_path):
    flags = {"encoder": "scratch", "freeze_encoder": True, "feature_cache_dir": str(tmp_path / "states")}
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    settings = {**TAGGING, **data, **flags, "encoder_options": sizes, "output_dir": str(tmp_path / "out")}
    train(load_recipe(None, settings))
    check(tmp_path / "out", "model.safetensors", "checkpoint-2/model.safetensors")
    check(tmp_path / "states")
    assert any(path.is_file() for path in (tmp_path / "states").rglob("*"))


def test_a_writer_its_adapter_and_their_merger(tmp_path):
    steps = {"max_steps": 2, "save_strategy": "steps", "save_steps": 1, "eval_strategy": "no", "save_total_limit": 9}
    steps["load_best_model_at_end"] = False
    train(recipe_over(tmp_path, **steps))
    check(tmp_path / "out", "model.safetensors", "kospan.json", "checkpoint-1/model.safetensors")
    flags = {"encoder": str(tmp_path / "out"), "encoder_options": {}, "lora_rank": 2}
    train(recipe_over(tmp_path, **steps, **flags, output_dir=str(tmp_path / "adapter")))
    check(tmp_path / "adapter", "adapter_model.safetensors", "checkpoint-2/adapter_model.safetensors")
    assert main(["convert", "merge", str(tmp_path / "adapter"), str(tmp_path / "merged")]) == 0
    check(tmp_path / "merged", "model.safetensors", "kospan.json", "eval_results.json")


def test_a_conversion_and_the_way_back(tmp_path):
    source = save_source(tmp_path / "source", "roberta")
    assert main(["convert", "bigbird", source, str(tmp_path / "long"), "--max_length", "512"]) == 0
    check(tmp_path / "long", "model.safetensors", "conversion.safetensors", "conversion.png", "conversion.md")
    assert main(["convert", "back", str(tmp_path / "long"), str(tmp_path / "again")]) == 0
    check(tmp_path / "again", "model.safetensors", "config.json")


def test_files_of_other_tools(data, tmp_path):
    for tool in ("brat", "doccano", "label-studio"):
        out = tmp_path / "other" / tool
        assert main(["convert", "data", data["train_file"], str(out), "--to", tool]) == 0
    check(tmp_path / "other", "brat/id-0.ann", "doccano", "label-studio")
