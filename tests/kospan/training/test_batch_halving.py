"""Memory that runs out: smaller batches and more accumulation, with the same result; or the setting to change."""

import copy
import shutil

import pytest
import resume_cases as cases
import torch
import training_cases

from kospan.cli import main
from kospan.recipe import save_recipe
from kospan.run import build_trainer, fit, prepare
from kospan.training.batch_halving import is_out_of_memory
from kospan.training.trainer import KospanTrainer

TOLERANCE = 1e-6
MESSAGES = ("CUDA out of memory. Tried to allocate 1 GiB", "[enforce fail] DefaultCPUAllocator: can't allocate memory")


def limit_rows(monkeypatch, most: int, when=lambda trainer: True) -> list[int]:
    """Let passes over more rows fail in the middle of the backward pass; returns the rows of the failed ones."""
    loss_of, failed = KospanTrainer.compute_loss, []

    def limited(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        loss, outputs = loss_of(self, model, inputs, True, num_items_in_batch)
        rows = len(inputs["labels"])
        if model.training and rows > most and when(self):
            failed.append(rows)

            def fail(gradient):
                raise torch.OutOfMemoryError(MESSAGES[0])

            # Gradients of the layers above have been added by then.
            outputs.emissions.register_hook(fail)
        return (loss, outputs) if return_outputs else loss

    monkeypatch.setattr(KospanTrainer, "compute_loss", limited)
    return failed


@pytest.fixture
def model(make_token_classifier):
    return make_token_classifier(lstm_hidden_size=8, encoder_input="units")


def trained(model, folder, techniques, **settings):
    run = training_cases.trainer(copy.deepcopy(model), str(folder), techniques, **settings)
    run.train()
    return run


@pytest.mark.parametrize("accumulation", [1, 2])
@pytest.mark.parametrize("name", ["plain", "fgm and rdrop", "lora plus, fgm and rdrop", "parameter"])
def test_halved_batches_equal_the_run_with_the_smaller_batch(name, accumulation, model, tmp_path, monkeypatch):
    techniques = training_cases.CASES.get(name, {"fgm_epsilon": 0.5, "fgm_space": "parameter"})
    wanted = trained(model, tmp_path / "small", techniques, batch=2, accumulation=4 * accumulation)
    # Memory runs out in the second step, in the last batch of it.
    failed = limit_rows(monkeypatch, 2, lambda run: run.state.global_step > 0 and run.accelerator.sync_gradients)
    found = trained(
        model, tmp_path / "halved", techniques, batch=8, accumulation=accumulation, auto_find_batch_size=True
    )
    assert failed and found.halving.parts == 4 and found.args.auto_find_batch_size
    if name == "parameter":
        # One norm for the batch: the first step had another batch.
        limit_rows(monkeypatch, 2)
        found = trained(
            model, tmp_path / "first", techniques, batch=8, accumulation=accumulation, auto_find_batch_size=True
        )
    for key, value in training_cases.weights(wanted.model).items():
        difference = (value - training_cases.weights(found.model)[key]).abs().max().item()
        assert difference <= TOLERANCE, f"{key} differs by {difference}"
    logs = [[entry for entry in run.state.log_history if "loss" in entry] for run in (wanted, found)]
    for one, other in zip(*logs, strict=True):
        assert one.keys() == other.keys()
        assert other["loss"] == pytest.approx(one["loss"], rel=1e-4)
        if "divergence" in one:
            assert other["divergence"] == pytest.approx(one["divergence"], rel=1e-4)
    assert not [
        key for run in (wanted, found) for key in run.model.get_input_embeddings()._forward_hooks if not run.fgm
    ]


def test_a_loss_that_is_a_mean_is_weighted_by_rows(model, tmp_path, monkeypatch):
    """Without a count of labels the parts of a batch of five weigh 2, 2 and 1."""
    monkeypatch.setattr(KospanTrainer, "_get_num_items_in_batch", lambda *args: None)
    run = training_cases.trainer(model, str(tmp_path), batch=4)
    model.train()
    run.current_gradient_accumulation_steps = 3
    weights = []
    run.halving.parts = 2
    batch = {"labels": torch.zeros(5, 2), "name": "x"}
    total = run.halving._in_parts(
        run, batch, lambda part: weights.append(run.current_gradient_accumulation_steps) or len(part["labels"])
    )
    assert weights == [7.5, 7.5, 15.0] and total == 5 and run.current_gradient_accumulation_steps == 3


def test_a_batch_that_two_does_not_divide(tmp_path, monkeypatch, capsys):
    failed = limit_rows(monkeypatch, 1)
    trainer = build_trainer(cases.recipe_of("token-classification", tmp_path, per_device_train_batch_size=6))
    trainer.args.max_steps = 1
    trainer.train()
    assert failed[:2] == [6, 3] and trainer.halving.parts == 4
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("batch halved")]
    assert [line.partition("now ")[2] for line in printed] == ["3 and 2 passes a batch", "1 and 6 passes a batch"]


