"""NaN and infinite losses stop a training with the step and the texts, or are skipped and counted."""

import copy
import json
from types import SimpleNamespace

import pytest
import resume_cases as cases
import torch
import training_cases
from transformers import TrainerCallback

from kospan.cli import main
from kospan.data.jsonl import read_jsonl
from kospan.recipe import save_recipe
from kospan.run import build_trainer, fit, prepare, train
from kospan.training.non_finite import NonFiniteSteps, check_policy
from kospan.training.trainer import KospanTrainer

BAD = "text-4"


def break_loss(monkeypatch, bad=lambda trainer, ids: BAD in ids, value=float("nan")):
    """Multiply the loss of chosen batches; `ids` are those of the batch's texts."""
    step, loss_of = KospanTrainer.training_step, KospanTrainer.compute_loss

    def remembered(self, model, inputs, *args, **kwargs):
        self.ids_now = list(inputs.get("ids", ()))
        return step(self, model, inputs, *args, **kwargs)

    def broken(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        loss, outputs = loss_of(self, model, inputs, True, num_items_in_batch)
        loss = loss * value if model.training and bad(self, self.ids_now) else loss
        return (loss, outputs) if return_outputs else loss

    monkeypatch.setattr(KospanTrainer, "training_step", remembered)
    monkeypatch.setattr(KospanTrainer, "compute_loss", broken)


@pytest.mark.parametrize("task", cases.TASKS)
def test_a_nan_loss_names_the_step_and_the_texts(task, tmp_path, monkeypatch):
    bad = cases.data_of(task)[4].id
    break_loss(monkeypatch, lambda trainer, ids: bad in ids)
    with pytest.raises(FloatingPointError, match=r"expected a finite loss in step \d, got a loss of nan") as raised:
        train(cases.recipe_of(task, tmp_path))
    assert bad in str(raised.value).partition("for the texts ")[2]
    assert "--nan skip" in str(raised.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("settings", [{}, {"fgm_epsilon": 0.5, "rdrop_alpha": 1.0}, {"gradient_accumulation_steps": 2}])
def test_a_skipped_step_changes_nothing_and_is_counted(value, settings, tmp_path, monkeypatch, capsys):
    break_loss(monkeypatch, value=value)
    trainer = build_trainer(cases.recipe_of("token-classification", tmp_path, nan="skip", **settings))
    seen = []

    class Watch(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            self.before = copy.deepcopy(trainer.model.state_dict()), copy.deepcopy(trainer.optimizer.state_dict())

        def on_step_end(self, args, state, control, **kwargs):
            after = trainer.model.state_dict()
            same = all(torch.equal(each, after[name]) for name, each in self.before[0].items())
            moments = self.before[1]["state"], trainer.optimizer.state_dict()["state"]
            same_moments = all(
                torch.equal(one[key], moments[1][at][key]) for at, one in moments[0].items() for key in one
            )
            seen.append((state.global_step, same, same_moments))

    trainer.add_callback(Watch())
    trainer.train()
    skipped = [step for step, same, _ in seen if same]
    # Once per epoch, in the step that holds the text.
    assert trainer.non_finite.skipped == skipped and len(skipped) == 2
    assert all(moments for step, _, moments in seen if step in skipped and step > 1)
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("step skipped")]
    assert len(printed) == 2 and all(BAD in line for line in printed)
    assert all(torch.isfinite(each).all() for each in trainer.model.state_dict().values() if each.is_floating_point())


def test_skipping_equals_a_training_without_the_step(make_token_classifier, tmp_path, monkeypatch):
    """One step over a bad batch leaves exactly what the other steps make of the model."""
    model = make_token_classifier(encoder_input="units")
    rows = [row | {"ids": [f"text-{at}"]} for at, row in enumerate(training_cases.features())]
    run = training_cases.trainer(copy.deepcopy(model), str(tmp_path / "a"), rows=rows[:4] + rows[8:], max_steps=3)
    run.train()
    break_loss(monkeypatch, lambda trainer, ids: trainer.state.global_step == 1)
    other = training_cases.trainer(copy.deepcopy(model), str(tmp_path / "b"), {"nan": "skip"}, rows=rows, max_steps=4)
    other.train()
    assert other.non_finite.skipped == [2]
    for name, value in training_cases.weights(run.model).items():
        assert torch.equal(value, training_cases.weights(other.model)[name]), name


def test_a_gradient_that_is_not_finite_is_found_before_the_step(tmp_path, monkeypatch):
    trainer = build_trainer(cases.recipe_of("token-classification", tmp_path, max_steps=2))
    parameter = next(trainer.model.parameters())
    parameter.register_hook(lambda gradient: gradient * float("nan"))
    before = copy.deepcopy(trainer.model.state_dict())
    with pytest.raises(FloatingPointError, match=r"in step 1, got a gradient of nan for the texts text-"):
        trainer.train()
    assert all(torch.equal(before[key], value) for key, value in trainer.model.state_dict().items())


def test_a_model_that_does_not_recover_stops(tmp_path, monkeypatch):
    break_loss(monkeypatch, lambda trainer, ids: trainer.state.global_step > 1)
    with pytest.raises(FloatingPointError, match=r"in step 22, the last of 20 skipped in a row, got a loss of nan"):
        train(cases.recipe_of("token-classification", tmp_path, nan="skip", num_train_epochs=20))


def test_a_resumed_run_keeps_the_count(tmp_path, monkeypatch):
    break_loss(monkeypatch)
    settings = {"nan": "skip", "save_total_limit": 9}
    train(cases.recipe_of("token-classification", tmp_path, **settings, num_train_epochs=1))
    recipe = cases.recipe_of("token-classification", tmp_path, **settings, resume_from_checkpoint=True)
    trainer, checkpoint = prepare(recipe)
    fit(trainer, checkpoint)
    record = json.loads((tmp_path / "out" / "training_record.json").read_text(encoding="utf-8"))
    assert len(record["training"]["skipped_steps"]) == 2
    assert record["training"]["skipped_steps"] == trainer.non_finite.skipped


def test_the_command_prints_one_line(tmp_path, monkeypatch, capsys):
    break_loss(monkeypatch)
    save_recipe(cases.recipe_of("token-classification", tmp_path), tmp_path / "recipe.yaml")
    assert main(["train", str(tmp_path / "recipe.yaml"), "--output_dir", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("kospan: expected a finite loss in step ") and error.count("\n") == 1
    assert main(["train", str(tmp_path / "recipe.yaml"), "--overwrite_output_dir", "--nan", "skip"]) == 0
    assert len(list(read_jsonl(tmp_path / "out" / "predictions.jsonl"))) == 3
    assert main(["train", str(tmp_path / "recipe.yaml"), "--overwrite_output_dir", "--nan", "ignore"]) == 2


def trainer_at(step: int, scaler=None) -> SimpleNamespace:
    """The part of a trainer that `NonFiniteSteps.check` reads."""
    return SimpleNamespace(
        accelerator=SimpleNamespace(scaler=scaler, num_processes=1),
        args=SimpleNamespace(device="cpu"),
        state=SimpleNamespace(global_step=step),
        is_world_process_zero=lambda: True,
    )


def test_only_steps_in_a_row_count_against_the_limit():
    steps, model = NonFiniteSteps("skip"), torch.nn.Linear(1, 1)
    for step in range(39):
        steps.check(trainer_at(step), model, 1.0 if step == 19 else float("nan"))
    with pytest.raises(FloatingPointError, match="in step 40, the last of 20 skipped in a row"):
        steps.check(trainer_at(39), model, float("nan"))


def test_loss_scaling_skips_by_itself():
    """Its gradients overflow by design; only a loss is reported, and the scaler keeps the gradients that it checks."""
    model = torch.nn.Linear(1, 1)
    model(torch.ones(1, 1)).sum().backward()
    steps, trainer = NonFiniteSteps("skip"), trainer_at(4, scaler=object())
    steps.check(trainer, model, float("inf"))
    assert steps.skipped == []
    steps.note(torch.tensor(float("inf")), ["text-1"])
    steps.check(trainer, model, float("inf"))
    assert steps.skipped == [5] and model.weight.grad is not None


def test_deepspeed_cannot_skip(make_token_classifier, tmp_path):
    run = training_cases.trainer(make_token_classifier(encoder_input="units"), str(tmp_path))
    run.accelerator.state.distributed_type, kind = "DEEPSPEED", run.accelerator.state.distributed_type
    try:
        check_policy("stop", run)
        with pytest.raises(ValueError, match="expected nan: stop with DeepSpeed"):
            check_policy("skip", run)
    finally:
        run.accelerator.state.distributed_type = kind
