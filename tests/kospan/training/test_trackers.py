"""The runs of experiment trackers hold the whole recipe and the scores of the saved model."""

import json
import pickle

import pytest
import resume_cases as cases
from transformers import TrainerCallback, TrainingArguments

from kospan.cli import main
from kospan.recipe import FIELDS, save_recipe
from kospan.run import fit, prepare, train
from kospan.training import trackers
from kospan.training.arguments import training_arguments
from kospan.training.trackers import TrackedArguments


class Tracker(TrainerCallback):
    """Stands for an integration of transformers, which asks the arguments for a run's parameters."""

    runs: list = []
    fails = ""

    def __init__(self):
        self._initialized = False

    def on_train_begin(self, args, state, control, model=None, **kwargs):
        if self.fails == "begin":
            raise RuntimeError("no key\nconfigured")
        if not self._initialized:
            self.run = {"params": {**model.config.to_dict(), **args.to_dict()}, "logs": [], "ended": 0}
            self.runs.append(self.run)
            self._initialized = True

    def on_log(self, args, state, control, logs=None, model=None, **kwargs):
        if self.fails == "end" and logs and "eval_runtime" not in logs and "eval_f1" in logs:
            raise RuntimeError("the server\nis gone")
        if not self._initialized:
            self.on_train_begin(args, state, control, model)
        self.run["logs"].append((state.global_step, dict(logs)))

    def on_train_end(self, args, state, control, **kwargs):
        self.run["ended"] += 1


@pytest.fixture
def tracked(tmp_path, monkeypatch):
    """Recipes of tiny runs with one tracker, and the events that it received."""
    from transformers.integrations import integration_utils

    monkeypatch.setitem(integration_utils.INTEGRATION_TO_CALLBACK, "tensorboard", Tracker)
    monkeypatch.setattr(integration_utils, "is_tensorboard_available", lambda: True)
    monkeypatch.setattr(trackers, "_INTEGRATIONS", (Tracker,))
    monkeypatch.setattr(Tracker, "runs", [])

    def recipe(**settings):
        return cases.recipe_of("token-classification", tmp_path, report_to="tensorboard", **settings)

    return recipe


def test_a_run_begins_with_the_recipe_and_ends_with_the_last_scores(tracked):
    recipe = tracked(learning_rates={"head": 3e-2}, dropout=0.2, subword_dropout=0.1)
    metrics = train(recipe)
    [found] = Tracker.runs
    for key in FIELDS:
        assert found["params"][key] == getattr(recipe, key), key
    for key in ("learning_rate", "num_train_epochs", "per_device_train_batch_size", "output_dir", "seed"):
        assert str(found["params"][key]).removesuffix(".0") == str(recipe.trainer[key]).removesuffix(".0"), key
    step, last = found["logs"][-1]
    assert last == metrics and step == 6 and found["ended"] == 1
    # Before them are the lines of the training itself.
    assert any("train_loss" in logs for _, logs in found["logs"][:-1])


def test_a_resumed_run_is_tracked_to_its_end_too(tracked, tmp_path):
    train(tracked())
    metrics = train(tracked(resume_from_checkpoint=True, num_train_epochs=3))
    # Nothing is trained any more, and the scores are reported all the same.
    again = train(tracked(resume_from_checkpoint=True, num_train_epochs=3))
    assert [found["logs"][-1][1] for found in Tracker.runs[1:]] == [metrics, again]
    assert [found["ended"] for found in Tracker.runs] == [1, 1, 1]


def test_a_tracker_that_takes_no_run_is_named_before_the_training(tracked, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Tracker, "fails", "begin")
    save_recipe(tracked(), tmp_path / "recipe.yaml")
    assert main(["train", str(tmp_path / "recipe.yaml")]) == 2
    captured = capsys.readouterr()
    assert captured.err == (
        "kospan: expected tracker (report_to) to start a run, got: no key configured; set it up, or set report_to: "
        "none\n"
    )
    assert not list((tmp_path / "out").glob("*"))


def test_a_tracker_that_fails_at_the_end_costs_a_line(tracked, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Tracker, "fails", "end")
    metrics = train(tracked())
    assert "\nnot tracked         tracker: the server is gone\n" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "eval_results.json").read_text(encoding="utf-8")) == metrics


