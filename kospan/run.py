"""The path from a recipe to a trained, scored and published model."""

import contextlib
import copy
import json
import os
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, TrainingArguments, set_seed
from transformers.utils.logging import disable_progress_bar

from kospan.calibrate import calibrate
from kospan.card.card import write_card
from kospan.card.training_record import write_training_record
from kospan.data.jsonl import record, write_lines
from kospan.data.mention_replacement import MentionReplacement, mention_pools
from kospan.data.seen_texts import NAME as TRAINING_TEXTS
from kospan.data.seen_texts import write_keys
from kospan.data.text import write_text
from kospan.evaluation.metrics import check_metric, larger_is_better
from kospan.evaluation.summary import print_report
from kospan.hub.publisher import publisher_from
from kospan.modeling.base_models import ADAPTER
from kospan.modeling.configuration_generative_ner import NAME
from kospan.recipe import FIELDS, Recipe, load_recipe, save_recipe
from kospan.redaction import redacted_values
from kospan.task import Task
from kospan.tasks.checkpoint_identity import check_checkpoint
from kospan.tasks.registry import task_spec
from kospan.tasks.unused_settings import settled
from kospan.training.arguments import check_arguments, check_schedule, create_optimizer, training_arguments
from kospan.training.checksums import ChecksumCallback
from kospan.training.crf_backend import use_torchcrf
from kospan.training.data_files import DataFiles, data_paths
from kospan.training.feature_cache import FeatureCache, cache_root, check_feature_cache
from kospan.training.log_lines import LogLineCallback, opening_lines
from kospan.training.lora import lora_of
from kospan.training.mention_replacement import MentionReplacementCallback, check_mention_replacement
from kospan.training.progress import ProgressCallback
from kospan.training.push_callback import PushCallback
from kospan.training.record import Stopwatch
from kospan.training.resuming import (
    BestCheckpoint,
    EarlyStopping,
    EpochOrder,
    check_state,
    is_over,
    load_last,
    saved_state,
)
from kospan.training.run_lock import NAME as LOCK
from kospan.training.run_lock import run_lock
from kospan.training.saving import check_output, dot_notes, resumable_checkpoint, written_whole
from kospan.training.subword_dropout import SubwordDropout
from kospan.training.trackers import TrackedArguments, Trackers
from kospan.training.trainer import KospanTrainer, round_scores
from kospan.training.validation import ValidationLoss, window_losses

# Files that make a folder a model of some kind.
MODEL_FILES = ("config.json", "generation_config.json", NAME, ADAPTER, "*.safetensors*")


def train(recipe: Recipe | str | os.PathLike, **flags: Any) -> dict[str, float]:
    """Train, save and score a model, with everything that a recipe asks for.

    Args:
        recipe: A recipe, or the path of one.
        **flags: Settings that override the file's; only with a path.

    Returns:
        The metrics of the saved model, with the prefix `eval_`.

    Raises:
        ValueError: If a setting is wrong.
        FileExistsError: If the output folder is not empty and neither `resume_from_checkpoint` nor
            `overwrite_output_dir` is set.
        ConnectionError: If a push did not arrive.
    """
    return fit(*prepare(_loaded(recipe, flags)))


def build_trainer(recipe: Recipe | str | os.PathLike, **flags: Any) -> KospanTrainer:
    """Build the trainer of a recipe, ready to `train()` or `evaluate()`.

    Args:
        recipe: A recipe, or the path of one.
        **flags: Settings that override the file's; only with a path.
    """
    return _build_trainer(*_build_task(_loaded(recipe, flags)))


def _loaded(recipe: Recipe | str | os.PathLike, flags: dict) -> Recipe:
    return recipe if isinstance(recipe, Recipe) else load_recipe(recipe, flags)


