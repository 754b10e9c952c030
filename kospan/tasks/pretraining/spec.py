"""The task pretraining: an encoder from raw text."""

from pathlib import Path

from transformers import AutoConfig

from kospan.recipe import Recipe
from kospan.task import AblationTerms, TaskSpec
from kospan.tasks.pretraining.card import write_results
from kospan.tasks.pretraining.metrics import METRICS
from kospan.tasks.pretraining.model import scratch_options
from kospan.tasks.pretraining.task import NO_PREDICTIONS, PretrainingTask

NAMES = [*METRICS, "loss"]
USES = (
    *("name", "task", "train_file", "validation_file", "max_train_samples", "max_eval_samples", "encoder"),
    *("encoder_options", "encoder_input", "max_length", "packing", "objective", "sources"),
    *("tokenizer", "mlm_probability", "whole_word_mask", "mask_replace_prob", "random_replace_prob"),
    *("learning_rates", "early_stopping_patience", "resume_from_checkpoint", "overwrite_output_dir"),
)


def check_recipe(recipe: Recipe) -> None:
    """Check masks, the settings of an encoder from scratch, and that nothing is pushed."""
    if recipe.encoder == "scratch":
        scratch_options(recipe.encoder_options)
    if recipe.mask_replace_prob + recipe.random_replace_prob > 1:
        raise ValueError(
            "expected mask_replace_prob + random_replace_prob of at most 1, got "
            f"{recipe.mask_replace_prob:g} + {recipe.random_replace_prob:g}; lower one of them"
        )
    if str(recipe.trainer.get("push_to_hub", False)).lower() not in ("false", "none", "no"):
        raise ValueError(
            "expected push_to_hub: false with task: pretraining, whose release is not checked by predictions, got "
            f"{recipe.trainer['push_to_hub']}; upload the output folder with `hf upload`"
        )


def unused(recipe: Recipe) -> dict[str, tuple[str, ...]]:
    """Return the settings without effect with a pretrained encoder."""
    return {} if recipe.encoder == "scratch" else {"tokenizer": ("encoder",)}


def remarks(task: PretrainingTask) -> list[str]:
    """Return lines about rows, masks and new weights."""
    evaluation, lines = task.evaluation, []
    if task.packing:
        lines.append(f"packing             rows of up to {task.aligner.max_length:,} positions; a batch counts rows")
    if task.new_head:
        lines.append(f"new head            {task.new_head:,} of its weights are not in the encoder's checkpoint")
    if evaluation is not None:
        lines.append(
            f"evaluation          {evaluation.characters:,} characters of masked words in {evaluation.subwords:,} "
            f"subwords, {evaluation.unknown:,} of them unknown"
        )
    return lines


def identity(task: PretrainingTask, folder: Path | None) -> dict:
    """Return the config of the encoder, and the form in which it reads texts, where a checkpoint has it."""
    config = (task.model.config if folder is None else AutoConfig.from_pretrained(folder)).to_dict()
    return {"encoder_input": task.aligner.encoder_input, **config}


def nothing(*arguments):
    """Refuse what needs predictions.

    Raises:
        ValueError: Always.
    """
    raise ValueError(NO_PREDICTIONS)


SPEC = TaskSpec(
    name="pretraining",
    # Models are stock ones of transformers.
    model_type="",
    pipeline_tag="fill-mask",
    task=PretrainingTask,
    card=None,
    uses=frozenset(USES),
    unused=unused,
    trained_settings=lambda recipe: {},
    adjustable=(),
    check_recipe=check_recipe,
    check_scratch=scratch_options,
    recipe_metric_names=lambda recipe, name: NAMES,
    metric_names=lambda task: NAMES,
    check_examples=lambda task, examples, place: None,
    remarks=remarks,
    adjustments=lambda task: {},
    losses=lambda task, model, features, batch_size: task.losses(model, features, batch_size),
    write_results=write_results,
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
