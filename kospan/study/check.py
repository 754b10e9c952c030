"""What can be wrong with an arm is told before the first one trains, not hours later."""

from pathlib import Path

from kospan.data.corpus import load_corpus
from kospan.data.registry import reader_for
from kospan.evaluation.spans import check_figure, figure_names
from kospan.recipe import Recipe, training_arguments
from kospan.study.plan import Experiment
from kospan.tasks.encoders import check_scratch_options, load_config
from kospan.tasks.registry import task_class
from kospan.training.rates import check_rates
from modeling.configuration_span import SpanTaggerConfig
from modeling.heads import build_head
from modeling.tags import labels_of


def check_experiment(experiment: Experiment) -> None:
    """Raises: ValueError naming the arm where a value is not what its setting takes, or a file is not there."""
    for arm in experiment.arms.values():
        recipe = arm.recipe
        try:
            task_class(recipe.task)
            unit, labels = recipe.unit or reader_for(recipe.dataset).unit, None
            for key in ("train_file", "validation_file"):
                path = getattr(recipe, key)
                if path is not None and not Path(path).exists():
                    raise FileNotFoundError(f"expected {key} to be there, found no {path}; paths are relative to here")
            # What is no folder may be a name on the Hub; only the run itself asks there.
            if recipe.encoder == "scratch":
                check_scratch_options(recipe.encoder_options)
            elif recipe.encoder.startswith("package:") or Path(recipe.encoder).is_absolute():
                found = load_config(recipe.encoder, {})
                if found.model_type == SpanTaggerConfig.model_type:
                    unit, labels = found.unit, labels_of(found.tags)
            chosen = training_arguments(recipe).metric_for_best_model
            for key, name in (("figure", experiment.figure), ("metric_for_best_model", chosen)):
                if name is not None:
                    check_figure(key, name, _figures(recipe, name, unit, labels))
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


def _figures(recipe: Recipe, name: str, unit: str, labels: list[str] | None) -> list[str]:
    """The figures that a run gives; the data are read only where one of a single type is asked for."""
    if labels is None and name.removeprefix("eval_").startswith(("f1_", "support_")):
        labels = load_corpus(recipe.dataset, recipe.train_file, recipe.validation_file, recipe.overlaps).labels
    return figure_names(unit, labels or ())