def _build_task(recipe: Recipe) -> tuple[Recipe, Task, TrainingArguments]:
    """The recipe without unused settings, its task with data and model, and TrainingArguments; writes nothing."""
    recipe = without_unused(recipe)
    own = {key: getattr(recipe, key) for key in FIELDS}
    arguments = TrackedArguments.of(training_arguments(recipe), redacted_values(own))
    check_arguments(arguments, recipe.early_stopping_patience)
    check_mention_replacement(arguments, recipe.mention_replacement)
    arguments.dataloader_pin_memory = arguments.dataloader_pin_memory and torch.cuda.is_available()
    check_feature_cache(recipe)
    lora_of(recipe)
    disable_progress_bar()
    set_seed(arguments.seed)
    spec = task_spec(recipe.task)
    task = spec.task.from_recipe(recipe)
    metric = arguments.metric_for_best_model
    if metric is not None:
        check_metric("metric_for_best_model", metric, recipe.metric_names(spec.metric_names(task)))
        if recipe.trainer.get("greater_is_better") is None:
            # TrainingArguments only know that a loss is better if it is smaller.
            arguments.greater_is_better = larger_is_better(spec.metrics, metric.removeprefix("eval_"))
    if recipe.crf_backend == "torchcrf":
        use_torchcrf(task.model)
    return recipe, task, arguments


def _build_trainer(recipe: Recipe, task: Task, arguments: TrainingArguments) -> KospanTrainer:
    training, validation = task.train_features(task.examples("train")), task.examples("validation")
    batch_size = arguments.per_device_eval_batch_size
    files = DataFiles(data_paths(recipe))
    callbacks = [LogLineCallback(), ProgressCallback(), BestCheckpoint(), EpochOrder(), files, ChecksumCallback()]
    if recipe.early_stopping_patience:
        callbacks.append(EarlyStopping(recipe.early_stopping_patience))
    if recipe.mention_replacement:
        callbacks.append(_mention_replacement(recipe, task, training, arguments.seed))
    publisher = publisher_from(arguments, task.spec)
    if publisher is not None:
        callbacks.append(PushCallback(publisher, arguments.output_dir))
    validation_loss = feature_cache = None
    if recipe.validation_loss or not task.spec.predicts:
        losses = window_losses if task.spec.losses is None else partial(task.spec.losses, task)
        # A copy: a task counts the windows of its training features.
        features = copy.copy(task).train_features if task.spec.predicts else task.validation_features
        validation_loss = ValidationLoss(features(validation), batch_size, losses)
    if cache_root(recipe) is not None:
        windows = {"train": lambda: training, "validation": lambda: task.windows(validation)}
        feature_cache = FeatureCache(cache_root(recipe), windows, batch_size)
    trainer = KospanTrainer(
        args=arguments,
        task=task,
        train_dataset=training,
        eval_dataset=validation,
        callbacks=callbacks,
        validation_loss=validation_loss,
        rdrop_alpha=recipe.rdrop_alpha,
        rdrop_level=recipe.rdrop_level,
        rdrop_on=recipe.rdrop_on,
        fgm_epsilon=recipe.fgm_epsilon,
        fgm_space=recipe.fgm_space,
        fgm_lambda=recipe.fgm_lambda,
        subword_dropout=SubwordDropout(recipe.subword_dropout, task.tokenizer) if recipe.subword_dropout else None,
        learning_rates=recipe.learning_rates,
        feature_cache=feature_cache,
        nan=recipe.nan,
        check_checkpoint=partial(check_checkpoint, task),
        build_trial=lambda settings: build_trainer(load_recipe(None, settings, [(recipe.name, recipe.flat())])),
    )
    trainer.remove_callback(PrinterCallback)
    trainer.recipe, trainer.data_files = recipe, files
    return trainer


def _mention_replacement(recipe: Recipe, task: Task, features: list[dict], seed: int) -> MentionReplacementCallback:
    examples = task.examples("train")
    pools = mention_pools(examples, recipe.mention_source)
    replacement = MentionReplacement(pools, recipe.mention_replacement, seed)
    return MentionReplacementCallback(task, examples, features, replacement)


