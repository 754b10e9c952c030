"""A resumed training ends where an undisturbed one ends: patience, the best score, the optimizer, the last step."""

import shutil

import pytest
import resume_cases as cases
import torch
from accelerate.data_loader import prepare_data_loader, skip_first_batches
from safetensors.torch import load_file
from torch.utils.data import DataLoader, RandomSampler
from transformers import TrainingArguments
from transformers.trainer_callback import TrainerState
from transformers.trainer_pt_utils import LengthGroupedSampler

from kospan.cli import main
from kospan.recipe import save_recipe
from kospan.run import build_trainer, fit, prepare, train
from kospan.training.resuming import EpochOrder, best_checkpoint, is_over

# A rate of 0 keeps the score where it is: three evaluations, of which the first is the best.
FLAT = {"learning_rate": 0.0, "num_train_epochs": 6, "early_stopping_patience": 2, "save_total_limit": 9}


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A run that early stopping has ended after three of six epochs."""
    folder = tmp_path_factory.mktemp("stopped")
    train(cases.recipe_of("token-classification", folder, **FLAT))
    assert cases.newest_state(folder / "out")["global_step"] == 9
    return folder


def killed_after(folder, steps: int, target):
    """A copy of a run that has only the checkpoints up to a step."""
    shutil.copytree(folder, target)
    for path in (target / "out").iterdir():
        if path.is_file():
            path.unlink()
        elif int(path.name.rpartition("-")[2]) > steps:
            shutil.rmtree(path)
    return target


def final(folder) -> tuple:
    """Output of a run, without times and places."""
    weights = load_file(folder / "out" / "model.safetensors")
    scores = [(folder / "out" / name).read_bytes() for name in ("eval_results.json", "predictions.jsonl")]
    return {name: value.tolist() for name, value in weights.items()}, scores


def resumed(folder, **settings) -> int:
    """Resumes the run in a folder; the step at which it ends."""
    trainer, checkpoint = prepare(
        cases.recipe_of("token-classification", folder, resume_from_checkpoint=True, **settings)
    )
    fit(trainer, checkpoint)
    return trainer.state.global_step


@pytest.mark.parametrize("steps", [3, 6])
def test_patience_that_is_used_up_counts_after_a_resume(steps, stopped, tmp_path):
    folder = killed_after(stopped, steps, tmp_path / "killed")
    assert resumed(folder, **FLAT) == 9
    assert final(folder) == final(stopped)


def test_a_run_that_had_stopped_trains_no_step_more(stopped, tmp_path, capsys):
    folder = killed_after(stopped, 9, tmp_path / "killed")
    capsys.readouterr()
    assert resumed(folder, **FLAT) == 9
    assert "\nstep " not in capsys.readouterr().out
    assert len(list((folder / "out").glob("checkpoint-*"))) == 3
    assert final(folder) == final(stopped)


@pytest.mark.parametrize(("patience", "last"), [(3, 12), (0, 18)])
def test_more_patience_continues_the_training(patience, last, stopped, tmp_path):
    folder = killed_after(stopped, 9, tmp_path / "killed")
    assert resumed(folder, **{**FLAT, "early_stopping_patience": patience}) == last


def test_early_stopping_may_begin_with_the_resume(tmp_path):
    without = {**FLAT, "early_stopping_patience": 0, "num_train_epochs": 2}
    train(cases.recipe_of("token-classification", tmp_path, **without))
    # Two evaluations without a better score from here on.
    assert resumed(tmp_path, **FLAT) == 12


@pytest.mark.parametrize("length", [{"max_steps": 4}, {"num_train_epochs": 1.5}])
def test_a_finished_run_trains_no_step_more_unless_it_is_longer(length, tmp_path):
    saved = {"save_strategy": "steps", "eval_strategy": "steps", "save_steps": 1, "eval_steps": 1}
    train(cases.recipe_of("token-classification", tmp_path, **saved, **length))
    before = final(tmp_path)
    last = cases.newest_state(tmp_path / "out")["global_step"]
    assert resumed(tmp_path, **saved, **length) == last and final(tmp_path) == before
    longer = {"max_steps": 6} if "max_steps" in length else {"num_train_epochs": 2}
    assert resumed(tmp_path, **saved, **longer) == 6


# --- the order of the texts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["group_by_length", "random"])
@pytest.mark.parametrize("processes", [1, 2])
def test_the_order_of_an_epoch_depends_on_seed_and_epoch_alone(strategy, processes, tmp_path):
    arguments = TrainingArguments(str(tmp_path), seed=7, use_cpu=True)
    lengths = [at % 5 for at in range(16)]

    def order(epoch: int, skipped: int = 0, process: int = 0, data_seed=None) -> list[int]:
        """Texts of an epoch from a new loader, with another state of torch's global generator."""
        torch.seed()
        sampler = RandomSampler(lengths) if strategy == "random" else LengthGroupedSampler(2, lengths=lengths)
        loader = prepare_data_loader(
            DataLoader(range(16), batch_size=2, sampler=sampler),
            num_processes=processes,
            process_index=process,
            use_seedable_sampler=True,
            data_seed=7 if data_seed is None else data_seed,
        )
        arguments.data_seed = data_seed
        EpochOrder().on_epoch_begin(arguments, TrainerState(epoch=epoch), None, train_dataloader=loader)
        loader = skip_first_batches(loader, skipped) if skipped else loader
        loader.set_epoch(epoch)
        return torch.cat(list(loader)).tolist()

    first, second = order(0), order(1)
    assert first == order(0) and second == order(1, data_seed=7) and first != second != order(1, data_seed=8)
    assert order(1, skipped=2) == second[4:]
    assert sorted(text for each in range(processes) for text in order(1, process=each)) == list(range(16))


