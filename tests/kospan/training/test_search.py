"""Hyperparameter search over TrainingArguments and a recipe's own settings."""

import importlib.util
import sys
import types

import pytest
import resume_cases as cases
import training_cases
from transformers.trainer_utils import BestRun

from kospan.recipe import FIELDS
from kospan.run import build_trainer
from kospan.training import search
from kospan.training.search import MetricOf

SETTINGS = {"save_strategy": "no", "load_best_model_at_end": False, "num_train_epochs": 1}


class Trial:
    """Stands for a backend's trial."""

    def __init__(self, number: int):
        self.number = number


def backend(trainer, n_trials, direction, **kwargs):
    """Stands for a backend: asks for so many trials, and names the best."""
    found = []
    for number in range(n_trials):
        trainer.objective = None
        trainer.train(trial=Trial(number))
        found.append(trainer.objective)
        trainer.model_wrapped = trainer.model = None
    best = (max if direction == "maximize" else min)(range(n_trials), key=lambda at: found[at])
    return BestRun(str(best), found[best], {"drawn": best}, {"direction": direction, "all": found, **kwargs})


@pytest.fixture
def searching(tmp_path, monkeypatch):
    """A trainer over a recipe, whose search goes through the backend above; and the trainers of its trials."""
    import transformers.hyperparameter_search as stock
    import transformers.integrations.integration_utils as utils

    if importlib.util.find_spec("optuna") is None:
        # Asked for where a trial reports, which the one above does not.
        monkeypatch.setitem(sys.modules, "optuna", types.ModuleType("optuna"))
    monkeypatch.setattr(stock.OptunaBackend, "is_available", staticmethod(lambda: True))
    monkeypatch.setattr(stock, "run_hp_search_optuna", backend)
    monkeypatch.setattr(utils, "hp_params", lambda trial: {})
    monkeypatch.setattr("transformers.trainer_callback.hp_params", lambda trial: {}, raising=False)
    trials = []

    def build(**settings):
        trainer = build_trainer(cases.recipe_of("token-classification", tmp_path, **{**SETTINGS, **settings}))
        build_trial = trainer.search.build_trial

        def kept(values):
            trials.append(build_trial(values))
            return trials[-1]

        trainer.search.build_trial = kept
        return trainer

    return build, trials


SPACE = [
    {"learning_rate": 1e-3, "head": "linear", "dropout": 0.5, "seed": 1},
    {
        "learning_rate": 5e-2,
        "head": "crf",
        "lstm_hidden_size": 4,
        "encoder_options": {**cases.ENCODER, "hidden_size": 8},
    },
    {"learning_rates": {"head": 3e-2}, "unit": "word", "per_device_train_batch_size": 2, "max_length": 32},
]


def test_a_trial_is_built_from_the_recipe_with_its_settings(searching):
    build, trials = searching
    trainer = build()
    model, weights = trainer.model, training_cases.weights(trainer.model)
    best = trainer.hyperparameter_search(lambda trial: SPACE[trial.number], n_trials=3)
    assert best.run_summary["direction"] == "maximize"
    # The best settings as the space gave them build that trial again.
    assert best.hyperparameters == SPACE[int(best.run_id)] and best.objective == max(best.run_summary["all"])
    for trial, settings in zip(trials, SPACE):
        for key, value in settings.items():
            found = getattr(trial.recipe, key) if key in FIELDS else getattr(trial.args, key)
            assert found == value, key
        assert trial.args.run_name.endswith(f"-{trials.index(trial)}") and not trial.args.push_to_hub
    assert [trial.recipe.head for trial in trials] == ["linear", "crf", "crf"]
    assert trials[2].planned_steps()[0] == 5 and trials[2].task.unit == "word"
    # What was searched with stays as it was.
    assert trainer.model is model is trainer.model_wrapped and trainer.hp_search_backend is None
    after = training_cases.weights(trainer.model)
    assert all((value == after[name]).all() for name, value in weights.items())
    trainer.train()
    assert trainer.state.global_step == 3