def without_unused(recipe: Recipe) -> Recipe:
    """The recipe without values that have no effect because of flags; the first process prints which these are.

    Raises: ValueError as `kospan.tasks.unused_settings.settled`.
    """
    found = settled(recipe, task_spec(recipe.task))
    if found.dropped and int(os.environ.get("RANK", 0)) == 0:
        print(found.notice, flush=True)
    return found.recipe


def prepare(recipe: Recipe) -> tuple[KospanTrainer, str | None]:
    """Check everything that can be wrong with a recipe; returns the trainer and the checkpoint to resume from, if any.

    The output folder is locked until `fit` has ended.

    Raises: ValueError, TypeError, OSError or ImportError as `train`.
    """
    check_output(Path(recipe.output_dir), folder=True)
    with contextlib.ExitStack() as stack:
        stack.enter_context(run_lock(recipe.output_dir))
        trainer, checkpoint = _prepared(recipe)
        trainer.held = stack.pop_all()
    return trainer, checkpoint


def _prepared(recipe: Recipe) -> tuple[KospanTrainer, str | None]:
    checkpoint = prepare_output(recipe)
    recipe, task, arguments = _build_task(recipe)
    if checkpoint is not None:
        check_checkpoint(task, checkpoint)
    trainer = _build_trainer(recipe, task, arguments)
    create_optimizer(trainer)
    check_schedule(trainer, trainer.planned_steps()[1])
    if checkpoint is not None:
        lines = [*check_state(trainer, checkpoint), *trainer.data_files.changes(saved_state(checkpoint))]
        print("".join(line + "\n" for line in lines), end="")
    Trackers(trainer).begin()
    if trainer.is_world_process_zero():
        # Folders of `written_whole` are those of a run that was killed: the lock is held.
        replaced = recipe.overwrite_output_dir and checkpoint is None
        for pattern in (".writing-*", *(["checkpoint-*"] if replaced else [])):
            for old in Path(recipe.output_dir).glob(pattern):
                shutil.rmtree(old)
    return trainer, checkpoint


def holds_files(folder: Path) -> bool:
    """Whether a folder exists and holds more than the lock of a run."""
    return folder.is_dir() and any(path.name != LOCK for path in folder.iterdir())


def prepare_output(recipe: Recipe) -> str | None:
    """Check the output folder; returns the checkpoint to resume from, if any.

    Raises: FileExistsError where the folder is not empty and shall be neither resumed nor overwritten; as
        `resumable_checkpoint`.
    """
    folder = Path(recipe.output_dir)
    check_output(folder, folder=True)
    if recipe.resume_from_checkpoint:
        checkpoint, skipped = resumable_checkpoint(folder, recipe.resume_from_checkpoint)
        for line in skipped:
            print(f"skipped             {line}")
        return checkpoint
    is_first = int(os.environ.get("RANK", 0)) == 0
    if is_first and not recipe.overwrite_output_dir and holds_files(folder):
        raise FileExistsError(
            f"expected an empty output_dir, found files in {folder}; pass --resume_from_checkpoint to continue from "
            "its last checkpoint, --overwrite_output_dir to replace it, or another --output_dir"
        )
    return None


def fit(trainer: KospanTrainer, checkpoint: str | None = None) -> dict[str, float]:
    """Train, save and score a model; returns the metrics of the saved model.

    Args:
        trainer: A trainer of `prepare` or `build_trainer`.
        checkpoint: The checkpoint to resume from; None starts from the beginning.

    Raises: ConnectionError where a push did not arrive.
    """
    with trainer.held, run_lock(trainer.args.output_dir):
        return _fit(trainer, checkpoint)


def _fit(trainer: KospanTrainer, checkpoint: str | None) -> dict[str, float]:
    if trainer.is_world_process_zero():
        print("".join(line + "\n" for line in _opening(trainer)), end="", flush=True)
    trackers = Trackers(trainer)
    if checkpoint is not None and is_over(trainer, checkpoint, trainer.recipe.early_stopping_patience):
        load_last(trainer, checkpoint)
    else:
        with trackers.held_open():
            trainer.train(resume_from_checkpoint=checkpoint)
    metrics = finish(trainer)
    if trainer.is_world_process_zero():
        trackers.end(metrics)
    trainer.accelerator.wait_for_everyone()
    trainer.finish_pushes()
    return metrics


