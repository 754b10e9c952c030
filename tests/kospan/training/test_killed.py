"""A LoRA+ run that is killed between its checkpoints or while it writes one, and resumed."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import generative_training_cases as cases
import pytest
from generative_cases import TOKENIZERS, tiny_lm

from kospan.data.jsonl import write_jsonl
from kospan.recipe import Recipe, load_recipe
from kospan.run import train
from kospan.training.adapter_checkpoint import ADAPTERS
from kospan.training.saving import broken_part
from kospan.training.trainer import KospanTrainer

WEIGHTS = {
    "token-classification": ("model.safetensors", ADAPTERS),
    "generative-ner": ("adapter_model.safetensors",) * 2,
}


@pytest.fixture(params=["token-classification", "generative-ner"])
def recipe_of(request, make_token_classifier, tmp_path) -> Callable[..., Recipe]:
    """Recipes of a LoRA+ run of six steps with a checkpoint after every second."""
    if request.param == "token-classification":
        classifier = make_token_classifier(encoder={"hidden_dropout_prob": 0.1})
        base, tokenizer = classifier.encoder, classifier.tokenizer
    else:
        tokenizer = TOKENIZERS["characters"]()
        base = tiny_lm(tokenizer, factor=1.0)
    base.save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    write_jsonl(tmp_path / "train.jsonl", cases.examples(16))
    write_jsonl(tmp_path / "validation.jsonl", cases.examples(3))
    own = {"instruction": ""} if request.param == "generative-ner" else {"max_length": 64, "stride": 8}

    def build(folder: str, **flags) -> Recipe:
        return load_recipe(
            None,
            {
                "task": request.param,
                "dataset": "jsonl",
                "train_file": str(tmp_path / "train.jsonl"),
                "validation_file": str(tmp_path / "validation.jsonl"),
                "encoder": str(tmp_path / "base"),
                "output_dir": str(tmp_path / folder),
                "lora_rank": 2,
                "lora_dropout": 0.2,
                "learning_rate": 1e-3,
                "learning_rates": {"lora_B": "16x"},
                "max_steps": 6,
                "per_device_train_batch_size": 2,
                "eval_strategy": "no",
                "save_strategy": "steps",
                "save_steps": 2,
                "save_total_limit": 9,
                "load_best_model_at_end": False,
                "use_cpu": True,
                **own,
                **flags,
            },
        )

    return build


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def in_the_fourth_step(monkeypatch) -> None:
    step = KospanTrainer.training_step

    def killed(self, *args, **kwargs):
        return die() if self.state.global_step == 3 else step(self, *args, **kwargs)

    monkeypatch.setattr(KospanTrainer, "training_step", killed)


def while_it_writes_weights(monkeypatch) -> None:
    save = KospanTrainer._save

    def killed(self, output_dir=None, state_dict=None):
        save(self, output_dir, state_dict)
        if self.state.global_step == 4:
            for path in Path(output_dir).glob("*.safetensors"):
                os.truncate(path, path.stat().st_size // 2)
            die()

    monkeypatch.setattr(KospanTrainer, "_save", killed)


def before_it_writes_the_optimizer(monkeypatch) -> None:
    save = KospanTrainer._save_optimizer_and_scheduler

    def killed(self, output_dir):
        return die() if self.state.global_step == 4 else save(self, output_dir)

    monkeypatch.setattr(KospanTrainer, "_save_optimizer_and_scheduler", killed)


def killed(recipe: Recipe, moment: Callable, monkeypatch) -> None:
    """Runs a recipe in a process that is killed at a moment."""
    child = os.fork()
    if not child:
        try:
            moment(monkeypatch)
            train(recipe)
        finally:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the child must begin with what is loaded already")
def test_a_killed_run_ends_bit_for_bit_as_an_undisturbed_one(recipe_of, tmp_path, monkeypatch, capfd):
    merged, adapters = WEIGHTS[recipe_of("any").task]
    folder, resumed = tmp_path / "killed", {"resume_from_checkpoint": True}
    killed(recipe_of("killed"), in_the_fourth_step, monkeypatch)
    assert [path.name for path in folder.glob("checkpoint-*")] == ["checkpoint-2"]
    for moment, broken in (
        (while_it_writes_weights, "optimizer.pt is missing|is truncated|is missing"),
        (before_it_writes_the_optimizer, "is missing"),
    ):
        killed(recipe_of("killed", **resumed), moment, monkeypatch)
        assert broken_part(folder / "checkpoint-2") is None
        reason = broken_part(folder / "checkpoint-4")
        assert reason and any(reason.endswith(end) for end in broken.split("|"))
    assert not (folder / merged).exists()
    capfd.readouterr()
    train(recipe_of("killed", **resumed))
    assert "skipped             " in capfd.readouterr().out
    train(recipe_of("whole"))
    whole = tmp_path / "whole"
    for name in (merged, f"checkpoint-4/{adapters}", f"checkpoint-6/{adapters}", "predictions.jsonl"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name
    first, last = (whole / f"checkpoint-{step}" / adapters for step in (2, 6))
    assert first.read_bytes() != last.read_bytes()
