"""What can be wrong with an arm is told before the first one trains, not hours later."""

from pathlib import Path

from kospan.data.registry import reader_for
from kospan.recipe import training_arguments
from kospan.study.plan import Experiment
from kospan.tasks.encoders import check_scratch_options, load_config
from kospan.tasks.registry import task_class
from kospan.training.rates import check_rates
from modeling.configuration_span import SpanTaggerConfig
from modeling.heads import build_head


def check_experiment(experiment: Experiment) -> None:
    """Raises: ValueError naming the arm where a value is not what its setting takes, or a file is not there."""
    for arm in experiment.arms.values():
        recipe = arm.recipe
        try:
            task_class(recipe.task)
            reader_for(recipe.dataset)
            for key in ("train_file", "validation_file"):
                path = getattr(recipe, key)
                if path is not None and not Path(path).exists():
                    raise FileNotFoundError(f"expected {key} to be there, found no {path}; paths are relative to here")
            # What is no path may be a name on the Hub; only the run itself asks there.
            if recipe.encoder == "scratch":
                check_scratch_options(recipe.encoder_options)
            elif recipe.encoder.startswith("package:") or Path(recipe.encoder).is_absolute():
                load_config(recipe.encoder, {})
            training_arguments(recipe)
            check_rates(recipe.learning_rates)
            build_head(
                SpanTaggerConfig(
                    encoder_input=recipe.encoder_input,
                    normalization=recipe.normalization,
                    scheme=recipe.scheme,
                    head=recipe.head,
                    head_options=recipe.head_options,
                    dropout=recipe.dropout,
                    dropout_samples=recipe.dropout_samples,
                    dropout_merge=recipe.dropout_merge,
                    constrain=recipe.constrain,
                    id2label={0: "O", 1: "B-X", 2: "I-X"},
                ),
                4,
            )
        except (ValueError, TypeError, OSError) as error:
            raise ValueError(f"{experiment.name}, variant {arm.name}: {error}") from error