def _opening(trainer: KospanTrainer) -> list[str]:
    """Lines printed before the first step."""
    task = trainer.task
    rows = trainer.train_dataset
    longest = getattr(rows, "longest", None) or max(len(feature["input_ids"]) for feature in rows)
    repository = trainer.hub_model_id if trainer.args.push_to_hub else None
    return [
        *opening_lines(trainer, task.documents, task.windowed, longest),
        *task.corpus.remarks(),
        *task.spec.remarks(task),
        *dot_notes(Path(trainer.args.output_dir), repository),
    ]


def finish(trainer: KospanTrainer) -> dict[str, float]:
    """Save the model, load it again in float32, and write its predictions, scores, record and card."""
    model = trainer.whole_model()
    if not trainer.is_world_process_zero():
        return {}
    folder = Path(trainer.args.output_dir)
    with written_whole(folder) as temporary:
        trainer.task.save(model, temporary)
        save_recipe(trainer.recipe, temporary / "recipe.yaml")
        if trainer.task.spec.predicts:
            first = Path(trainer.recipe.encoder) / TRAINING_TEXTS
            write_keys(trainer.task.examples("train"), temporary / TRAINING_TEXTS, first)
        written = {path.name for path in temporary.iterdir()}
    # Files of an older model would make this one a model of another kind.
    for old in (path for pattern in MODEL_FILES for path in folder.glob(pattern) if path.name not in written):
        old.unlink()
    if not trainer.task.spec.predicts:
        return trainer.task.spec.write_results(trainer, folder)
    metrics = write_predictions(trainer, folder)
    if trainer.recipe.calibration_split:
        metrics = fit_confidence(trainer, folder)
    write_card(folder, trainer.task.spec)
    return metrics


def write_predictions(trainer: KospanTrainer, folder: Path) -> dict[str, float]:
    """Write predictions, scores and record of the model in a folder, and print a table; returns the metrics."""
    task = trainer.task
    model = task.load(folder).to(trainer.args.device).eval()
    examples = task.examples("validation")
    with Stopwatch(trainer.args.device) as watch:
        predictions = task.predict(examples, model=model)
    round_scores(predictions)
    scores = task.metrics(examples, predictions)
    metrics = {f"eval_{name}": value for name, value in scores.items()}
    records = (record(example, spans=spans) for example, spans in zip(examples, predictions))
    write_lines(folder / "predictions.jsonl", records)
    write_text(folder / "eval_results.json", json.dumps(metrics, indent=2, ensure_ascii=False) + "\n")
    baseline = task.spec.baseline(task, examples)
    title = f"{trainer.recipe.name}: {trainer.recipe.dataset}, validation, {len(examples):,} documents"
    name = task.spec.baseline_name(task)
    print_report(title, examples, predictions, scores, task.metrics(examples, baseline), name)
    write_training_record(trainer, model, predictions, baseline, watch.seconds)
    return metrics


def fit_confidence(trainer: KospanTrainer, folder: Path) -> dict[str, float]:
    """Calibrate the model in a folder on the recipe's calibration split; returns the metrics, with new ones."""
    examples, validation = (trainer.task.examples(split) for split in ("calibration", "validation"))
    try:
        report = calibrate(folder, examples, validation)
    except ValueError as error:  # The model is complete without it, and training shall not be lost.
        print(f"not calibrated      {error}")
    else:
        spans = report["spans"]["posterior"]
        before, after = (spans[when]["metrics"]["ece"] for when in ("before", "after"))
        print(f"calibrated          temperature {report['temperature']:g}; ECE of spans {before:.4f} -> {after:.4f}")
    return json.loads((folder / "eval_results.json").read_text(encoding="utf-8"))