def test_a_trial_is_what_a_run_with_its_settings_is(searching, tmp_path):
    build, _ = searching
    settings = {"num_train_epochs": 2, "learning_rate": 3e-2}
    best = build(**settings).hyperparameter_search(lambda trial: {"dropout": 0.3, "lstm_hidden_size": 4}, n_trials=1)
    alone = build_trainer(
        cases.recipe_of(
            "token-classification",
            tmp_path / "alone",
            **{**SETTINGS, **settings, "dropout": 0.3, "lstm_hidden_size": 4},
        )
    )
    alone.train()
    scores = [entry["eval_f1"] for entry in alone.state.log_history if "eval_f1" in entry]
    assert best.objective == scores[-1]


@pytest.mark.parametrize(("keep", "expected"), [(True, 0.9), (False, 0.4)])
def test_the_objective_is_that_of_the_weights_a_trial_keeps(keep, expected, searching):
    build, _ = searching
    trainer = build(save_strategy="epoch", num_train_epochs=3, load_best_model_at_end=keep)
    build_trial, scores = trainer.search.build_trial, iter((0.2, 0.9, 0.4))

    def scored(settings):
        trial = build_trial(settings)
        trial.task.metrics = lambda examples, predictions: {"f1": next(scores)}
        return trial

    trainer.search.build_trial = scored
    assert trainer.hyperparameter_search(lambda trial: {}, n_trials=1).objective == expected


def test_direction_and_objective_follow_the_metric(searching):
    build, _ = searching
    trainer = build(metric_for_best_model="loss", validation_loss=True, lr_scheduler_type="constant")
    best = trainer.hyperparameter_search(lambda trial: {"learning_rate": (1e-4, 3e-2)[trial.number]}, n_trials=2)
    assert best.run_summary["direction"] == "minimize" and best.run_id == "1"
    own = trainer.hyperparameter_search(
        lambda trial: {}, lambda metrics: -metrics["eval_loss"], n_trials=1, direction="maximize"
    )
    assert own.objective < 0
    many = trainer.hyperparameter_search(lambda trial: {}, n_trials=1, direction="maximize")
    assert many.run_summary["direction"] == "maximize"


def test_a_trial_without_an_evaluation_is_evaluated(searching):
    build, _ = searching
    trainer = build(eval_strategy="no")
    assert trainer.hyperparameter_search(lambda trial: {}, n_trials=1).objective is not None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"compute_objective": len}, "expected a direction beside compute_objective, got none"),
        ({"n_jobs": 2}, "expected n_jobs: 1, got 2: trials of one process share its random state"),
        ({"hp_space": lambda trial: {"learning_rat": 1}}, "got 'learning_rat'; did you mean learning_rate"),
        ({"hp_space": lambda trial: {"head": "crff"}}, "expected head to be one of linear, crf, .*, got 'crff'"),
        ({"backend": "sigopt"}, "sigopt is not a valid HPSearchBackend"),
    ],
)
def test_a_mistake_is_an_error_and_the_trainer_stays_usable(call, message, searching):
    build, _ = searching
    trainer = build()
    with pytest.raises(ValueError, match=message):
        trainer.hyperparameter_search(n_trials=1, **call)
    assert trainer.model is not None and trainer.hp_search_backend is None and trainer.model_init is None
    trainer.train()


def test_without_a_backend_one_is_named(tmp_path, monkeypatch):
    import transformers.hyperparameter_search as stock

    for each in stock.ALL_HYPERPARAMETER_SEARCH_BACKENDS.values():
        monkeypatch.setattr(each, "is_available", staticmethod(lambda: False))
    monkeypatch.setattr(search, "default_hp_search_backend", stock.default_hp_search_backend)
    trainer = build_trainer(cases.recipe_of("token-classification", tmp_path))
    with pytest.raises(ImportError, match=r"expected optuna .* for a hyperparameter search, found none; `pip install"):
        trainer.hyperparameter_search(n_trials=1)
    with pytest.raises(RuntimeError, match=r"You picked the ray backend, but it is not installed"):
        trainer.hyperparameter_search(n_trials=1, backend="ray")


