"""Training on cached features equals training on the frozen encoder."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub.constants import HF_HOME
from question_cases import questions

from kospan.ablation.check import check_experiment
from kospan.ablation.plan import load_study
from kospan.data.jsonl import write_jsonl
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.recipe import Recipe, load_recipe
from kospan.run import build_trainer, train
from kospan.training.feature_cache import FeatureCollator, cache_root, check_feature_cache
from kospan.training.trainer import KospanTrainer

NAMES, PLACES = ["김민수", "이재용", "박서연", "최가온"], ["서울", "부산", "대구", "광주"]
TINY = {
    "dataset": "jsonl",
    "encoder": "scratch",
    "encoder_options": {
        "num_hidden_layers": 1,
        "hidden_size": 16,
        "embedding_size": 16,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "hidden_dropout_prob": 0.3,
    },
    "encoder_input": "units",
    "max_length": 40,
    "stride": 8,
    "lstm_hidden_size": 8,
    "learning_rate": "3e-2",
    "max_steps": 6,
    "eval_strategy": "no",
    "logging_steps": 1,
    "save_strategy": "no",
    "save_total_limit": 9,
    "disable_tqdm": True,
    "load_best_model_at_end": False,
    "per_device_train_batch_size": 4,
    "freeze_encoder": True,
    "use_cpu": True,
}


def sentences(count: int, name: str) -> list[Example]:
    """Labelled sentences, every fifth of several windows, some of them equal."""
    found = []
    for at in range(count):
        person, place = NAMES[at % 4], PLACES[(at // 4 + at) % 4]
        text = f"{person} 기자가 {place}에서 전했다." + " 비가 온다." * (at % 5 * 3)
        found.append(Example(f"{name}-{at}", text, (Span(0, 3, "PS"), Span(8, 10, "LC"))))
    return found


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, dict[str, str]]:
    folder = tmp_path_factory.mktemp("data")
    data = {
        "token-classification": (sentences(17, "train"), sentences(8, "validation")),
        "question-answering": (questions(12), questions(8)[5:]),
    }
    found = {}
    for task, splits in data.items():
        for split, examples in zip(("train", "validation"), splits):
            write_jsonl(folder / f"{task}-{split}.jsonl", examples)
        found[task] = {f"{split}_file": str(folder / f"{task}-{split}.jsonl") for split in ("train", "validation")}
    return found


@pytest.fixture
def recipe(files, tmp_path):
    """Builds a recipe of the tiny run; keyword arguments win."""

    def build(task: str = "token-classification", states: str | None = "states", **flags):
        settings = {"output_dir": str(tmp_path / "out"), "overwrite_output_dir": True}
        if flags.get("freeze_encoder", TINY["freeze_encoder"]):
            settings["feature_cache_dir"] = "none" if states is None else str(tmp_path / states)
        if task == "question-answering":
            settings |= {"max_answer_length": 8, "max_query_length": 16, "dataset": "jsonl"}
        return load_recipe(None, {**TINY, **files[task], "task": task, **settings, **flags})

    return build


def counted(model) -> list[int]:
    calls = []
    model.encoder.register_forward_hook(lambda module, args, output: calls.append(1))
    return calls


def trained(recipe):
    """A finished training: the trainer, its losses, and how often the encoder ran in it."""
    trainer = recipe if isinstance(recipe, KospanTrainer) else build_trainer(recipe)
    calls = counted(trainer.model)
    trainer.train()
    return trainer, [entry["loss"] for entry in trainer.state.log_history if "loss" in entry], len(calls)


def weights(model) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def scores(trainer, examples: list[Example]) -> list[np.ndarray]:
    """Scores of every unit, tag by tag or end by end."""
    model, texts = trainer.model, [example.text for example in examples]
    if hasattr(model, "head"):
        return [reading.emissions.numpy() for reading in model.token_scores(texts)]
    asked = model.answer([example.question for example in examples], texts, return_probabilities=True)
    return [np.stack([reading.starts, reading.ends]) for reading in asked]


CASES = {
    "crf": {},
    "linear": {"head": "linear", "lstm_hidden_size": 0},
    "accumulation": {"gradient_accumulation_steps": 2, "per_device_train_batch_size": 2},
    "multi-sample dropout": {"dropout": 0.5, "multi_sample_dropout": 3, "dropout_merge": "mean_loss"},
    "rdrop": {"rdrop_alpha": 1.0, "dropout": 0.3},
    "rdrop marginal": {"rdrop_alpha": 1.0, "rdrop_level": "marginal", "dropout": 0.3, "lstm_dropout": 0.2},
    "words on subwords": {"encoder_input": "subwords", "unit": "word", "word_shape_feature": True},
    "random order, workers": {"train_sampling_strategy": "random", "dataloader_num_workers": 1},
    "question-answering": {"task": "question-answering", "max_length": 64, "exact_match_feature": True},
    "reading with rdrop": {
        "task": "question-answering",
        "max_length": 64,
        "rdrop_alpha": 1.0,
        "dropout": 0.3,
        "multi_sample_dropout": 2,
    },
}


@pytest.mark.parametrize("name", CASES)
def test_cached_features_train_as_the_frozen_encoder_step_by_step(name, recipe):
    plain, losses, calls = trained(recipe(states=None, **CASES[name]))
    trainer = build_trainer(recipe(**CASES[name]))
    start = weights(trainer.model)
    cached, kept_losses, _ = trained(trainer)
    assert calls >= 6 and len(losses) == 6 and losses[0] != losses[-1]
    assert kept_losses == pytest.approx(losses, rel=1e-5)
    one, other = weights(plain.model), weights(cached.model)
    for key, value in one.items():
        if key.startswith("encoder."):
            assert torch.equal(value, start[key]) and torch.equal(other[key], start[key]), key
        else:
            torch.testing.assert_close(other[key], value, rtol=1e-3, atol=1e-4, msg=key)
    assert any(not torch.equal(one[key], start[key]) for key in one)
    examples = plain.task.examples("validation") + plain.task.examples("train")
    for expected, found in zip(scores(plain, examples), scores(cached, examples), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    expected, found = (each.task.predict(examples, model=each.model) for each in (plain, cached))
    assert [[span[:3] for span in spans] for spans in found] == [[span[:3] for span in spans] for spans in expected]


def test_off_is_the_plain_frozen_run_bit_for_bit(recipe):
    """Against a trainer that has never heard of states."""
    plain, losses, _ = trained(recipe(states=None, dropout=0.3))
    other = build_trainer(recipe(dropout=0.3))
    assert plain.feature_cache is None and other.feature_cache is not None
    other.feature_cache = None
    other.train()
    assert [entry["loss"] for entry in other.state.log_history if "loss" in entry] == losses
    for key, value in weights(other.model).items():
        assert torch.equal(value, plain.model.state_dict()[key]), key


def test_an_encoder_that_is_trained_keeps_no_states(recipe, tmp_path):
    trainer, _, calls = trained(recipe(freeze_encoder=False))
    assert trainer.feature_cache is None and calls >= 6 and not (tmp_path / "states").exists()


def test_no_step_and_no_evaluation_asks_the_encoder(recipe, capsys):
    flags = {"max_steps": -1, "num_train_epochs": 8, "eval_strategy": "epoch"}
    flags["encoder_options"] = {**TINY["encoder_options"], "num_hidden_layers": 0}
    trainer, _, calls = trained(recipe(**flags))
    made = [line for line in capsys.readouterr().out.splitlines() if line.startswith("encoder features")]
    assert "train: " in made[0] and any("validation: " in line for line in made)
    again, _, found_calls = trained(recipe(**flags))
    assert calls > 0 and found_calls == 0
    assert all(line.endswith("found") for line in capsys.readouterr().out.splitlines() if line.startswith("encoder st"))
    metrics = [
        [entry["eval_f1"] for entry in each.state.log_history if "eval_f1" in entry] for each in (trainer, again)
    ]
    plain, _, _ = trained(recipe(states=None, **flags))
    expected = [entry["eval_f1"] for entry in plain.state.log_history if "eval_f1" in entry]
    assert metrics == [expected, expected] and len(expected) == 8 and max(expected) > 0


def test_the_output_of_a_run_has_no_trace_of_cached_features(recipe, tmp_path):
    flags = {"encoder_options": {**TINY["encoder_options"], "num_hidden_layers": 0}, "eval_strategy": "epoch"}
    metrics = train(recipe(num_train_epochs=8, max_steps=-1, **flags))
    assert metrics["eval_f1"] > 0
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert not any("states" in name for name in left)
    assert "state_source" not in (tmp_path / "out" / "config.json").read_text(encoding="utf-8")
    lines = (tmp_path / "out" / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    assert any(json.loads(line)["spans"] for line in lines)


def test_afterwards_model_and_trainer_are_as_before(recipe):
    trainer = build_trainer(recipe())
    collate, count = trainer.data_collator, len(trainer.callback_handler.callbacks)
    trainer.train()
    assert trainer.data_collator == collate and trainer.model.state_source is None
    assert len(trainer.callback_handler.callbacks) == count
    calls = counted(trainer.model)
    trainer.evaluate()
    assert calls


def test_an_error_in_training_lets_go_of_the_states_too(recipe, monkeypatch):
    trainer = build_trainer(recipe())

    def breaks(*args, **kwargs):
        assert trainer.model.state_source is not None
        raise RuntimeError("in the middle")

    monkeypatch.setattr(trainer, "training_step", breaks)
    with pytest.raises(RuntimeError, match="in the middle"):
        trainer.train()
    assert trainer.model.state_source is None and not isinstance(trainer.data_collator, FeatureCollator)


def test_a_run_resumes_from_a_checkpoint_on_cached_features(recipe, tmp_path):
    whole, losses, _ = trained(recipe())
    first = build_trainer(recipe(save_strategy="steps", save_steps=4))
    first.train()
    second = build_trainer(recipe(save_strategy="steps", save_steps=4))
    second.train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-4"))
    assert [entry["loss"] for entry in second.state.log_history if "loss" in entry] == losses
    for key, value in weights(second.model).items():
        assert torch.equal(value, whole.model.state_dict()[key]), key


def test_a_checkpoint_with_another_encoder_is_refused(recipe, tmp_path):
    build_trainer(recipe(save_strategy="steps", save_steps=4)).train()
    other = build_trainer(recipe(seed=43))
    with pytest.raises(ValueError, match=r"expected the frozen encoder that the checkpoint .* got one with another .*"):
        other.train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-4"))


# --- what a frozen encoder is -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [None, "states"])
def test_the_optimizer_holds_no_parameter_of_a_frozen_encoder(recipe, kept):
    for rates in ({}, {"encoder": 1e-3, "head": 1e-2}):
        trainer = build_trainer(recipe(states=kept, learning_rates=rates, weight_decay=0.5))
        trainer.train()
        held = {id(parameter) for group in trainer.optimizer.param_groups for parameter in group["params"]}
        parts = {name: id(parameter) in held for name, parameter in trainer.model.named_parameters()}
        assert {name for name, inside in parts.items() if not inside} == {
            name for name in parts if name.startswith("encoder.")
        }
        assert all(parameter.grad is None for parameter in trainer.model.encoder.parameters())


def test_checkpointing_the_activations_of_a_frozen_encoder_changes_nothing(recipe):
    _, losses, _ = trained(recipe(states=None, dropout=0.3))
    _, found, _ = trained(recipe(states=None, dropout=0.3, activation_checkpointing=True))
    assert found == losses
    _, found, _ = trained(recipe(dropout=0.3, activation_checkpointing=True))
    assert found == pytest.approx(losses, rel=1e-5)


def test_fgm_on_a_frozen_encoder_that_runs_does_not_change_its_weights(recipe):
    trainer = build_trainer(recipe(states=None, fgm_epsilon=0.5))
    before = weights(trainer.model)
    trainer.train()
    assert trainer.fgm.epsilon == 0.5 and not trainer.model.encoder.training
    for key, value in weights(trainer.model).items():
        assert torch.equal(value, before[key]) == key.startswith("encoder."), key


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("fgm_epsilon", 0.5, "FGM perturbs the word"),
        ("subword_dropout", 0.1, "subword dropout hides subwords that the enc"),
    ],
)
def test_what_changes_the_encoders_input_is_refused_with_the_reason(recipe, key, value, reason):
    message = rf"{key}: 0 with freeze_encoder and cached features, got {value}: {reason}.* set feature_cache_dir: none"
    with pytest.raises(ValueError, match=message):
        build_trainer(recipe(**{key: value}))
    assert isinstance(build_trainer(recipe(states=None, **{key: value})), KospanTrainer)
    assert isinstance(build_trainer(recipe(freeze_encoder=False, **{key: value})), KospanTrainer)
    check_feature_cache(Recipe(fgm_epsilon=0.5, subword_dropout=0.1))


def test_a_study_is_checked_before_its_first_variant(tmp_path, files):
    path = tmp_path / "study.yaml"
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(json.dumps({**TINY, **files["token-classification"]}), encoding="utf-8")
    path.write_text(
        f"recipe: {json.dumps(str(recipe))}\nvariants:\n  perturbed: {{fgm_epsilon: 0.5}}\nseeds: [1, 2]\n",
        encoding="utf-8",
    )
    with pytest.raises(ValueError, match=r"variant .*: expected fgm_epsilon: 0 .* and cached features"):
        for experiment in load_study(path, {}):
            check_experiment(experiment)


def test_the_folder_is_in_the_hugging_face_cache_unless_it_is_named(tmp_path):
    assert load_recipe(None, {}).feature_cache_dir == "auto"

    def root(name: str) -> Path | None:
        return cache_root(load_recipe(None, {"feature_cache_dir": name, "freeze_encoder": True}))

    assert str(root("auto")).startswith(HF_HOME) and root("auto").parts[-2:] == ("kospan", "features")
    assert root(str(tmp_path)) == tmp_path and root("~/x").is_absolute()
    assert load_recipe(None, {"feature_cache_dir": "none"}).feature_cache_dir is None and root("none") is None


def test_a_collator_with_states_travels_to_another_process(recipe):
    seen = {}
    trainer = build_trainer(recipe())
    with trainer.feature_cache.attached(trainer):
        collate = trainer.data_collator
        features = trainer.train_dataset[:3]
        seen = collate(features)
        source = pickle.loads(pickle.dumps(collate.source))
    for feature, rows in zip(features, seen["encoder_states"].numpy()):
        np.testing.assert_array_equal(source(feature), rows[: len(feature["input_ids"])])
