"""Complete runs on a few sentences: what they write and print."""

import json
import os
from dataclasses import replace

import pytest
import torch
from run_cases import sentences, trainer_state
from safetensors.torch import load_file
from transformers import AutoModel

from kospan.data.jsonl import read_jsonl, write_jsonl
from kospan.data.seen_texts import read_keys, text_keys
from kospan.recipe import load_recipe
from kospan.run import build_trainer, train


def test_a_run_writes_model_tokenizer_code_recipe_metrics_and_predictions(finished):
    folder, _ = finished
    left = {path.name for path in folder.iterdir()}
    expected = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "recipe.yaml"}
    expected |= {
        "eval_results.json",
        "predictions.jsonl",
        "modeling_token_classification.py",
        "crf.py",
        "configuration_kospan.py",
    }
    assert expected <= left
    assert any(name.startswith("checkpoint-") for name in left)
    assert not [name for name in left if name.startswith(".") or name.endswith(".tmp")]
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["model_type"] == "kospan-token-classification"
    assert "crf_backend" not in config


def test_the_metrics_are_flat_and_carry_the_prefix(finished):
    folder, metrics = finished
    stored = json.loads((folder / "eval_results.json").read_text(encoding="utf-8"))
    assert stored == metrics
    assert all(name.startswith("eval_") and isinstance(value, (int, float)) for name, value in stored.items())
    assert {"eval_f1", "eval_precision", "eval_recall", "eval_klue_entity_f1", "eval_klue_char_f1"} <= set(stored)
    assert stored["eval_f1"] > 0.5, "the tiny run learns its four names and places"


def test_the_predictions_are_what_the_saved_model_extracts(finished, data):
    folder, _ = finished
    gold, predicted = read_jsonl(data["validation_file"]), read_jsonl(folder / "predictions.jsonl")
    assert [(each.id, each.text) for each in predicted] == [(each.id, each.text) for each in gold]
    model = AutoModel.from_pretrained(folder)
    assert any(example.spans for example in predicted)
    for example, spans in zip(predicted, model.extract([example.text for example in predicted])):
        assert [span[:3] for span in example.spans] == [span[:3] for span in spans]
        assert [span.score for span in example.spans] == pytest.approx([span.score for span in spans], abs=1e-6)


def test_evaluating_a_saved_model_gives_the_stored_metrics(finished, tmp_path):
    folder, metrics = finished
    trainer = build_trainer(folder / "recipe.yaml", encoder=str(folder), output_dir=str(tmp_path / "again"))
    found = trainer.evaluate()
    assert {name: found[name] for name in metrics} == pytest.approx(metrics)
    assert trainer.task.model.config.tags == ["O", "B-LC", "I-LC", "B-PS", "I-PS"]


def test_the_keys_of_the_training_texts_are_written(finished, data):
    folder, _ = finished
    keys = read_keys(folder / "training_texts.txt")
    assert keys == text_keys(read_jsonl(data["train_file"]))


def test_further_training_removes_operating_points(finished, tmp_path):
    model = AutoModel.from_pretrained(finished[0])
    model.config.operating_points = {"recall-0.9": {}}
    model.save_pretrained(tmp_path / "model")
    paths = {"encoder": str(tmp_path / "model"), "output_dir": str(tmp_path / "b")}
    trainer = build_trainer(finished[0] / "recipe.yaml", **paths)
    assert trainer.task.model.config.operating_points == {}


def test_the_stored_recipe_runs_again_to_the_same_weights(finished, tmp_path):
    folder, metrics = finished
    again = load_recipe(folder / "recipe.yaml", {"output_dir": str(tmp_path / "again")})
    assert train(again) == metrics
    one, other = (load_file(each / "model.safetensors") for each in (folder, tmp_path / "again"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_what_is_known_before_the_first_step_is_printed(recipe, capsys, tmp_path):
    train(recipe(num_train_epochs=1, output_dir=str(tmp_path / "out-v1.5")))
    printed = capsys.readouterr().out
    assert printed.count("under a name with a dot, got out-v1.5;") == 1
    for line in ("device", "precision           float32", "parameters", "steps", "windowed texts", "memory estimate"):
        assert f"\n{line}" in f"\n{printed}"
    assert "windowed texts      9 of 17" in printed


def test_a_run_calibrates_on_what_it_holds_back(recipe, data, tmp_path, capsys):
    # Gold that leaves half of the people out: the model finds them all, so half of what it claims is wrong.
    for split, count in (("mixed", 24), ("seen", 8)):
        examples = [
            replace(example, spans=example.spans[at // 4 % 2 :]) for at, example in enumerate(sentences(count, split))
        ]
        write_jsonl(tmp_path / f"{split}.jsonl", examples)
    flags = {"calibration_split": str(tmp_path / "mixed.jsonl"), "validation_file": str(tmp_path / "seen.jsonl")}
    metrics = train(recipe(num_train_epochs=8, **flags))
    assert "\ncalibrated          temperature " in capsys.readouterr().out
    assert metrics["eval_calibration_n"] > 0 and 0 <= metrics["eval_calibration_ece"] <= 1
    assert json.loads((tmp_path / "out" / "eval_results.json").read_text(encoding="utf-8")) == metrics
    model = AutoModel.from_pretrained(tmp_path / "out")
    assert model.config.calibration_temperature == metrics["eval_calibration_temperature"] != 1.0
    for example in read_jsonl(tmp_path / "out" / "predictions.jsonl"):
        assert [span.score for span in example.spans] == pytest.approx(
            [span.score for span in model.extract(example.text)], abs=1e-6
        )


def test_a_run_that_cannot_be_calibrated_says_so_and_stays_complete(recipe, data, tmp_path, capsys):
    metrics = train(recipe(num_train_epochs=8, calibration_split=data["validation_file"]))
    assert "\nnot calibrated      expected texts on which no score is reported" in capsys.readouterr().out
    assert "eval_calibration_temperature" not in metrics and (tmp_path / "out" / "model.safetensors").is_file()


def test_the_best_checkpoint_is_what_is_saved(recipe, tmp_path):
    # A rate that destroys: the first evaluation is the best one, later ones are worse or equal.
    train(recipe(num_train_epochs=3, learning_rate=0.5, lr_scheduler_type="constant", save_total_limit=5))
    state = trainer_state(tmp_path / "out")
    assert len([entry for entry in state["log_history"] if "eval_f1" in entry]) == 3
    best = load_file(os.path.join(state["best_model_checkpoint"], "model.safetensors"))
    saved = load_file(tmp_path / "out" / "model.safetensors")
    assert all(torch.equal(best[name], saved[name]) for name in saved)
