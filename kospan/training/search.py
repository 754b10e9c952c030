"""Hyperparameter search over TrainingArguments and a recipe's own settings, by transformers' backends."""

from collections.abc import Callable

from accelerate.utils.memory import release_memory
from transformers.hyperparameter_search import default_hp_search_backend
from transformers.trainer_utils import BestRun, HPSearchBackend


class SearchingTrainer:
    """The part of `KospanTrainer` that searches; stands before transformers' Trainer among its bases.

    The Trainer sets a trial's values on its arguments and asks `model_init` for another model, so that a setting of the
    data, the tokenizer or a technique would have no effect. Here each trial has a trainer of its own.

    Args:
        rebuild: Settings by name to a new trainer, built from the recipe with them; None where there is no recipe.
    """

    def __init__(self, *args, rebuild: Callable[[dict], "SearchingTrainer"] | None = None, **kwargs):
        self.rebuild = rebuild
        super().__init__(*args, **kwargs)

    def hyperparameter_search(
        self,
        hp_space: Callable | None = None,
        compute_objective: Callable[[dict[str, float]], float] | None = None,
        n_trials: int = 20,
        direction: str | list[str] | None = None,
        backend: str | None = None,
        hp_name: Callable | None = None,
        **kwargs,
    ) -> BestRun | list[BestRun]:
        """As in transformers, over any settings of a recipe; this trainer and its model stay as they are.

        Args:
            hp_space: A trial to settings by name: those of a recipe, TrainingArguments among them. None takes the
                backend's, four TrainingArguments.
            compute_objective: The scores of the weights that a trial keeps, `eval_f1` among them, to a number; None
                takes `metric_for_best_model`.
            n_trials: How many trials.
            direction: "maximize", "minimize", or a list of them; None where the objective is `metric_for_best_model`.
            backend: "optuna", "ray" or "wandb"; None takes the first that is installed.
            hp_name: A trial to the name of its folder; None numbers them.
            **kwargs: What the backend takes.

        Returns: The best trial's number, objective, and settings as `hp_space` gave them, with which
            `build_trainer(recipe, **best.hyperparameters)` builds its trainer again.

        Raises: ImportError where no backend is installed; ValueError where the direction of an objective is not known,
            or a trial's settings are none of a recipe.
        """
        if self.rebuild is None:
            raise ValueError(
                "expected a trainer of kospan.run.build_trainer, which can build its trials from a recipe, got one "
                "without a recipe; build it so"
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
        self._settings: dict[str, dict] = {}
        kept = self.model, self.model_wrapped, self.state
        # The Trainer asks for it, and nobody calls it.
        self.model_init = lambda: self.model
        try:
            best = super().hyperparameter_search(hp_space, objective, n_trials, direction, backend, hp_name, **kwargs)
        finally:
            self.model, self.model_wrapped, self.state = kept
            self.model_init, self.hp_search_backend = None, None
            # accelerate keeps one state for the process, which is the last trial's by now.
            self.create_accelerator_and_postprocess()
        if isinstance(best, list):
            return [self._as_given(each) for each in best]
        return best and self._as_given(best)

    def _objective(self, compute: Callable | None, direction) -> tuple[Callable, str | list[str]]:
        """What is searched for, and in which direction."""
        name = self.args.metric_for_best_model
        if compute is not None:
            if direction is None:
                raise ValueError(
                    "expected a direction beside compute_objective, got none; pass direction='maximize' or 'minimize'"
                )
            return compute, direction
        if name is None:
            raise ValueError(
                "expected metric_for_best_model or compute_objective, got neither; name the score to search for"
            )
        own = "maximize" if self.args.greater_is_better else "minimize"
        return MetricOf(f"eval_{name.removeprefix('eval_')}"), direction or own

    def _as_given(self, best: BestRun) -> BestRun:
        """A trial with the settings that it was built from in place of the numbers that the backend drew."""
        return best._replace(hyperparameters=self._settings.get(str(best.run_id), best.hyperparameters))

    def train_trial(self, trial) -> None:
        """Trains a trial with a trainer of its own; its objective becomes this trainer's."""
        settings, name = self._settings_of(trial)
        if name is not None:
            self._settings[name] = settings
        # A trial is not what a repository is for.
        own = {"push_to_hub": False} | ({} if name is None else {"run_name": f"{self.args.run_name}-{name}"})
        fresh = self.rebuild(own | settings)
        fresh.rebuild = None
        for attribute in ("hp_search_backend", "hp_name", "compute_objective"):
            setattr(fresh, attribute, getattr(self, attribute))
        try:
            fresh.train(trial=trial)
            self.objective = fresh.kept_objective()
            self.state = fresh.state
        finally:
            fresh.accelerator.clear()
            fresh.model, fresh.model_wrapped, fresh.optimizer = release_memory(
                fresh.model, fresh.model_wrapped, fresh.optimizer
            )

    def _settings_of(self, trial) -> tuple[dict, str | None]:
        """A trial's settings, and its number where it has one."""
        if self.hp_search_backend == HPSearchBackend.OPTUNA:
            return dict(self.hp_space(trial)), str(trial.number)
        return {key: value for key, value in dict(trial).items() if key not in ("wandb", "assignments", "metric")}, None

    def _hp_search_setup(self, trial) -> None:
        # A trial's settings are those that its trainer was built with.
        self._trial = trial

    def kept_objective(self):
        """The objective of the weights that a trial ends with: the best ones where these are loaded, else the last."""
        history, step = self.state.log_history, self.state.best_global_step
        if not (self.args.load_best_model_at_end and step):
            step = self.state.global_step
        scores = [each for each in history if each.get("step") == step and any(key.startswith("eval_") for key in each)]
        return self.compute_objective(scores[-1] if scores else self.evaluate())


class MetricOf:
    """The metric of a name; a class, because backends may send it to other processes."""

    def __init__(self, name: str):
        self.name = name

    def __call__(self, metrics: dict[str, float]) -> float:
        """Raises: ValueError where the metric is not among an evaluation's."""
        if self.name not in metrics:
            raise ValueError(
                f"expected the metric {self.name} of an evaluation, got {', '.join(sorted(metrics))}; name one of "
                "them in metric_for_best_model"
            )
        return metrics[self.name]