# --- the best checkpoint ----------------------------------------------------------------------------------------------


def test_the_best_checkpoint_is_found_in_a_folder_that_was_moved(stopped, tmp_path):
    folder = killed_after(stopped, 6, tmp_path / "killed")
    moved = tmp_path / "moved"
    folder.rename(moved)
    assert resumed(moved, **FLAT) == 9
    assert final(moved) == final(stopped)
    state = cases.newest_state(moved / "out")
    assert state["best_model_checkpoint"] == str(moved / "out" / "checkpoint-3")
    assert best_checkpoint(moved / "out", str(stopped / "out" / "checkpoint-3")) == str(moved / "out" / "checkpoint-3")
    assert best_checkpoint(tmp_path, str(stopped / "out" / "checkpoint-3")) == str(stopped / "out" / "checkpoint-3")
    assert best_checkpoint(tmp_path, str(tmp_path / "checkpoint-3")) is None and best_checkpoint(tmp_path, None) is None


def refused(folder, capsys, **settings) -> str:
    """The one line with which the command refuses to resume; the folder stays as it is."""
    recipe = cases.recipe_of("token-classification", folder, **{**FLAT, **settings})
    save_recipe(recipe, folder / "recipe.yaml")
    before = cases.contents(folder / "out")
    capsys.readouterr()
    assert main(["train", str(folder / "recipe.yaml"), "--resume_from_checkpoint"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("kospan: expected") and error.count("\n") == 1
    assert cases.contents(folder / "out") == before
    return error


def test_a_missing_or_broken_best_checkpoint_is_said_before_the_training(stopped, tmp_path, capsys):
    folder = killed_after(stopped, 6, tmp_path / "killed")
    best = folder / "out" / "checkpoint-3"
    # The state names the place in the first folder, which is still there; a copy has none of its own.
    shutil.rmtree(best)
    assert best_checkpoint(folder / "out", str(stopped / "out" / "checkpoint-3"))
    best.mkdir()
    message = refused(folder, capsys)
    assert f"expected the checkpoint of the best score at {best}" in message and "is missing" in message
    # Without load_best_model_at_end nobody asks for it.
    assert resumed(folder, **FLAT, load_best_model_at_end=False) == 9


@pytest.mark.parametrize(
    "settings", [{"metric_for_best_model": "klue_char_f1"}, {"metric_for_best_model": "loss", "validation_loss": True}]
)
def test_a_best_score_of_another_metric_is_refused(settings, tmp_path, capsys):
    train(cases.recipe_of("token-classification", tmp_path, num_train_epochs=2))
    message = refused(tmp_path, capsys, learning_rate=1e-2, **settings)
    assert f"metric_for_best_model: {settings['metric_for_best_model']}" in message
    assert "resume with the metric of that training" in message


def test_a_best_score_in_the_other_direction_is_refused(tmp_path, capsys):
    settings = {"num_train_epochs": 3, "learning_rate": 3e-2}
    train(cases.recipe_of("token-classification", tmp_path, **settings))
    scores = [entry["eval_f1"] for entry in cases.newest_state(tmp_path / "out")["log_history"] if "eval_f1" in entry]
    assert min(scores) < max(scores)
    message = refused(tmp_path, capsys, **settings, greater_is_better=False)
    assert "metric_for_best_model: f1 with greater_is_better: false" in message


# --- the optimizer ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    train(cases.recipe_of("token-classification", folder))
    return folder


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"learning_rate": 1e-3}, "expected learning_rate of 0.01 as in the checkpoint"),
        ({"weight_decay": 0.1}, "expected weight_decay of 0.0 as in the checkpoint"),
        ({"adam_beta1": 0.5}, "expected adam_beta1 and adam_beta2 of (0.9, 0.999) as in the checkpoint"),
        ({"adam_epsilon": 1e-4}, "expected adam_epsilon of 1e-08 as in the checkpoint"),
        ({"optim": "sgd"}, "optim differs"),
        ({"optim": "adafactor"}, "optim differs"),
        ({"learning_rates": {"head": 1e-3}}, "learning_rates, weight_decay, freeze_encoder or the adapters differ"),
        ({"freeze_encoder": True, "feature_cache_dir": "none"}, "expected the frozen encoder that the checkpoint"),
    ],
)
def test_what_the_optimizer_would_bring_back_cannot_be_changed(settings, expected, trained, capsys):
    flags = {"early_stopping_patience": 0, "num_train_epochs": 2, "learning_rate": 1e-2, **settings}
    assert expected in refused(trained, capsys, **flags)


