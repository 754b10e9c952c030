"""What can be wrong with an variant is told before the first one trains, not hours later."""

from pathlib import Path

from kospan.ablation.plan import Experiment
from kospan.tasks.encoders import load_config
from kospan.tasks.registry import task_spec
from kospan.tasks.token_classification.metrics import check_metric
from kospan.training.arguments import training_arguments
from kospan.training.cached_features import check_cached, states_root
from kospan.training.learning_rates import check_rates
from kospan.training.lora import lora_of


def check_experiment(experiment: Experiment) -> None:
    """Raises: ValueError naming the variant, of those asked for, where a value is not what its setting takes, or a file
    is missing."""
    for name in experiment.chosen or experiment.variants:
        variant = experiment.variants[name]
        recipe = variant.recipe
        try:
            spec = task_spec(recipe.task)
            for key in ("train_file", "validation_file"):
                path = getattr(recipe, key)
                if path is not None and not Path(path).exists():
                    raise FileNotFoundError(f"expected {key} to be there, found no {path}; paths are relative to here")
            # What is no folder may be a name on the Hub; only the run itself asks there.
            if recipe.encoder == "scratch":
                spec.check_scratch(recipe.encoder_options)
            elif recipe.encoder.startswith("package:") or Path(recipe.encoder).is_absolute():
                load_config(recipe.encoder, {})
            chosen = training_arguments(recipe).metric_for_best_model
            for key, name in (("metric", experiment.metric), ("metric_for_best_model", chosen)):
                if name is not None:
                    check_metric(key, name, recipe.metric_names(spec.recipe_metric_names(recipe, name)))
            check_rates(recipe.learning_rates)
            lora_of(recipe)
            root = states_root(recipe.feature_cache_dir) if recipe.freeze_encoder else None
            check_cached(root, recipe.fgm_epsilon, recipe.subword_dropout)
            spec.check_recipe(recipe)
        except (ValueError, TypeError, OSError) as error:
            raise ValueError(f"{experiment.name}, variant {variant.name}: {error}") from error
