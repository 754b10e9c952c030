"""Checks of all variants of a study before the first one trains."""

from pathlib import Path

from kospan.ablation.plan import Experiment
from kospan.evaluation.metrics import check_metric
from kospan.recipe_defaults import FILES
from kospan.tasks.encoders import is_on_disk, load_config
from kospan.tasks.registry import task_spec
from kospan.tasks.unused_settings import check_recipe
from kospan.training.arguments import training_arguments
from kospan.training.feature_cache import check_feature_cache
from kospan.training.learning_rates import check_rates
from kospan.training.lora import lora_of


def check_experiment(experiment: Experiment) -> None:
    """Check the settings, files and metrics of the chosen variants.

    Raises: ValueError naming the variant and the problem.
    """
    for name in experiment.chosen or experiment.variants:
        variant = experiment.variants[name]
        recipe = variant.recipe
        try:
            spec = task_spec(recipe.task)
            if not spec.predicts:
                raise ValueError(
                    f"expected a task whose models predict, got {spec.name}; run each variant with kospan train and "
                    "compare eval_bits_per_character"
                )
            for key in FILES:
                path = getattr(recipe, key)
                if path is not None and not Path(path).exists():
                    raise FileNotFoundError(f"expected {key} at {path}, found none; paths are relative to this folder")
            # Other names may be on the Hub, which only the run itself asks.
            if recipe.encoder == "scratch":
                spec.check_scratch(recipe.encoder_options)
            elif is_on_disk(recipe.encoder):
                load_config(recipe.encoder, {})
            chosen = training_arguments(recipe).metric_for_best_model
            for key, name in (("metric", experiment.metric), ("metric_for_best_model", chosen)):
                if name is not None:
                    check_metric(key, name, recipe.metric_names(spec.recipe_metric_names(recipe, name)))
            check_rates(recipe.learning_rates)
            lora_of(recipe)
            check_feature_cache(recipe)
            check_recipe(recipe, spec)
        except (ValueError, TypeError, OSError) as error:
            raise ValueError(f"{experiment.name}, variant {variant.name}: {error}") from error
