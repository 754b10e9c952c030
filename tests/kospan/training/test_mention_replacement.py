"""Features of replaced mentions in training: each epoch, resuming, windows, and off."""

import shutil
from pathlib import Path

import pytest
import torch
from resume_cases import people, recipe_of

from kospan.data.mention_replacement import MentionReplacement, mention_pools
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.recipe import load_recipe
from kospan.run import build_trainer, fit, prepare
from kospan.tasks.registry import TASKS
from kospan.training.mention_replacement import MentionReplacementCallback

ON = {"mention_replacement": 0.6, "num_train_epochs": 3}


class State:
    """The part of a TrainerState that is used."""

    def __init__(self, epoch):
        self.epoch = epoch


def callback_of(trainer) -> MentionReplacementCallback:
    return next(each for each in trainer.callback_handler.callbacks if isinstance(each, MentionReplacementCallback))


def features_by_epoch(trainer) -> list[list[dict]]:
    callback, found = callback_of(trainer), []
    for epoch in (0, 1.0, 2.0):
        callback.on_epoch_begin(None, State(epoch), None)
        found.append(list(trainer.train_dataset))
    return found


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_each_epoch_has_the_features_of_its_replaced_texts(tmp_path):
    trainer = build_trainer(recipe_of("token-classification", tmp_path, **ON))
    task, examples = trainer.task, trainer.task.examples("train")
    plain = list(trainer.train_dataset)
    assert plain == task.train_features(examples)
    documents = task.documents
    epochs = features_by_epoch(trainer)
    replace = MentionReplacement(mention_pools(examples), 0.6, 42)
    for epoch, found in enumerate(epochs):
        changed = [replace(example, epoch) for example in examples]
        assert found == task.train_features(changed) != plain
    assert epochs[0] != epochs[1] != epochs[2]
    assert task.documents == documents + 3 * len(examples), "only those counted here"
    callback_of(trainer).on_train_end(None, State(3.0), None)
    assert trainer.train_dataset == plain


def test_batches_hold_the_epoch_s_features_and_evaluation_does_not_change(tmp_path):
    trainer = build_trainer(recipe_of("token-classification", tmp_path, **ON, train_sampling_strategy="sequential"))
    epochs, seen = features_by_epoch(trainer), []
    original, collate = list(callback_of(trainer).original), trainer.data_collator
    trainer.train_dataset[:] = original
    trainer.data_collator = lambda rows: (seen.extend(rows), collate(rows))[1]
    evaluated = list(trainer.eval_dataset)
    trainer.train()
    used = [row["input_ids"] for row in seen]
    size = len(original)
    for epoch, expected in enumerate(epochs):
        rows = used[epoch * size : (epoch + 1) * size]
        assert sorted(rows) == sorted(row["input_ids"] for row in expected)
    assert trainer.train_dataset == original and trainer.eval_dataset == evaluated


@pytest.mark.parametrize(
    ("checkpoint", "order"),
    # The Trainer does not restore a random order inside an epoch.
    [(3, "group_by_length"), (3, "sequential"), (4, "sequential")],
)
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path, checkpoint, order):
    settings = {
        **ON,
        "train_sampling_strategy": order,
        "save_strategy": "steps",
        "eval_strategy": "steps",
        "save_steps": 1,
        "eval_steps": 1,
    }
    settings |= {"save_total_limit": 20, "load_best_model_at_end": False}
    fit(*prepare(recipe_of("token-classification", tmp_path, **settings)))
    out = tmp_path / "out"
    whole = weights(out)
    for folder in out.glob("checkpoint-*"):
        if int(folder.name.rpartition("-")[2]) > checkpoint:
            shutil.rmtree(folder)
    (out / "model.safetensors").unlink()
    fit(*prepare(recipe_of("token-classification", tmp_path, **settings, resume_from_checkpoint=True)))
    assert weights(out) == whole