def test_a_resumed_run_with_a_smaller_batch_has_no_empty_parts(tmp_path):
    trainer = build_trainer(cases.recipe_of("token-classification", tmp_path, per_device_train_batch_size=2))
    trainer.state.stateful_callbacks["BatchHalving"] = {"args": {}, "attributes": {"parts": 8}}
    trainer.halving.on_train_begin(trainer.args, trainer.state, trainer.control)
    assert trainer.halving.parts == 2


@pytest.mark.parametrize("task", cases.TASKS)
def test_every_task_goes_on_with_smaller_batches(task, tmp_path, monkeypatch, capsys):
    step = KospanTrainer._passes
    sizes = []

    def limited(self, model, inputs, count):
        sizes.append(len(inputs["labels"]))
        if sizes[-1] > 1:
            raise RuntimeError(MESSAGES[1])
        return step(self, model, inputs, count)

    monkeypatch.setattr(KospanTrainer, "_passes", limited)
    trainer = build_trainer(cases.recipe_of(task, tmp_path, max_steps=2))
    trainer.train()
    assert trainer.state.global_step == 2 and trainer.halving.parts == 4 and sizes[:3] == [4, 2, 1]
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("batch halved")]
    assert printed == [
        "batch halved        out of memory in step 1 with 4 windows a pass, now 2 and 2 passes a batch",
        "batch halved        out of memory in step 1 with 2 windows a pass, now 1 and 4 passes a batch",
    ]


def test_a_resumed_run_keeps_the_smaller_batch(tmp_path, monkeypatch):
    """Bit for bit, dropout included: a resumed run does not find the size again."""
    limit_rows(monkeypatch, 2, lambda trainer: trainer.state.global_step >= 1)
    settings = {"encoder_options": {**cases.ENCODER, "hidden_dropout_prob": 0.2}, "save_total_limit": 9}
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    fit(*prepare(cases.recipe_of("token-classification", whole, **settings)))
    (broken / "out").mkdir(parents=True)
    shutil.copytree(whole / "out" / "checkpoint-3", broken / "out" / "checkpoint-3")
    monkeypatch.undo()  # It would fit now.
    fit(*prepare(cases.recipe_of("token-classification", broken, **settings, resume_from_checkpoint=True)))
    assert not (broken / "out" / "checkpoint-4").exists() and (broken / "out" / "checkpoint-6").exists()
    one, other = ((folder / "out" / "model.safetensors").read_bytes() for folder in (whole, broken))
    assert one == other


@pytest.mark.parametrize(
    ("settings", "processes", "advice"),
    [
        (
            {"auto_find_batch_size": False},
            1,
            "set per_device_train_batch_size: 2 and gradient_accumulation_steps: 2, or",
        ),
        (
            {"per_device_train_batch_size": 1},
            1,
            "the smallest batch; lower max_length, or set activation_checkpointing",
        ),
        (
            {"auto_find_batch_size": False, "per_device_train_batch_size": 6, "gradient_accumulation_steps": 2},
            1,
            "set per_device_train_batch_size: 3 and gradient_accumulation_steps: 4, or",
        ),
        ({}, 2, "several processes cannot divide a batch while they wait for each other: set per_device_train_batch"),
    ],
)
def test_what_cannot_be_divided_names_the_setting(settings, processes, advice, tmp_path, monkeypatch):
    limit_rows(monkeypatch, 0)
    trainer = build_trainer(cases.recipe_of("token-classification", tmp_path, **settings))
    monkeypatch.setattr(type(trainer.accelerator), "num_processes", processes)
    with pytest.raises(MemoryError, match=r"expected memory for step 1, got none free with \d windows of \d+ pos") as e:
        trainer.halving.run(
            trainer,
            trainer.model,
            next(iter(torch.utils.data.DataLoader(list(trainer.train_dataset), 4, collate_fn=trainer.data_collator))),
            out_of_memory,
        )
    assert advice in str(e.value)


def out_of_memory(*args, **kwargs):
    raise RuntimeError(MESSAGES[0])


def test_the_command_prints_one_line(tmp_path, monkeypatch, capsys):
    save_recipe(cases.recipe_of("token-classification", tmp_path), tmp_path / "recipe.yaml")
    words = ["train", str(tmp_path / "recipe.yaml"), "--output_dir", str(tmp_path / "out"), "--overwrite_output_dir"]
    with monkeypatch.context() as patch:
        patch.setattr(KospanTrainer, "_passes", out_of_memory)
        assert main(words) == 1
    error = capsys.readouterr().err
    assert error.startswith("kospan: expected memory for step 1") and error.count("\n") == 1
    trainer = build_trainer(cases.recipe_of("token-classification", tmp_path))
    monkeypatch.setattr(type(trainer.task), "predict", out_of_memory)
    assert main(words) == 1
    error = capsys.readouterr().err
    assert "for the evaluation, got none free with 64 documents" in error and error.count("\n") == 1


def test_other_errors_are_not_hidden(tmp_path, monkeypatch):
    def broken(*args):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(KospanTrainer, "_passes", broken)
    with pytest.raises(RuntimeError, match="mat1"):
        build_trainer(cases.recipe_of("token-classification", tmp_path)).train()
    assert all(is_out_of_memory(RuntimeError(message)) for message in MESSAGES)