def test_a_trainer_without_a_recipe_cannot_build_trials(make_token_classifier, tmp_path):
    trainer = training_cases.trainer(make_token_classifier(encoder_input="units"), str(tmp_path))
    with pytest.raises(ValueError, match=r"expected a trainer of kospan\.build_trainer"):
        trainer.hyperparameter_search(n_trials=1)


def test_a_metric_that_is_not_there_is_named():
    assert MetricOf("eval_f1")({"eval_f1": 0.5}) == 0.5
    with pytest.raises(ValueError, match="expected the metric eval_f2 of an evaluation, got eval_f1"):
        MetricOf("eval_f2")({"eval_f1": 0.5})


# --- with Optuna ------------------------------------------------------------------------------------------------------


@pytest.mark.optional("optuna", "search")
def test_optuna_searches_over_arguments_and_settings(tmp_path):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def space(trial):
        return {
            "learning_rate": trial.suggest_float("learning_rate", 1e-3, 5e-2, log=True),
            "head": trial.suggest_categorical("head", ["crf", "linear"]),
            "encoder_options": {**cases.ENCODER, "hidden_size": 8 * trial.suggest_int("eights", 1, 3)},
            "lstm_hidden_size": trial.suggest_int("lstm_hidden_size", 0, 8, step=4),
        }

    trainer = build_trainer(cases.recipe_of("token-classification", tmp_path, num_train_epochs=2))
    sampler = optuna.samplers.RandomSampler(seed=3)
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    best = trainer.hyperparameter_search(space, n_trials=3, sampler=sampler, storage=storage, study_name="spans")
    study = optuna.load_study(study_name="spans", storage=storage)
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE and len(study.trials) == 3
    assert best.objective == study.best_value == max(trial.value for trial in study.trials)
    assert best.hyperparameters["head"] == study.best_params["head"]
    assert best.hyperparameters["encoder_options"]["hidden_size"] == 8 * study.best_params["eights"]
    # Intermediate scores are reported, each trial has its folder, and its settings build it again.
    assert all(len(trial.intermediate_values) == 2 for trial in study.trials)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"run-0", "run-1", "run-2"}
    again = build_trainer(cases.recipe_of("token-classification", tmp_path, num_train_epochs=2, **best.hyperparameters))
    again.train()
    assert again.state.best_metric == best.objective


@pytest.mark.optional("optuna", "search")
def test_optuna_prunes_and_continues_after_a_failed_trial(tmp_path):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)

    class Second(optuna.pruners.BasePruner):
        def prune(self, study, trial):
            return trial.number == 1

    def space(trial):
        # The third trial asks for heads that do not divide the width.
        return {"head": "positional", "head_options": {"heads": 3}} if trial.number == 2 else {}

    trainer = build_trainer(cases.recipe_of("token-classification", tmp_path, num_train_epochs=2))
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    settings = {"pruner": Second(), "storage": storage, "study_name": "spans", "catch": (ValueError,)}
    best = trainer.hyperparameter_search(space, n_trials=4, **settings)
    states = [trial.state.name for trial in optuna.load_study(study_name="spans", storage=storage).trials]
    assert states == ["COMPLETE", "PRUNED", "FAIL", "COMPLETE"] and best.run_id in "03"
    assert trainer.model is not None


@pytest.mark.optional("optuna", "search")
def test_optuna_searches_for_several_objectives(tmp_path):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    trainer = build_trainer(cases.recipe_of("token-classification", tmp_path, **SETTINGS))
    found = trainer.hyperparameter_search(
        lambda trial: {"dropout": trial.suggest_float("dropout", 0.0, 0.5)},
        lambda metrics: (metrics["eval_precision"], metrics["eval_recall"]),
        n_trials=2,
        direction=["maximize", "maximize"],
    )
    assert found and all(set(each.hyperparameters) == {"dropout"} and len(each.objective) == 2 for each in found)