def test_off_is_the_run_without_it_and_on_is_another(tmp_path):
    runs = {}
    for name, settings in {"plain": {}, "off": {"mention_replacement": 0}, "on": {"mention_replacement": 0.6}}.items():
        trainer = build_trainer(recipe_of("token-classification", tmp_path / name, **settings))
        assert any(isinstance(c, MentionReplacementCallback) for c in trainer.callback_handler.callbacks) == (
            name == "on"
        )
        trainer.train()
        runs[name] = {key: value.clone() for key, value in trainer.model.state_dict().items()}
    assert all(torch.equal(runs["plain"][key], runs["off"][key]) for key in runs["plain"])
    assert not all(torch.equal(runs["plain"][key], runs["on"][key]) for key in runs["plain"])


def test_a_text_that_would_need_other_windows_keeps_its_own(tmp_path):
    examples = people(12)
    examples[0] = Example("short", "가" + " 나" * 20, (Span(0, 1, "LC"),))
    examples[1] = Example("long", "다라마바사" * 24, (Span(0, 120, "LC"),))
    trainer = build_trainer(recipe_of("token-classification", tmp_path, examples, **ON))
    plain = list(trainer.train_dataset)
    assert len(plain) > len(trainer.task.examples("train"))
    kept = 0
    for found in features_by_epoch(trainer):
        assert len(found) == len(plain)
        kept += found[0] == plain[0]
    callback = callback_of(trainer)
    for epoch in range(20):
        callback.on_epoch_begin(None, State(float(epoch)), None)
        replaced = callback.replacement(callback.places[0][2], epoch)
        if len(replaced.text) > 100:
            assert trainer.train_dataset[0] == plain[0]
            break
    else:
        pytest.fail("expected the long mention in the short text")


def test_every_mention_is_replaced_at_a_probability_of_one(tmp_path):
    trainer = build_trainer(recipe_of("token-classification", tmp_path, **{**ON, "mention_replacement": 1}))
    assert callback_of(trainer).replacement.probability == 1


def test_gazetteers_change_the_labels_that_have_one(tmp_path):
    trainer = build_trainer(recipe_of("token-classification", tmp_path, **ON, mention_source="gazetteer"))
    assert callback_of(trainer).replacement.pools.keys() == {"PS", "LC"}
    assert len(features_by_epoch(trainer)[0]) == len(trainer.train_dataset)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"mention_replacement": 1.1}, "expected mention_replacement to be a number from 0 to 1, got 1.1"),
        ({"mention_replacement": -0.1}, "expected mention_replacement to be a number from 0 to 1, got -0.1"),
        ({"mention_source": "wiki"}, "expected mention_source to be one of training, gazetteer, got 'wiki'"),
        ({"mention_source": "gazetteer"}, "expected no mention_source with mention_replacement: 0"),
        (
            {"mention_replacement": 0.5, "freeze_encoder": True},
            "expected mention_replacement: 0 with freeze_encoder and cached features, got 0.5: mention replacement",
        ),
        (
            {"mention_replacement": 0.5, "dataloader_num_workers": 1, "dataloader_persistent_workers": True},
            "expected dataloader_persistent_workers: false with mention_replacement, got true",
        ),
    ],
)
def test_settings_that_do_not_work_are_errors(tmp_path, settings, error):
    with pytest.raises(ValueError, match=error):
        build_trainer(recipe_of("token-classification", tmp_path, **settings))


def test_data_without_a_gazetteer_are_an_error(tmp_path):
    recipe = recipe_of("token-classification", tmp_path, people(12, "X", "Y"), **ON, mention_source="gazetteer")
    with pytest.raises(
        ValueError, match=r"expected a label with a gazetteer .* got X, Y; set mention_source: training"
    ):
        build_trainer(recipe)


def test_only_token_classification_uses_it():
    assert [name for name, spec in TASKS.items() if "mention_replacement" in spec.uses] == ["token-classification"]
    with pytest.raises(ValueError, match="expected no mention_replacement with task: generative-ner"):
        build_trainer(load_recipe(None, {"task": "generative-ner", "mention_replacement": 0.5}))