@pytest.mark.parametrize("settings", [{"optim": "adafactor"}, {"optim": "sgd", "learning_rates": {"head": "2x"}}])
def test_any_optimizer_is_resumed_with_its_own_settings(settings, tmp_path):
    train(cases.recipe_of("token-classification", tmp_path, **settings))
    assert resumed(tmp_path, **settings, num_train_epochs=3) == 9


def test_what_changes_the_course_is_said(trained, capsys):
    capsys.readouterr()
    prepare(
        cases.recipe_of("token-classification", trained, resume_from_checkpoint=True, per_device_train_batch_size=2)
    )
    assert "steps per epoch     5, 3 in the checkpoint: the number of texts, the batch" in capsys.readouterr().out
    prepare(cases.recipe_of("token-classification", trained, resume_from_checkpoint=True))
    assert "steps per epoch" not in capsys.readouterr().out


def test_whether_a_run_is_over_is_read_off_the_settings_of_now(stopped):
    newest = stopped / "out" / "checkpoint-9"
    trainer = build_trainer(cases.recipe_of("token-classification", stopped, **FLAT))
    assert is_over(trainer, newest, 2) and is_over(trainer, newest, 1)
    assert not is_over(trainer, newest, 3) and not is_over(trainer, newest, 0)
    trainer.args.num_train_epochs = 3
    assert is_over(trainer, newest, 0)
