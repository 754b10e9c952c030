"""The task pretraining: an encoder from raw text."""

from pathlib import Path

from transformers import AutoConfig

from kospan.recipe import Recipe
from kospan.task import AblationTerms, TaskSpec
from kospan.tasks.pretraining.metrics import METRICS
from kospan.tasks.pretraining.model import scratch_options
from kospan.tasks.pretraining.task import PretrainingTask

NAMES = [*METRICS, "loss"]
USES = (
    *("name", "task", "train_file", "validation_file", "max_train_samples", "max_eval_samples", "encoder"),
    *("encoder_options", "encoder_input", "normalization", "max_length", "packing", "objective", "sources"),
    *("tokenizer", "mlm_probability", "whole_word_mask", "mask_replace_prob", "random_replace_prob"),
    *("learning_rates", "early_stopping_patience", "resume_from_checkpoint", "overwrite_output_dir"),
)


def check_recipe(recipe: Recipe) -> None:
    """Check masks and the settings of an encoder from scratch."""
    if recipe.encoder == "scratch":
        scratch_options(recipe.encoder_options)
    if recipe.mask_replace_prob + recipe.random_replace_prob > 1:
        raise ValueError(
            "expected mask_replace_prob + random_replace_prob of at most 1, got "
            f"{recipe.mask_replace_prob:g} + {recipe.random_replace_prob:g}; lower one of them"
        )


def identity(task: PretrainingTask, folder: Path | None) -> dict:
    """Return the config of the encoder."""
    return (task.model.config if folder is None else AutoConfig.from_pretrained(folder)).to_dict()


def nothing(*arguments):
    """Refuse what needs predictions.

    Raises:
        ValueError: Always.
    """
    raise ValueError(
        "expected a model that predicts, got a pretrained encoder; train one of another task with `encoder:` set to it"
    )


SPEC = TaskSpec(
    name="pretraining",
    model_type="",
    pipeline_tag="fill-mask",
    task=PretrainingTask,
    card=None,
    predicts=False,
    uses=frozenset(USES),
    unused=lambda recipe: {} if recipe.encoder == "scratch" else {"tokenizer": ("encoder",)},
    trained_settings=lambda recipe: {},
    adjustable=(),
    check_recipe=check_recipe,
    check_scratch=scratch_options,
    recipe_metric_names=lambda recipe, name: NAMES,
    metric_names=lambda task: NAMES,
    check_examples=lambda task, examples, place: None,
    remarks=lambda task: [],
    adjustments=lambda task: {},
    losses=lambda task, model, features, batch_size: task.losses(model, features, batch_size),
    identity=identity,
    metrics=METRICS,
    curves=("bits_per_character",),
    baseline=nothing,
    baseline_name=nothing,
    counts=nothing,
    analyze=nothing,
    scores=nothing,
    confidence=nothing,
    report=None,
    ablation=AblationTerms(documents="texts", summed="bits"),
)
