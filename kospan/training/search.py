"""Hyperparameter search over TrainingArguments and a recipe's own settings, by transformers' backends."""

from collections.abc import Callable

from accelerate.utils.memory import release_memory
from transformers import Trainer
from transformers.hyperparameter_search import default_hp_search_backend
from transformers.trainer_utils import BestRun, HPSearchBackend


class HyperparameterSearch:
    """Search in which every trial has a trainer of its own.

    The Trainer sets a trial's values on its arguments and calls `model_init`: settings of the data, the tokenizer or a
    technique would have no effect.

    Args:
        trainer: The `KospanTrainer` that searches.
        build_trial: Builds a trainer from the recipe and a trial's settings; None where there is no recipe.
    """

    def __init__(self, trainer: Trainer, build_trial: Callable[[dict], Trainer] | None):
        self.trainer, self.build_trial = trainer, build_trial
        self._settings: dict[str, dict] = {}

    def run(
        self,
        search: Callable,
        hp_space: Callable | None = None,
        compute_objective: Callable[[dict[str, float]], float] | None = None,
        n_trials: int = 20,
        direction: str | list[str] | None = None,
        backend: str | None = None,
        hp_name: Callable | None = None,
        **kwargs,
    ) -> BestRun | list[BestRun]:
        """Search as in transformers, over any settings of a recipe; the trainer and its model are not changed.

        Args:
            search: The Trainer's own `hyperparameter_search`.
            hp_space: A trial to settings by name: those of a recipe, TrainingArguments among them. None takes the
                backend's, four TrainingArguments.
            compute_objective: The scores of the weights that a trial keeps, `eval_f1` among them, to a number; None
                takes `metric_for_best_model`.
            n_trials: Number of trials.
            direction: "maximize", "minimize", or a list of them; None where the objective is `metric_for_best_model`.
            backend: "optuna", "ray" or "wandb"; None takes the first that is installed.
            hp_name: A trial to the name of its folder; None numbers them.
            **kwargs: Arguments of the backend.

        Returns: The best trial's number, objective, and settings as `hp_space` gave them, with which
            `build_trainer(recipe, **best.hyperparameters)` builds its trainer again.

        Raises: ImportError where no backend is installed; ValueError where the direction of an objective is not known,
            or a trial's settings are not settings of a recipe.
        """
        trainer = self.trainer
        if self.build_trial is None:
            raise ValueError(
                "expected a trainer of kospan.build_trainer, which can build its trials from a recipe, got one without "
                "a recipe; build the trainer with kospan.build_trainer"
            )
        if kwargs.get("n_jobs", 1) != 1:
            raise ValueError(
                f"expected n_jobs: 1, got {kwargs['n_jobs']}: trials of one process share its random state; start "
                "several processes with one storage instead"
            )
        if backend is None:
            try:
                backend = default_hp_search_backend()
            except RuntimeError as error:
                raise ImportError(
                    "expected optuna (or ray[tune], or wandb) for a hyperparameter search, found none; `pip install "
                    "optuna`"
                ) from error
        objective, direction = self._objective(compute_objective, direction)
        self._settings = {}
        before = trainer.model, trainer.model_wrapped, trainer.state
        # The Trainer requires a model_init, which is never called.
        trainer.model_init = lambda: trainer.model
        try:
            best = search(hp_space, objective, n_trials, direction, backend, hp_name, **kwargs)
        finally:
            trainer.model, trainer.model_wrapped, trainer.state = before
            trainer.model_init, trainer.hp_search_backend = None, None
            # accelerate keeps one state per process, by now that of the last trial.
            trainer.create_accelerator_and_postprocess()
        if isinstance(best, list):
            return [self._with_settings(each) for each in best]
        return best and self._with_settings(best)

    def _objective(self, compute: Callable | None, direction) -> tuple[Callable, str | list[str]]:
        """The objective and its direction."""
        args = self.trainer.args
        if compute is not None:
            if direction is None:
                raise ValueError(
                    "expected a direction beside compute_objective, got none; pass direction='maximize' or 'minimize'"
                )
            return compute, direction
        name = args.metric_for_best_model
        if name is None:
            raise ValueError(
                "expected metric_for_best_model or compute_objective, got neither; name the score to search for"
            )
        own = "maximize" if args.greater_is_better else "minimize"
        return MetricOf(f"eval_{name.removeprefix('eval_')}"), direction or own

    def _with_settings(self, best: BestRun) -> BestRun:
        """A trial with the settings of its trainer in place of the numbers that the backend drew."""
        return best._replace(hyperparameters=self._settings.get(str(best.run_id), best.hyperparameters))

    def train_trial(self, trial) -> None:
        """Train a trial with a trainer of its own, and take over its objective and state."""
        trainer = self.trainer
        settings, name = self._settings_of(trial)
        if name is not None:
            self._settings[name] = settings
        # Trials are not published.
        own = {"push_to_hub": False} | ({} if name is None else {"run_name": f"{trainer.args.run_name}-{name}"})
        fresh = self.build_trial(own | settings)
        fresh.search.build_trial = None
        for attribute in ("hp_search_backend", "hp_name", "compute_objective"):
            setattr(fresh, attribute, getattr(trainer, attribute))
        try:
            fresh.train(trial=trial)
            trainer.objective = kept_objective(fresh)
            trainer.state = fresh.state
        finally:
            fresh.accelerator.clear()
            fresh.model, fresh.model_wrapped, fresh.optimizer = release_memory(
                fresh.model, fresh.model_wrapped, fresh.optimizer
            )

    def _settings_of(self, trial) -> tuple[dict, str | None]:
        """A trial's settings, and its number if it has one."""
        if self.trainer.hp_search_backend == HPSearchBackend.OPTUNA:
            return dict(self.trainer.hp_space(trial)), str(trial.number)
        return {key: value for key, value in dict(trial).items() if key not in ("wandb", "assignments", "metric")}, None


def kept_objective(trainer: Trainer):
    """The objective of the weights that a training keeps: the best ones where these are loaded, else the last."""
    history, step = trainer.state.log_history, trainer.state.best_global_step
    if not (trainer.args.load_best_model_at_end and step):
        step = trainer.state.global_step
    scores = [each for each in history if each.get("step") == step and any(key.startswith("eval_") for key in each)]
    return trainer.compute_objective(scores[-1] if scores else trainer.evaluate())


class MetricOf:
    """Objective that is one metric; a class, because backends may send it to other processes."""

    def __init__(self, name: str):
        self.name = name

    def __call__(self, metrics: dict[str, float]) -> float:
        """The metric of an evaluation. Raises: ValueError where it is not among the scores."""
        if self.name not in metrics:
            raise ValueError(
                f"expected the metric {self.name} of an evaluation, got {', '.join(sorted(metrics))}; name one of "
                "them in metric_for_best_model"
            )
        return metrics[self.name]