def test_a_training_that_fails_ends_no_run(tracked):

    trainer, checkpoint = prepare(tracked())
    trainer.compute_loss = lambda *args, **kwargs: 1 / 0
    with pytest.raises(ZeroDivisionError):
        fit(trainer, checkpoint)
    assert [found["ended"] for found in Tracker.runs] == [0]
    # Whoever trains on with this trainer ends it as usual.
    [callback] = [each for each in trainer.callback_handler.callbacks if isinstance(each, Tracker)]
    assert "on_train_end" not in vars(callback)


def test_tracked_arguments_are_stored_as_transformers_own(tmp_path):
    args = training_arguments(cases.recipe_of("token-classification", tmp_path))
    found = TrackedArguments.of(args, {"head": "crf"})
    assert isinstance(found, TrainingArguments) and found.to_dict() == args.to_dict() | {"head": "crf"}
    assert json.loads(found.to_json_string())["head"] == "crf"
    stored = pickle.loads(pickle.dumps(found))
    assert type(stored) is TrainingArguments and stored.to_dict() == args.to_dict()
    assert found.device == args.device and found.recipe == {"head": "crf"}


# --- the trackers themselves ------------------------------------------------------------------------------------------


def flat(recipe) -> dict[str, str]:
    return {key: str(getattr(recipe, key)) for key in FIELDS}


@pytest.mark.optional("mlflow", "trackers")
def test_a_run_in_mlflow(tmp_path, monkeypatch):
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'runs.db'}")
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'runs.db'}")
    recipe = cases.recipe_of("token-classification", tmp_path, report_to="mlflow", learning_rates={"head": 3e-2})
    metrics = train(recipe)
    client = mlflow.MlflowClient()
    [found] = client.search_runs([each.experiment_id for each in client.search_experiments()])
    assert found.info.status == "FINISHED" and mlflow.active_run() is None
    assert {key: found.data.params[key] for key in FIELDS} == flat(recipe)
    assert {key: found.data.metrics[key] for key in metrics} == pytest.approx(metrics)


@pytest.mark.optional("tensorboard", "trackers")
def test_a_run_in_tensorboard(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    recipe = cases.recipe_of("token-classification", tmp_path, report_to=["tensorboard"], learning_rates={"head": 3e-2})
    metrics = train(recipe)
    [folder] = (tmp_path / "out" / "runs").iterdir()
    events = EventAccumulator(str(folder))
    events.Reload()
    text = events.Tensors("args/text_summary")[0].tensor_proto.string_val[0].decode("utf-8")
    assert {key: str(json.loads(text)[key]) for key in FIELDS} == flat(recipe)
    for key, value in metrics.items():
        last = events.Scalars(f"eval/{key.removeprefix('eval_')}")[-1]
        assert (last.step, last.value) == (6, pytest.approx(value, rel=1e-6))


@pytest.mark.optional("wandb", "trackers")
def test_a_run_in_wandb(tmp_path, monkeypatch):
    import wandb

    for key, value in {"WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path), "WANDB_SILENT": "true"}.items():
        monkeypatch.setenv(key, value)
    recipe = cases.recipe_of("token-classification", tmp_path, report_to="wandb", learning_rates={"head": 3e-2})
    metrics = train(recipe)
    try:
        assert {key: str(wandb.run.config[key]) for key in FIELDS} == flat(recipe)
        assert {key: wandb.run.summary[f"eval/{key.removeprefix('eval_')}"] for key in metrics} == metrics
    finally:
        wandb.finish()


@pytest.mark.optional("trackio", "trackers")
def test_a_run_in_trackio(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    monkeypatch.setenv("TRACKIO_AUTO_LOG_GPU", "0")
    import trackio
    from trackio.sqlite_storage import SQLiteStorage

    recipe = cases.recipe_of(
        "token-classification", tmp_path, report_to="trackio", project="spans", learning_rates={"head": 3e-2}
    )
    metrics = train(recipe)
    [found] = trackio.Api().runs("spans")
    assert {key: str(found.config[key]) for key in FIELDS} == flat(recipe)
    last = SQLiteStorage.get_logs("spans", found.name)[-1]
    assert {key: last[f"eval/{key.removeprefix('eval_')}"] for key in metrics} == pytest.approx(metrics)
